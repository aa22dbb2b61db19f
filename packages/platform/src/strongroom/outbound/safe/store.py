"""All SQL of Safe slots beside what every slot has (`outbound.store`): rows in, records out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import errors as pg

from strongroom.infra.database import Connection, load_queries
from strongroom.outbound import store as slots
from strongroom.outbound.errors import CoinTakenError
from strongroom.outbound.model import OpenSlot
from strongroom.outbound.safe.model import (
    PAYING_VERSION,
    Contracts,
    Handover,
    Measured,
    SafeBuilt,
    SafeDraft,
    SafeSlot,
    Standing,
    portions_of,
)
from strongroom_core.ids import SlotId

_SQL: Final = load_queries(__package__ or "")
Row = dict[str, Any]


async def run(connection: Connection, query: str, **values: object) -> None:
    """Run a named query of this package for its effect."""
    await connection.execute(_SQL[query], values)


async def rows(connection: Connection, query: str, **values: object) -> list[Row]:
    """Run a named query of this package and give its rows."""
    return await (await connection.execute(_SQL[query], values)).fetchall()


async def insert_slot(
    connection: Connection, slot: SlotId, places: Contracts, draft: SafeDraft, built: SafeBuilt
) -> None:
    """Record a slot, its first version, its nonce, draws and sweeps. Raises ``CoinTakenError``."""
    await slots.insert_slot(connection, slot, draft)
    await insert_version(connection, slot, PAYING_VERSION, built)
    try:
        async with connection.transaction():
            place = {"chain": draft.chain, "safe": places.hot_safe_text, "nonce": draft.nonce}
            await run(connection, "insert_coin", slot=slot, **place)
    except pg.UniqueViolation:
        message = f"nonce {draft.nonce} of the hot Safe is another open slot's"
        raise CoinTakenError(message) from None
    own = [(places.hot_safe, item, "hot") for item in draft.draws]
    own += [(places.cold_safe, item, "cold") for item in draft.sweeps]
    await run(
        connection,
        "insert_own_outputs",
        slot=slot,
        scripts=[script for script, _, _ in own],
        amounts=[item.amount for _, item, _ in own],
        key_sets=[key_set for _, _, key_set in own],
        assets=[item.asset for _, item, _ in own],
    )


async def insert_version(connection: Connection, slot: SlotId, number: int, built: SafeBuilt) -> None:
    """Record a version: the Safe transaction that signers are asked to sign. It has no fee of its own."""
    values: dict[str, object] = {"psbt": built.safe_tx.encode(), "txid": built.hash_text}
    await slots.run(connection, "insert_version", slot=slot, number=number, fee=0, virtual_bytes=0, rate=0, **values)


async def standing(connection: Connection, chain: str) -> Standing:
    """Read the open slots of the hot Safe, by nonce."""
    found = await slots.ids(connection, "open_slots", chain=chain)
    opened = [safe_slot(await slots.load(connection, item)) for item in found]
    return Standing(tuple(sorted(opened, key=lambda item: item.nonce)))


def safe_slot(state: OpenSlot) -> SafeSlot:
    """Read a slot as a Safe's: its one coin is the nonce."""
    own = state.own_outputs.get(PAYING_VERSION, ())
    return SafeSlot(state, state.coins[0].vout, portions_of(own, "hot"), portions_of(own, "cold"))


async def slot_of_effect(connection: Connection, chain: str, effect: str) -> SlotId | None:
    """Find the slot that a safeTxHash belongs to."""
    found = await ids(connection, "slot_of_effect", chain=chain, effect=effect)
    return found[0] if found else None


async def ids(connection: Connection, query: str, **values: object) -> list[SlotId]:
    """Run a named query of this package whose rows are slots' ids."""
    return [SlotId(row["id"]) for row in await rows(connection, query, **values)]


async def record_measures(connection: Connection, slot: SlotId, block_hash: str, found: Sequence[Measured]) -> None:
    """Keep what a slot did in a block; the first measure of a block stands."""
    await run(
        connection,
        "insert_measures",
        slot=slot,
        hash=block_hash,
        assets=[item.asset for item in found],
        expected=[item.expected for item in found],
        left=[item.left_hot for item in found],
        received=[item.received for item in found],
    )


async def measures(connection: Connection, state: OpenSlot) -> tuple[Measured, ...]:
    """Read what a slot did in the block that it is confirmed in; nothing where it was not measured there yet."""
    found = await rows(connection, "measures", slot=state.slot.id, hash=state.slot.confirmed_hash)
    return tuple(Measured(**row) for row in found)


async def handovers(connection: Connection, slot: SlotId) -> list[Handover]:
    """Read every try to have a slot executed, oldest first."""
    return [Handover(**row) for row in await rows(connection, "handovers", slot=slot)]


async def planned_for_others(connection: Connection, draft: SafeDraft, built: SafeBuilt) -> bool:
    """Whether the very same Safe transaction was planned before, for other payouts."""
    holds = sorted(payment.hold_id for payment in draft.payments)
    found = await rows(connection, "planned_for_others", txid=built.hash_text, holds=holds)
    return bool(found[0]["found"])


async def is_due(connection: Connection, slot: SlotId) -> bool:
    """Whether a slot that was put off is to be looked at again."""
    return bool((await rows(connection, "is_due", slot=slot))[0]["due"])
