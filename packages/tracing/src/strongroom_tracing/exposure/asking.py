"""One output's exposure, asked whole: lists, marks, clusters, the search, its table and what the answer rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from strongroom_tracing.clusters.model import Clusters
from strongroom_tracing.clusters.store import RULES
from strongroom_tracing.exposure.model import Exposure, Limits
from strongroom_tracing.exposure.service import exposure
from strongroom_tracing.exposure.suspects import suspects
from strongroom_tracing.exposure.tables import exposure_table
from strongroom_tracing.index.service import Index
from strongroom_tracing.marks.model import CaseMark
from strongroom_tracing.marks.service import resolve
from strongroom_tracing.provenance import Provenance
from strongroom_tracing.tags.store import TagStore


@dataclass(frozen=True, slots=True)
class Question:
    """What counts as near, and how far to look.

    ``store``: the lists whose tags count (of ``confidence`` per cent at least), ``marks``: a case's. With ``clusters``
    a tag counts for every address that was spent together with its own.
    """

    store: TagStore | None = None
    marks: Sequence[CaseMark] = ()
    clusters: Clusters | None = None
    confidence: int = 0
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer, its Arrow table, and what it rests on."""

    found: Exposure
    table: pa.Table
    provenance: Provenance


def ask(index: Index, outpoint: str, question: Question) -> Asked:
    """Say what an output, as ``txid:number``, touches.

    The shares are checked to be its whole value. Raises ``UnknownOutputError``, ``NothingMarkedError``.
    """
    output = index.find_output(outpoint)
    tags = {} if question.store is None else tags_of(question.store, index, question.confidence)
    known = suspects(tags, _marked(index, question.marks), question.clusters)
    found = exposure(index.columns, known, output, question.limits)
    found.check()
    table = exposure_table(index.columns, found, index.address_text)
    return Asked(found, table, provenance_of(index, outpoint, question))


def tags_of(store: TagStore, index: Index, confidence: int = 0) -> dict[int, list[str]]:
    """Give what the lists say of the chain's addresses, by number: label, category and list; conflicts stay."""
    said: dict[str, list[str]] = {}
    for listed in store.all_listed(index.chain):
        if listed.tag.confidence >= confidence:
            words = f"{listed.tag.label} ({listed.tag.category}; {listed.list_name})"
            said.setdefault(listed.tag.address, []).append(words)
    return {number: said[text] for text, number in index.addresses_of(said).items()}


def provenance_of(index: Index, outpoint: str, question: Question) -> Provenance:
    """Say what an answer rests on; a mark that means nothing in the index says so."""
    tip, store = index.tip, question.store
    gone = resolve(index, question.marks).absent if question.marks else ()
    parameters: dict[str, Any] = {
        "output": outpoint,
        **{name: str(limit) if name == "smallest" else limit for name, limit in asdict(question.limits).items()},
        "tag_confidence": question.confidence,
        "cluster_rules": None if question.clusters is None else RULES,
    }
    return Provenance(
        chain=index.chain,
        height=tip.height,
        block_hash=tip.hash,
        dataset_hash=index.dataset_hash(tip.height),
        method={"question": "exposure", "share": "haircut", "direction": "backward"},
        parameters=parameters,
        marks=tuple(
            mark.as_json() | ({"absent": True} if mark in gone else {})
            for mark in question.marks
            if mark.chain == index.chain
        ),
        tags_hash="" if store is None else store.hash,
        lists=() if store is None else store.lists(),
    )


def _marked(index: Index, marks: Sequence[CaseMark]) -> Mapping[int, Sequence[str]]:
    """Give the claims of each output that a case marks, all of it or a part."""
    claims: dict[int, list[str]] = {}
    for mark in resolve(index, marks).marks if marks else ():
        claims.setdefault(mark.output, []).append(mark.claim)
    return claims
