"""Coin inside of contract calls, in the three forms in which it is told: a tree, a flat list, a table.

geth's ``callTracer`` gives a tree for each chain tx; ``trace_block`` (OpenEthereum, Erigon, Nethermind, Reth, anvil) a
flat list with the place of each call in that tree; ethereum-etl a table of the latter. All are walked in the order of
execution; what a failed call did, and all that it called, is undone and moved nothing. DELEGATECALL, CALLCODE and
STATICCALL move nothing to others. The top-level call is the chain tx itself, and not among these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from strongroom_tracing.accounts.sources.decoding import Inner
from strongroom_tracing.accounts.sources.reading import address, number, optional, take

_MOVING: Final = frozenset({"CALL", "CREATE", "CREATE2", "SELFDESTRUCT"})


def from_tree(root: Any) -> list[Inner] | None:
    """Read ``callTracer``'s answer for a chain tx; None where it failed as a whole."""
    if root.get("error"):
        return None
    moved: list[Inner] = []
    stack = list(reversed(root.get("calls") or ()))
    while stack:
        call = stack.pop()
        if call.get("error"):
            continue
        amount = optional(call.get("value"))
        if amount and call.get("type") in _MOVING:
            moved.append(Inner(address(take(call, "from")), address(take(call, "to")), amount))
        stack += reversed(call.get("calls") or ())
    return moved


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a flat list: its place in the tree, whether it failed, and the coin that it moved, if any."""

    place: tuple[int, ...]
    failed: bool
    moved: Inner | None


def from_calls(calls: Iterable[Call]) -> list[Inner] | None:
    """Put a chain tx's calls in order, without the top-level one and what was undone.

    None where it failed as a whole.
    """
    moved: list[Inner] = []
    undone: tuple[int, ...] | None = None  # the outermost that failed last: what it called follows it directly
    for call in sorted(calls, key=lambda call: call.place):
        if undone is not None and call.place[: len(undone)] == undone:
            continue
        if call.failed:
            if not call.place:
                return None
            undone = call.place
        elif call.moved is not None and call.place:
            moved.append(call.moved)
    return moved


def from_parity(answer: Any) -> Call:
    """Read one element of ``trace_block``'s answer that is of a chain tx."""
    action, kind = take(answer, "action"), answer.get("type")
    failed = bool(answer.get("error"))
    place = tuple(number(one) for one in take(answer, "traceAddress"))
    moved = None
    if kind == "call" and action.get("callType") == "call":
        moved = _inner(action.get("from"), action.get("to"), action.get("value"))
    elif kind == "create" and not failed:
        moved = _inner(action.get("from"), (answer.get("result") or {}).get("address"), action.get("value"))
    elif kind == "suicide":
        moved = _inner(action.get("address"), action.get("refundAddress"), action.get("balance"))
    return Call(place, failed, moved)


def from_etl(row: Any) -> Call:
    """Read a row of ethereum-etl's traces that is of a chain tx."""
    kind, places = row.get("trace_type"), row.get("trace_address")
    failed = bool(row.get("error")) or str(row.get("status", "1")) == "0"
    if isinstance(places, str):
        places = [one for one in places.split(",") if one]
    moves = (kind == "call" and row.get("call_type") == "call") or kind in ("create", "suicide")
    moved = _inner(row.get("from_address"), row.get("to_address"), row.get("value")) if moves and not failed else None
    return Call(tuple(number(one) for one in places or ()), failed, moved)


def _inner(sender: object, recipient: object, value: object) -> Inner | None:
    amount = optional(value)
    return Inner(address(sender), address(recipient), amount) if amount else None
