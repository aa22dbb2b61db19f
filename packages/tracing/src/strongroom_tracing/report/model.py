"""What a report shows, of chains of coins and of accounts alike.

Values are integers of base units until they are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset
from strongroom_tracing.provenance import Provenance


class Kind(StrEnum):
    """What stands in a picture; also the class of its colour and its form."""

    MARK = "mark"
    STEP = "step"  # a chain tx, or an address of an account chain
    HELD = "held"
    SERVICE = "service"
    FEE = "fee"
    LEFT = "left"
    CONTESTED = "contested"
    ORIGIN = "origin"  # backward: where it came from in the end
    CONVERTED = "converted"  # to or from another asset


_MANY_DECIMALS: Final = 8
WORDS: Mapping[Kind, tuple[str, str]] = {
    Kind.MARK: ("marked output", "marked outputs"),
    Kind.STEP: ("chain tx", "chain txs"),
    Kind.HELD: ("held output", "held outputs"),
    Kind.SERVICE: ("service", "services"),
    Kind.FEE: ("fee", "fees"),
    Kind.LEFT: ("output not followed", "outputs not followed"),
    Kind.CONTESTED: ("lost to an earlier claim", "lost to earlier claims"),
    Kind.ORIGIN: ("origin", "origins"),
    Kind.CONVERTED: ("conversion", "conversions"),
}
OUTCOMES: Mapping[Kind, str] = {
    Kind.HELD: "Still held",
    Kind.SERVICE: "Came to services",
    Kind.FEE: "Paid as fees",
    Kind.LEFT: "Not followed further",
    Kind.CONTESTED: "Belongs to earlier claims",
    Kind.ORIGIN: "Came into being",
    Kind.CONVERTED: "Became another asset",
}
BACKWARD_OUTCOMES: Mapping[Kind, str] = {
    **OUTCOMES,
    Kind.SERVICE: "Came from services",
    Kind.LEFT: "Not followed further back",
    Kind.CONVERTED: "Was another asset",
}


ACCOUNT_WORDS: Mapping[Kind, tuple[str, str]] = {
    **WORDS,
    Kind.MARK: ("marked transfer", "marked transfers"),
    Kind.STEP: ("address", "addresses"),
    Kind.HELD: ("holding", "holdings"),
    Kind.FEE: ("gas", "payers of gas"),
    Kind.LEFT: ("holding not followed", "holdings not followed"),
}


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in the flow graph. ``key`` is unique; ``label`` is short, ``detail`` the whole of it."""

    key: str
    kind: Kind
    label: str
    detail: str
    value: int


@dataclass(frozen=True, slots=True)
class Edge:
    """Money that went from one node to another."""

    source: str
    target: str
    value: int


@dataclass(frozen=True, slots=True)
class Graph:
    """A flow graph before it is laid out."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class End:
    """A row of the Sankey's right side: where some of a claim's money is."""

    claim: str
    kind: Kind
    label: str
    detail: str
    value: int


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; ``numeric`` names the columns that stand to the right.

    ``omitted``: rows that are not shown here.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    numeric: frozenset[str]
    rows: tuple[tuple[str, ...], ...]
    omitted: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """One asset's money: what was marked by each claim, how it went, where it is.

    ``others``: services at which the way of a claim ends that lost the money to an earlier one (poison follows both).
    Their values are part of other ends. Of account chains (``accounts``): ``came`` is what of ``marked`` was another
    asset before (backward: after), ``unknown`` what addresses paid beyond what is known to have come in, which is
    nobody's, and ``notes`` are said beside the pictures.
    """

    asset: Asset
    marked: Mapping[str, int]
    graph: Graph
    ends: tuple[End, ...]
    backward: bool = False
    others: tuple[End, ...] = ()
    accounts: bool = False
    came: Mapping[str, int] = field(default_factory=dict)
    unknown: int = 0
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> Mapping[Kind, tuple[str, str]]:
        """What things in pictures are called, one and many."""
        return ACCOUNT_WORDS if self.accounts else WORDS

    @property
    def outcomes(self) -> Mapping[Kind, str]:
        """What may become of money, in words; backward: where it may come from."""
        words = BACKWARD_OUTCOMES if self.backward else OUTCOMES
        return {**words, Kind.FEE: "Spent on gas"} if self.accounts else words

    def text(self, value: int) -> str:
        """Write a value exactly, in whole units of the asset."""
        return f"{Amount(self.asset, value).format()} {self.asset.code}"

    def short(self, value: int) -> str:
        """Write a value exactly, for pictures: of assets with many decimals without the zeros at the end."""
        written = Amount(self.asset, value).format()
        if self.asset.decimals > _MANY_DECIMALS:
            written = written.rstrip("0").rstrip(".")
        return f"{written} {self.asset.code}"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything on the page.

    ``on``: the day on which the ages of lists are told. ``definition`` of the policy, and its source; ``conserves`` is
    false for poison.
    """

    title: str
    summary: str
    flows: tuple[Flow, ...]
    tables: tuple[Table, ...]
    provenance: Provenance
    on: date
    definition: tuple[str, str]
    conserves: bool
