"""What people see of EVM chains: Safes and what may still be drawn, relayers and their gas, full forwarders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.chains import service as chains
from strongroom.chains.ethereum.keccak import keccak
from strongroom.demo.environment import DEFAULT_FOLDER
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings, Settings, SettingsError
from strongroom.outbound.ethereum import jobs as relay
from strongroom.outbound.ethereum import service as relayers
from strongroom.outbound.ethereum.model import RelayerState
from strongroom.outbound.safe.service import Safes, draw_differences
from strongroom.processes.commands.context import (
    AsJson,
    Config,
    Folder,
    operator_name,
    out,
    print_object,
    run,
    settings_of,
    transaction_as,
)
from strongroom.reconciliation import service as reconciliation
from strongroom.reconciliation.model import Report
from strongroom.treasury.ethereum import service as treasury
from strongroom_core.abi import address_text, parse_address
from strongroom_core.amounts import Amount
from strongroom_core.assets import asset_by_id, chain_by_id, native_asset
from strongroom_core.errors import StrongroomError

ChainName = Annotated[str | None, typer.Option("--chain", help="CAIP-2, where there are several EVM chains.")]

relayer = typer.Typer(no_args_is_help=True, help="Accounts that pay gas on EVM chains, and hold nothing else.")


@relayer.command("new")
def relayer_new(
    file: Annotated[Path, typer.Argument(help="Where the key goes, mode 0600; an existing one is kept.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Make a relayer's key on the treasury's host, and show the address to send gas to."""
    address = address_text(relay.make_relayer_key(file), keccak)
    print_object({"address": address, "file": str(file)}, as_json=as_json)


@relayer.command("taken")
def relayer_taken(
    address: Annotated[str, typer.Argument(help="The relayer, 0x…")],
    amount: Annotated[str, typer.Argument(help="Whole units of the chain's coin, such as 0.25.")],
    reason: Annotated[str, typer.Argument(help="Kept on record.")],
    *,
    chain: ChainName = None,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
) -> None:
    """Say that you took gas money out of a relayer yourself, so that reconciliation expects it there no more."""

    async def body() -> None:
        settings = settings_of(config, directory)
        at = chosen_chain(settings, chain)
        wanted, account = Amount.parse(amount, at.asset), parse_address(address, keccak)
        async with transaction_as(settings, "worker") as connection:
            await reconciliation.record_taken(connection, at.id, account, wanted, reason, operator_name())
        out.print(f"{wanted} less is expected in {address} on {at.chain.name}.", highlight=False)

    run(body())


def chosen_chain(settings: Settings, chain_id: str | None) -> ChainSettings:
    """Find the EVM chain that is meant, the only one where none is named. Raises ``SettingsError``."""
    if chain_id is not None:
        return settings.chain(chain_id)
    found = [item for item in settings.chains if item.is_evm]
    if len(found) != 1:
        message = "the settings have none or several EVM chains: name one with --chain, such as eip155:1"
        raise SettingsError(message)
    return found[0]


def gas_rows(report: Report) -> list[dict[str, Any]]:
    """Show how each relayer's balance is explained: paid in, less what its chain txs have cost."""
    return [
        {
            "chain": chain_by_id(item.chain).name,
            "relayer": address_text(item.address, keccak),
            "height": item.height,
            "paid in": str(Amount(asset_by_id(item.asset), item.capital + item.paid_in)),
            "new": str(Amount(asset_by_id(item.asset), item.paid_in)),
            "spent on gas": str(Amount(asset_by_id(item.asset), item.spent)),
            "balance": str(Amount(asset_by_id(item.asset), item.balance)),
        }
        for item in report.relayers
    ]


async def safe_rows(settings: Settings, heights: dict[str, int]) -> list[dict[str, Any]]:
    """Ask each EVM chain's node what the Safes hold, at the block that the facts have reached; by CAIP-2 id."""
    rows: list[dict[str, Any]] = []
    for chain in settings.chains:
        if chain.is_evm and chain.id in heights:
            rows += await _chain_rows(chain, heights[chain.id])
    return rows


async def draw_rows(settings: Settings, told: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """Compare what each chain lets the hot Safe draw in 24 hours with what the signers' policies allow.

    ``told`` has what each signer said, by its name and asset, in base units. One row for every asset of an EVM chain.
    """
    return [row for chain in settings.chains if chain.is_evm for row in await _draw_rows(chain, told)]


async def relayer_rows(connection: Connection) -> list[dict[str, Any]]:
    """Show every relayer: its gas, and what is wrong with it."""
    return [_relayer_row(item) for item in await relayers.relayer_states(connection)]


async def forwarder_rows(connection: Connection) -> list[dict[str, Any]]:
    """Show what forwarders hold and nobody has gathered yet."""
    return [
        {
            "chain": chain_by_id(asset_by_id(item.asset).chain_id).name,
            "on forwarders": str(Amount(asset_by_id(item.asset), item.amount)),
            "count": item.forwarders,
            "since": item.since.isoformat(),
        }
        for item in await treasury.ungathered(connection)
    ]


async def _chain_rows(chain: ChainSettings, height: int) -> list[dict[str, Any]]:
    node = chains.connect_ethereum(chain)
    rows = []
    try:
        for held in chain.held_assets:
            found = await Safes(chain, node).funds(held.asset, height)
            amounts = (Amount(held.asset, units) for units in (found.cold, found.hot, found.left))
            cold, hot, left = map(str, amounts)
            rows.append(
                {"chain": chain.chain.name, "height": height, "cold Safe": cold, "hot Safe": hot, "may be drawn": left}
            )
    except StrongroomError as error:
        why = f"{error.code}: {error.message}"
        unknown = {"cold Safe": why, "hot Safe": None, "may be drawn": None}
        return [{"chain": chain.chain.name, "height": height} | unknown]
    finally:
        await node.close()
    return rows


async def _draw_rows(chain: ChainSettings, told: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    node = chains.connect_ethereum(chain)
    rows: list[dict[str, Any]] = []
    try:
        for held in chain.held_assets:
            limit = await Safes(chain, node).draw_limit(held.asset)
            differences = draw_differences(limit, {name: limits.get(held.id) for name, limits in told.items()})
            told_apart = "; ".join(differences) or None
            per_day = str(Amount(held.asset, limit))
            rows.append({"chain": chain.chain.name, "draws in 24 h": per_day, "differs": told_apart})
    except StrongroomError as error:
        return [{"chain": chain.chain.name, "draws in 24 h": None, "differs": f"{error.code}: {error.message}"}]
    finally:
        await node.close()
    return rows


def _relayer_row(item: RelayerState) -> dict[str, Any]:
    chain = chain_by_id(item.chain)
    coin = native_asset(chain)
    return {
        "chain": chain.name,
        "relayer": address_text(item.address, keccak),
        "active": item.active,
        "gas": str(Amount(coin, item.balance)),
        "chain's gas in 24 h": str(Amount(coin, item.spent)),
        "budget": str(Amount(coin, item.budget)),
        "open nonces": item.open_nonces,
        "alarms": ", ".join(item.alarms) or None,
        "detail": item.detail or None,
    }
