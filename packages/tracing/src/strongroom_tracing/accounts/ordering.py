"""The order of what moves within a chain tx, where coin and tokens meet: wraps.

A node tells of coin (traces) and of tokens (logs) in two lists, each in the order of execution, and not how they
interleave. It matters only where one becomes the other. A wrap stands in both lists: as coin paid to the wrapping
contract and as its event; they are paired by address and amount, first with first (WETH9 pays and logs within one call,
so pairs never cross). Coin then stands as late as its pairs allow. Swaps are the other meeting; see steps.py.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from strongroom_tracing.accounts.model import Kind


@dataclass(frozen=True, slots=True)
class Piece:
    """What this needs of a row: ``contract`` is the number of the address of its token's contract."""

    row: int
    kind: Kind
    sender: int
    recipient: int
    contract: int
    value: bytes
    wraps: bool


def merged(pieces: Sequence[Piece]) -> tuple[list[int], dict[int, int]]:
    """Order the rows of a chain tx, and pair coin rows with the rows of the wraps that they are part of.

    ``pieces`` come as the index has them: gas, coin, logs, tips. Gives the rows in order and {wrap: coin}.
    """
    coins = [piece for piece in pieces if piece.kind.rank == Kind.INTERNAL.rank]
    logs = [piece for piece in pieces if piece.kind.rank == Kind.TOKEN.rank]
    before = [piece.row for piece in pieces if piece.kind.rank < Kind.INTERNAL.rank]
    after = [piece.row for piece in pieces if piece.kind.rank > Kind.TOKEN.rank]
    pairs = _pairs(coins, logs)
    place = {coin.row: number for number, coin in enumerate(coins)}
    order, done = before, 0
    if coins and coins[0].kind == Kind.VALUE:  # the chain tx's own payment precedes whatever it causes
        order.append(coins[0].row)
        done = 1
    for log in logs:
        if log.row in pairs:
            until = place[pairs[log.row]] + 1
            order += [coin.row for coin in coins[done:until]]
            done = max(done, until)
        order.append(log.row)
    return order + [coin.row for coin in coins[done:]] + after, pairs


def _pairs(coins: Sequence[Piece], logs: Sequence[Piece]) -> dict[int, int]:
    waiting: dict[tuple[int, int, bytes], deque[int]] = defaultdict(deque)
    for coin in coins:
        waiting[coin.sender, coin.recipient, coin.value].append(coin.row)
    pairs = {}
    for log in logs:
        if not log.wraps:
            continue
        who = (log.recipient, log.contract) if log.kind == Kind.WRAP else (log.contract, log.sender)
        found = waiting.get((*who, log.value))
        if found:
            pairs[log.row] = found.popleft()
    return pairs
