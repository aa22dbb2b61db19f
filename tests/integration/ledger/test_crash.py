"""kill -9 of a durable PostgreSQL in the middle of posting: no acknowledged posting is lost, none happens twice."""

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from strongroom.infra.components.hosting import free_port
from strongroom.infra.components.postgres import PostgresCluster
from strongroom.infra.database import make_pool, transaction
from strongroom.infra.schema import create_roles, migrate
from strongroom.ledger import service
from strongroom.ledger.model import AccountType
from strongroom.ledger.service import LedgerWriter
from tests.fixtures.crashes import Lot
from tests.integration.ledger.books import ALICE, available, credit, house

CALLERS = 8
KILLS = 2
# The pool looks for a server that was away after 1, 2, 4 … seconds.
LAST_ANSWERS_SECONDS = 120


@pytest.fixture
def cluster(scratch: Path, request: pytest.FixtureRequest) -> Iterator[PostgresCluster]:
    with PostgresCluster(scratch / f"crash-{request.node.name}" / "pg", free_port()) as made:
        asyncio.run(create_roles(made.dsn()))
        made.give_password("strongroom_worker")
        asyncio.run(migrate(made.dsn()))
        yield made


@pytest.mark.timeout(600)
async def test_no_acknowledged_posting_is_lost_and_none_doubled(cluster: PostgresCluster, lot: Lot) -> None:
    acknowledged: set[str] = set()
    stop = asyncio.Event()

    async with make_pool(cluster.dsn("strongroom_worker"), size=CALLERS) as pool:
        writer = LedgerWriter(pool)

        async def caller(number: int) -> None:
            for turn in itertools.count():
                if stop.is_set():
                    return
                await answered(f"{number}:{turn}")

        async def answered(key: str) -> None:
            """A caller that got no answer asks again with the same key, for as long as it takes, also at the end."""
            while key not in acknowledged:
                with contextlib.suppress(psycopg.Error):
                    await writer.post(credit(key, ALICE, 1))
                    acknowledged.add(key)
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(caller(number)) for number in range(CALLERS)]
        for chance in lot.rounds(KILLS):
            enough = len(acknowledged) + chance.randrange(1, 100)
            while len(acknowledged) < enough:  # noqa: ASYNC110 -- a count is waited for, which no event tells
                await asyncio.sleep(0.01)
            pid = cluster.server_pid()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            cluster.stop()
            await asyncio.to_thread(cluster.start)
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), LAST_ANSWERS_SECONDS)

        async with transaction(pool) as connection:
            rows = await (await connection.execute("SELECT key FROM ledger_transaction")).fetchall()
            accounts, broken = await service.audit(connection)
            assert {str(row["key"]) for row in rows} == acknowledged
            assert await service.balance(connection, available(ALICE)) == len(acknowledged)
            assert await service.balance(connection, house(AccountType.CHAIN_COLD)) == -len(acknowledged)
    assert all(account.sound for account in accounts)
    assert broken == []
