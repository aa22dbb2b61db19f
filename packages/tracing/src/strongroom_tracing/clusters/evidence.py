"""What an answer about clusters, change or peeling chains rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strongroom_tracing.clusters.store import RULES
from strongroom_tracing.index.service import Index
from strongroom_tracing.provenance import Provenance


def provenance_of(index: Index, question: str, asked: Mapping[str, Any]) -> Provenance:
    """Say of which chain, to which height and under which rules it holds; no list is asked, and no mark."""
    tip = index.tip
    return Provenance(
        chain=index.chain,
        height=tip.height,
        block_hash=tip.hash,
        dataset_hash=index.dataset_hash(tip.height),
        method={"question": question, "cluster_rules": RULES},
        parameters=asked,
        marks=(),
    )
