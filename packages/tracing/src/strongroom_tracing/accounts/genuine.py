"""Which contracts are believed: an allow-list by address, since a name and a symbol are free for everybody to take.

In the first hop of the theft at Bybit 17 of 20 groups of tokens are reported to be fakes, with names such as stETH with
a Cyrillic T and transfers made up to look like those of the thief. (Of the 255 rows of that export we have 52: all 3
genuine contracts, and 4 fakes.) What is not on the list moves no money here.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from strongroom_core.assets import UnknownAssetError, chain_by_id, native_asset
from strongroom_core.errors import InvalidValueError

COMMITTED: Final = Path(__file__).with_name("genuine_tokens.csv")
_ETHER: Final = "slip44:60"


@dataclass(frozen=True, slots=True, order=True)
class Token:
    """A contract that is believed; one that ``wraps`` turns the chain's coin into its token one to one, and back."""

    chain: str
    contract: str
    symbol: str
    decimals: int
    wraps: bool = False
    source: str = ""

    @property
    def asset(self) -> str:
        """The CAIP-19 id."""
        return token_asset(self.chain, self.contract)


@dataclass(frozen=True)
class Genuine:
    """The contracts that are believed, sorted."""

    tokens: tuple[Token, ...]

    @classmethod
    def committed(cls) -> Genuine:
        """Read the list that this release ships, with a source for each line."""
        return cls.read(COMMITTED)

    @classmethod
    def read(cls, path: Path) -> Genuine:
        """Read a list: CSV with the columns chain, contract, symbol, decimals, wraps (0 or 1), source."""
        with path.open(encoding="utf-8", newline="") as file:
            return cls.of(
                Token(
                    row["chain"], row["contract"].lower(), row["symbol"], int(row["decimals"]), row["wraps"] == "1",
                    row["source"],
                )
                for row in csv.DictReader(file)
            )  # fmt: skip

    @classmethod
    def of(cls, tokens: Iterable[Token]) -> Genuine:
        """Make a list of these."""
        return cls(tuple(sorted(tokens)))

    def plus(self, *tokens: Token) -> Genuine:
        """Believe more contracts."""
        return Genuine.of({*self.tokens, *tokens})

    @cached_property
    def assets(self) -> frozenset[str]:
        """The tokens that are believed, by CAIP-19 id."""
        return frozenset(token.asset for token in self.tokens)

    @cached_property
    def wrapping(self) -> frozenset[str]:
        """Those that wrap the chain's coin."""
        return frozenset(token.asset for token in self.tokens if token.wraps)

    @cached_property
    def sha256(self) -> str:
        """Name the list: the hash of its lines."""
        lines = (f"{token.asset},{int(token.wraps)}\n" for token in self.tokens)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def coin_asset(chain: str) -> str:
    """Give the CAIP-19 id of a chain's coin; of a chain that core does not know, that of ether there."""
    try:
        return native_asset(chain_by_id(chain)).id
    except (UnknownAssetError, InvalidValueError):
        return f"{chain}/{_ETHER}"


def token_asset(chain: str, contract: str) -> str:
    """Give the CAIP-19 id of a token; ``contract`` in small letters."""
    return f"{chain}/erc20:{contract}"
