"""Our books against the signers' own: a merchant that has more here than the chain brought there is an alarm.

What explains a difference has a name and is subtracted; what is left may still be a copy that is a moment old, so it
has to last before it counts. A merchant with a difference that lasts is paid nothing until it is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from strongroom.infra import outbox
from strongroom.infra.clock import Clock
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.proofs import store
from strongroom.proofs.model import Difference

_log = structlog.get_logger(__name__)
#: Longer than copies of the signers' books, answers and sweeps take to meet, by far.
PATIENCE: Final = timedelta(seconds=15)
DIFFER: Final = "books.differ"
AGREE: Final = "books.agree"


@dataclass(frozen=True, slots=True)
class BooksComparison:
    """Compares all merchants' balances; ``patience`` is how long a difference lasts before it is an alarm."""

    pool: Pool
    clock: Clock
    patience: timedelta = PATIENCE

    async def step(self) -> int:
        """Compare once; 0, since nothing is left to do until something changes."""
        now = self.clock.now()
        async with transaction(self.pool) as connection:
            await store.note_differences(connection, await store.compare(connection), now)
            for gone in await store.differences(connection, "clear_differences", now=now):
                if gone.alarmed_at is not None:
                    await _tell(connection, AGREE, gone)
            lasting = await store.differences(connection, "alarm_differences", now=now, before=now - self.patience)
            for item in lasting:
                _log.error(
                    "our books exceed a signer's",
                    merchant_id=item.holder,
                    asset=item.asset,
                    signer=item.signer,
                    amount=str(item.amount),
                )
                await _tell(connection, DIFFER, item)
        return 0


async def _tell(connection: Connection, topic: str, item: Difference) -> None:
    payload = {
        "merchant_id": item.holder,
        "asset": item.asset,
        "signer": item.signer,
        "amount": str(item.amount),
        "since": item.since.isoformat(),
    }
    await outbox.publish(connection, topic, item.holder, payload)
