"""How many blocks to ask for logs of at once: as many as an endpoint lets, which nobody knows before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST: Final = 64
GOOD_BEFORE_TRYING_MORE: Final = 50


@dataclass(slots=True)
class AdaptiveRange:
    """A width that halves when it is refused and doubles when it is not.

    It comes back towards where it was refused by half of the way each time, and dares more after many that went well.
    """

    width: int = FIRST
    _ceiling: int | None = None
    _good: int = 0

    def accepted(self, most: int) -> None:
        """Grow, to ``most`` at most."""
        self._good += 1
        if self._good >= GOOD_BEFORE_TRYING_MORE:
            self._good, self._ceiling = 0, None
        wider = self.width * 2 if self._ceiling is None else (self.width + self._ceiling + 1) // 2
        self.width = max(1, min(wider, most))

    def refused(self, asked: int) -> bool:
        """Shrink below what was asked for; false where it cannot be less."""
        self._good = 0
        if asked <= 1:
            return False
        self._ceiling = asked - 1
        self.width = asked // 2
        return True
