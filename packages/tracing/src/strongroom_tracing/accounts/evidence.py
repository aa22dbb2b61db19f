"""What an answer rests on, and the whole of it as bytes: the same data and question give the same, everywhere."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, Final

from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.model import Question
from strongroom_tracing.accounts.tables import ROWS
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.provenance import Provenance, canonical_json
from strongroom_tracing.tags.model import ListInfo

_AMOUNTS: Final = frozenset({"value", "paid", "got", "amount"})


def provenance(
    transfers: Transfers, answer: AccountAnswer, *, lists: tuple[ListInfo, ...] = (), tags_hash: str = ""
) -> Provenance:
    """Say what an answer rests on. Several chains stand in one, in their order, with commas between."""
    tips = transfers.tips()
    question = answer.question
    return Provenance(
        chain=",".join(transfers.chains),
        height=max(height for height, _ in tips),
        block_hash=",".join(block_hash for _, block_hash in tips),
        dataset_hash=answer.dataset_hash,
        method={
            "accounts": "lots of each address and asset",
            "policy": question.policy.value,
            "direction": question.direction.value,
            "gas": "apart",
            "swaps": "named pools and events" if question.swap_events else "named pools",
        },
        parameters=_parameters(question)
        | {
            "heights": [height for height, _ in tips],
            "genuine_sha256": answer.genuine_sha256,
            "untraced": list(answer.untraced),
        },
        marks=tuple(_row(mark) for mark in question.marks),
        tags_hash=tags_hash,
        lists=lists,
    )


def _parameters(question: Question) -> dict[str, Any]:
    limits = question.limits
    return {
        "stops": [list(item) for item in sorted(question.stops.items())],
        "pools": [list(item) for item in sorted(question.pools.items())],
        "bridges": [asdict(bridge) for bridge in question.bridges],
        "openings": [[*key, str(amount)] for key, amount in sorted(question.openings.items())],
        "hops": limits.hops,
        "smallest": [[asset, str(amount)] for asset, amount in sorted(limits.smallest.items())],
        "block": limits.block,
        "transfers": limits.transfers,
    }


def as_json(answer: AccountAnswer) -> dict[str, Any]:
    """Give all rows as JSON's own types; base units as decimal text."""
    found: dict[str, Any] = {name: [_row(row) for row in getattr(answer, name)] for name in ROWS}
    totals = [[service, asset, claim, str(value)] for service, asset, claim, value in answer.totals()]
    return found | {"totals": totals, "claims": list(answer.claims), "visited_txs": answer.visited_txs}


def document(answer: AccountAnswer, basis: Provenance) -> bytes:
    """Write an answer and what it rests on as canonical JSON."""
    return canonical_json({"provenance": basis.as_json(), "answer": as_json(answer)})


def _row(row: Any) -> dict[str, Any]:
    found = {}
    for one in fields(row):
        value = getattr(row, one.name)
        found[one.name] = str(value) if one.name in _AMOUNTS and value is not None else _plain(value)
    return found


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value  # an enum of text is text
