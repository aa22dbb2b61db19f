"""Which of the waiting payouts the signers' own books cover: the others wait for proofs of deposits, unrefused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from strongroom.infra import outbox
from strongroom.infra.database import Connection
from strongroom.proofs import service as proofs
from strongroom.treasury import rules, store
from strongroom.treasury.model import Queued

_log = structlog.get_logger(__name__)
UNPROVEN: Final = "treasury.unproven"
PROVEN: Final = "treasury.proven"


async def covered(connection: Connection, queue: Sequence[Queued]) -> list[Queued]:
    """Give those of a locked queue that every signer would pay, in their order; mark all, and tell what changed."""
    good: list[Queued] = []
    for asset in sorted({item.payment.asset for item in queue}):
        good += await _of_asset(connection, [item for item in queue if item.payment.asset == asset], asset)
    kept = {item.payment.hold_id for item in good}
    await _mark(connection, (item for item in queue if item.payment.hold_id in kept), unproven=False)
    await _mark(connection, (item for item in queue if item.payment.hold_id not in kept), unproven=True)
    return [item for item in queue if item.payment.hold_id in kept]


async def _of_asset(connection: Connection, queue: list[Queued], asset: str) -> list[Queued]:
    merchants = sorted({item.payment.merchant_id for item in queue})
    cover = await proofs.cover(connection, merchants, asset)
    if cover is None:
        return queue
    taken = await store.being_signed(connection, merchants, asset)
    return rules.covered(queue, {name: cover.get(name, 0) - taken.get(name, 0) for name in merchants})


async def _mark(connection: Connection, items: Iterable[Queued], *, unproven: bool) -> None:
    changed = await store.set_unproven(connection, [item.payment.hold_id for item in items], unproven=unproven)
    for row in changed:
        payload = {"payout_id": row["payout_id"], "merchant_id": row["merchant_id"], "amount": str(row["amount"])}
        await outbox.publish(connection, UNPROVEN if unproven else PROVEN, row["hold_id"], payload)
        if unproven:
            _log.warning("a payout waits for the signers' own books", **payload)
