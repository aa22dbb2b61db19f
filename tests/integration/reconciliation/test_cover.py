"""The independent look at client money: what no posting can see, planted and found, and gone when it is mended."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from strongroom.infra.database import Connection, Pool, make_pool, transaction
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, BreachKind
from strongroom.reconciliation.cover.jobs import Looker
from tests.fixtures.postgres import Database
from tests.integration.ledger.books import ALICE, BTC, available, credit, house, move
from tests.integration.ledger.books import transaction as entry
from tests.integration.wallets.key_sets import chain_settings

HOT, COLD = house(AccountType.CHAIN_HOT), house(AccountType.CHAIN_COLD)
CAPITAL = house(AccountType.HOUSE_CAPITAL)


@pytest.fixture
async def worker(pg: Database) -> AsyncIterator[Pool]:
    async with make_pool(pg.dsn("worker"), size=2, name="worker") as pool:
        yield pool


@pytest.fixture
async def looker(pg: Database, worker: Pool) -> AsyncIterator[Looker]:
    async with make_pool(pg.dsn("auditor"), size=2, name="auditor") as auditor:
        yield Looker((chain_settings(),), auditor, worker)


async def standing(pool: Pool) -> list[tuple[BreachKind, int]]:
    async with transaction(pool) as connection:
        return [(item.kind, item.size) for item in await ledger.breaches(connection)]


async def look(looker: Looker) -> None:
    """Twice: what is found once may be a block between two of our records."""
    for _ in range(2):
        await looker.books()
        await looker.proofs()


async def coins(pg: Database, units: int) -> None:
    """Put a coin in a block into our record of the chain, as the worker's loop does when it reads one."""
    chain = chain_settings().id
    with psycopg.connect(pg.dsn(), autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")  # no key sets here: only sums matter
        superuser.execute(
            "INSERT INTO wallet_tx (chain, txid, height, block_hash) VALUES (%s, %s, 1, 'b')", (chain, f"t{units}")
        )
        superuser.execute(
            "INSERT INTO wallet_coin (chain, txid, vout, amount, address_id, kind, coinbase) "
            "VALUES (%s, %s, 0, %s, 'addr', 'cold', false)",
            (chain, f"t{units}", units),
        )


async def post(pool: Pool, *entries: object) -> None:
    async with transaction(pool) as connection:
        await ledger.post(connection, entries)  # type: ignore[arg-type]


async def test_sound_books_are_left_alone(pg: Database, looker: Looker, worker: Pool) -> None:
    await post(worker, entry("capital", move(COLD, CAPITAL, 50)), credit("d", ALICE, 7))
    await coins(pg, 57)
    await look(looker)
    assert await standing(worker) == []


async def test_a_balance_changed_past_the_function_is_found(pg: Database, looker: Looker, worker: Pool) -> None:
    await post(worker, credit("d", ALICE, 7))
    await coins(pg, 7)
    pg.execute("UPDATE ledger_account SET balance = balance + 5 WHERE type = 'merchant-available'")
    await look(looker)
    assert dict(await standing(worker)) == {BreachKind.BOOKS_WRONG: 5, BreachKind.CHAIN_SHORT: 5}
    pg.execute("UPDATE ledger_account SET balance = balance - 5 WHERE type = 'merchant-available'")
    await look(looker)
    assert await standing(worker) == []


async def test_a_judgement_that_is_no_more_made_is_found(pg: Database, looker: Looker, worker: Pool) -> None:
    """Whoever owns the database's schema could take the judgement away; the look does not depend on it."""
    pg.execute("CREATE OR REPLACE FUNCTION ledger_judge(watched text) RETURNS void LANGUAGE sql AS 'SELECT'")
    await post(worker, entry("d", move(HOT, available(ALICE), 7), kind="deposit-credit"))
    await coins(pg, 7)
    assert await standing(worker) == []
    await look(looker)
    assert await standing(worker) == [(BreachKind.BOOKS_WRONG, 7)]


async def test_what_two_transactions_broke_together_is_found(looker: Looker, worker: Pool, pg: Database) -> None:
    await post(worker, entry("capital", move(COLD, CAPITAL, 50)), entry("refill", move(HOT, COLD, 30)))
    async with worker.connection() as one, worker.connection() as two, one.transaction(), two.transaction():
        await ledger.post(one, [entry("d", move(HOT, available(ALICE), 20))])
        await ledger.post(two, [entry("out", move(CAPITAL, house(AccountType.HOUSE_FEES), 15))])
    assert await standing(worker) == []
    await looker.books()
    assert [size for _, size in await standing(worker)] == [15]


async def test_clients_money_that_is_not_on_the_chain_is_found(pg: Database, looker: Looker, worker: Pool) -> None:
    await coins(pg, 4)
    await post(worker, credit("d", ALICE, 7))
    await looker.proofs()
    assert await standing(worker) == []
    await looker.proofs()
    assert await standing(worker) == [(BreachKind.CHAIN_SHORT, 3)]
    await coins(pg, 3)
    await looker.proofs()
    assert await standing(worker) == []


async def test_the_last_scan_of_the_chain_counts_beyond_what_the_house_can_cover(
    pg: Database, looker: Looker, worker: Pool
) -> None:
    await post(worker, credit("d", ALICE, 70), entry("capital", move(COLD, CAPITAL, 10)))
    await coins(pg, 80)
    pg.execute(
        "INSERT INTO reconciliation_run (at, clean, chains, journal_rows, differences) VALUES (now(), false, 1, 0, %s)",
        f'[{{"name": "books-chain", "asset": "{BTC.id}", "expected": "80", "found": "55", "detail": ""}}]',
    )
    await look(looker)
    assert await standing(worker) == [(BreachKind.CHAIN_SHORT, 15)]


async def test_clients_money_beyond_a_signers_own_books_is_found(pg: Database, looker: Looker, worker: Pool) -> None:
    await post(worker, credit("d", ALICE, 70))
    await coins(pg, 70)
    pg.execute("INSERT INTO signer_books (signer, row, binding, read_at) VALUES ('a', 1, true, now())")
    pg.execute("INSERT INTO signer_books (signer, row, binding, read_at) VALUES ('b', 1, true, now())")
    for signer, amount in (("a", 70), ("b", 40)):
        pg.execute("INSERT INTO signer_balance VALUES (%s, %s, %s, %s)", str(ALICE), BTC.id, signer, amount)
    await look(looker)
    assert await standing(worker) == [(BreachKind.SIGNERS_SHORT, 30)]
    pg.execute("UPDATE signer_balance SET amount = 70")
    await look(looker)
    assert await standing(worker) == []


async def test_the_look_writes_nothing_as_the_auditor(pg: Database, looker: Looker, worker: Pool) -> None:
    await post(worker, credit("d", ALICE, 7))
    await look(looker)
    async with looker.auditor_pool.connection() as connection:
        await _refused(connection)


async def _refused(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await ledger.report_breach(connection, BTC.id, BreachKind.CHAIN_SHORT, 0, "")
    await connection.rollback()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await ledger.post(connection, [credit("e", ALICE, 1)])
    await connection.rollback()
    assert await ledger.balance(connection, Account(AccountType.CHAIN_COLD, BTC)) == -7
