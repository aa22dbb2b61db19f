"""What people see of EVM chains: Safes and what may still be drawn, relayers and their gas, full forwarders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.chains import service as chains
from strongroom.chains.ethereum.keccak import keccak
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings, Settings
from strongroom.outbound.ethereum import jobs as relay
from strongroom.outbound.ethereum import service as relayers
from strongroom.outbound.ethereum.model import RelayerState
from strongroom.outbound.safe.service import Safes
from strongroom.processes.commands.context import AsJson, print_object
from strongroom.treasury.ethereum import service as treasury
from strongroom_core.abi import address_text
from strongroom_core.amounts import Amount
from strongroom_core.assets import asset_by_id, chain_by_id, native_asset
from strongroom_core.errors import StrongroomError

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


async def safe_rows(settings: Settings, heights: dict[str, int]) -> list[dict[str, Any]]:
    """Ask each EVM chain's node what the Safes hold, at the block that the facts have reached; by CAIP-2 id."""
    rows: list[dict[str, Any]] = []
    for chain in settings.chains:
        if chain.is_evm and chain.id in heights:
            rows += await _chain_rows(chain, heights[chain.id])
    return rows


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
