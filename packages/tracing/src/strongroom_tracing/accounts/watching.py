"""Watching marked money on account chains: the moves of an answer as events for a log.

The log is that of coin chains (``strongroom_tracing.watching``): each event once, in order, across restarts and reorgs.
A move is known by chain, block, transfer, ends, asset and claim. A transfer that a reorg puts into another block is
another move: the first is undone, the second told. What went on gas is a move to ``gas``, as fees are on coin chains.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.model import Question
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.provenance import canonical_json
from strongroom_tracing.watching import HasBlock

TO_GAS: Final = "gas"
_SAID: Final = frozenset({"value", "service"})  # what marks and lists say of a move, and the chain does not
_HASH_SHOWN: Final = 8
_Event = dict[str, Any]


def log_name(transfers: Transfers, question: Question, *, through: bool) -> str:
    """Name the log of these chains under a method; ``through``: services do not stop the trace."""
    limits = question.limits
    parts = [chain.replace(":", "-") for chain in transfers.chains] + [question.policy.value, question.direction.value]
    counts = (("hops", limits.hops), ("block", limits.block), ("busy", limits.transfers))
    parts += [f"{name}{value}" for name, value in counts if value is not None]
    if limits.smallest:
        least = canonical_json([[asset, str(amount)] for asset, amount in sorted(limits.smallest.items())])
        parts.append(f"smallest{sha256(least).hexdigest()[:_HASH_SHOWN]}")
    return "-".join([*parts, *("swap-events",) * question.swap_events, *("through",) * through])


def blocks_of(transfers: Transfers) -> HasBlock:
    """Say which blocks the indexes hold."""

    def has(block: str, height: int) -> bool:
        return any(transfers.block_hash(chain, height) == block for chain in transfers.chains)

    return has


def moves_of(transfers: Transfers, answer: AccountAnswer) -> dict[str, _Event]:
    """Give each move of an answer by an id that follows from everything but its value and the service's label."""
    return {
        sha256(canonical_json({name: event[name] for name in event if name not in _SAID})).hexdigest(): event
        for event in _events(transfers, answer)
    }


def _events(transfers: Transfers, answer: AccountAnswer) -> Iterator[_Event]:
    services = {(row.transfer, row.claim): row.service for row in answer.services}
    for move in answer.moves:
        ends = {"from": move.sender or "issued", "to": move.recipient, "asset": move.asset}
        service = services.get((move.transfer, move.claim))
        yield _event(transfers, move.number, {**ends, "service": _writable(service)}, move.claim, move.value)
    for gas in answer.gas:
        ends = {"from": gas.address, "to": TO_GAS, "asset": gas.asset}
        yield _event(transfers, transfers.find(gas.transfer), {**ends, "service": None}, gas.claim, gas.value)


def _event(transfers: Transfers, row: int, ends: _Event, claim: str, value: int) -> _Event:
    chain, height, name = transfers.chain_of(row), transfers.height_of(row), transfers.name(row)
    place = {"chain": chain, "height": height, "block": transfers.block_hash(chain, height)}
    txid, _, _ = name.rpartition("/")[2].rpartition(":")
    return {**place, "txid": txid, "transfer": name, **ends, "claim": claim, "value": str(value)}


def _writable(label: str | None) -> str | None:
    """A list in JSON can hold half of a surrogate pair, which no file can."""
    return None if label is None else label.encode("utf-8", "replace").decode()
