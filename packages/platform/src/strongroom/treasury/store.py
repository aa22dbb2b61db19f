"""All SQL of the treasury: rows in, records out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from strongroom.infra.database import Connection, load_queries
from strongroom.infra.telemetry import current_request_id
from strongroom.outbound.model import Payment
from strongroom.treasury.model import BandStatus, Payable, PayableState, Queued
from strongroom_core.ids import HoldId, MerchantId, PayoutId, SlotId
from strongroom_core.intents import SignedIntent

_SQL: Final = load_queries(__package__ or "")
Row = dict[str, Any]


async def run(connection: Connection, query: str, **values: object) -> None:
    """Run a named query for its effect."""
    await connection.execute(_SQL[query], values)


async def rows(connection: Connection, query: str, **values: object) -> list[Row]:
    """Run a named query and give its rows."""
    return await (await connection.execute(_SQL[query], values)).fetchall()


async def insert(connection: Connection, payable: Payable) -> None:
    """Queue a payable; one that is there already stays as it is."""
    payment = payable.payment
    await run(
        connection,
        "insert",
        payout=payment.payout_id,
        merchant=payment.merchant_id,
        chain=payable.chain,
        asset=payment.asset,
        amount=payment.amount,
        fee=payment.fee,
        hold=payment.hold_id,
        script=payment.script,
        intent=payment.evidence.intent,
        key=payment.evidence.public_key,
        signature=payment.evidence.signature,
        expires_at=payable.expires_at,
        request=current_request_id(),
    )


async def request_of(connection: Connection, hold: str) -> str:
    """Read the id of the API request that brought a payable."""
    found = await rows(connection, "request", hold=hold)
    return str(found[0]["request_id"]) if found else ""


async def take_turn(connection: Connection, chain: str) -> bool:
    """Be the only one that plans for a chain until the end of the transaction."""
    return bool((await rows(connection, "take_turn", chain=chain))[0]["mine"])


async def queue(
    connection: Connection,
    chain: str,
    now: datetime,
    margin: datetime,
    owing: Sequence[str],
    limit: int,
    asset: str | None = None,
) -> list[Queued]:
    """Lock what waits to be planned (of one asset), oldest first, but nothing of merchants that are ``owing``.

    Beyond ``limit`` merchants take turns: one with very many leaves the others their oldest.
    """
    values = {"chain": chain, "now": now, "margin": margin, "owing": list(owing), "limit": limit, "asset": asset}
    found = await rows(connection, "queue", **values)
    return [_queued(row) for row in found]


async def locked(connection: Connection, hold: str) -> Queued | None:
    """Lock and read one payable by its hold: ids of payouts are each merchant's own."""
    found = await rows(connection, "lock", hold=hold)
    return _queued(found[0]) if found else None


async def of_slot(connection: Connection, slot: str) -> list[Queued]:
    """Lock the payables that a slot holds."""
    return [_queued(row) for row in await rows(connection, "of_slot", slot=slot)]


async def due_to_expire(connection: Connection, chain: str, now: datetime, limit: int) -> list[HoldId]:
    """Lock what waited beyond its expiry, by the holds."""
    due = await rows(connection, "due_to_expire", chain=chain, now=now, limit=limit)
    return [HoldId(row["hold_id"]) for row in due]


async def set_short(connection: Connection, holds: Sequence[str], *, short: bool) -> list[Row]:
    """Mark payables as more than hot can cover, or not any more; those whose mark changed."""
    return await rows(connection, "set_short", holds=list(holds), short=short) if holds else []


async def set_unproven(connection: Connection, holds: Sequence[str], *, unproven: bool) -> list[Row]:
    """Mark payables as more than the signers' books cover, or not any more; those whose mark changed."""
    return await rows(connection, "set_unproven", holds=list(holds), unproven=unproven) if holds else []


async def being_signed(connection: Connection, merchants: Sequence[str], asset: str) -> dict[str, int]:
    """Sum what is planned and not signed yet, with its fees, by merchant; in base units."""
    found = await rows(connection, "being_signed", merchants=list(merchants), asset=asset)
    return {row["merchant_id"]: int(row["total"]) for row in found}


async def queued_total(connection: Connection, chain: str) -> int:
    """Sum what waits, in base units."""
    return int((await rows(connection, "queued_total", chain=chain))[0]["total"])


async def trust(connection: Connection, chain: str, merchants: Sequence[str], *, trusted: bool) -> None:
    """Let merchants share chain txs, or ride alone."""
    await run(connection, "trust", chain=chain, merchants=sorted(set(merchants)), trusted=trusted)


async def measure_band(connection: Connection, status: BandStatus) -> BandStatus:
    """Keep what hot holds against its band; ``since`` is kept while it stays above, and cleared once it is not."""
    found = await rows(
        connection,
        "measure_band",
        chain=status.chain,
        asset=status.asset,
        held=status.held,
        high=status.high,
        above=status.above,
        now=status.measured_at,
    )
    return BandStatus(**found[0])


async def bands(connection: Connection, chain: str | None) -> list[BandStatus]:
    """Read the last measures of one chain, or of all."""
    return [BandStatus(**row) for row in await rows(connection, "bands", chain=chain)]


def _queued(row: Row) -> Queued:
    payment = Payment(
        payout_id=PayoutId(row["payout_id"]),
        merchant_id=MerchantId(row["merchant_id"]),
        amount=row["amount"],
        fee=row["fee"],
        hold_id=HoldId(row["hold_id"]),
        script=bytes(row["script"]),
        evidence=SignedIntent(bytes(row["intent"]), bytes(row["public_key"]), bytes(row["signature"])),
    )
    return Queued(
        payable=Payable(payment, row["chain"], row["expires_at"]),
        state=PayableState(row["state"]),
        solo=row["alone"],
        short=row["short"],
        attempts=row["attempts"],
        slot_id=SlotId(row["slot_id"]) if row["slot_id"] else None,
        enqueued_at=row["enqueued_at"],
    )
