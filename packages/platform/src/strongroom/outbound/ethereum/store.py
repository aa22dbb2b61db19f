"""All SQL of the relayer: rows in, records out. Locks are taken in one order: relayers, relay, nonce."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from strongroom.infra.database import Connection, load_queries
from strongroom.outbound.ethereum.model import (
    Account,
    Call,
    Fees,
    NonceState,
    Relayed,
    RelayerState,
    RelayNonce,
    RelayState,
    RelayVersion,
    Spending,
    VersionKind,
    VersionState,
)
from strongroom.outbound.ethereum.rules import DAY

_SQL: Final = load_queries(__package__ or "")
Row = dict[str, Any]


async def run(connection: Connection, query: str, **values: object) -> None:
    """Run a named query for its effect."""
    await connection.execute(_SQL[query], values)


async def rows(connection: Connection, query: str, **values: object) -> list[Row]:
    """Run a named query and give its rows."""
    return await (await connection.execute(_SQL[query], values)).fetchall()


async def row(connection: Connection, query: str, **values: object) -> Row | None:
    """Run a named query and give its first row."""
    return await (await connection.execute(_SQL[query], values)).fetchone()


async def ids(connection: Connection, query: str, **values: object) -> list[int]:
    """Run a named query whose rows are ids."""
    return [int(found["id"]) for found in await rows(connection, query, **values)]


async def value(connection: Connection, query: str, **values: object) -> Any:
    """Run a named query that gives one value."""
    found = await row(connection, query, **values)
    return next(iter(found.values())) if found else None


async def find(connection: Connection, chain: str, purpose: str, reference: str) -> tuple[Relayed, Call] | None:
    """Find a relay, and what it asks for."""
    found = await row(connection, "relay", chain=chain, purpose=purpose, reference=reference)
    return (_relayed(found), _call(found)) if found else None


async def lock_relay(connection: Connection, relay_id: int) -> tuple[Relayed, Call]:
    """Lock a relay."""
    found = await row(connection, "lock_relay", id=relay_id)
    assert found is not None, "relays are never deleted"  # noqa: S101 -- tells mypy; the foreign key sees to it
    return _relayed(found), _call(found)


async def lock_nonce(connection: Connection, nonce_id: int) -> tuple[RelayNonce, Relayed | None]:
    """Lock a nonce and, before it, the relay that it carries."""
    relay_id = await value(connection, "nonce_relay", id=nonce_id)
    relay = (await lock_relay(connection, relay_id))[0] if relay_id is not None else None
    found = await rows(connection, "lock_nonce", id=nonce_id)
    nonce = (await _with_versions(connection, found))[0]
    return nonce, relay if nonce.relay_id is not None else None


async def nonce_of(connection: Connection, relay_id: int) -> RelayNonce | None:
    """Find the nonce that carries a relay now."""
    found = await _with_versions(connection, await rows(connection, "nonce_of_relay", relay=relay_id))
    return found[0] if found else None


async def live_nonces(connection: Connection, chain: str, relayer: bytes) -> list[RelayNonce]:
    """Give the nonces of a relayer that are open or mined, lowest first."""
    return await _with_versions(connection, await rows(connection, "live_nonces", chain=chain, relayer=relayer))


async def accounts(connection: Connection, chain: str, *, lock: bool = False) -> tuple[list[Account], dict[bytes, int]]:
    """Give the relayers of a chain, and how many nonces of each are open; ``lock`` makes this the only spender."""
    found = await rows(connection, "lock_relayers" if lock else "relayers", chain=chain)
    open_rows = {bytes(item["relayer"]): item for item in await rows(connection, "committed", chain=chain)}
    known = [
        Account(
            address,
            item["position"],
            item["next_nonce"],
            item["chain_nonce"],
            item["balance"],
            _worst(open_rows.get(address)),
        )
        for item in found
        for address in (bytes(item["address"]),)
    ]
    return known, {address: item["open"] for address, item in open_rows.items()}


async def spending(connection: Connection, chain: str, budget: int, now: datetime) -> Spending:
    """Give what gas has cost within 24 hours and may yet cost, in wei."""
    return Spending(budget, int(await value(connection, "spent", chain=chain, since=now - DAY)))


async def insert_nonce(
    connection: Connection, account: Account, chain: str, nonce: int, relay_id: int | None, worst: int, now: datetime
) -> int:
    """Give out a nonce; without relay it is to be taken by an empty self-call. Its id."""
    await run(connection, "take_nonce", chain=chain, relayer=account.address, nonce=nonce)
    return int(
        await value(
            connection,
            "insert_nonce",
            chain=chain,
            relayer=account.address,
            nonce=nonce,
            relay=relay_id,
            emptied=relay_id is None,
            worst=worst,
            now=now,
        )
    )


async def fill_nonce(
    connection: Connection, account: Account, chain: str, nonce: int, worst: int, now: datetime
) -> int:
    """Have a nonce taken by an empty self-call: one that we never gave out, or that was lost to somebody. Its id."""
    place = {"chain": chain, "relayer": account.address, "nonce": nonce}
    lost = await value(connection, "reopen_nonce", **place, worst=worst)
    return int(lost) if lost is not None else await insert_nonce(connection, account, chain, nonce, None, worst, now)


async def insert_foreign(connection: Connection, account: Account, chain: str, nonce: int, now: datetime) -> None:
    """Record a nonce of ours that a block has and that we never gave out."""
    await run(connection, "insert_foreign", chain=chain, relayer=account.address, nonce=nonce, now=now)


async def known_nonces(connection: Connection, chain: str, relayer: bytes, first: int) -> set[int]:
    """Give the nonces from ``first`` on that we have rows of."""
    found = await rows(connection, "known_nonces", chain=chain, relayer=relayer, first=first)
    return {item["nonce"] for item in found}


async def waiting_reasons(connection: Connection, chain: str) -> list[str]:
    """Give why relays wait that are not in a block, each reason once."""
    return [item["reason"] for item in await rows(connection, "waiting_reasons", chain=chain)]


async def insert_version(
    connection: Connection, nonce_id: int, number: int, kind: VersionKind, gas_limit: int, fees: Fees, now: datetime
) -> None:
    """Record a version, before it is signed; what its nonce may cost is its caller's to record."""
    await run(
        connection,
        "insert_version",
        nonce=nonce_id,
        number=number,
        kind=kind,
        gas_limit=gas_limit,
        max_fee=fees.max_fee,
        tip=fees.tip,
        now=now,
    )


async def states(connection: Connection) -> list[RelayerState]:
    """Give every relayer as people see it."""
    found = await rows(connection, "all_relayers")
    since = {item["chain"]: item["checked_at"] - DAY for item in found}
    spent = {chain: int(await value(connection, "spent", chain=chain, since=at)) for chain, at in since.items()}
    first: dict[str, bytes] = {}
    for item in found:
        if item["key_loaded"] and item["balance"] >= item["gas_low"]:
            first.setdefault(item["chain"], bytes(item["address"]))
    return [_state(item, spent[item["chain"]], first.get(item["chain"])) for item in found]


def _state(item: Row, spent: int, active: bytes | None) -> RelayerState:
    return RelayerState(
        chain=item["chain"],
        address=bytes(item["address"]),
        position=item["position"],
        active=bytes(item["address"]) == active,
        key_loaded=item["key_loaded"],
        balance=item["balance"],
        gas_low=item["gas_low"],
        next_nonce=item["next_nonce"],
        chain_nonce=item["chain_nonce"],
        open_nonces=item["open_nonces"],
        waiting=item["waiting"],
        spent=spent,
        budget=item["budget"],
        alarms=tuple(item["alarms"]),
        detail=item["detail"],
        checked_at=item["checked_at"],
    )


async def _with_versions(connection: Connection, found: Sequence[Row]) -> list[RelayNonce]:
    versions: dict[int, list[RelayVersion]] = defaultdict(list)
    for item in await rows(connection, "versions", nonces=[item["id"] for item in found]):
        versions[item["nonce_id"]].append(_version(item))
    return [_nonce(item, tuple(versions[item["id"]])) for item in found]


def _nonce(item: Row, versions: tuple[RelayVersion, ...]) -> RelayNonce:
    return RelayNonce(
        id=item["id"],
        chain=item["chain"],
        relayer=bytes(item["relayer"]),
        nonce=item["nonce"],
        relay_id=None if item["released"] else item["relay_id"],
        state=NonceState(item["state"]),
        emptied=item["emptied"],
        underpriced=item["underpriced"],
        attempts=item["attempts"],
        mined_number=item["mined_number"],
        mined_height=item["mined_height"],
        mined_hash=item["mined_hash"],
        sent_height=item["sent_height"],
        sent_at=item["sent_at"],
        missed_height=item["missed_height"],
        missed_hash=item["missed_hash"],
        created_at=item["created_at"],
        versions=versions,
    )


def _version(item: Row) -> RelayVersion:
    return RelayVersion(
        number=item["number"],
        kind=VersionKind(item["kind"]),
        to=bytes(item["target"]),
        data=bytes(item["data"]),
        gas_limit=item["gas_limit"],
        fees=Fees(item["max_fee"], item["tip"]),
        state=VersionState(item["state"]),
        raw=bytes(item["raw"]) if item["raw"] is not None else None,
        txid=item["txid"],
        offered_at=item["offered_at"],
        created_at=item["created_at"],
    )


def _relayed(item: Row) -> Relayed:
    names = ("id", "chain", "purpose", "reference", "reason", "txid", "height", "block_hash", "success", "gas_used")
    return Relayed(
        **{name: item[name] for name in (*names, "fee", "created_at", "updated_at")}, state=RelayState(item["state"])
    )


def _call(item: Row) -> Call:
    return Call(item["id"], bytes(item["target"]), bytes(item["data"]), item["gas_limit"])


def _worst(item: Row | None) -> int:
    return int(item["worst"]) if item else 0
