"""All SQL about deposits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from strongroom.deposits.model import Change, Deposit, DepositException, DepositState
from strongroom.infra.database import Connection, load_queries
from strongroom.wallets.model import KeySetKind, Purpose
from strongroom_core.ids import AddressId, DepositId, LedgerTransactionId, MerchantId

_SQL = load_queries(__package__ or "")
_FIELDS: Final = (
    *("id", "chain", "asset", "merchant_id", "address_id", "address", "kind", "branch", "purpose", "reference", "txid"),
    *("vout", "amount", "coinbase", "rbf", "below_minimum", "wrong_asset", "confirmations_needed"),
    *("state", "height", "block_hash", "cycle", "credited_cycle", "fee", "credited", "exception", "replaced_by"),
    *("first_seen_at", "credited_at"),
)


async def _rows(connection: Connection, query: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return await (await connection.execute(_SQL[query], values)).fetchall()


async def by_txids(connection: Connection, chain_id: str, txids: Sequence[str]) -> list[Deposit]:
    """Lock and read the deposits that chain txs made."""
    rows = await _rows(connection, "by_txids", {"chain": chain_id, "txids": list(txids)})
    return [_deposit(row) for row in rows]


async def open_deposits(connection: Connection, chain_id: str, minimums: Mapping[str, int]) -> list[Deposit]:
    """Lock and read the deposits that the next block, or the end of a stop, may move on.

    Left out are confirmed ones below the minimum while their merchant's sum of them in their asset is less than what
    ``minimums`` says of it, in base units.
    """
    values = {"chain": chain_id, "assets": list(minimums), "minimums": list(minimums.values())}
    rows = await _rows(connection, "open_deposits", values)
    return [_deposit(row) for row in rows]


async def one(connection: Connection, deposit_id: str, *, lock: bool = False) -> Deposit | None:
    """Read one deposit, locked if wanted."""
    rows = await _rows(connection, "lock" if lock else "one", {"id": deposit_id})
    return _deposit(rows[0]) if rows else None


async def on_address(connection: Connection, address_id: AddressId) -> list[Deposit]:
    """Read what was paid to an address, oldest first."""
    return [_deposit(row) for row in await _rows(connection, "on_address", {"address_id": address_id})]


async def list_deposits(
    connection: Connection, merchant_id: MerchantId, cursor: str | None, limit: int
) -> list[Deposit]:
    """Read a merchant's deposits, newest first."""
    values = {"merchant_id": merchant_id, "cursor": cursor, "limit": limit}
    return [_deposit(row) for row in await _rows(connection, "list", values)]


async def pending_by_asset(connection: Connection, merchant_id: MerchantId) -> dict[str, int]:
    """Sum what is on its way to a merchant."""
    rows = await _rows(connection, "pending_by_asset", {"merchant_id": merchant_id})
    return {row["asset"]: int(row["amount"]) for row in rows}


async def uncredited(connection: Connection, chain_id: str, asset_id: str | None) -> dict[KeySetKind, int]:
    """Sum what blocks hold and the books do not, of one asset or of all."""
    rows = await _rows(connection, "uncredited", {"chain": chain_id, "asset": asset_id})
    return {KeySetKind(row["kind"]): int(row["amount"]) for row in rows}


async def unswept(
    connection: Connection,
    chain_id: str,
    limit: int,
    least: Mapping[str, int],
    without: Collection[tuple[str, str]],
) -> list[tuple[AddressId, str, int]]:
    """Sum by forwarder and asset what is credited and still there, longest held first."""
    values = {
        "chain": chain_id,
        "limit": limit,
        "assets": list(least),
        "least": list(least.values()),
        "left_addresses": [address_id for address_id, _ in without],
        "left_assets": [asset for _, asset in without],
    }
    rows = await _rows(connection, "unswept", values)
    return [(AddressId(row["address_id"]), row["asset"], int(row["amount"])) for row in rows]


async def unswept_of(
    connection: Connection,
    chain_id: str,
    needed: Mapping[tuple[str, str], int],
    limit: int,
    without: Collection[tuple[str, str]],
    taken_by: Collection[str],
) -> list[tuple[AddressId, str, int]]:
    """Read the largest forwarders that hold what merchants' assets (merchant id, asset id) need."""
    values = {
        "chain": chain_id,
        "limit": limit,
        "merchants": [merchant for merchant, _ in needed],
        "assets": [asset for _, asset in needed],
        "needed": list(needed.values()),
        "taken_by": list(taken_by),
        "left_addresses": [address_id for address_id, _ in without],
        "left_assets": [asset for _, asset in without],
    }
    rows = await _rows(connection, "unswept_of", values)
    return [(AddressId(row["address_id"]), row["asset"], int(row["amount"])) for row in rows]


async def unswept_totals(connection: Connection, chain_id: str) -> dict[str, tuple[int, int]]:
    """Sum by asset what forwarders still hold, and count them."""
    rows = await _rows(connection, "unswept_totals", {"chain": chain_id})
    return {row["asset"]: (int(row["amount"]), int(row["forwarders"])) for row in rows}


async def emptied(
    connection: Connection, chain_id: str, places: Sequence[tuple[AddressId, str]], height: int, txid: str
) -> None:
    """Note that forwarders held nothing more of an asset as of a block."""
    values = {
        "chain": chain_id,
        "addresses": [address_id for address_id, _ in places],
        "assets": [asset for _, asset in places],
        "height": height,
        "txid": txid,
    }
    await connection.execute(_SQL["emptied"], values)


async def credited_among(
    connection: Connection, chain_id: str, outpoints: Sequence[tuple[str, int]]
) -> set[tuple[str, int]]:
    """Find those outpoints whose deposits are in the books."""
    values = {
        "chain": chain_id,
        "txids": [txid for txid, _ in outpoints],
        "vouts": [vout for _, vout in outpoints],
    }
    return {(row["txid"], row["vout"]) for row in await _rows(connection, "credited_among", values)}


async def tip(connection: Connection, chain_id: str) -> int | None:
    """Read the height that deposits were last judged by."""
    rows = await _rows(connection, "tip", {"chain": chain_id})
    return int(rows[0]["height"]) if rows else None


async def set_tip(connection: Connection, chain_id: str, height: int, block_hash: str) -> None:
    """Record the height that deposits are judged by from now."""
    await connection.execute(_SQL["set_tip"], {"chain": chain_id, "height": height, "block_hash": block_hash})


async def write(connection: Connection, changes: Sequence[Change]) -> None:
    """Write arrows: new rows, the last state of changed ones, and one row of history for each."""
    if not changes:
        return
    last = {change.after.id: change.after for change in changes}
    # A deposit may be new and change again in the same batch: it is inserted as it ended up.
    new = {change.after.id for change in changes if change.before is None}
    changed = [deposit for deposit_id, deposit in last.items() if deposit_id not in new]
    # What left the chain first: it makes room for what the same chain tx does in another block.
    for moved in (
        [item for item in changed if item.height is None],
        [item for item in changed if item.height is not None],
    ):
        if moved:
            await connection.execute(_SQL["update"], _columns(moved))
    fresh = [_values(last[deposit_id]) for deposit_id in last if deposit_id in new]
    if fresh:
        await connection.cursor().executemany(_SQL["insert"], fresh)
    await _record_history(connection, changes)


async def _record_history(connection: Connection, changes: Sequence[Change]) -> None:
    values = {
        "ids": [change.after.id for change in changes],
        "from_states": [change.before.state if change.before else None for change in changes],
        "to_states": [change.after.state for change in changes],
        "cycles": [change.after.cycle for change in changes],
        "event_ids": [change.event_id for change in changes],
        "reasons": [change.reason for change in changes],
    }
    await connection.execute(_SQL["record_history"], values)


async def history(connection: Connection, deposit_id: str) -> list[dict[str, Any]]:
    """Read the arrows that a deposit went, oldest first."""
    return await _rows(connection, "history", {"id": deposit_id})


async def record_credits(connection: Connection, posted: Sequence[tuple[Deposit, LedgerTransactionId]]) -> None:
    """Record credits under their unique key (deposit, cycle)."""
    await connection.execute(_SQL["record_credits"], _postings(posted))


async def record_reversals(connection: Connection, posted: Sequence[tuple[Deposit, LedgerTransactionId]]) -> None:
    """Record reversals under their unique key (deposit, cycle)."""
    await connection.execute(_SQL["record_reversals"], _postings(posted))


def _postings(posted: Sequence[tuple[Deposit, LedgerTransactionId]]) -> dict[str, Any]:
    return {
        "ids": [deposit.id for deposit, _ in posted],
        "cycles": [deposit.cycle for deposit, _ in posted],
        "transactions": [transaction_id for _, transaction_id in posted],
    }


def _values(deposit: Deposit) -> dict[str, Any]:
    return {name: getattr(deposit, name) for name in _FIELDS}


def _columns(deposits: Sequence[Deposit]) -> dict[str, Any]:
    names = {
        "ids": "id",
        "states": "state",
        "heights": "height",
        "block_hashes": "block_hash",
        "cycles": "cycle",
        "credited_cycles": "credited_cycle",
        "fees": "fee",
        "crediteds": "credited",
        "exceptions": "exception",
        "replaced_bys": "replaced_by",
        "credited_ats": "credited_at",
    }
    return {column: [getattr(deposit, name) for deposit in deposits] for column, name in names.items()}


def _deposit(row: dict[str, Any]) -> Deposit:
    values = {
        **row,
        "id": DepositId(row["id"]),
        "merchant_id": None if row["merchant_id"] is None else MerchantId(row["merchant_id"]),
        "address_id": AddressId(row["address_id"]),
        "kind": KeySetKind(row["kind"]),
        "purpose": None if row["purpose"] is None else Purpose(row["purpose"]),
        "state": DepositState(row["state"]),
        "exception": None if row["exception"] is None else DepositException(row["exception"]),
    }
    return Deposit(**values)
