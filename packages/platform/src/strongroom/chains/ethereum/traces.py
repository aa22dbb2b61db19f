"""Coin that moves inside of contract calls, read from a node's traces of a block. Pure.

Two forms: ``trace_block`` (OpenEthereum, Erigon, Nethermind, Reth: a flat list with trace addresses) and geth's
``debug_traceBlockByHash`` with ``callTracer`` (a tree for each chain tx). Both are walked in the order of execution,
and a payment is numbered by its place among those of its chain tx that moved coin, from 1: the top-level call has 0 and
is read from the chain tx itself. So its number is the same whichever form a node offers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from strongroom.chains.ethereum.reading import AnswerError, address_of, field_of, hash_of, quantity

_MOVING: Final = frozenset({"CALL", "CREATE", "CREATE2", "SELFDESTRUCT"})
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Inner:
    """A payment inside of a chain tx: its number there (from 1), the recipient, the amount in wei."""

    txid: str
    number: int
    recipient: bytes
    amount: int


def from_trees(answers: Sequence[Any], txids: Sequence[str]) -> list[Inner]:
    """Read ``callTracer``'s answer for a block with these chain txs. Raises ``AnswerError`` unless it has them all."""
    if len(answers) != len(txids):
        message = f"the node traced {len(answers)} chain txs of a block of {len(txids)}"
        raise AnswerError(message)
    found: list[Inner] = []
    for answer, txid in zip(answers, txids, strict=True):
        named = answer.get("txHash")
        if "result" not in answer or (named is not None and hash_of(named) != txid):
            message = f"the node has no trace of {txid}"
            raise AnswerError(message)
        found += _numbered(txid, _walk(answer["result"]))
    return found


def _walk(root: Tree) -> list[tuple[bytes, int]]:
    """Give recipients and amounts in the order of execution, without the root; what was undone moved nothing."""
    moved: list[tuple[bytes, int]] = []
    stack = [] if root.get("error") else list(reversed(root.get("calls") or ()))
    while stack:
        call = stack.pop()
        if call.get("error"):
            continue
        amount = quantity(call.get("value") or "0x0")
        if amount and call.get("type") in _MOVING:
            moved.append((address_of(field_of(call, "to")), amount))
        stack += reversed(call.get("calls") or ())
    return moved


def from_list(answers: Sequence[Any], block_hash: str, txids: Sequence[str]) -> list[Inner]:
    """Read ``trace_block``'s answer. Raises ``AnswerError`` unless it is of that block and has all of its chain txs."""
    by_txid: dict[str, list[Any]] = {txid: [] for txid in txids}
    for answer in answers:
        txid = answer.get("transactionHash")
        if txid is None:  # a reward is of no chain tx
            continue
        if hash_of(field_of(answer, "blockHash")) != block_hash or txid not in by_txid:
            message = "the node traced another block than the one asked for"
            raise AnswerError(message)
        by_txid[txid].append(answer)
    if not all(by_txid.values()):
        message = "the node did not trace all chain txs of a block"
        raise AnswerError(message)
    return [inner for txid, steps in by_txid.items() for inner in _numbered(txid, _flat(steps))]


def _flat(steps: Sequence[Any]) -> list[tuple[bytes, int]]:
    moved: list[tuple[bytes, int]] = []
    undone: list[tuple[int, ...]] = []
    for step in sorted(steps, key=lambda step: tuple(step["traceAddress"])):
        place = tuple(step["traceAddress"])
        if step.get("error"):
            undone.append(place)
        if place and not any(place[: len(start)] == start for start in undone):
            moved += _moved_by(step)
    return moved


def _moved_by(step: Any) -> list[tuple[bytes, int]]:
    action, kind = field_of(step, "action"), step.get("type")
    if kind == "call" and action.get("callType") == "call":
        found = action.get("to"), action.get("value")
    elif kind == "create":
        found = (step.get("result") or {}).get("address"), action.get("value")
    elif kind == "suicide":
        found = action.get("refundAddress"), action.get("balance")
    else:
        return []
    amount = quantity(found[1] or "0x0")
    return [(address_of(found[0]), amount)] if amount else []


def _numbered(txid: str, moved: Sequence[tuple[bytes, int]]) -> list[Inner]:
    return [Inner(txid, number, recipient, amount) for number, (recipient, amount) in enumerate(moved, 1)]
