"""Change and peeling chains of an index, asked whole: which chain txs, what they show, what the answer rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from strongroom_tracing.clusters.changes import POINTS, ChangeFinder, ChangeLink
from strongroom_tracing.clusters.evidence import provenance_of
from strongroom_tracing.clusters.peeling import LEAST, PeelingChain, chain_through, chains_between
from strongroom_tracing.clusters.scripts import kind_of_script, known_settings
from strongroom_tracing.clusters.service import mixings
from strongroom_tracing.index.service import Index
from strongroom_tracing.provenance import Provenance

_CHUNK: Final = 1 << 22  # outputs looked at in one step


class Patterns:
    """Looks for change and peeling chains in an index; CoinJoins are left out."""

    def __init__(self, index: Index) -> None:
        """Look once through the chain: for CoinJoins, and which addresses are known when."""
        self.index = index
        self.finder = ChangeFinder(
            index.columns,
            mixing=mixings(index.columns, known_settings(index)),
            kind_of=lambda address: kind_of_script(index.script(address)),
        )

    def changes(self, first_tx: int, last_tx: int) -> Iterator[ChangeLink]:
        """Yield the change of the chain txs of ``[first_tx, last_tx)``, where they show any."""
        return self.finder.links(range(first_tx, last_tx))

    def changes_of(self, address: int) -> Iterator[ChangeLink]:
        """Yield the change of the chain txs that spend from an address."""
        return self.finder.links(spends_of(self.index, address))

    def chain_through(self, tx: int, least: int = LEAST) -> PeelingChain | None:
        """Give the peeling chain that a chain tx is a hop of."""
        return chain_through(self.finder, tx, least=least)

    def chains(self, first_tx: int, last_tx: int, least: int = LEAST) -> Iterator[PeelingChain]:
        """Yield the peeling chains that start in the chain txs of ``[first_tx, last_tx)``."""
        return chains_between(self.finder, first_tx, last_tx, least=least)

    def provenance(self, question: str, asked: Mapping[str, Any]) -> Provenance:
        """Say what an answer rests on; no list is asked, and no mark."""
        points = [f"{sign} {points}" for sign, points in POINTS.items()]
        return provenance_of(self.index, question, {**asked, "points": points})


def spends_of(index: Index, address: int) -> list[int]:
    """Give the chain txs that spend from an address, in chain order: one pass over the chain's outputs."""
    columns = index.columns
    found: set[int] = set()
    for begin in range(0, columns.outputs, _CHUNK):
        here = np.flatnonzero(columns.output_address[begin : begin + _CHUNK] == address)
        found.update(columns.output_spending[begin + here].tolist())
    return sorted(tx for tx in found if tx >= 0)
