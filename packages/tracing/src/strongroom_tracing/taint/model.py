"""What is asked of taint, and what it answers.

The policies, as said by those who named them:

* **poison**, **haircut**: Möser, Böhme, Breuker, "Towards Risk Scoring of Bitcoin Transactions" (Financial Cryptography
  2014 workshops). Poison: every output of a chain tx with a tainted input is tainted, whole. Haircut: every output
  carries the same proportion of taint as the inputs in all.
* **FIFO**: Anderson, Shumailov, Ahmed, Rietmann, "Bitcoin Redux" (WEIS 2018) and Anderson, Shumailov, Ahmed, "Making
  Bitcoin Legal" (Security Protocols 2018), after the rule of Clayton's case (Devaynes v Noble, 1816): what was paid in
  first is drawn first. The base units of the inputs, in order, are those of the outputs, in order, and the fee is
  last; an output remembers the order of what is in it.
* **LIFO**: the same rows, one of them turned round: the last base unit in is the first out.
* **TIHO** (taint in, highest out): Tironsakkul, Maarek, Eross, Just, "Tracking Mixed Bitcoins" (2020; and "Probing the
  Mystery of Cryptocurrency Theft", 2019): the taint of all inputs fills the output of the highest value, then the next
  (equal values: the lower output first), and the fee last; of several claims the earlier report goes first. Backward
  there is no definition by its authors; here it is the mirror: the taint of the outputs fills the input of the highest
  value first.

Backward means the mirrored chain tx: outputs and fee are what goes in, inputs what comes out. FIFO and LIFO backward
are the exact inverse of forward, base unit by base unit; haircut backward is in proportion to the inputs' values.

All values are integers of base units (satoshi). A claim is a theft that somebody reported, by one mark or by more.
Where two claims meet the first report wins: money belongs to the claim of the oldest mark that it flowed from or that
names it; behind a service, the mark that opened the way through it is the oldest that counts. A mark is as old as its
place among the marks; what its claim marked before makes it no older.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

NEW_MONEY: Final = -1
FEE_OF_TX: Final = -1


class Policy(Enum):
    """How taint goes through a chain tx; see the module."""

    POISON = "poison"
    HAIRCUT = "haircut"
    FIFO = "fifo"
    LIFO = "lifo"
    TIHO = "tiho"


class Fees(Enum):
    """What becomes of taint in a fee.

    ``ABSORBED``: it ends there. ``CARRIED``: it goes on to the coinbase of the block, whose money is, in this order,
    the subsidy and the fees in the order of their chain txs; what the coinbase does not claim is last, and lost.
    """

    ABSORBED = "absorbed"
    CARRIED = "carried"


class Direction(Enum):
    """``FORWARD``: where did it go? ``BACKWARD``: where did it come from?"""

    FORWARD = "forward"
    BACKWARD = "backward"


class Reason(Enum):
    """Why tainted money was not followed further, though it went on."""

    BELOW_THRESHOLD = "below-threshold"
    HOP_LIMIT = "hop-limit"
    HEIGHT_LIMIT = "height-limit"


@dataclass(frozen=True, slots=True)
class Mark:
    """An output that a report names: all of it (``amount`` None), or so many of its base units.

    FIFO and LIFO take the first ``amount`` of them. Poison has no amounts: an output is tainted or not. Where a claim
    names an output twice, the larger amount counts, each part of it from the first mark that names it.
    """

    claim: str
    output: int
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Where following ends.

    ``hops``: through so many chain txs from the claim's own nearest mark. ``smallest``: an output into which less than
    this many base units of taint flow (all claims together) is not followed, except for claims that mark it.
    ``height``: forward no chain tx above it is looked at, backward none below it.
    """

    hops: int | None = None
    smallest: int = 0
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What to follow, and how. ``marks`` stand in the order of report.

    ``stops``: number of an address -> the service behind it; money that arrives there is not followed, except for
    a claim that marks the very output.
    """

    policy: Policy
    fees: Fees
    direction: Direction
    marks: tuple[Mark, ...]
    stops: Mapping[int, str] = field(default_factory=dict)
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """Tainted money in an output that is unspent."""

    output: int
    claim: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class AtService:
    """Tainted money that reached a service (backward: that came from there)."""

    output: int
    service: str
    claim: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class InFee:
    """Tainted money that is lost in the fee of a chain tx (of a coinbase: what it could have claimed and did not)."""

    tx: int
    claim: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class Left:
    """Tainted money that went on, but was not followed.

    ``output``: as the source of a ``Move``, since a fee that would be carried on can be left too.
    """

    output: int
    claim: str
    value: int
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class Contested:
    """Money in an output that ``claim`` asks for too, and ``winner``, whose report is earlier, has.

    ``service``: under poison, which follows both, the service that ``claim``'s way ends at in this output; else "".
    ``output`` is as in ``Left``.
    """

    output: int
    claim: str
    value: int
    winner: str
    service: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Where money came from in the end (backward): what ``tx`` spends is new money (-1), or from before the index.

    ``spent`` is as in ``Columns.input_spent``. With absorbed fees -1 is all that the coinbase ``tx`` claims,
    the subsidy and the fees of its block; with carried ones it is the subsidy alone.
    """

    tx: int
    spent: int
    claim: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class Marked:
    """A mark as it was counted: of ``asked`` base units ``again`` were the claim's already, by flow or another mark."""

    output: int
    claim: str
    asked: int
    again: int


@dataclass(frozen=True, slots=True, order=True)
class Assumed:
    """A chain tx of which ``inputs`` inputs have an unknown value: together they were taken to bring ``value``.

    That is what the outputs need beyond the known inputs, so the least it can be, at the place of the first of them.
    With ``inputs`` 0 the outputs are worth more than the inputs, which no chain of coins allows: look at the data.
    """

    tx: int
    value: int
    inputs: int


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """Tainted money that went through ``tx``, as it went in time, also when it was followed backward.

    ``source``: an output, as in ``Columns.input_spent`` if below 0, or ``columns.outputs + n`` for the fee of chain tx
    ``n`` (spent by a coinbase). ``sink``: an output, or -1 for the fee of ``tx``. FIFO, LIFO and TIHO know what went
    where; under haircut and poison sources are matched to sinks in order, so that the sums are right.
    """

    tx: int
    source: int
    sink: int
    claim: str
    value: int
