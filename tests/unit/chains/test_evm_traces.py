"""Inner payments: only what moved coin and was not undone counts, with the same number in either form of trace."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.chains.ethereum import traces
from strongroom.chains.ethereum.reading import AnswerError

TXID, BLOCK = "0x" + "11" * 32, "0x" + "22" * 32
Tree = dict[str, Any]
kinds = st.sampled_from(["CALL", "DELEGATECALL", "STATICCALL", "CALLCODE", "CREATE", "SELFDESTRUCT"])


def _address(number: int) -> str:
    return "0x" + number.to_bytes(20, "big").hex()


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> Tree:
    """A call with calls in it, some of them failed."""
    calls = [draw(trees(depth=depth - 1)) for _ in range(draw(st.integers(0, 3)))] if depth else []
    kind = draw(kinds)
    tree: Tree = {
        "type": kind,
        "from": _address(1),
        "to": _address(draw(st.integers(2, 9))),
        "value": hex(draw(st.integers(0, 3))),
    }
    if kind == "SELFDESTRUCT":
        calls = []
    if draw(st.integers(0, 4)) == 0:
        tree["error"] = "execution reverted"
    return {**tree, "calls": calls} if calls else tree


def _flat(tree: Tree, place: tuple[int, ...] = ()) -> list[Tree]:
    """The same as ``trace_block`` writes it."""
    kind, value = tree["type"], tree["value"]
    entry: Tree = {"traceAddress": list(place), "transactionHash": TXID, "blockHash": BLOCK}
    if kind == "CREATE":
        entry |= {"type": "create", "action": {"from": tree["from"], "value": value}, "result": {"address": tree["to"]}}
    elif kind == "SELFDESTRUCT":
        entry |= {"type": "suicide", "action": {"refundAddress": tree["to"], "balance": value}}
    else:
        entry |= {"type": "call", "action": {"callType": kind.lower(), "to": tree["to"], "value": value}}
    if "error" in tree:
        entry["error"] = tree["error"]
    inner = [step for at, call in enumerate(tree.get("calls", ())) for step in _flat(call, (*place, at))]
    return [entry, *inner]


def _expected(tree: Tree, *, root: bool = True) -> list[tuple[str, int]]:
    if "error" in tree:
        return []
    own = []
    if not root and tree["type"] in {"CALL", "CREATE", "SELFDESTRUCT"} and tree["value"] != "0x0":
        own = [(tree["to"], int(tree["value"], 16))]
    return own + [moved for call in tree.get("calls", ()) for moved in _expected(call, root=False)]


@given(trees())
def test_both_forms_tell_the_same_payments_in_the_order_of_execution(tree: Tree) -> None:
    root = {**tree, "type": "CALL"}
    from_trees = traces.from_trees([{"txHash": TXID, "result": root}], [TXID])
    from_list = traces.from_list(_flat(root), BLOCK, [TXID])
    assert from_trees == from_list
    assert [("0x" + inner.recipient.hex(), inner.amount) for inner in from_trees] == _expected(root)
    assert [inner.number for inner in from_trees] == list(range(1, len(from_trees) + 1))


def test_a_trace_of_another_block_or_without_some_chain_txs_is_refused() -> None:
    root: Tree = {"type": "CALL", "from": _address(1), "to": _address(2), "value": "0x0"}
    with pytest.raises(AnswerError):
        traces.from_trees([], [TXID])
    with pytest.raises(AnswerError):
        traces.from_trees([{"txHash": "0x" + "99" * 32, "result": root}], [TXID])
    with pytest.raises(AnswerError):
        traces.from_trees([{"txHash": TXID, "error": "out of memory"}], [TXID])
    with pytest.raises(AnswerError):
        traces.from_list([], BLOCK, [TXID])
    with pytest.raises(AnswerError):
        traces.from_list(_flat(root), "0x" + "99" * 32, [TXID])


def test_a_call_tree_as_deep_as_the_machine_allows_is_read() -> None:
    tree: Tree = {"type": "CALL", "from": _address(1), "to": _address(3), "value": "0x5"}
    for _ in range(1024):
        tree = {"type": "CALL", "from": _address(1), "to": _address(2), "value": "0x0", "calls": [tree]}
    (inner,) = traces.from_trees([{"result": tree}], [TXID])
    assert (inner.recipient, inner.amount) == (bytes.fromhex(_address(3)[2:]), 5)
