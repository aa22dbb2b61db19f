"""Ledger transfers per second, full double entry, 1,000 accounts, beside a plain locked-row PL/pgSQL transfer.

Both sides run in one go on one durable PostgreSQL (fsync on, on disk), through psycopg, with accounts made before the
clock starts. `python -m benchmarks.ledger` prints the table.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strongroom.infra.components.hosting import free_port
from strongroom.infra.components.postgres import SUPERUSER, PostgresCluster
from strongroom.infra.database import Pool, connect, make_pool
from strongroom.infra.schema import ROLES, create_roles, migrate
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.ledger.service import LedgerWriter, post
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC
from strongroom_core.ids import MerchantId

ACCOUNTS: Final = 1_000
HOT_SHARE: Final = 0.3
START_UNITS: Final = 10**12
SECONDS: Final = 1.5
BULK_SECONDS: Final = 2.0
BULK_BATCH: Final = 1_000
BULK_CALLERS: Final = 2
ROUNDS: Final = 5
Transfer = tuple[int, int, int]  # from, to, base units; account 0 is the hot one

# The measure: what one would write without a ledger. Rows locked in order, two balances, one transfer, two entries.
BASELINE: Final = """
CREATE TABLE plain_account (id integer PRIMARY KEY, balance numeric(78,0) NOT NULL CHECK (balance >= 0));
CREATE TABLE plain_transfer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL UNIQUE,
    made_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE plain_entry (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, transfer bigint NOT NULL,
    account integer NOT NULL, amount numeric(78,0) NOT NULL, before numeric(78,0) NOT NULL,
    after numeric(78,0) NOT NULL);
INSERT INTO plain_account SELECT n, 1000000000000 FROM generate_series(0, 1000) AS n;
CREATE FUNCTION plain_post(source integer, destination integer, units numeric, asked text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    source_before numeric; destination_before numeric; made bigint;
BEGIN
    PERFORM 1 FROM plain_account WHERE id IN (source, destination) ORDER BY id FOR UPDATE;
    UPDATE plain_account SET balance = balance - units WHERE id = source RETURNING balance + units INTO source_before;
    UPDATE plain_account SET balance = balance + units WHERE id = destination
    RETURNING balance - units INTO destination_before;
    INSERT INTO plain_transfer (key) VALUES (asked) RETURNING id INTO made;
    INSERT INTO plain_entry (transfer, account, amount, before, after) VALUES
        (made, source, -units, source_before, source_before - units),
        (made, destination, units, destination_before, destination_before + units);
    RETURN made;
END $$;
GRANT SELECT, INSERT, UPDATE ON plain_account, plain_transfer, plain_entry TO strongroom_worker;
GRANT EXECUTE ON FUNCTION plain_post TO strongroom_worker;
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: transfers per second, and the time that a caller waited for its answer."""

    per_second: float
    p99_ms: float


class Load:
    """Random transfers, the same for both sides: from any account to any, or 30 % of them to the hot one."""

    def __init__(self, *, hot: bool) -> None:
        """Make a seeded source of transfers."""
        self._random = random.Random(7)
        self._hot = hot

    def take(self) -> Transfer:
        """Give one transfer."""
        source, destination = self._random.sample(range(1, ACCOUNTS), 2)
        if self._hot and self._random.random() < HOT_SHARE:
            destination = 0
        return source, destination, self._random.randrange(1, 1000)


class Books:
    """The product's side: 999 merchants and the house's fees as the hot account."""

    def __init__(self) -> None:
        """Name the accounts."""
        self._keys = itertools.count()
        self._accounts = [
            Account(AccountType.HOUSE_FEES, REGTEST_BTC),
            *(Account(AccountType.MERCHANT_AVAILABLE, REGTEST_BTC, MerchantId.new()) for _ in range(1, ACCOUNTS)),
        ]

    def transaction(self, transfer: Transfer) -> LedgerTransaction:
        """Turn a transfer into what a room posts."""
        source, destination, units = transfer
        posting = Posting(self._accounts[source], self._accounts[destination], Amount(REGTEST_BTC, units))
        return LedgerTransaction("transfer", f"bench:{next(self._keys)}", (posting,))

    def funding(self) -> list[LedgerTransaction]:
        """Give every merchant something to spend."""
        source = Account(AccountType.CHAIN_COLD, REGTEST_BTC)
        units = Amount(REGTEST_BTC, START_UNITS)
        return [
            LedgerTransaction("deposit", f"fund:{n}", (Posting(source, account, units),))
            for n, account in enumerate(self._accounts)
        ]


async def _drive(callers: int, seconds: float, step: Callable[[], Awaitable[int]]) -> Run:
    """Let callers repeat a step for some seconds; each step returns how many transfers it made."""
    waits: list[float] = []
    done = 0
    begin = time.perf_counter()

    async def caller() -> None:
        nonlocal done
        while (start := time.perf_counter()) < begin + seconds:
            made = await step()  # awaited first: `done += await …` would read `done` before the others add to it
            done += made
            waits.append(time.perf_counter() - start)

    gc.collect()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return Run(done / (time.perf_counter() - begin), statistics.quantiles(waits, n=100)[98] * 1000)


async def _plain(pool: Pool, callers: int, *, hot: bool) -> Run:
    load, keys = Load(hot=hot), itertools.count(time.time_ns())

    async def step() -> int:
        source, destination, units = load.take()
        async with pool.connection() as connection:
            await connection.set_autocommit(True)
            await connection.execute(
                "SELECT plain_post(%s, %s, %s, %s)", (source, destination, units, f"bench:{next(keys)}")
            )
            await connection.set_autocommit(False)
        return 1

    return await _drive(callers, SECONDS, step)


async def _writer(pool: Pool, books: Books, callers: int, *, hot: bool) -> Run:
    load, writer = Load(hot=hot), LedgerWriter(pool)

    async def step() -> int:
        await writer.post(books.transaction(load.take()))
        return 1

    return await _drive(callers, SECONDS, step)


async def _bulk(pool: Pool, books: Books, *, hot: bool) -> Run:
    load = Load(hot=hot)
    ready: Iterator[Sequence[LedgerTransaction]] = iter(
        [[books.transaction(load.take()) for _ in range(BULK_BATCH)] for _ in range(150)]
    )

    async def step() -> int:
        batch = next(ready)
        async with pool.connection() as connection, connection.transaction():
            await post(connection, batch)
        return len(batch)

    return await _drive(BULK_CALLERS, BULK_SECONDS, step)


async def _measure(dsn: str) -> list[dict[str, Any]]:
    books = Books()
    async with make_pool(dsn, size=32) as pool:
        async with pool.connection() as connection:
            await post(connection, books.funding())
        await pool.wait()
        rounds = [await _round(pool, books) for _ in range(ROUNDS)]
    return _table({name: [each[name] for each in rounds] for name in rounds[0]})


async def _round(pool: Pool, books: Books) -> dict[str, Run]:
    return {
        "plain-8": await _plain(pool, 8, hot=False),
        "bulk": await _bulk(pool, books, hot=False),
        "plain-8-hot": await _plain(pool, 8, hot=True),
        "bulk-hot": await _bulk(pool, books, hot=True),
        "plain-32": await _plain(pool, 32, hot=False),
        "each-32": await _writer(pool, books, 32, hot=False),
        "plain-32-hot": await _plain(pool, 32, hot=True),
        "each-32-hot": await _writer(pool, books, 32, hot=True),
    }


def _table(rounds: dict[str, list[Run]]) -> list[dict[str, Any]]:
    rate = {name: statistics.median(run.per_second for run in runs) for name, runs in rounds.items()}
    wait = {name: statistics.median(run.p99_ms for run in runs) for name, runs in rounds.items()}
    pairs = [
        ("ledger bulk", "bulk", "plain-8"),
        ("ledger bulk, hot account", "bulk-hot", "plain-8-hot"),
        ("ledger 32 callers, each durable", "each-32", "plain-32"),
        ("ledger 32 callers, each durable, hot account", "each-32-hot", "plain-32-hot"),
    ]
    rows = [_row(name, "transfers/s", rate[ours], rate[plain]) for name, ours, plain in pairs]
    return rows + [_row(f"{name}, p99", "ms", wait[ours], wait[plain]) for name, ours, plain in pairs[2:]]


def _row(name: str, unit: str, value: float, baseline: float) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "baseline": round(baseline, 2),
        "ratio": round(value / baseline, 2),
    }


def run(folder: Path | None = None) -> list[dict[str, Any]]:
    """Measure; rows of name, value, unit, baseline (the plain transfer in the same run), ratio; `folder` is on disk."""
    place = Path(tempfile.mkdtemp(prefix="strongroom-bench-", dir=folder))
    place.chmod(0o755)
    try:
        with PostgresCluster(place / "pg", free_port()) as cluster:
            asyncio.run(create_roles(cluster.dsn()))
            for role in ROLES:
                cluster.give_password(role)
            asyncio.run(_prepare(cluster.dsn(SUPERUSER)))
            return asyncio.run(_measure(cluster.dsn("strongroom_worker")))
    finally:
        shutil.rmtree(place, ignore_errors=True)


async def _prepare(dsn: str) -> None:
    await migrate(dsn)
    async with await connect(dsn) as connection:
        await connection.execute(BASELINE.encode())


def main() -> None:
    """Print the rows."""
    for row in run():
        print(json.dumps(row))


if __name__ == "__main__":
    main()
