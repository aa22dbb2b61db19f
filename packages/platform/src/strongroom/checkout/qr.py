"""QR codes as the path of an inline SVG, one square a module, so that no image is fetched and no script draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import segno

# ISO/IEC 18004 asks for four light modules around the symbol, without which scanners may not find it.
QUIET_ZONE: Final = 4


@dataclass(frozen=True, slots=True)
class QrCode:
    """A symbol of ``size`` modules a side, quiet zone included, and the path of its dark modules."""

    size: int
    path: str


def draw(text: str) -> QrCode:
    """Encode a text with medium error correction, which a scratched phone screen still reads."""
    rows = segno.make(text, error="m", micro=False, boost_error=False).matrix
    return QrCode(len(rows) + 2 * QUIET_ZONE, "".join(_runs(rows)))


def _runs(rows: tuple[bytearray, ...]) -> Iterator[str]:
    for y, row in enumerate(rows, QUIET_ZONE):
        x = QUIET_ZONE
        for dark, run in groupby(row):
            length = len(list(run))
            if dark:
                yield f"M{x} {y}h{length}v1h-{length}z"
            x += length
