"""Posting to the books, holds, balances. Everything here works on the caller's transaction and never commits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from strongroom.infra.database import Connection, Pool
from strongroom.ledger import rules, store
from strongroom.ledger.errors import HoldUnknownError, InvalidPostingError
from strongroom.ledger.model import (
    Account,
    AccountAudit,
    AccountType,
    Balance,
    Breach,
    BreachKind,
    Cover,
    Hold,
    LedgerTransaction,
    Outcome,
    Posted,
    Posting,
    check_texts,
)
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import HoldId, MerchantId

EXPIRE_BATCH: Final = 100
WRITER_BATCH: Final = 1000
_Waiting = tuple[LedgerTransaction, asyncio.Future[Posted]]


async def post(connection: Connection, transactions: Sequence[LedgerTransaction]) -> list[Posted]:
    """Post all transactions in one statement, in their order, or none; the answers in the same order.

    One that was posted before with the same content gives its stored answer. Raises for the first that cannot be
    posted: ``IdempotencyConflictError`` (its key stands for another content), ``InsufficientFundsError`` (a ledger
    account would leave its bounds). Nothing is posted then, and the caller's transaction can go on.
    """
    posted: list[Posted] = []
    for answer in await _post(connection, transactions, all_or_nothing=True):
        if isinstance(answer, StrongroomError):
            raise answer
        posted.append(answer)
    return posted


async def try_post(connection: Connection, transactions: Sequence[LedgerTransaction]) -> list[Posted | StrongroomError]:
    """Post what can be posted; an answer or the error (not raised) for each transaction, in their order."""
    return await _post(connection, transactions, all_or_nothing=False)


async def _post(
    connection: Connection, transactions: Sequence[LedgerTransaction], *, all_or_nothing: bool
) -> list[Posted | StrongroomError]:
    if not transactions:
        return []
    batch = rules.build_batch(transactions)
    if all_or_nothing and None in batch.places:
        first = transactions[batch.places.index(None)]
        return [rules.conflict(first)]
    return rules.answers(transactions, batch, await store.post(connection, batch, all_or_nothing=all_or_nothing))


class LedgerWriter:
    """Group commit: callers that each wait for their own durable answer share the commits.

    What arrives while one batch is being committed is the next batch. One batch at a time, so that a hot account is
    locked once a batch and not once a caller (docs/decisions/0021).
    """

    def __init__(self, pool: Pool) -> None:
        """Keep the pool; the writer works only while somebody waits, and needs no start or stop."""
        self._pool = pool
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def post(self, transaction: LedgerTransaction) -> Posted:
        """Post one transaction and return when it is on disk; raises as ``post`` does, for this transaction alone."""
        answer: asyncio.Future[Posted] = asyncio.get_running_loop().create_future()
        self._waiting.append((transaction, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())
        return await answer

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:WRITER_BATCH], self._waiting[WRITER_BATCH:]
            await self._commit(batch)

    async def _commit(self, waiting: Sequence[_Waiting]) -> None:
        transactions = [transaction for transaction, _ in waiting]
        try:
            batch = rules.build_batch(transactions)
            answers = rules.answers(transactions, batch, await store.post_durably(self._pool, batch))
        except Exception as error:  # noqa: BLE001 -- whatever it is, it belongs to those who wait
            await self._apart(waiting, error)
            return
        for (_, future), answer in zip(waiting, answers, strict=True):
            _settle(future, answer)

    async def _apart(self, waiting: Sequence[_Waiting], error: Exception) -> None:
        """Give the error to the only one who waits, or find out who it belongs to."""
        if len(waiting) == 1 or store.is_down(error):
            for _, future in waiting:
                _settle(future, error)
            return
        for item in waiting:
            await self._commit([item])


def _settle(future: asyncio.Future[Posted], answer: Posted | Exception) -> None:
    if future.done():  # its caller was cancelled; the transaction is posted all the same
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)


async def reserve(
    connection: Connection,
    *,
    key: str,
    account: Account,
    amount: Amount,
    expires_at: datetime | None = None,
    memo: dict[str, str] | None = None,
) -> Hold:
    """Move ``amount`` from a merchant's available balance to held, as a hold; the same key again gives the same hold.

    Raises ``InsufficientFundsError``, ``IdempotencyConflictError``, and ``InvalidPostingError`` for another type of
    account.
    """
    memo = memo or {}
    check_texts("hold-reserve", key, memo)
    if account.type is not AccountType.MERCHANT_AVAILABLE or amount.asset != account.asset or not amount:
        message = "a hold reserves a positive amount of a merchant's available balance"
        raise InvalidPostingError(message)
    expiry = expires_at.isoformat() if expires_at else None
    hashed = rules.digest("reserve", account.name, amount.base_units, expiry, memo)
    answer = await store.reserve(
        connection, HoldId.new(), key, hashed, account, amount.base_units, expires_at, rules.memo_text(memo)
    )
    return _good(answer, f"hold {key}")


async def capture(connection: Connection, hold_id: HoldId, postings: Sequence[Posting], key: str) -> Hold:
    """Move held money on, in part or in whole; every posting's source is the hold's ``held_account``.

    The same key and postings again change nothing and give the hold as it is now. Raises ``HoldExceededError`` beyond
    what is left, ``HoldClosedError``, ``HoldUnknownError`` (also where a source is another account), and
    ``IdempotencyConflictError``.
    """
    transaction = LedgerTransaction("hold-capture", key, tuple(postings), {"hold": hold_id})
    batch = rules.build_batch([transaction])
    if set(batch.sources) != {1}:
        message = f"{hold_id}: every posting of a capture comes from the account that the hold is on"
        raise HoldUnknownError(message)
    hashed = rules.digest("capture", hold_id, batch.hashes[0])
    answer = await store.capture(connection, hold_id, key, hashed, batch, batch.memos[0])
    return _good(answer, f"capture {key} of {hold_id}")


async def release(connection: Connection, hold_id: HoldId, key: str) -> Hold:
    """Give what is left of a hold back to available and close it; the same key again changes nothing.

    Raises ``HoldClosedError`` where another request closed it, ``HoldUnknownError``, ``IdempotencyConflictError``.
    """
    memo: dict[str, str] = {"hold": hold_id}
    check_texts("hold-release", key, memo)
    hashed = rules.digest("release", hold_id)
    answer = await store.release(connection, hold_id, key, hashed, rules.memo_text(memo))
    return _good(answer, f"release {key} of {hold_id}")


async def expire_holds(connection: Connection, now: datetime) -> list[Hold]:
    """Release holds whose ``expires_at`` is not after ``now``, at most 100 at a time; those that were expired."""
    return await store.expire(connection, now, EXPIRE_BATCH)


async def get_hold(connection: Connection, hold_id: HoldId) -> Hold:
    """Find a hold. Raises ``HoldUnknownError``."""
    found = await store.hold(connection, hold_id)
    if found is None:
        message = f"there is no hold {hold_id}"
        raise HoldUnknownError(message)
    return found


async def balance(connection: Connection, account: Account) -> int:
    """Give an account's balance, signed, in base units; zero where nothing was posted."""
    return await store.balance(connection, account)


async def balances(connection: Connection, owner: MerchantId | None) -> list[Balance]:
    """Give all balances of a merchant, or of the house (None), by asset and type."""
    return await store.balances(connection, owner or "")


async def owing(connection: Connection, asset: Asset) -> list[MerchantId]:
    """Give the merchants that owe the house of an asset: a deposit of theirs was reversed after it was spent."""
    return [MerchantId(owner) for owner in await store.owing(connection, asset.id)]


async def cover(connection: Connection, asset: Asset) -> Cover:
    """Judge the rules of client money for an asset now, as every posting does at its end (docs/decisions/0024)."""
    return await store.cover(connection, asset.id)


async def house_capital(connection: Connection, asset: Asset) -> int:
    """Give the house's own money in base units, as far as it covers others': the definition that all bounds use.

    What was paid in, less miners' fees that merchants' fees did not bring in again, less losses and merchants' debts;
    below zero where more was lost.
    """
    return (await store.cover(connection, asset.id)).capital


async def breaches(connection: Connection) -> list[Breach]:
    """Give what stands now: clients' money that is not covered as it has to be."""
    return await store.breaches(connection)


async def past_breaches(connection: Connection, limit: int = 100) -> list[Breach]:
    """Give what is over, the latest first."""
    return await store.past_breaches(connection, limit)


async def judge_all(connection: Connection) -> None:
    """Judge every asset again (as the worker's role): what two transactions broke together, neither has seen."""
    await store.judge_all(connection)


async def report_breach(connection: Connection, asset_id: str, kind: BreachKind, size: int, cause: str) -> None:
    """Say what an independent look found (as the worker's role); size 0: nothing any more.

    Only of the kinds that the books do not judge themselves; the database refuses the others.
    """
    await store.report_breach(connection, asset_id, kind, size, cause)


async def audit(connection: Connection) -> tuple[list[AccountAudit], list[tuple[int, int]]]:
    """Recompute every account from its entries, and find postings (transaction, line) that are not two equal legs."""
    return await store.audit_accounts(connection), await store.audit_postings(connection)


def _good(answer: tuple[Outcome, Hold | None], what: str) -> Hold:
    outcome, hold = answer
    error = rules.refusal(outcome, what)
    if error is not None:
        raise error
    if hold is None:
        message = f"{what}: the key was used for something that is no hold"
        raise InvalidPostingError(message)
    return hold
