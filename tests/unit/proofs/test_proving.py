"""A block that our own node never gives keeps no other back; a node that gives none is away, and nothing is put off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from strongroom.chains.errors import NodeDownError, NodeError
from strongroom.proofs.errors import UnprovableError
from strongroom.proofs.model import Place, ProofKind, ProofState, Wanted
from strongroom.proofs.proving import MAX_FAILED, Proving
from strongroom_core.proof_messages import TxProof

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PLACE = Place("bip122:x", tip=110, horizon=6)


def wanted(block: str, subject: str = "") -> Wanted:
    return Wanted(subject or f"dep_{block}", ProofKind.DEPOSIT, "aa", 0, None, 105, block, 0)


@dataclass
class Node:
    """Proves what is in blocks whose names begin with ``ok``, and remembers what it was asked."""

    asked: list[str] = field(default_factory=list)

    async def proof(self, item: Wanted, _address: object) -> TxProof:
        self.asked.append(item.block_hash)
        if item.block_hash.startswith("gone"):
            message = "not on our chain"
            raise UnprovableError(message)
        if not item.block_hash.startswith("ok"):
            message = "an answer that is none"
            raise NodeDownError(message)
        return TxProof(b"", b"", 0, 0, b"", 0, "", 0, 0)


class Signer:
    name = "A"


class Clock:
    def now(self) -> datetime:
        return NOW


async def proven(node: Node, items: Sequence[Wanted]) -> tuple[list[str], list[str]]:
    unused: Any = None
    proving = Proving(unused, unused, node, Signer(), ("A",), Clock())  # type: ignore[arg-type]
    proofs, missing = await proving._proofs(items, {}, PLACE)
    for answer in missing:
        assert (answer.state, answer.tag) == (ProofState.WAITING, "")
        assert answer.retry_at > NOW
    return [item.block_hash for item, _ in proofs], [answer.wanted.block_hash for answer in missing]


@pytest.mark.parametrize("blocks", [["bad", "ok1", "ok2"], ["ok1", "bad", "ok2"], ["ok1", "ok2", "bad"]])
async def test_a_block_that_the_node_never_gives_waits_and_the_others_do_not(blocks: list[str]) -> None:
    assert await proven(Node(), [wanted(block) for block in blocks]) == (["ok1", "ok2"], ["bad"])


async def test_a_block_that_failed_is_asked_for_once_a_step() -> None:
    node = Node()
    items = [wanted("bad", "dep_1"), wanted("bad", "dep_2"), wanted("ok")]
    assert await proven(node, items) == (["ok"], ["bad", "bad"])
    assert node.asked == ["bad", "ok"]


async def test_a_node_that_gives_nothing_is_away_and_nothing_is_put_off() -> None:
    node = Node()
    with pytest.raises(NodeError):
        await proven(node, [wanted("bad"), wanted("gone")])
    node.asked.clear()
    with pytest.raises(NodeError):
        await proven(node, [wanted(f"bad{number}") for number in range(50)])
    assert len(node.asked) == MAX_FAILED


async def test_what_left_the_chain_waits_alone() -> None:
    assert await proven(Node(), [wanted("gone")]) == ([], ["gone"])
