"""One question about a case, asked whole.

Marks, services from the lists, the trace, its tables and what they rest on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from strongroom_tracing.index.service import Index
from strongroom_tracing.marks.model import CaseMark
from strongroom_tracing.marks.service import Resolved, resolve
from strongroom_tracing.provenance import Provenance
from strongroom_tracing.tags.services import STOPS, stops
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.model import Direction, Fees, Limits, Policy, Question
from strongroom_tracing.taint.service import trace
from strongroom_tracing.taint.tables import tables

Progress = Callable[[int, int], None]
_ABSENT: Final = ("claim", "where", "reporter", "reference", "reported")


@dataclass(frozen=True, slots=True)
class Method:
    """How money is followed.

    ``limits.smallest`` is in base units; tags of less ``confidence`` (per cent) stop nothing.
    """

    policy: Policy = Policy.FIFO
    direction: Direction = Direction.FORWARD
    fees: Fees = Fees.ABSORBED
    limits: Limits = field(default_factory=Limits)
    confidence: int = 0

    @property
    def name(self) -> str:
        """A short name that follows from all of it."""
        parts = [self.policy.value, self.direction.value, self.fees.value]
        limits = (
            ("hops", self.limits.hops),
            ("smallest", self.limits.smallest or None),
            ("height", self.limits.height),
        )
        parts += [f"{name}{value}" for name, value in limits if value is not None]
        return "-".join(parts + ([f"confidence{self.confidence}"] if self.confidence else []))


@dataclass(frozen=True, slots=True)
class Result:
    """An answer, its Arrow tables by name, and what it rests on."""

    index: Index
    answer: Answer
    tables: Mapping[str, pa.Table]
    provenance: Provenance


def investigate(
    index: Index,
    marks: Sequence[CaseMark],
    method: Method,
    store: TagStore | None = None,
    progress: Progress | None = None,
) -> Result:
    """Follow a case's marked money on the index's chain.

    ``store``: the lists whose services stop the trace; without it none does. Marks that a reorg took out of the chain
    are in the table ``absent``. Raises ``NothingMarkedError``, ``BadQuestionError``.
    """
    found = resolve(index, marks)
    answer = trace(index.columns, question_of(index, found, method, store), progress)
    made = tables(index.columns, answer, index.address_text) | {"absent": _absent_table(found.absent)}
    return Result(index, answer, made, _provenance_of(index, marks, found.absent, method, store))


def _absent_table(absent: Sequence[CaseMark]) -> pa.Table:
    """Give the marks of the index's chain that mean nothing in it, in the order of report."""
    rows = [mark.as_json() for mark in absent]
    amounts = [None if row["amount"] is None else int(row["amount"]) for row in rows]
    texts = {name: pa.array([row[name] for row in rows], pa.string()) for name in _ABSENT}
    return pa.table(texts | {"amount": pa.array(amounts, pa.int64())})


def question_of(index: Index, found: Resolved, method: Method, store: TagStore | None = None) -> Question:
    """Give the question that a case's marks, as they were found in the index, and a method ask."""
    known = {} if store is None else stops(store, index, confidence=method.confidence)
    return Question(method.policy, method.fees, method.direction, found.marks, known, method.limits)


def _provenance_of(
    index: Index, marks: Sequence[CaseMark], absent: Sequence[CaseMark], method: Method, store: TagStore | None
) -> Provenance:
    """Say what an answer rests on: the chain up to the index's tip, the method, the marks of that chain, the lists.

    A mark that means nothing in the index says so.
    """
    tip = index.tip
    parameters: dict[str, Any] = {
        "hops": method.limits.hops,
        "smallest": str(method.limits.smallest),
        "height_limit": method.limits.height,
        "stop_categories": sorted(category.value for category in STOPS) if store is not None else [],
        "tag_confidence": method.confidence,
    }
    return Provenance(
        chain=index.chain,
        height=tip.height,
        block_hash=tip.hash,
        dataset_hash=index.dataset_hash(tip.height),
        method={"policy": method.policy.value, "direction": method.direction.value, "fees": method.fees.value},
        parameters=parameters,
        marks=tuple(
            mark.as_json() | ({"absent": True} if mark in absent else {}) for mark in marks if mark.chain == index.chain
        ),
        tags_hash="" if store is None else store.hash,
        lists=() if store is None else store.lists(),
    )
