"""`status`: how the whole of it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from strongroom.chains import service as chains
from strongroom.demo.environment import DEFAULT_FOLDER, Environment
from strongroom.demo.leftovers import read_records
from strongroom.infra import stops
from strongroom.infra.clock import SystemClock
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings, Settings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType
from strongroom.outbound import service as payouts_out
from strongroom.outbound.model import WaitingVoid
from strongroom.processes.commands import covered, evm, signers
from strongroom.processes.commands.context import (
    AsJson,
    Config,
    Folder,
    print_json,
    print_table,
    run,
    settings_of,
    transaction_as,
)
from strongroom.proofs import service as proofs
from strongroom.proofs.model import Difference, Unproven
from strongroom.rates import service as rates
from strongroom.treasury import service as treasury
from strongroom.treasury.model import BandStatus
from strongroom.wallets import service as wallets
from strongroom.wallets.model import Holdings, KeySetKind
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, asset_by_id

_HOUSE: Final = (
    AccountType.HOUSE_CAPITAL,
    AccountType.HOUSE_FEES,
    AccountType.NETWORK_FEES,
    AccountType.IN_TRANSIT,
    AccountType.SUSPENSE,
    AccountType.CHAIN_HOT,
    AccountType.CHAIN_COLD,
)


def status(*, config: Config = None, directory: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Show processes, chains, signers, stops, balances, Safes and relayers."""

    async def body() -> None:
        settings = settings_of(config, directory)
        report = {
            "processes": _processes(directory),
            "signers": signers.rows(told := await signers.ask(settings)),
            "announced changes": signers.changes(told),
            **(found := await _database(settings)),
            "safes": await evm.safe_rows(settings, _heights(settings, found["chains"])),
            "draws": await evm.draw_rows(settings, signers.draws(told)),
        }
        if as_json:
            print_json(report)
            return
        for title, rows in report.items():
            columns = tuple(rows[0]) if rows else ()
            print_table(title.capitalize(), columns, [tuple(row.values()) for row in rows])

    run(body())


def _processes(directory: Path) -> list[dict[str, Any]]:
    records = sorted(read_records(Environment.read(directory).root), key=lambda record: (record.order, record.name))
    return [{"process": item.name, "pid": item.pid, "state": "runs" if item.alive else "gone"} for item in records]


async def _database(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {
        "chains": [],
        "stops": [],
        "balances": [],
        "coins": [],
        "client money": [],
        "hot band": [],
        "voids": [],
        "relayers": [],
        "forwarders": [],
        "books differ": [],
        "unproven": [],
    }
    async with transaction_as(settings, "auditor") as connection:
        found["stablecoins"] = [rates.par_facts(state) for state in await rates.par_states(connection)]
        for chain in settings.chains:
            tip = await chains.tip(connection, chain.id)
            state, height = (tip.status.value, tip.height) if tip else ("starting", None)
            detail = (tip.detail or None) if tip else None
            found["chains"].append({"chain": chain.chain.name, "state": state, "height": height, "detail": detail})
            for kind, held in (await _coins(connection, chain)).items():
                amounts = (Amount(chain.asset, held.confirmed), Amount(chain.asset, held.unconfirmed))
                found["coins"].append({"keys": kind.value, "in blocks": str(amounts[0]), "waiting": str(amounts[1])})
            found["client money"] += await covered.rows(connection, chain)
            found["hot band"] += [
                _band_row(asset_by_id(item.asset), item) for item in await treasury.band_status(connection, chain.id)
            ]
            found["voids"] += [_void_row(item) for item in await payouts_out.waiting_voids(connection, chain.id)]
            found["balances"] += await _house_balances(connection, chain)
        found["relayers"] = await evm.relayer_rows(connection)
        found["forwarders"] = await evm.forwarder_rows(connection)
        found["books differ"] = [_difference_row(item) for item in await proofs.differences(connection)]
        found["unproven"] = [
            _unproven_row(item) for item in await proofs.unproven(connection) if item.count or item.tag
        ]
        found["stops"] = [_stop_row(item) for item in await stops.standing(connection)]
    return found


def _heights(settings: Settings, rows: list[dict[str, Any]]) -> dict[str, int]:
    """Give the height that the facts of each chain have reached, by CAIP-2 id."""
    chain_ids = {chain.chain.name: chain.id for chain in settings.chains}
    return {chain_ids[row["chain"]]: row["height"] for row in rows if row["height"] is not None}


async def _coins(connection: Connection, chain: ChainSettings) -> dict[KeySetKind, Holdings]:
    """Sum the coins of a bitcoin-like; an account chain has none, its Safes are asked for what they hold."""
    return {} if chain.is_evm else await wallets.holdings(connection, chain.id)


async def _house_balances(connection: Connection, chain: ChainSettings) -> list[dict[str, Any]]:
    assets = dict.fromkeys([*(held.asset for held in chain.held_assets), chain.asset])
    return [
        {
            "account": account.value,
            "network": chain.chain.name,
            "balance": _signed(asset, await ledger.balance(connection, Account(account, asset))),
        }
        for asset in assets
        for account in _HOUSE
    ]


def _stop_row(stop: stops.StandingStop) -> dict[str, Any]:
    """What does not go on before an operator says so, by `strongroom resume`."""
    since = stop.set_at.isoformat()
    return {"stopped": stop.name, "for": stop.scope, "reason": stop.reason, "by": stop.set_by, "since": since}


def _band_row(asset: Asset, status: BandStatus) -> dict[str, Any]:
    """Size and age of what hot holds above its band: what a thief could take beyond the promise, published."""
    age = None if status.since is None else int((SystemClock().now() - status.since).total_seconds())
    return {
        "chain": status.chain,
        "hot": str(Amount(asset, status.held)),
        "band": str(Amount(asset, status.high)),
        "above": str(Amount(asset, status.above)),
        "since": status.since.isoformat() if status.since else None,
        "age_seconds": age,
        "measured_at": status.measured_at.isoformat(),
    }


def _unproven_row(item: Unproven) -> dict[str, Any]:
    """What a signer has not been shown yet: payouts from it wait."""
    return {
        "chain": item.chain,
        "signer": item.signer,
        "waiting": item.count,
        "refused": item.refused,
        "since": item.since and item.since.isoformat(),
        "said": item.reason or None,
    }


def _difference_row(item: Difference) -> dict[str, Any]:
    """A merchant that our books give more than the chain brought, as a signer knows it."""
    return {
        "merchant": item.holder,
        "signer": item.signer,
        "above": str(Amount(asset_by_id(item.asset), item.amount)),
        "since": item.since.isoformat(),
        "payouts": "wait" if item.alarmed_at else "go on",
    }


def _void_row(void: WaitingVoid) -> dict[str, Any]:
    """A hold that stays until a signer promises never to sign."""
    return {
        "payout": void.payout_id,
        "since": void.created_at.isoformat(),
        "attempts": void.attempts,
        "detail": void.detail,
    }


def _signed(asset: Asset, units: int) -> str:
    return f"{'-' if units < 0 else ''}{Amount(asset, abs(units))}"
