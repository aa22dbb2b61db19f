"""Pure decisions of the console: whose form this is, and how often one may try to log in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

ADDRESSES_MAX: Final = 10_000


def same_origin(*, origin: str | None, fetch_site: str | None, host: str | None, public_url: str) -> bool:
    """Whether a form was sent by a page of ours.

    Browsers send ``Origin`` with every POST (Fetch standard); ``Sec-Fetch-Site`` speaks where a privacy setting made it
    ``null``. Neither is no browser of the last years, and is refused.
    """
    if origin is None or origin == "null":
        return fetch_site == "same-origin"
    sender, ours = urlsplit(origin), urlsplit(public_url)
    if (sender.scheme, sender.netloc) == (ours.scheme, ours.netloc):
        return True
    return bool(host) and sender.netloc == host and sender.scheme in {"http", "https"}


class Throttle:
    """Lets each address try ``per_minute`` times a minute, refilled steadily; in the memory of one process.

    A token's secret has 256 random bits, so this is no lock: it keeps one client from keeping the database busy.
    """

    def __init__(self, per_minute: int, monotonic_seconds: Callable[[], float]) -> None:
        """Count by a clock that only goes forward."""
        self._per_minute = per_minute
        self._clock = monotonic_seconds
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, address: str) -> bool:
        """Take one attempt of an address, if it has one left."""
        now = self._clock()
        level, at = self._levels.pop(address, (float(self._per_minute), now))
        level = min(float(self._per_minute), level + (now - at) * self._per_minute / 60)
        allowed = level >= 1
        self._levels[address] = (level - 1 if allowed else level, now)
        if len(self._levels) > ADDRESSES_MAX:
            self._levels.popitem(last=False)
        return allowed
