"""Drill 4: the platform's database is owned. Balances are inflated, intents and destinations swapped, all rewritten.

The platform's processes go on working with what they find there; what they ask the signers for is the thief's wish.
The drill plays on a copy, and the house gets its own database back afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from drills.asking import ends, hand_in
from drills.model import Drill
from strongroom.chains import service as chains
from strongroom.demo.configuration import ASSET, CHAIN, DATABASE

if TYPE_CHECKING:
    from drills.world import World

LOOT = 10_000_000
SMALL = 50_000
PROCESSES = ("api", "treasury", "worker", "watcher")
KEPT = f"{DATABASE}_kept"
WORKING_SECONDS = 6.0
WAIT_SECONDS = 15.0


async def attack(world: World) -> None:
    """Own the database for a while."""
    async with _on_a_copy(world):
        with contextlib.closing(world.thief.database()) as database:
            await _destination_swapped(world, database)
            await _intent_swapped(world, database)
            if world.judges("balance-merchant"):
                await _balance_inflated(world, database)
            await _everything_rewritten(world, database)


async def _destination_swapped(world: World, database: psycopg.Connection[Any]) -> None:
    """The victim's honest payout is planned to the thief's address."""
    script = chains.address_to_script(CHAIN.id, await world.thief.address())
    _swap(database, {"script": script})
    signed = world.sign(world.victim, SMALL, world.scene.fact("destination"))
    world.own_payouts.add(_payout_of(signed.intent))
    payout = await hand_in(world, world.victim, signed, "an honest payout, its destination swapped in the table")
    await ends(world, world.victim, payout, seconds=WAIT_SECONDS)


async def _intent_swapped(world: World, database: psycopg.Connection[Any]) -> None:
    """The victim's honest payout becomes one to the thief, of the same amount, under another key."""
    address = await world.thief.address()
    forged = world.sign(world.victim, LOOT, address, world.thief.key)
    script = chains.address_to_script(CHAIN.id, address)
    columns = {"script": script, "intent": forged.intent, "public_key": forged.public_key}
    _swap(database, columns | {"signature": forged.signature})
    honest = world.sign(world.victim, LOOT, world.scene.fact("destination"))
    world.own_payouts.add(_payout_of(honest.intent))
    payout = await hand_in(world, world.victim, honest, "an honest payout, its intent swapped in the table")
    await ends(world, world.victim, payout, seconds=WAIT_SECONDS)
    database.execute("DROP TRIGGER IF EXISTS thief ON treasury_payable")


async def _balance_inflated(world: World, database: psycopg.Connection[Any]) -> None:
    """The thief's merchant is rich in the books, and signs with its own key."""
    inflate = "UPDATE ledger_account SET balance = balance + %s WHERE owner = %s AND type = %s AND asset = %s"
    database.execute(inflate, [10 * LOOT, world.mallory.id, "merchant-available", ASSET.id])
    signed = world.sign(world.mallory, LOOT, await world.thief.address())
    payout = await hand_in(world, world.mallory, signed, "a payout of an inflated balance")
    await ends(world, world.mallory, payout, seconds=WAIT_SECONDS)


async def _everything_rewritten(world: World, database: psycopg.Connection[Any]) -> None:
    """Every table: amounts doubled, merchants exchanged, scripts and addresses the thief's, keys the thief's."""
    address = await world.thief.address()
    script = chains.address_to_script(CHAIN.id, address)
    new: dict[str, Any] = {
        "merchant_id": str(world.mallory.id),
        "script": script,
        "address": address,
        "destination": address,
        "public_key": world.thief.key.public_key,
    }
    query = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns JOIN information_schema.tables"
        " USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
    touched, tables = set(), set()
    for table, column, kind in database.execute(query).fetchall():
        tables.add(str(table))
        change = _change(str(column), str(kind), new)
        with contextlib.suppress(psycopg.Error):
            database.execute("SET lock_timeout = '2s'")
            names = {"table": sql.Identifier(table), "column": sql.Identifier(column)}
            statement = sql.SQL("UPDATE {table} SET {column} = {change}").format(**names, change=change.format(**names))
            database.execute(statement, [new[column]] if column in new else [])
            touched.add(str(table))
    world.thief.note("tables rewritten", f"{len(touched)} of {len(tables)}")
    await asyncio.sleep(WORKING_SECONDS)


def _change(column: str, kind: str, new: dict[str, Any]) -> sql.SQL:
    if column in new:
        return sql.SQL("%s")
    if kind == "numeric":
        return sql.SQL("{column} * 2")
    return sql.SQL("now() + interval '1 day'") if kind.startswith("timestamp") else sql.SQL("{column}")


def _swap(database: psycopg.Connection[Any], columns: dict[str, Any]) -> None:
    """Have every new payable rewritten as it is written."""
    lines = [
        sql.SQL("NEW.{} := {};").format(sql.Identifier(name), sql.Literal(value)) for name, value in columns.items()
    ]
    body = sql.SQL("BEGIN {} RETURN NEW; END").format(sql.SQL(" ").join(lines)).as_string(database)
    make = sql.SQL("CREATE OR REPLACE FUNCTION thief() RETURNS trigger LANGUAGE plpgsql AS {}").format(
        sql.Literal(body)
    )
    database.execute(make)
    database.execute(
        "CREATE OR REPLACE TRIGGER thief BEFORE INSERT ON treasury_payable FOR EACH ROW EXECUTE FUNCTION thief()"
    )


def _payout_of(intent: bytes) -> str:
    at = intent.index(b"pay_")
    return intent[at : at + 30].decode("ascii")


@contextlib.asynccontextmanager
async def _on_a_copy(world: World) -> AsyncIterator[None]:
    """Keep the database aside, let the platform work on a copy, and give it the kept one back."""
    await _exchange(
        world, f'ALTER DATABASE "{DATABASE}" RENAME TO "{KEPT}"', f'CREATE DATABASE "{DATABASE}" TEMPLATE "{KEPT}"'
    )
    try:
        yield
    finally:
        await _exchange(
            world, f'DROP DATABASE "{DATABASE}" WITH (FORCE)', f'ALTER DATABASE "{KEPT}" RENAME TO "{DATABASE}"'
        )


async def _exchange(world: World, *statements: str) -> None:
    supervisor = world.scene.supervisor
    down = [await supervisor.take_down(name) for name in PROCESSES]
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('{DATABASE}', '{KEPT}')"  # noqa: S608 -- two constants
    with contextlib.closing(supervisor.postgres.superuser()) as connection:
        for statement in statements:
            connection.execute(end.encode())
            connection.execute(statement.encode())
    for item in reversed(down):
        await supervisor.bring_back(item)


DRILL = Drill(
    number=4,
    name="The platform's database owned",
    owned="the database, as its owner",
    tried="destinations and intents swapped, balances inflated, every table rewritten",
    attack=attack,
    rules=("intent-unsigned", "output-unmatched", "intent-unmatched", "balance-merchant"),
    mutants=("intent-unsigned",),
    believes_books=False,
)
