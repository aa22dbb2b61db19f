"""All of this room's SQL: what the auditor reads of the other rooms, and what was found before."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from psycopg.rows import DictRow

from strongroom.chains.model import ScannedCoin, UtxoScan
from strongroom.infra.database import Connection, load_queries
from strongroom.reconciliation.model import (
    CoinFacts,
    ColdFacts,
    Difference,
    DifferenceName,
    Movement,
    PaymentFacts,
    RelayerFacts,
    Report,
    SentFacts,
    SlotFacts,
    UncreditedFacts,
    VersionFacts,
    VoidFacts,
)

_SQL: Final = load_queries(__package__ or "")
NEWEST_FORWARDERS: Final = 300


async def begin_snapshot(connection: Connection) -> None:
    """Let everything that this transaction reads be of one moment; its first statement."""
    await connection.execute(_SQL["snapshot"])


async def holds(connection: Connection) -> dict[tuple[str, str], int]:
    """Sum what open holds still hold, by (merchant, asset)."""
    return {(row["owner"], row["asset"]): int(row["units"]) for row in await _rows(connection, "holds")}


async def sent(connection: Connection, chain: str, asset: str) -> SentFacts:
    """Read everything that was ever sent on a chain, and what is on its way in."""
    tip = await _rows(connection, "deposit_tip", chain)
    height = await _rows(connection, "outbound_height", chain)
    return SentFacts(
        chain=chain,
        asset=asset,
        slots=await _slots(connection, chain),
        voids=tuple(
            VoidFacts(row["signer"], row["intent"], row["payout_id"]) for row in await _rows(connection, "voids", chain)
        ),
        uncredited=tuple(UncreditedFacts(**row) for row in await _rows(connection, "uncredited", chain)),
        deposit_tip=tip[0]["block_hash"] if tip else None,
        outbound_height=height[0]["height"] if height else None,
    )


async def _slots(connection: Connection, chain: str) -> tuple[SlotFacts, ...]:
    versions: dict[str, list[VersionFacts]] = defaultdict(list)
    moved: dict[tuple[str, int], list[Movement]] = defaultdict(list)
    for row in await _rows(connection, "movements", chain):
        moved[row["slot_id"], row["number"]].append(Movement(row["key_set"], row["asset"], row["amount"]))
    for row in await _rows(connection, "versions", chain):
        movements = tuple(moved[row["slot_id"], row["number"]])
        version = VersionFacts(row["txid"], row["fee"], row["signed"], int(row["swept"]), movements=movements)
        versions[row["slot_id"]].append(version)
    payments: dict[str, list[PaymentFacts]] = defaultdict(list)
    for row in await _rows(connection, "payments", chain):
        payments[row["slot_id"]].append(PaymentFacts(row["payout_id"], row["intent"], row["asset"], row["amount"]))
    return tuple(
        SlotFacts(row["id"], row["state"], row["txid"], tuple(payments[row["id"]]), tuple(versions[row["id"]]))
        for row in await _rows(connection, "slots", chain)
    )


async def forwarders(connection: Connection, chain: str, asset: str) -> list[bytes]:
    """Read the forwarders to look at: paid and not emptied since by the deposits' record, and the newest handed out.

    Money that the watcher missed is on one that was handed out lately; to ask about all of them would take too long.
    """
    values = {"chain": chain, "asset": asset, "newest": NEWEST_FORWARDERS}
    found = await (await connection.execute(_SQL["forwarders"], values)).fetchall()
    return [bytes(row["script"]) for row in found]


async def cold_moves(connection: Connection, chain: str) -> list[ColdFacts]:
    """Read what the cold Safe's owners moved by hand and what is not final yet."""
    return [
        ColdFacts(row["asset"], int(row["amount"]), row["kind"] == "refill", row["txid"])
        for row in await _rows(connection, "cold_moves", chain)
    ]


async def relay_gas(connection: Connection, chain: str) -> int:
    """Sum what final chain txs of a chain's relayers have cost, in wei."""
    return int((await _rows(connection, "relay_gas", chain))[0]["wei"])


async def relayers(connection: Connection, chain: str, height: int) -> list[dict[str, Any]]:
    """Read every relayer of a chain: what it has spent up to a block, and the gas capital that is known, in wei."""
    found = await connection.execute(_SQL["relayers"], {"chain": chain, "height": height})
    return await found.fetchall()


async def paid_in(connection: Connection, facts: RelayerFacts) -> None:
    """Write down what was paid in to a relayer; of two that found it one is kept."""
    values = {"chain": facts.chain, "relayer": facts.address, "number": facts.entries + 1, "amount": facts.paid_in}
    place = {"height": facts.height, "hash": facts.block_hash}
    await connection.execute(_SQL["paid_in"], values | place)


async def taken_out(connection: Connection, chain: str, relayer: bytes, amount: int, reason: str, by: str) -> bool:
    """Write down what an operator took out of a relayer, in wei; False where so much was never in it."""
    values = {"chain": chain, "relayer": relayer, "amount": amount, "reason": reason, "by": by}
    return bool(await (await connection.execute(_SQL["taken_out"], values)).fetchall())


async def sort_coins(connection: Connection, chain: str, scan: UtxoScan) -> CoinFacts:
    """Sum a scan's coins by the kind of key set that they are on."""
    scripts = list({coin.script for coin in scan.coins})
    kinds = {bytes(row["script"]): row["kind"] for row in await _rows(connection, "kinds", chain, scripts)}
    held: dict[str, int] = defaultdict(int)
    unknown: list[ScannedCoin] = []
    for coin in scan.coins:
        if coin.script in kinds:
            held[kinds[coin.script]] += coin.amount
        else:
            unknown.append(coin)
    places = tuple((f"{coin.txid}:{coin.vout}", coin.amount) for coin in unknown)
    return CoinFacts(scan.height, scan.block_hash, dict(held), places)


async def record(connection: Connection, report: Report) -> None:
    """Keep what was found; amounts as strings of base units."""
    differences = json.dumps(
        [
            {
                "name": item.name,
                "asset": item.asset,
                "expected": str(item.expected),
                "found": str(item.found),
                "explained": item.explained,
                "detail": item.detail,
            }
            for item in report.differences
        ]
    )
    values = (report.at, report.clean, report.chains, report.journal_rows, differences)
    await connection.execute(_SQL["record"], values)


async def latest(connection: Connection) -> Report | None:
    """Read what was found last."""
    rows = await _rows(connection, "latest")
    if not rows:
        return None
    differences = tuple(
        Difference(
            DifferenceName(item["name"]), item["asset"], int(item["expected"]), int(item["found"]), item["detail"]
        )
        for item in rows[0]["differences"]
    )
    return Report(rows[0]["at"], differences, rows[0]["chains"], rows[0]["journal_rows"])


async def _rows(connection: Connection, name: str, *values: object) -> Sequence[DictRow]:
    return await (await connection.execute(_SQL[name], values)).fetchall()
