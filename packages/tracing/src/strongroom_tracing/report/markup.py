"""Text for HTML and SVG: whatever comes from outside is escaped here, and nowhere else."""

from __future__ import annotations

from html import escape
from typing import Final

_ELLIPSIS: Final = "…"


def esc(text: object) -> str:
    """Escape for content and for attributes in double quotes; control characters, which SVG forbids, become blanks."""
    return escape("".join(c if c in "\n\t" or c.isprintable() else " " for c in str(text)), quote=True)


def shortened(text: str, length: int) -> str:
    """Keep both ends of a long text: of addresses and txids people compare those."""
    if len(text) <= length:
        return text
    tail = length // 3
    return f"{text[: length - tail - 1]}{_ELLIPSIS}{text[-tail:]}"
