"""Money: a whole number of base units bound to its asset.

The type refuses what has cost others money: floats, arithmetic across assets, and results below zero.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Self

from strongroom_core.assets import Asset
from strongroom_core.errors import InvalidValueError

# The end of uint256, the largest amount that any chain can say; its column, NUMERIC(78,0), has room for it.
MAX_BASE_UNITS = 2**256 - 1
_DECIMAL = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?")
_MAX_TEXT = 128


class InvalidAmountError(InvalidValueError):
    """A text or number that is not an amount of that asset."""

    code = "amount-invalid"


class AssetMismatchError(InvalidValueError):
    """Arithmetic across two assets."""

    code = "asset-mismatch"


class NegativeAmountError(InvalidValueError):
    """A result below zero; money that is owed is a ledger account, never a negative amount."""

    code = "amount-negative"


@total_ordering
@dataclass(frozen=True, slots=True)
class Amount:
    """``base_units`` (an integer from 0 to 2**256 - 1) of ``asset``; satoshi for BTC, wei for ETH, cents for EUR."""

    asset: Asset
    base_units: int

    def __post_init__(self) -> None:
        """Refuse anything but an integer in range of an asset; ``True`` and ``1.0`` are no amounts."""
        if type(self.asset) is not Asset:
            message = f"an amount is of an Asset, not of {type(self.asset).__name__}"
            raise InvalidAmountError(message)
        if type(self.base_units) is not int:
            message = f"an amount is an integer of base units, not {type(self.base_units).__name__}"
            raise InvalidAmountError(message)
        if self.base_units < 0:
            message = f"an amount of {self.asset.code} cannot be below zero"
            raise NegativeAmountError(message)
        if self.base_units > MAX_BASE_UNITS:
            message = f"an amount of {self.asset.code} cannot be above 2**256 - 1 base units"
            raise InvalidAmountError(message)

    @classmethod
    def zero(cls, asset: Asset) -> Self:
        """Nothing of ``asset``."""
        return cls(asset, 0)

    @classmethod
    def parse(cls, text: object, asset: Asset) -> Self:
        """Read a plain decimal string of whole units, exactly.

        ``"0.1"`` of BTC is 10,000,000 base units. Refused with ``InvalidAmountError``: signs, exponents, separators,
        blanks, leading zeros, digits other than ASCII, and more decimals than the asset has unless they are zeros.
        """
        match = _DECIMAL.fullmatch(text) if isinstance(text, str) and len(text) <= _MAX_TEXT else None
        if match is None:
            message = f"not an amount: write {asset.code} as plain decimal text such as 12.5"
            raise InvalidAmountError(message)
        whole, fraction = match.group(1), (match.group(2) or "").rstrip("0")
        if len(fraction) > asset.decimals:
            message = f"{text} has more than the {asset.decimals} decimals of {asset.code}"
            raise InvalidAmountError(message)
        return cls(asset, int(whole + fraction.ljust(asset.decimals, "0")))

    def format(self) -> str:
        """Give the exact decimal string of whole units, with all decimals of the asset; ``parse`` reads it back."""
        decimals = self.asset.decimals
        if not decimals:
            return str(self.base_units)
        digits = str(self.base_units).rjust(decimals + 1, "0")
        return f"{digits[:-decimals]}.{digits[-decimals:]}"

    def __str__(self) -> str:
        """Give the amount and the asset's code, for people."""
        return f"{self.format()} {self.asset.code}"

    def __bool__(self) -> bool:
        """Whether it is more than nothing."""
        return self.base_units > 0

    def __add__(self, other: Self) -> Self:
        """Add two amounts of one asset."""
        return type(self)(self.asset, self.base_units + self._same(other))

    def __sub__(self, other: Self) -> Self:
        """Take away an amount of the same asset; raises ``NegativeAmountError`` where it would fall below zero."""
        return type(self)(self.asset, self.base_units - self._same(other))

    def __mul__(self, times: int) -> Self:
        """Repeat the amount a whole number of times."""
        if type(times) is not int:
            message = "an amount is multiplied by an integer only; use `share` for a fraction"
            raise InvalidAmountError(message)
        return type(self)(self.asset, self.base_units * times)

    def __lt__(self, other: Amount) -> bool:
        """Compare two amounts of one asset."""
        return self.base_units < self._same(other)

    def share(self, numerator: int, denominator: int) -> Self:
        """Give ``numerator/denominator`` of it, rounded down to base units; the caller posts the remainder."""
        if type(numerator) is not int or type(denominator) is not int or numerator < 0 or denominator <= 0:
            message = "a share is a fraction of two integers, the lower above zero"
            raise InvalidAmountError(message)
        return type(self)(self.asset, self.base_units * numerator // denominator)

    def _same(self, other: object) -> int:
        if not isinstance(other, Amount):
            message = f"an amount cannot be combined with {type(other).__name__}"
            raise InvalidAmountError(message)
        # The whole asset, as in ==: one id with two numbers of decimals is a mistake that would move money.
        if other.asset is not self.asset and other.asset != self.asset:
            message = f"{self.asset.id} and {other.asset.id} are different assets"
            raise AssetMismatchError(message)
        return other.base_units
