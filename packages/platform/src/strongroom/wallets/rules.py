"""How large a pool of waiting addresses is kept. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from strongroom.wallets.model import KeySetKind

POOL_FIRST: Final = 50
POOL_MAX: Final = 20_000  # about 8 MB of rows and 4 s of derivation: beyond this, deriving inline is no worse
POOL_SERVICE: Final = 50  # change, sweep and house addresses: a few an hour
BUSY_WITHIN: Final = timedelta(minutes=1)
QUIET_AFTER: Final = timedelta(hours=6)
INLINE_EXTRA: Final = 20  # derived beyond the need when a pool ran dry, so that the next callers do not wait too
BATCH_MAX: Final = 500  # per database transaction: a tenth of a second of derivation


def share_room(expected: Sequence[int], room: int) -> list[KeySetKind]:
    """Choose hot for what the room (base units) still holds, in order; what does not fit is cold and takes none."""
    chosen: list[KeySetKind] = []
    for amount in expected:
        fits = amount <= room and room > 0
        room -= amount if fits else 0
        chosen.append(KeySetKind.HOT if fits else KeySetKind.COLD)
    return chosen


@dataclass(frozen=True, slots=True)
class Refill:
    """What to do for a pool: how many to derive in all, and its target from now on."""

    count: int
    target: int


def refill(waiting: int, target: int, refilled_at: datetime | None, now: datetime, busiest: int = POOL_MAX) -> Refill:
    """Decide on a pool that is half empty: one emptied within a minute doubles, one that lasted for hours halves."""
    if refilled_at is not None and now - refilled_at < BUSY_WITHIN:
        target = min(target * 2, busiest)
    elif refilled_at is not None and now - refilled_at > QUIET_AFTER:
        target = max(target // 2, POOL_FIRST)
    return Refill(max(0, target - waiting), target)


def refill_index(next_index: int, target: int) -> int:
    """The index whose hand-out means that the pool is half empty; hand-out goes by index."""
    return max(0, next_index - max(1, target // 2))


def inline_count(missing: int) -> int:
    """How many to derive at once for ``missing`` callers who wait."""
    return missing + INLINE_EXTRA
