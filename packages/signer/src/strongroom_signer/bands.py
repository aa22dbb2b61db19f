"""The signer's own price bands for conversions: the only prices that it knows, set by hand and bounded both ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from strongroom_core.abi import MAX_UINT256
from strongroom_signer.errors import PolicyError
from strongroom_signer.tables import exactly

if TYPE_CHECKING:
    from collections.abc import Collection

_FIELDS: Final = {"sell", "buy", "least", "most", "per_day"}
_RATIO_TERMS: Final = 2


@dataclass(frozen=True, slots=True)
class Band:
    """What one may get for another: ``least`` and ``most`` are (base units bought, base units sold), as a ratio.

    ``per_day`` is how many base units of what is sold all merchants together may convert in a rolling day.
    """

    sell: str
    buy: str
    least: tuple[int, int]
    most: tuple[int, int]
    per_day: int

    def holds(self, sold: int, bought: int) -> bool:
        """Whether ``bought`` for ``sold`` is within the band; exact, by cross multiplication."""
        low, high = self.least, self.most
        return low[0] * sold <= bought * low[1] and bought * high[1] <= high[0] * sold


def read_bands(rows: object, assets: Collection[str]) -> dict[tuple[str, str], Band]:
    """Read the list ``conversions`` of a policy, by (sold, bought) asset. Raises ``PolicyError``."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        message = "conversions must be a list of tables"
        raise PolicyError(message)
    bands = [_band(row, assets) for row in rows]
    found = {(band.sell, band.buy): band for band in bands}
    if len(found) != len(bands):
        message = "conversions has one pair twice"
        raise PolicyError(message)
    return found


def _band(row: dict[str, Any], assets: Collection[str]) -> Band:
    exactly(row, _FIELDS, "conversions")
    sell, buy = row["sell"], row["buy"]
    where = f"conversions {sell} for {buy}"
    if sell not in assets or buy not in assets or sell == buy:
        message = f"{where}: two different assets of the policy"
        raise PolicyError(message)
    band = Band(sell, buy, _ratio(row["least"], where), _ratio(row["most"], where), _number(row["per_day"], where))
    if band.least[0] * band.most[1] > band.most[0] * band.least[1]:
        message = f"{where}: least is more than most"
        raise PolicyError(message)
    return band


def _ratio(value: object, where: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != _RATIO_TERMS:
        message = f"{where}: least and most are [base units bought, base units sold]"
        raise PolicyError(message)
    return _number(value[0], where), _number(value[1], where)


def _number(value: object, where: str) -> int:
    if type(value) is not int or not 0 < value <= MAX_UINT256:
        message = f"{where}: a number of base units is a positive integer"
        raise PolicyError(message)
    return value
