"""Posting to a real PostgreSQL, as the worker's role."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from strongroom.infra.database import Connection, connect
from strongroom.ledger import service
from strongroom.ledger.errors import IdempotencyConflictError, InsufficientFundsError
from strongroom.ledger.model import Account, AccountType, Balance, LedgerTransaction, Posted, Posting
from tests.fixtures.postgres import Database
from tests.integration.ledger.books import ALICE, BOB, BTC, LTC, available, credit, held, house, move, transaction


@pytest.fixture
async def books(pg: Database) -> AsyncIterator[Connection]:
    async with await connect(pg.dsn("worker")) as connection:
        yield connection


async def test_a_posting_moves_value_and_keeps_balances_before_and_after(books: Connection) -> None:
    await service.post(books, [credit("d1", ALICE, 700), credit("d2", ALICE, 300)])
    rows = await (
        await books.execute(
            "SELECT seq, amount, balance_before, balance_after FROM ledger_entry e "
            "JOIN ledger_account a ON a.id = e.account_id WHERE a.owner <> '' ORDER BY seq"
        )
    ).fetchall()
    assert [tuple(row.values()) for row in rows] == [(1, 700, 0, 700), (2, 300, 700, 1000)]
    assert await service.balance(books, house(AccountType.CHAIN_COLD)) == -1000
    assert await service.balances(books, ALICE) == [Balance(available(ALICE), 1000)]


async def test_an_account_never_posted_to_has_nothing(books: Connection) -> None:
    assert await service.balance(books, available(BOB)) == 0
    assert await service.balances(books, BOB) == []
    assert await service.post(books, []) == []


async def test_the_same_key_and_input_again_gives_the_stored_answer(books: Connection) -> None:
    [first] = await service.post(books, [credit("d1", ALICE, 700)])
    await books.commit()
    [again] = await service.post(books, [credit("d1", ALICE, 700)])
    assert not first.again
    assert again == Posted(first.number, first.posted_at_ms, again=True)
    assert again.id == first.id
    assert await service.balance(books, available(ALICE)) == 700


@pytest.mark.parametrize(
    "other",
    [
        credit("d1", ALICE, 701),
        credit("d1", BOB, 700),
        credit("d1", ALICE, 700, LTC),
        transaction("d1", move(house(AccountType.CHAIN_HOT), available(ALICE), 700)),
        transaction("d1", *credit("d1", ALICE, 700).postings, memo={"a": "b"}),
        transaction("d1", *credit("d1", ALICE, 700).postings, kind="other"),
    ],
)
async def test_the_same_key_with_another_input_is_refused(books: Connection, other: LedgerTransaction) -> None:
    await service.post(books, [credit("d1", ALICE, 700)])
    with pytest.raises(IdempotencyConflictError) as refused:
        await service.post(books, [other])
    assert refused.value.code == "idempotency-conflict"
    assert await service.balance(books, available(ALICE)) == 700


async def test_a_key_twice_in_one_batch_is_posted_once(books: Connection) -> None:
    first, second = await service.post(books, [credit("d1", ALICE, 700), credit("d1", ALICE, 700)])
    assert first.number == second.number
    with pytest.raises(IdempotencyConflictError):
        await service.post(books, [credit("d2", ALICE, 1), credit("d2", ALICE, 2)])
    answers = await service.try_post(books, [credit("d3", ALICE, 1), credit("d3", ALICE, 2)])
    assert [type(answer) for answer in answers] == [Posted, IdempotencyConflictError]
    assert await service.balance(books, available(ALICE)) == 701


BEYOND = [
    move(available(ALICE), house(AccountType.HOUSE_FEES), 101),
    move(held(ALICE), available(ALICE), 1),
    move(house(AccountType.IN_TRANSIT), house(AccountType.SUSPENSE), 1),
    move(house(AccountType.SUSPENSE), Account(AccountType.MERCHANT_OWED, BTC, ALICE), 1),
    move(house(AccountType.SUSPENSE), house(AccountType.CHAIN_HOT), 1),
    move(house(AccountType.SUSPENSE), house(AccountType.CHAIN_COLD), 106),
]


@pytest.mark.parametrize("beyond", BEYOND)
async def test_what_takes_an_account_beyond_its_bounds_posts_nothing(books: Connection, beyond: Posting) -> None:
    await service.post(books, [credit("d1", ALICE, 100)])
    with pytest.raises(InsufficientFundsError) as refused:
        await service.post(books, [credit("d2", BOB, 5), transaction("w", beyond)])
    assert refused.value.code == "insufficient-funds"
    assert await service.balance(books, available(BOB)) == 0
    assert await service.balance(books, available(ALICE)) == 100
    rows = await (await books.execute("SELECT key FROM ledger_transaction")).fetchall()
    assert [row["key"] for row in rows] == ["d1"]


@pytest.mark.parametrize("kind", [AccountType.HOUSE_CAPITAL, AccountType.NETWORK_FEES, AccountType.SUSPENSE])
async def test_an_expense_may_go_below_zero(books: Connection, kind: AccountType) -> None:
    await service.post(books, [transaction("f", move(house(kind), available(ALICE), 5))])
    assert await service.balance(books, house(kind)) == -5


async def test_one_refused_transaction_leaves_no_trace_and_does_not_disturb_the_others(books: Connection) -> None:
    await service.post(books, [credit("d1", ALICE, 100)])
    half = transaction("half", move(available(ALICE), available(BOB), 60), move(available(ALICE), available(BOB), 60))
    answers = await service.try_post(books, [credit("d2", BOB, 1), half, credit("d3", ALICE, 10)])
    assert [type(answer) for answer in answers] == [Posted, InsufficientFundsError, Posted]
    assert await service.balance(books, available(ALICE)) == 110
    assert await service.balance(books, available(BOB)) == 1
    accounts, broken = await service.audit(books)
    assert all(account.sound for account in accounts)
    assert broken == []
    [later] = await service.post(books, [transaction("half", move(available(ALICE), available(BOB), 60))])
    assert not later.again  # a refusal is not stored: the key is free


async def test_later_transactions_of_a_batch_see_the_earlier_ones(books: Connection) -> None:
    chain = [credit("1", ALICE, 5), transaction("2", move(available(ALICE), available(BOB), 5))]
    await service.post(books, chain)
    assert await service.balance(books, available(BOB)) == 5


async def test_amounts_up_to_uint256_are_exact(books: Connection) -> None:
    most = 2**256 - 1
    await service.post(books, [credit("d1", ALICE, most)])
    assert await service.balance(books, available(ALICE)) == most
    with pytest.raises(InsufficientFundsError):
        await service.post(books, [credit(f"more{n}", ALICE, most) for n in range(9)])


async def test_texts_with_quotes_and_other_scripts_arrive_as_they_are(books: Connection) -> None:
    key, memo = """a "b" \\c {d},NULL 'e' %s ü 漢""", {'no"te': "back\\slash, {brace} 漢"}
    await service.post(books, [transaction(key, *credit("x", ALICE, 1).postings, memo=memo, kind="NULL")])
    row = await (await books.execute("SELECT key, memo, kind FROM ledger_transaction")).fetchone()
    assert row == {"key": key, "memo": memo, "kind": "NULL"}


async def test_the_functions_refuse_what_the_model_would(books: Connection) -> None:
    columns = (
        "ARRAY['',''], ARRAY['suspense','house-fees'], ARRAY['x:y/a:1','x:y/a:2'], ARRAY['k'], ARRAY[repeat('0',64)], "
        "ARRAY['t'], ARRAY['{}'], ARRAY[1], "
    )
    for postings in ("ARRAY[1], ARRAY[2], ARRAY[5]", "ARRAY[1], ARRAY[1], ARRAY[5]", "ARRAY[1], ARRAY[2], ARRAY[-5]"):
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            await books.execute(f"SELECT ledger_post({columns} {postings}, true)".encode())
        await books.rollback()
    with pytest.raises(psycopg.errors.CheckViolation):
        await books.execute(
            f"SELECT ledger_post({columns.replace('suspense', 'slush')} ARRAY[1], ARRAY[2], ARRAY[5], true)".encode()
        )
