"""Pure: what a batch looks like to the database, and the bytes that an idempotency key stands for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from strongroom.ledger.errors import (
    HoldClosedError,
    HoldExceededError,
    HoldUnknownError,
    IdempotencyConflictError,
    InsufficientFundsError,
)
from strongroom.ledger.model import Account, LedgerTransaction, Outcome, Posted
from strongroom_core.errors import StrongroomError

_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
_NO_MEMO = "{}"


@dataclass(slots=True)
class Batch:
    """Columns for ``ledger_post``: accounts once each, transactions, postings with their accounts' numbers (from 1).

    ``places`` says for each transaction asked for where its answer is; None where its key stood in the batch before
    with another input.
    """

    accounts: list[Account] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    memos: list[str] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    destinations: list[int] = field(default_factory=list)
    amounts: list[int] = field(default_factory=list)
    places: list[int | None] = field(default_factory=list)


def canonical(transaction: LedgerTransaction) -> bytes:
    """Give the bytes that make two inputs equal or not: kind, memo and postings in order, in UTF-8.

    Fields end in a control character, which the model allows in none of them, so the bytes read in one way only.
    """
    postings = [
        f"{posting.source.name}\x1f{posting.destination.name}\x1f{posting.amount.base_units}"
        for posting in transaction.postings
    ]
    return "\x1e".join((transaction.kind, memo_text(transaction.memo), *postings)).encode()


def memo_text(memo: dict[str, str]) -> str:
    """Give the memo as JSON in ASCII."""
    return _encode(memo) if memo else _NO_MEMO


def digest(*parts: object) -> str:
    """Hash the input of a request about a hold, as hex; ``parts`` are texts, integers and lists of them."""
    return hashlib.sha256(_encode(parts).encode()).hexdigest()


def build_batch(transactions: Sequence[LedgerTransaction]) -> Batch:
    """Put transactions into columns; a key that stands twice is posted once."""
    batch = Batch()
    numbers: dict[str, int] = {}
    seen: dict[str, int] = {}
    for transaction in transactions:
        hashed = hashlib.sha256(canonical(transaction)).hexdigest()
        place = seen.get(transaction.key)
        if place is not None:
            batch.places.append(place if batch.hashes[place] == hashed else None)
            continue
        seen[transaction.key] = len(batch.keys)
        batch.places.append(len(batch.keys))
        _append(batch, numbers, transaction, hashed)
    return batch


def _append(batch: Batch, numbers: dict[str, int], transaction: LedgerTransaction, hashed: str) -> None:
    batch.keys.append(transaction.key)
    batch.hashes.append(hashed)
    batch.kinds.append(transaction.kind)
    batch.memos.append(memo_text(transaction.memo))
    for posting in transaction.postings:
        batch.sources.append(_number(batch, numbers, posting.source))
        batch.destinations.append(_number(batch, numbers, posting.destination))
        batch.amounts.append(posting.amount.base_units)
    batch.lasts.append(len(batch.amounts))


def _number(batch: Batch, numbers: dict[str, int], account: Account) -> int:
    number = numbers.get(account.name)
    if number is None:
        batch.accounts.append(account)
        number = numbers[account.name] = len(batch.accounts)
    return number


def conflict(transaction: LedgerTransaction) -> StrongroomError:
    """Say that a key stands for another content."""
    return IdempotencyConflictError(
        f"{transaction.kind} {transaction.key} was posted before with another content; use a fresh key"
    )


def answers(
    transactions: Sequence[LedgerTransaction],
    batch: Batch,
    columns: tuple[Sequence[int], Sequence[int | None], Sequence[int]],
) -> list[Posted | StrongroomError]:
    """Give each transaction its answer, from the columns (outcome, number, time) of the batch."""
    outcomes, numbers, times = columns
    found: list[Posted | StrongroomError] = []
    for transaction, place in zip(transactions, batch.places, strict=True):
        if place is None:
            found.append(conflict(transaction))
            continue
        outcome, number = Outcome(outcomes[place]), numbers[place]
        if number is not None and outcome in (Outcome.POSTED, Outcome.AGAIN):
            found.append(Posted(number, times[place], outcome is Outcome.AGAIN))
        else:
            found.append(refusal(outcome, f"{transaction.kind} {transaction.key}") or StrongroomError("no answer"))
    return found


def refusal(outcome: Outcome, what: str) -> StrongroomError | None:
    """Turn an outcome into the error to raise; None where it is good. ``what`` names the transaction or hold."""
    match outcome:
        case Outcome.POSTED | Outcome.AGAIN:
            return None
        case Outcome.CONFLICT:
            return IdempotencyConflictError(f"{what} was posted before with another content; use a fresh key")
        case Outcome.INSUFFICIENT:
            return InsufficientFundsError(f"{what} would take a ledger account beyond what it may hold")
        case Outcome.HOLD_CLOSED:
            return HoldClosedError(f"{what}: the hold is closed or expired")
        case Outcome.HOLD_EXCEEDED:
            return HoldExceededError(f"{what}: more than is left of the hold")
        case Outcome.HOLD_UNKNOWN:
            return HoldUnknownError(f"{what}: there is no such hold on this ledger account")
