"""What a drill is, what one measurement says, and what a drill came to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from strongroom.demo.configuration import ASSET as BITCOIN
from strongroom_core.assets import Asset

if TYPE_CHECKING:
    from drills.psbt import Coin
    from drills.world import World


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement, in base units by CAIP-19 id.

    ``thief``: what the thief's own addresses hold, as a node that is not the platform's says. ``assets``: what stands
    on addresses that follow from the key sets, as that node says. ``claims``: what merchants have, as the books say.
    ``gas``: what the relayers' accounts hold. ``unpaid_goods``: what the merchant's own server believes to be paid in
    Bitcoin, and the API does not. ``own_worth``: what the thief's merchant has in the signers' own books, BTC and USDT
    together in units of USDT, as the poorer of both signers says. ``deposited``: what stands on merchants' branches of
    the Bitcoin key sets, where it counts as theirs. ``coins`` are the outputs that ``assets`` counts, and ``heights``
    those of the chains (CAIP-2) then, so that a take can be looked for between two measurements.
    """

    thief: dict[str, int]
    assets: dict[str, int]
    claims: dict[str, int]
    gas: int
    unpaid_goods: int
    own_worth: int
    deposited: int
    coins: tuple[Coin, ...] = ()
    heights: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a bound may be computed from: the configuration, what was there before, and when somebody noticed."""

    world: World
    before: Reading
    detected_seconds: float


def gained(drill: Drill, before: Reading, after: Reading) -> int:
    """Give what the thief's addresses have more than before: what it paid in is taken off."""
    return after.thief[drill.asset.id] - before.thief[drill.asset.id]


def vanished(drill: Drill, before: Reading, after: Reading) -> int:
    """Give what custody has less than before, wherever it went: fees that a miner got, too."""
    return before.assets[drill.asset.id] - after.assets[drill.asset.id]


def gained_or_deposited(drill: Drill, before: Reading, after: Reading) -> int:
    """Give what the thief gained, and what of ours stands on merchants' branches now, though no customer paid it."""
    return gained(drill, before, after) + after.deposited - before.deposited


def gas_spent(_drill: Drill, before: Reading, after: Reading) -> int:
    """Give what the relayers have less than before."""
    return before.gas - after.gas


@dataclass(frozen=True, slots=True)
class Drill:
    """One attack.

    ``owned`` says what the thief has, ``tried`` what it does with it; ``attack`` does it. ``bound`` gives base units
    from configuration and arithmetic, and ``formula`` says how. ``rules`` are the refusal tags that this drill answers
    for: with one of ``mutants`` (some of them) switched off it has to fail. ``believes_books``: nobody owns the
    database, so merchants' claims are read there; else they are what they were before, changed by what the merchants
    themselves did. ``probe`` looks for something that only this attack shows. ``lasting``: it does damage that others
    must not meet, and comes last, in the order of these numbers.
    """

    number: int
    name: str
    owned: str
    tried: str
    attack: Callable[[World], Awaitable[None]]
    rules: tuple[str, ...]
    mutants: tuple[str, ...] = ()
    asset: Asset = BITCOIN
    formula: str = "0"
    bound: Callable[[Moment], int] = field(default=lambda _: 0)
    measure: Callable[[Drill, Reading, Reading], int] = gained
    believes_books: bool = True
    probe: Callable[[World], Awaitable[str]] | None = None
    lasting: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one drill in one configuration; base units of the drill's asset."""

    take: int
    bound: int
    custody: int
    shortfall: int
    detected_seconds: float | None
    detected_by: str
    seconds: float
    tried: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def sound(self) -> bool:
        """Whether the promise held: within the bound, nobody short, noticed."""
        return not self.trouble and self.take <= self.bound and not self.shortfall and self.detected_seconds is not None
