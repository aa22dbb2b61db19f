"""All SQL of outbound: rows in, records out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import errors as pg

from strongroom.infra.database import Connection, load_queries
from strongroom.infra.telemetry import current_request_id
from strongroom.outbound import rules
from strongroom.outbound.errors import CoinTakenError, DraftInvalidError, UnknownSlotError
from strongroom.outbound.model import (
    Answer,
    AnswerState,
    Draft,
    OpenSlot,
    Outcome,
    OwnOutput,
    Payment,
    SignerState,
    Slot,
    SlotDraft,
    SlotKind,
    SlotState,
    SpentCoin,
    Version,
    VersionState,
    Void,
)
from strongroom.outbound.psbt import Built
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


async def wait(connection: Connection, slot: SlotId, reason: str) -> None:
    """Put a slot off, longer each time, and say why."""
    attempts = await number(connection, "slot", "attempts", slot=slot)
    await run(connection, "wait", slot=slot, reason=reason, seconds=rules.backoff_seconds(attempts))


async def ids(connection: Connection, query: str, **values: object) -> list[SlotId]:
    """Run a named query whose rows are slots' ids."""
    return [SlotId(row["id"]) for row in await rows(connection, query, **values)]


async def insert_slot(connection: Connection, slot: SlotId, draft: SlotDraft) -> None:
    """Record a slot and the payments that it is bound to."""
    request = current_request_id()
    await run(connection, "insert_slot", id=slot, chain=draft.chain, kind=draft.kind, request=request)
    payments = draft.payments
    await run(
        connection,
        "insert_payments",
        slot=slot,
        merchants=[item.merchant_id for item in payments],
        payouts=[item.payout_id for item in payments],
        assets=[item.asset for item in payments],
        amounts=[item.amount for item in payments],
        fees=[item.fee for item in payments],
        holds=[item.hold_id for item in payments],
        scripts=[item.script for item in payments],
        intents=[item.evidence.intent for item in payments],
        keys=[item.evidence.public_key for item in payments],
        signatures=[item.evidence.signature for item in payments],
    )


async def insert_version(connection: Connection, slot: SlotId, number: int, draft: Draft, built: Built) -> None:
    """Record a version with its coins and own outputs. Raises ``CoinTakenError``, ``DraftInvalidError``."""
    await _insert_draft(connection, slot, number, draft, built)
    await _insert_coins(connection, slot, number, draft)
    await run(
        connection,
        "insert_own_outputs",
        slot=slot,
        number=number,
        scripts=[item.script for item in draft.own_outputs],
        amounts=[item.amount for item in draft.own_outputs],
        key_sets=[item.key_set for item in draft.own_outputs],
        branches=[item.branch for item in draft.own_outputs],
        indexes=[item.index for item in draft.own_outputs],
    )


async def _insert_draft(connection: Connection, slot: SlotId, number: int, draft: Draft, built: Built) -> None:
    values = {"psbt": built.psbt, "txid": built.txid, "fee": draft.fee, "rate": draft.rate}
    try:
        async with connection.transaction():
            size = draft.virtual_bytes
            await run(connection, "insert_version", slot=slot, number=number, virtual_bytes=size, **values)
    except pg.UniqueViolation:
        message = f"{built.txid} was planned before: another rate makes no other chain tx of these coins"
        raise DraftInvalidError(message) from None


async def _insert_coins(connection: Connection, slot: SlotId, number: int, draft: Draft) -> None:
    try:
        async with connection.transaction():
            await run(
                connection,
                "insert_coins",
                slot=slot,
                number=number,
                chain=draft.chain,
                txids=[coin.txid for coin in draft.coins],
                vouts=[coin.vout for coin in draft.coins],
                amounts=[coin.amount for coin in draft.coins],
                branches=[coin.branch for coin in draft.coins],
                indexes=[coin.index for coin in draft.coins],
            )
    except pg.UniqueViolation:
        message = "a coin of this plan is already an input of another open slot"
        raise CoinTakenError(message) from None


async def request_of(connection: Connection, slot: SlotId) -> str:
    """Read the id of the request that a slot works for."""
    found = await rows(connection, "request", slot=slot)
    return str(found[0]["request_id"]) if found else ""


async def load(connection: Connection, slot: SlotId, *, lock: bool = False) -> OpenSlot:
    """Read a slot with its versions, payments, coins and own outputs. Raises ``UnknownSlotError``."""
    found = await rows(connection, "lock_slot" if lock else "slot", slot=slot)
    if not found:
        message = f"no slot {slot}"
        raise UnknownSlotError(message)
    own: dict[int, tuple[OwnOutput, ...]] = {}
    for row in await rows(connection, "own_outputs", slot=slot):
        output = OwnOutput(
            bytes(row["script"]), row["amount"], row["key_set"], row["branch"], row["index"], row["asset"]
        )
        own[row["number"]] = (*own.get(row["number"], ()), output)
    return OpenSlot(
        slot=_slot(found[0]),
        versions=tuple(_version(row) for row in await rows(connection, "versions", slot=slot)),
        payments=tuple(_payment(row) for row in await rows(connection, "payments", slot=slot)),
        coins=tuple(_coin(row) for row in await rows(connection, "coins", slot=slot)),
        own_outputs=own,
    )


async def answers(connection: Connection, slot: SlotId) -> list[Answer]:
    """Read every answer on every version of a slot."""
    return [
        Answer(
            row["signer"],
            row["number"],
            AnswerState(row["state"]),
            bytes(row["psbt"]) if row["psbt"] is not None else None,
            row["tag"],
            row["reason"],
        )
        for row in await rows(connection, "answers", slot=slot)
    ]


async def signers(connection: Connection) -> dict[str, SignerState]:
    """Read how the signers were when last asked."""
    return {row["name"]: SignerState(**row) for row in await rows(connection, "signers")}


async def open_coins(connection: Connection, chain: str) -> set[tuple[str, int]]:
    """Read the outpoints that open slots spend."""
    return {(row["txid"], row["vout"]) for row in await rows(connection, "open_coins", chain=chain)}


async def insert_void(connection: Connection, void: Void) -> None:
    """Record a wish for a void; a payout has at most one."""
    payment = void.payment
    await run(
        connection,
        "insert_void",
        payout=payment.payout_id,
        merchant=payment.merchant_id,
        chain=void.chain,
        slot=void.slot_id,
        amount=payment.amount,
        fee=payment.fee,
        hold=payment.hold_id,
        script=payment.script,
        intent=payment.evidence.intent,
        key=payment.evidence.public_key,
        signature=payment.evidence.signature,
        outcome=void.outcome,
        tag=void.tag,
        reason=void.reason,
        signer=void.signer,
    )


async def void(connection: Connection, hold: str, *, lock: bool = False) -> tuple[Void, int, bool] | None:
    """Read a wish for a void, how often it was tried, and whether it is still open."""
    found = await rows(connection, "lock_void" if lock else "void", hold=hold)
    if not found:
        return None
    row = found[0]
    slot = SlotId(row["slot_id"]) if row["slot_id"] else None
    outcome = Outcome(row["outcome"])
    wish = Void(_payment(row), row["chain"], outcome, row["tag"], row["reason"], row["signer"], slot)
    return wish, row["attempts"], row["state"] == "wanted"


async def holds_to_void(connection: Connection, chain: str, limit: int) -> list[str]:
    """Find the holds of payouts whose void is due to be asked for."""
    return [row["hold_id"] for row in await rows(connection, "due_voids", chain=chain, limit=limit)]


async def signed_by(connection: Connection, hold: str) -> frozenset[str]:
    """Find the signers that have signed a chain tx with the payout of this hold."""
    return frozenset(row["signer"] for row in await rows(connection, "signed_by", hold=hold))


async def flag(connection: Connection, query: str, column: str, **values: object) -> bool:
    """Run a query of one row and give one of its columns as a truth."""
    return bool((await rows(connection, query, **values))[0][column])


async def number(connection: Connection, query: str, column: str, **values: object) -> int:
    """Run a query of one row and give one of its columns as a number; 0 where there is no row."""
    found = await rows(connection, query, **values)
    return int(found[0][column] or 0) if found else 0


async def moment(connection: Connection, query: str, column: str, **values: object) -> datetime | None:
    """Run a query of one row and give one of its columns as a time."""
    found = await rows(connection, query, **values)
    value: datetime | None = found[0][column] if found else None
    return value


async def due_to_rebroadcast(connection: Connection, chain: str, every: timedelta, limit: int) -> Sequence[SlotId]:
    """Find slots that were last offered to the node longer ago than ``every``."""
    return await ids(connection, "due_to_rebroadcast", chain=chain, every=every, limit=limit)


def _slot(row: Row) -> Slot:
    fields = {name: row[name] for name in Slot.__dataclass_fields__}
    return Slot(**fields | {"id": SlotId(row["id"]), "kind": SlotKind(row["kind"]), "state": SlotState(row["state"])})


def _version(row: Row) -> Version:
    fields = {name: row[name] for name in Version.__dataclass_fields__}
    raw = bytes(row["raw"]) if row["raw"] is not None else None
    kept = {
        "slot_id": SlotId(row["slot_id"]),
        "state": VersionState(row["state"]),
        "psbt": bytes(row["psbt"]),
        "raw": raw,
    }
    return Version(**fields | kept)


def _coin(row: Row) -> SpentCoin:
    return SpentCoin(row["txid"], row["vout"], row["amount"], row["branch"], row["index"])


def _payment(row: Row) -> Payment:
    evidence = SignedIntent(bytes(row["intent"]), bytes(row["public_key"]), bytes(row["signature"]))
    return Payment(
        payout_id=PayoutId(row["payout_id"]),
        merchant_id=MerchantId(row["merchant_id"]),
        amount=row["amount"],
        fee=row["fee"],
        hold_id=HoldId(row["hold_id"]),
        script=bytes(row["script"]),
        evidence=evidence,
        suspense_key=row.get("suspense_key") or "",
    )
