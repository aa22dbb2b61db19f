"""Rate limits: a token bucket for each API token, in the memory of this process.

Several API processes each grant the limit; the number is there to keep one client from crowding out the others, not to
bill by.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

BUCKETS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Grant:
    """Whether a request may go on, and what the RateLimit headers say."""

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        """Give the headers of draft-ietf-httpapi-ratelimit-headers (the widely read early form)."""
        headers = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
        }
        return headers if self.allowed else headers | {"Retry-After": str(self.reset_seconds)}


class RateLimiter:
    """Grants ``per_minute`` requests a minute to each key, refilled steadily."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Count by ``clock``, in seconds."""
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> Grant:
        """Take one request's worth from the bucket of ``key``."""
        now = self._clock()
        level, at = self._buckets.pop(key, (float(self._per_minute), now))
        level = min(float(self._per_minute), level + (now - at) * self._per_minute / 60)
        allowed = level >= 1
        level -= 1 if allowed else 0
        self._buckets[key] = (level, now)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        missing = self._per_minute - level if allowed else 1 - level
        return Grant(allowed, self._per_minute, int(level), max(1, int(missing * 60 / self._per_minute + 0.999)))
