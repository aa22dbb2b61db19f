"""What the machines of deposits have in common: a watcher's pen, a worker that steps or dies, and its books."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from strongroom.deposits import service
from strongroom.infra.database import Connection, make_pool
from strongroom.infra.settings import ChainSettings
from tests.fixtures.postgres import PostgresCluster, cloned_database
from tests.integration.deposits.bank import Bank
from tests.integration.deposits.feed import Feed

MERCHANTS = (0, 1)


class CrashError(Exception):
    """The worker died here."""


def dies_after(connection: Connection, statements: int) -> None:
    """Let a connection raise at its n-th statement from now."""
    execute = connection.execute
    left = iter(range(statements))

    async def counted(*arguments: Any, **options: Any) -> Any:
        if next(left, None) is None:
            raise CrashError
        return await execute(*arguments, **options)

    connection.execute = counted  # type: ignore[method-assign]


class ChainMachine(RuleBasedStateMachine):
    """A chain that does what it likes."""

    cluster: PostgresCluster
    chain: ChainSettings
    model: Any

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.pg = self.stack.enter_context(cloned_database(self.cluster))
        self.pool = make_pool(self.pg.dsn("worker"), size=2, name="worker")
        self.bank = self.runner.run(self._open())
        self.feed = Feed.start(self.pg.dsn("watcher"), chain=self.chain.id)
        self.scripts = [self.runner.run(self.bank.address(merchant)).script for merchant in MERCHANTS]
        self.runner.run(self.bank.follow())

    async def _open(self) -> Bank:
        await self.pool.open()
        return await Bank.open(self.pg, self.pool, self.pool, self.chain)

    def teardown(self) -> None:
        self.runner.run(self.pool.close())
        self.feed.close()
        self.stack.close()

    def an_empty_block(self) -> None:
        raise NotImplementedError

    @rule()
    def the_worker_steps(self) -> None:
        self.runner.run(self.bank.follow())
        self.model.step()

    @rule()
    def a_block_and_the_worker_steps(self) -> None:
        self.an_empty_block()
        self.the_worker_steps()

    @rule(statements=st.integers(0, 30))
    def the_worker_dies_on_the_way(self, statements: int) -> None:
        """Whatever it had done is undone with it; a step that got through before is undone just as well."""
        self.runner.run(self._die(statements))

    async def _die(self, statements: int) -> None:
        async with self.pool.connection() as connection:
            dies_after(connection, statements)
            with contextlib.suppress(CrashError):
                async with connection.transaction():
                    await service.follow_chain(connection, self.chain, datetime.now(UTC))
                    raise CrashError
            del connection.execute
