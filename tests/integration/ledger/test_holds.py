"""Holds on a real PostgreSQL: reserve, capture in part, release, expire, each once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strongroom.infra.database import Connection, connect, make_pool
from strongroom.infra.settings import DatabaseSettings, Settings
from strongroom.ledger import service
from strongroom.ledger.errors import (
    HoldClosedError,
    HoldExceededError,
    HoldUnknownError,
    IdempotencyConflictError,
    InsufficientFundsError,
    InvalidPostingError,
)
from strongroom.ledger.model import AccountType, Hold, HoldState
from strongroom.processes import worker
from strongroom_core.amounts import Amount
from strongroom_core.ids import HoldId
from tests.fixtures.postgres import Database
from tests.integration.invoices.shop import SetClock
from tests.integration.ledger.books import ALICE, BOB, BTC, LTC, available, credit, held, house, move, transaction

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TRANSIT = house(AccountType.IN_TRANSIT)


@pytest.fixture
async def books(pg: Database) -> AsyncIterator[Connection]:
    async with await connect(pg.dsn("treasury")) as connection:
        await service.post(connection, [credit("d", ALICE, 1000)])
        await connection.commit()
        yield connection


async def _reserve(books: Connection, units: int = 600, key: str = "r", expires_at: datetime | None = None) -> Hold:
    return await service.reserve(
        books, key=key, account=available(ALICE), amount=Amount(BTC, units), expires_at=expires_at, memo={"payout": "p"}
    )


async def _state(books: Connection) -> tuple[int, int, int]:
    return (
        await service.balance(books, available(ALICE)),
        await service.balance(books, held(ALICE)),
        await service.balance(books, TRANSIT),
    )


async def test_a_hold_moves_money_from_available_to_held(books: Connection) -> None:
    hold = await _reserve(books)
    assert (hold.amount, hold.remaining, hold.state) == (Amount(BTC, 600), Amount(BTC, 600), HoldState.OPEN)
    assert hold.memo == {"payout": "p"}
    assert await _state(books) == (400, 600, 0)
    assert await service.get_hold(books, hold.id) == hold


async def test_what_is_held_cannot_be_held_again(books: Connection) -> None:
    await _reserve(books)
    with pytest.raises(InsufficientFundsError):
        await _reserve(books, 401, "r2")
    assert await _state(books) == (400, 600, 0)


async def test_reserving_again_gives_the_same_hold_and_another_input_is_refused(books: Connection) -> None:
    hold = await _reserve(books)
    assert await _reserve(books) == hold
    for units, expiry in ((601, None), (600, NOW)):
        with pytest.raises(IdempotencyConflictError):
            await _reserve(books, units, expires_at=expiry)
    assert await _state(books) == (400, 600, 0)


async def test_a_hold_is_captured_in_parts_and_the_rest_released(books: Connection) -> None:
    hold = await _reserve(books)
    await service.capture(books, hold.id, [move(held(ALICE), TRANSIT, 100)], "c1")
    both = [move(held(ALICE), TRANSIT, 200), move(held(ALICE), house(AccountType.HOUSE_FEES), 50)]
    partly = await service.capture(books, hold.id, both, "c2")
    assert (partly.captured.base_units, partly.state) == (350, HoldState.OPEN)
    done = await service.release(books, hold.id, "rel")
    assert (done.captured.base_units, done.released.base_units, done.state) == (350, 250, HoldState.CLOSED)
    assert await _state(books) == (650, 0, 300)
    assert await service.balance(books, house(AccountType.HOUSE_FEES)) == 50


async def test_capturing_all_closes_the_hold(books: Connection) -> None:
    hold = await _reserve(books)
    done = await service.capture(books, hold.id, [move(held(ALICE), TRANSIT, 600)], "c")
    assert done.state is HoldState.CLOSED
    with pytest.raises(HoldClosedError):
        await service.release(books, hold.id, "rel")
    with pytest.raises(HoldClosedError):
        await service.capture(books, hold.id, [move(held(ALICE), TRANSIT, 1)], "c2")


async def test_capture_and_release_happen_once_per_key(books: Connection) -> None:
    hold = await _reserve(books)
    postings = [move(held(ALICE), TRANSIT, 100)]
    first = await service.capture(books, hold.id, postings, "c")
    assert await service.capture(books, hold.id, postings, "c") == first
    with pytest.raises(IdempotencyConflictError):
        await service.capture(books, hold.id, [move(held(ALICE), TRANSIT, 101)], "c")
    closed = await service.release(books, hold.id, "rel")
    assert await service.release(books, hold.id, "rel") == closed
    assert await service.capture(books, hold.id, postings, "c") == closed
    with pytest.raises(IdempotencyConflictError):
        await service.release(books, hold.id, "c")
    assert await _state(books) == (900, 0, 100)


async def test_more_than_is_left_is_refused_even_where_other_holds_have_it(books: Connection) -> None:
    hold = await _reserve(books, 600)
    await _reserve(books, 300, "r2")
    with pytest.raises(HoldExceededError):
        await service.capture(books, hold.id, [move(held(ALICE), TRANSIT, 601)], "c")
    assert await _state(books) == (100, 900, 0)


async def test_a_capture_takes_only_from_its_own_account(books: Connection) -> None:
    hold = await _reserve(books)
    await service.post(books, [credit("b", BOB, 10), transaction("bh", move(available(BOB), held(BOB), 10))])
    for source in (held(BOB), available(ALICE)):
        with pytest.raises(HoldUnknownError):
            await service.capture(books, hold.id, [move(source, TRANSIT, 1)], "c")
    mixed = [move(held(ALICE), TRANSIT, 1), move(held(BOB), TRANSIT, 1)]
    with pytest.raises(HoldUnknownError):
        await service.capture(books, hold.id, mixed, "c")
    with pytest.raises(HoldUnknownError):
        await service.capture(books, HoldId.new(), [move(held(ALICE), TRANSIT, 1)], "c")
    with pytest.raises(HoldUnknownError):
        await service.release(books, HoldId.new(), "x")
    with pytest.raises(HoldUnknownError):
        await service.get_hold(books, HoldId.new())
    assert await _state(books) == (400, 600, 0)


async def test_holds_expire_at_their_time_and_give_back_what_was_not_captured(books: Connection) -> None:
    hold = await _reserve(books, expires_at=NOW)
    forever = await _reserve(books, 10, "r2")
    await service.capture(books, hold.id, [move(held(ALICE), TRANSIT, 100)], "c")
    assert await service.expire_holds(books, NOW - timedelta(microseconds=1)) == []
    [expired] = await service.expire_holds(books, NOW)
    assert (expired.id, expired.state, expired.released.base_units) == (hold.id, HoldState.EXPIRED, 500)
    assert await service.expire_holds(books, NOW + timedelta(days=9)) == []
    assert (await service.get_hold(books, forever.id)).state is HoldState.OPEN
    assert await _state(books) == (890, 10, 100)
    with pytest.raises(HoldClosedError):
        await service.capture(books, hold.id, [move(held(ALICE), TRANSIT, 1)], "c2")


async def test_the_workers_own_loops_let_holds_expire(books: Connection, pg: Database) -> None:
    """Who made a hold with an end need not be there at its end."""
    clock = SetClock()
    due = await _reserve(books, expires_at=clock.now() + timedelta(seconds=60))
    later = await _reserve(books, 100, "r2", clock.now() + timedelta(seconds=61))
    await books.commit()
    async with make_pool(pg.dsn("worker"), size=1) as pool:
        nowhere = Path("/nonexistent")
        settings = Settings(deployment="test", data_dir=nowhere, database=DatabaseSettings(passwords=nowhere))
        [loop] = [loop for loop in worker._loops(settings, pool, clock) if loop.name == "holds"]
        assert await loop.step() == 0
        clock.forward(seconds=60)
        assert await loop.step() == 1
        assert await loop.step() == 0
    assert (await service.get_hold(books, due.id)).state is HoldState.EXPIRED
    assert (await service.get_hold(books, later.id)).state is HoldState.OPEN
    assert await _state(books) == (900, 100, 0)


async def test_holds_are_on_available_balances_of_their_asset_only(books: Connection) -> None:
    for account, amount in (
        (held(ALICE), Amount(BTC, 1)),
        (house(AccountType.SUSPENSE), Amount(BTC, 1)),
        (available(ALICE), Amount(LTC, 1)),
        (available(ALICE), Amount(BTC, 0)),
    ):
        with pytest.raises(InvalidPostingError):
            await service.reserve(books, key="k", account=account, amount=amount)


async def test_a_key_of_another_ledger_transaction_is_no_hold(books: Connection) -> None:
    with pytest.raises(IdempotencyConflictError):
        await _reserve(books, key="d")
