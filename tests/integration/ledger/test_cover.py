"""Client money is never short: the rules are judged by every posting, in its own transaction."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from strongroom.infra.database import Connection, connect
from strongroom.infra.schema import ROLES
from strongroom.ledger import service
from strongroom.ledger.model import Account, AccountType, Breach, BreachKind, LedgerTransaction
from tests.fixtures.postgres import Database
from tests.integration.ledger.books import ALICE, BOB, BTC, LTC, available, held, house, move
from tests.integration.ledger.books import transaction as entry

HOT, COLD = house(AccountType.CHAIN_HOT), house(AccountType.CHAIN_COLD)
CAPITAL, FEES = house(AccountType.HOUSE_CAPITAL), house(AccountType.HOUSE_FEES)
TRANSIT, NETWORK = house(AccountType.IN_TRANSIT), house(AccountType.NETWORK_FEES)
SUSPENSE = house(AccountType.SUSPENSE)


@pytest.fixture
async def books(pg: Database) -> AsyncIterator[Connection]:
    async with await connect(pg.dsn("worker")) as connection:
        yield connection


async def post(connection: Connection, *transactions: LedgerTransaction) -> None:
    async with connection.transaction():
        await service.post(connection, transactions)


async def standing(connection: Connection) -> list[tuple[BreachKind, int]]:
    return [(item.kind, item.size) for item in await service.breaches(connection)]


async def only(connection: Connection) -> Breach:
    [found] = await service.breaches(connection)
    return found


async def start(connection: Connection, capital: int = 100) -> None:
    await post(connection, entry("capital", move(COLD, CAPITAL, capital)), entry("refill", move(HOT, COLD, capital)))


async def test_hot_up_to_the_houses_capital_is_no_breach(books: Connection) -> None:
    await start(books)
    await post(books, entry("d1", move(COLD, available(ALICE), 1_000)))
    assert await standing(books) == []


async def test_a_deposit_that_lands_hot_beyond_the_capital_is_one_by_design(books: Connection) -> None:
    await start(books)
    await post(books, entry("d1", move(HOT, available(ALICE), 7), kind="deposit-credit"))
    found = await only(books)
    assert (found.kind, found.size, found.cause) == (BreachKind.HOT_LANDED, 7, "deposit-credit")


async def test_a_sweep_to_cold_ends_it_and_history_stays(books: Connection) -> None:
    await start(books)
    await post(books, entry("d1", move(HOT, available(ALICE), 7)), entry("d2", move(HOT, available(ALICE), 5)))
    await post(books, entry("sweep", move(COLD, HOT, 10)))
    assert await standing(books) == [(BreachKind.HOT_LANDED, 2)]
    await post(books, entry("sweep2", move(COLD, HOT, 2)))
    assert await standing(books) == []
    [past] = await service.past_breaches(books)
    assert (past.size, past.worst) == (2, 12)
    assert past.ended_at is not None
    assert past.ended_at >= past.since


async def test_capital_that_goes_leaves_hot_uncovered(books: Connection) -> None:
    await start(books)
    await post(books, entry("d1", move(COLD, available(ALICE), 50)))
    await post(books, entry("out", move(CAPITAL, COLD, 30), kind="cold"))
    found = await only(books)
    assert (found.kind, found.size, found.cause) == (BreachKind.HOT_UNCOVERED, 30, "cold")


async def test_what_had_landed_and_then_lost_its_cover_is_named_anew(books: Connection) -> None:
    await start(books)
    await post(books, entry("d0", move(COLD, available(ALICE), 50)))
    await post(books, entry("d1", move(HOT, available(ALICE), 7)))
    await post(books, entry("out", move(CAPITAL, COLD, 30)))
    assert await standing(books) == [(BreachKind.HOT_UNCOVERED, 37)]


async def test_what_is_in_flight_is_part_of_hot_until_it_is_final(books: Connection) -> None:
    await start(books)
    await post(books, entry("d1", move(COLD, available(ALICE), 80)))
    await post(books, entry("capture", move(available(ALICE), TRANSIT, 80)))
    assert await standing(books) == []
    await post(books, entry("d2", move(HOT, available(BOB), 1)))
    assert await standing(books) == [(BreachKind.HOT_LANDED, 1)]
    await post(books, entry("final", move(TRANSIT, HOT, 80)))
    assert await standing(books) == []


async def test_more_in_flight_than_capital_is_a_breach_where_it_is_drawn_from_cold(books: Connection) -> None:
    await post(books, entry("capital", move(COLD, CAPITAL, 10)), entry("d1", move(COLD, available(ALICE), 80)))
    await post(books, entry("capture", move(available(ALICE), TRANSIT, 30)))
    assert await standing(books) == [(BreachKind.HOT_UNCOVERED, 20)]


async def test_miners_fees_beyond_those_earned_are_paid_out_of_capital(books: Connection) -> None:
    await start(books)
    await post(books, entry("d1", move(COLD, available(ALICE), 50), move(COLD, FEES, 3)))
    await post(books, entry("top", move(HOT, COLD, 3)), entry("final", move(NETWORK, HOT, 3)))
    assert await standing(books) == []
    await post(books, entry("fee", move(NETWORK, COLD, 4)))
    assert await standing(books) == [(BreachKind.HOT_UNCOVERED, 4)]
    assert await service.house_capital(books, BTC) == 96


async def test_a_debt_of_one_merchant_covers_no_other(books: Connection) -> None:
    await post(books, entry("d1", move(COLD, available(ALICE), 50)), entry("d2", move(COLD, available(BOB), 50)))
    debt = Account(AccountType.MERCHANT_OWED, BTC, ALICE)
    await post(books, entry("paid", move(available(ALICE), COLD, 50)))
    await post(books, entry("reversal", move(debt, COLD, 50)))
    assert await standing(books) == [(BreachKind.CLIENTS_SHORT, 50)]
    await post(books, entry("capital", move(COLD, CAPITAL, 50)))
    assert await standing(books) == []


async def test_what_nobody_can_explain_is_lost_capital(books: Connection) -> None:
    await start(books)
    await post(books, entry("d1", move(COLD, available(ALICE), 200)))
    await post(books, entry("lost", move(SUSPENSE, COLD, 150)))
    assert await standing(books) == [(BreachKind.CLIENTS_SHORT, 50), (BreachKind.HOT_UNCOVERED, 100)]


async def test_assets_are_judged_each_for_itself(books: Connection) -> None:
    await start(books)
    await post(
        books,
        entry(
            "d1",
            move(HOT, available(ALICE), 7),
            move(house(AccountType.CHAIN_HOT, LTC), available(ALICE, LTC), 9),
        ),
    )
    found = {item.asset: item.size for item in await service.breaches(books)}
    assert found == {BTC.id: 7, LTC.id: 9}


async def test_a_transaction_that_fails_leaves_no_breach(books: Connection) -> None:
    async with books.transaction(force_rollback=True):
        await service.post(books, [entry("d1", move(HOT, available(ALICE), 7))])
        assert await standing(books) == [(BreachKind.HOT_LANDED, 7)]
    assert await standing(books) == []


async def test_holds_move_nothing_that_has_to_be_covered(books: Connection) -> None:
    await post(books, entry("d1", move(HOT, available(ALICE), 7)))
    before = await only(books)
    async with books.transaction():
        hold = await service.reserve(books, key="h", account=available(ALICE), amount=move(HOT, COLD, 3).amount)
        await service.release(books, hold.id, "r")
        await service.post(books, [entry("m", move(available(ALICE), held(ALICE), 1))])
    assert await only(books) == before


async def test_two_transactions_that_break_it_together_are_noticed_by_the_next_look(pg: Database) -> None:
    async with await connect(pg.dsn("worker")) as one, await connect(pg.dsn("worker")) as two:
        await start(one)
        await post(one, entry("d0", move(COLD, available(ALICE), 50)), entry("sweep", move(COLD, HOT, 20)))
        # Each takes the spare 20 for itself, and neither sees the other: different rows are locked.
        async with one.transaction(), two.transaction():
            await service.post(one, [entry("d1", move(HOT, available(BOB), 20))])
            await asyncio.wait_for(service.post(two, [entry("out", move(CAPITAL, FEES, 20))]), 60)
        assert await standing(one) == []
        async with one.transaction():
            await service.judge_all(one)
        assert [size for _, size in await standing(one)] == [20]


async def test_who_waits_for_another_to_tell_looks_again(pg: Database) -> None:
    """Both found the breach, of different sizes; what stands in the end is what the books say in the end."""
    async with await connect(pg.dsn("worker")) as one, await connect(pg.dsn("worker")) as two:
        await start(one)
        await post(one, entry("d0", move(COLD, available(ALICE), 500)))
        async with one.transaction():
            await service.post(one, [entry("d1", move(HOT, available(BOB), 7))])
            waiting = asyncio.create_task(post(two, entry("out", move(CAPITAL, COLD, 30))))
            await asyncio.sleep(0.3)
            assert not waiting.done()
        await asyncio.wait_for(waiting, 60)
        assert await standing(one) == [(BreachKind.HOT_UNCOVERED, 37)]


async def test_its_beginning_and_its_end_are_told(pg: Database, books: Connection) -> None:
    await start(books)
    await post(books, entry("d1", move(HOT, available(ALICE), 7)))
    await post(books, entry("sweep", move(COLD, HOT, 7)))
    rows = pg.execute("SELECT topic, key, payload->>'kind', payload->>'size' FROM outbox_event ORDER BY id")
    assert rows == [
        ("ledger.breach-began", BTC.id, "hot-landed", "7"),
        ("ledger.breach-ended", BTC.id, "hot-landed", "7"),
    ]


async def test_the_independent_look_says_only_what_the_books_do_not_judge(books: Connection) -> None:
    await start(books)
    await post(books, entry("d1", move(HOT, available(ALICE), 7)))
    for kind in (BreachKind.HOT_LANDED, BreachKind.HOT_UNCOVERED, BreachKind.CLIENTS_SHORT):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with books.transaction():
                await service.report_breach(books, BTC.id, kind, 0, "nothing here")
    assert await standing(books) == [(BreachKind.HOT_LANDED, 7)]
    async with books.transaction():
        await service.report_breach(books, BTC.id, BreachKind.CHAIN_SHORT, 5, "a scan")
    assert await standing(books) == [(BreachKind.CHAIN_SHORT, 5), (BreachKind.HOT_LANDED, 7)]
    async with books.transaction():
        await service.report_breach(books, BTC.id, BreachKind.CHAIN_SHORT, 0, "a scan")
    assert await standing(books) == [(BreachKind.HOT_LANDED, 7)]


@pytest.mark.parametrize("role", ROLES)
async def test_no_process_ends_a_breach_by_hand(pg: Database, role: str) -> None:
    async with await connect(pg.dsn("worker")) as connection:
        await post(connection, entry("d1", move(HOT, available(ALICE), 7)))
    writes = (
        "UPDATE ledger_breach SET ended_at = now()",
        "DELETE FROM ledger_breach",
        "TRUNCATE ledger_breach",
        "INSERT INTO ledger_breach (asset, kind, size, worst, cause) VALUES ('a', 'hot-landed', 1, 1, '')",
        "ALTER TABLE ledger_breach DISABLE TRIGGER ALL",
        f"SELECT ledger_set_breach('{BTC.id}', 'hot-landed', 0, '')",
        f"SELECT ledger_judge('{BTC.id}')",
        f"SELECT ledger_report_breach('{BTC.id}', 'hot-landed', 0, '')",
    )
    for write in writes:
        with psycopg.connect(pg.dsn(role)) as own, pytest.raises(psycopg.errors.InsufficientPrivilege):
            own.execute(write.encode())


async def test_not_even_the_owner_rewrites_what_is_over(pg: Database, books: Connection) -> None:
    await post(books, entry("d1", move(HOT, available(ALICE), 7)))
    await post(books, entry("sweep", move(COLD, HOT, 7)))
    for write in (
        "UPDATE ledger_breach SET size = 1",
        "UPDATE ledger_breach SET ended_at = NULL",
        "DELETE FROM ledger_breach",
        "TRUNCATE ledger_breach",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            pg.execute(write)


async def test_who_dies_before_the_commit_leaves_neither_deposit_nor_breach(pg: Database) -> None:
    async with await connect(pg.dsn("worker")) as books:
        dying = await connect(pg.dsn("worker"))
        await service.post(dying, [entry("d1", move(HOT, available(ALICE), 7))])
        assert await standing(dying) == [(BreachKind.HOT_LANDED, 7)]
        pg.execute("SELECT pg_terminate_backend(%s)", dying.info.backend_pid)
        await dying.close()
        assert await standing(books) == []
        await post(books, entry("d1", move(HOT, available(ALICE), 7)))
        assert await standing(books) == [(BreachKind.HOT_LANDED, 7)]
    assert pg.execute("SELECT count(*) FROM outbox_event") == [(1,)]
