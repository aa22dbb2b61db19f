"""What outbound tells the treasury: who may share chain txs, what is paid, what has to be planned again."""

from __future__ import annotations

from typing import Final

import structlog

from strongroom.infra import outbox
from strongroom.infra.database import Connection
from strongroom.infra.outbox import OutboxEvent
from strongroom.outbound import service as outbound
from strongroom.outbound.model import COST_TAGS, UNPROVEN_TAGS, Outcome
from strongroom.treasury import store
from strongroom.treasury.model import PayableState, Queued

_log = structlog.get_logger(__name__)
# The same payable refused this often without a name for what is wrong is given up: it would be refused for ever.
ATTEMPTS_MAX: Final = 3
COST_WAIT_SECONDS: Final = 60
UNPROVEN_WAIT_SECONDS: Final = 5
AGAIN_SECONDS: Final = 1


async def on_signed(connection: Connection, event: OutboxEvent) -> None:
    """Both signers agreed to these merchants' payouts: they may share chain txs from now on."""
    merchants = [item["merchant_id"] for item in event.payload["payments"]]
    await store.trust(connection, event.payload["chain"], merchants, trusted=True)


async def on_final(connection: Connection, event: OutboxEvent) -> None:
    """Beyond the horizon: paid."""
    for item in await store.of_slot(connection, event.payload["slot_id"]):
        await store.run(connection, "set_state", hold=item.payment.hold_id, state=PayableState.PAID)


async def on_abandoned(connection: Connection, event: OutboxEvent) -> None:
    """A slot ended unpaid: what is not being taken back is planned again, on its own."""
    held = await store.of_slot(connection, event.payload["slot_id"])
    leaving = await outbound.void_wanted(connection, [item.payment.hold_id for item in held])
    for item in held:
        if event.payload["released"] or item.payment.hold_id in leaving:
            await store.run(connection, "set_state", hold=item.payment.hold_id, state=PayableState.WITHDRAWN)
        else:
            await _again(connection, item, event.payload["tag"], event.payload["reason"], alone=len(held) == 1)


async def on_released(connection: Connection, event: OutboxEvent) -> None:
    """The money is back with the merchant; after a refusal it rides alone until both signers agree again."""
    hold = event.payload["hold_id"]
    found = await store.locked(connection, hold)
    if found is None:
        return
    if found.state is not PayableState.PAID:
        await store.run(connection, "set_state", hold=hold, state=PayableState.WITHDRAWN)
    # Conflicted: on an EVM chain what cannot be executed any more, and a destination may have made it so.
    if event.payload["outcome"] in (Outcome.REFUSED, Outcome.CONFLICTED):
        await store.trust(connection, found.payable.chain, [found.payment.merchant_id], trusted=False)


async def on_breach(_: Connection, event: OutboxEvent) -> None:
    """Raise the alarm: hot is frozen since the same transaction, and sweeps were woken by it."""
    _log.error("client money is not covered as it has to be: nothing is handed out from hot", **event.payload)


async def on_breach_over(_: Connection, event: OutboxEvent) -> None:
    """Tell that it is over."""
    _log.info("client money is covered again", **event.payload)


async def _again(connection: Connection, item: Queued, tag: str, reason: str, *, alone: bool) -> None:
    hold = item.payment.hold_id
    blamed = alone and bool(tag) and tag not in COST_TAGS | UNPROVEN_TAGS
    seconds = _wait_seconds(tag)
    await store.run(connection, "queue_again", hold=hold, tries=int(blamed), seconds=seconds)
    if blamed and item.attempts + 1 >= ATTEMPTS_MAX:
        await store.run(connection, "set_state", hold=hold, state=PayableState.WITHDRAWN)
        await outbound.withdraw(connection, item.payable.chain, item.payment, Outcome.REFUSED, tag, reason)
        return
    payload = {"payout_id": item.payment.payout_id, "merchant_id": item.payment.merchant_id, "reason": reason}
    await outbox.publish(connection, "treasury.queued", hold, payload)


def _wait_seconds(tag: str) -> int:
    if tag in COST_TAGS:
        return COST_WAIT_SECONDS
    return UNPROVEN_WAIT_SECONDS if tag in UNPROVEN_TAGS else AGAIN_SECONDS
