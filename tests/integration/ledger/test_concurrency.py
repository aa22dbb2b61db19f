"""Many posters at once: nothing is lost, nothing doubled, nobody waits for ever."""

import asyncio
import random

import pytest

from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.ledger import service
from strongroom.ledger.errors import IdempotencyConflictError, InsufficientFundsError
from strongroom.ledger.model import AccountType, LedgerTransaction, Posted
from strongroom.ledger.service import LedgerWriter
from strongroom_core.ids import MerchantId
from tests.fixtures.postgres import Database
from tests.integration.ledger.books import ALICE, BOB, available, credit, house, move
from tests.integration.ledger.books import transaction as ledger_transaction

POSTERS = 32
EACH = 15
NOT_FOR_EVER_SECONDS = 100


async def _sound(pool: Pool) -> None:
    async with transaction(pool) as connection:
        accounts, broken = await service.audit(connection)
        assert sum(account.balance for account in accounts) == 0
        assert [account for account in accounts if not account.sound] == []
        assert broken == []


def _random_transactions(poster: int, merchants: list[MerchantId]) -> list[LedgerTransaction]:
    source = random.Random(poster)
    made = []
    for number in range(EACH):
        first, second = source.sample(merchants, 2)
        postings = [move(available(first), available(second), source.randrange(1, 60))]
        if source.random() < 0.5:
            postings.append(move(available(second), house(AccountType.HOUSE_FEES), 1))
        made.append(ledger_transaction(f"{poster}:{number}", *postings))
    return made


async def test_32_posters_over_shared_accounts_neither_lose_nor_deadlock(pg: Database) -> None:
    merchants = [MerchantId.new() for _ in range(6)]
    async with make_pool(pg.dsn("worker"), size=POSTERS) as pool:
        async with transaction(pool) as connection:
            await service.post(connection, [credit(f"d{n}", merchant, 100) for n, merchant in enumerate(merchants)])

        async def poster(number: int) -> int:
            posted = 0
            batch = _random_transactions(number, merchants)
            for start in range(0, EACH, 5):
                async with transaction(pool) as connection:
                    answers = await service.try_post(connection, batch[start : start + 5])
                posted += sum(isinstance(answer, Posted) for answer in answers)
            return posted

        counts = await asyncio.wait_for(asyncio.gather(*map(poster, range(POSTERS))), NOT_FOR_EVER_SECONDS)
        await _sound(pool)
    [(stored,)] = pg.execute("SELECT count(*) FROM ledger_transaction WHERE kind = 'test' AND key LIKE '%:%'")
    assert stored == sum(counts) > POSTERS


async def test_one_key_posted_by_all_at_once_happens_once(pg: Database) -> None:
    async with make_pool(pg.dsn("worker"), size=16) as pool:

        async def poster(merchant: MerchantId) -> Posted | IdempotencyConflictError:
            try:
                async with transaction(pool) as connection:
                    return (await service.post(connection, [credit("once", merchant, 5)]))[0]
            except IdempotencyConflictError as error:
                return error

        answers = await asyncio.gather(*(poster(merchant) for merchant in (ALICE, BOB) * 16))
        posted = [answer for answer in answers if isinstance(answer, Posted)]
        assert len(posted) == 16
        assert len({answer.id for answer in posted}) == 1
        assert sum(not answer.again for answer in posted) == 1
        await _sound(pool)
    assert pg.execute("SELECT count(*) FROM ledger_transaction") == [(1,)]


async def test_the_writer_answers_each_caller_for_itself(pg: Database) -> None:
    async with make_pool(pg.dsn("worker"), size=4) as pool:
        writer = LedgerWriter(pool)
        await writer.post(credit("d", ALICE, 50))
        spend = [ledger_transaction(f"s{n}", move(available(ALICE), available(BOB), 1)) for n in range(60)]
        twice = credit("d", ALICE, 51)
        answers = await asyncio.gather(*(writer.post(each) for each in [*spend, twice]), return_exceptions=True)
        assert sum(isinstance(answer, Posted) for answer in answers) == 50
        assert sum(isinstance(answer, InsufficientFundsError) for answer in answers) == 10
        assert isinstance(answers[-1], IdempotencyConflictError)
        await _sound(pool)
    assert pg.execute("SELECT balance FROM ledger_account WHERE owner = %s", BOB) == [(50,)]


async def test_the_writer_shares_commits_among_its_callers(pg: Database) -> None:
    async with make_pool(pg.dsn("worker"), size=4) as pool:
        writer = LedgerWriter(pool)
        await asyncio.gather(*(writer.post(credit(f"d{n}", ALICE, 1)) for n in range(200)))
    [(commits,)] = pg.execute("SELECT count(DISTINCT xmin::text) FROM ledger_transaction")
    assert isinstance(commits, int)
    assert commits <= 2


async def test_a_caller_that_gave_up_does_not_harm_the_others(pg: Database) -> None:
    async with make_pool(pg.dsn("worker"), size=4) as pool:
        writer = LedgerWriter(pool)
        tasks = [asyncio.create_task(writer.post(credit(f"d{n}", ALICE, 1))) for n in range(10)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert all(isinstance(answer, Posted) for answer in answers[1:])


async def test_one_that_the_database_cannot_take_fails_alone(pg: Database) -> None:
    poisoned = credit("poison", ALICE, 1)
    object.__setattr__(
        poisoned, "memo", {"not": b"text".decode() + "\x00"}
    )  # past the model, as a future mistake might
    async with make_pool(pg.dsn("worker"), size=4) as pool:
        writer = LedgerWriter(pool)
        answers = await asyncio.gather(
            *(writer.post(each) for each in (credit("a", ALICE, 1), poisoned, credit("b", ALICE, 1))),
            return_exceptions=True,
        )
    assert [isinstance(answer, Posted) for answer in answers] == [True, False, True]


@pytest.mark.parametrize("order", [(ALICE, BOB), (BOB, ALICE)])
async def test_accounts_are_locked_in_one_order_whatever_the_postings_say(
    pg: Database, order: tuple[MerchantId, ...]
) -> None:
    async with make_pool(pg.dsn("worker"), size=8) as pool:
        async with transaction(pool) as connection:
            await service.post(connection, [credit(f"d{merchant}", merchant, 1000) for merchant in order])

        async def back_and_forth(number: int) -> None:
            pair = (ALICE, BOB) if number % 2 else (BOB, ALICE)
            for turn in range(20):
                async with transaction(pool) as connection:
                    posting = move(available(pair[0]), available(pair[1]), 1)
                    await service.post(connection, [ledger_transaction(f"{number}:{turn}", posting)])

        await asyncio.wait_for(asyncio.gather(*map(back_and_forth, range(8))), NOT_FOR_EVER_SECONDS)
        await _sound(pool)


async def test_accounts_that_many_make_at_once_are_made_without_a_deadlock(pg: Database) -> None:
    async with make_pool(pg.dsn("worker"), size=16) as pool:

        async def poster(number: int, merchant: MerchantId) -> None:
            async with transaction(pool) as connection:
                await service.post(connection, [credit(f"new {number}", merchant, 5)])

        for turn in range(6):
            fresh = [MerchantId.new() for _ in range(3)]
            await asyncio.gather(*(poster(1000 * turn + n, fresh[n % 3]) for n in range(24)))
        await _sound(pool)
