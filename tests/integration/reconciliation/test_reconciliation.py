"""Books, a real node's coins and two real signers' journals: they agree, and each planted fault is named."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from strongroom.infra.database import make_pool, transaction
from strongroom.infra.stops import Stop, clear_stop, set_stop
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.reconciliation import jobs, service
from strongroom.reconciliation.model import DifferenceName, Report
from strongroom.reconciliation.service import JournalSource
from strongroom_core.amounts import Amount
from strongroom_core.messages import JournalRow
from tests.fixtures.forked import STRONGROOM, command
from tests.fixtures.platform import toml
from tests.integration.outbound.world import HORIZON, Shop, World
from tests.unit.signer.kit import CHAIN, SATS

Rows = Sequence[JournalRow]


def sources(world: World) -> Sequence[JournalSource]:
    return cast("Sequence[JournalSource]", world.signers)


async def report(world: World, change: Callable[[str, Rows], Rows] = lambda _, rows: rows) -> Report:
    """Reconcile as the auditor, with each signer's rows as `change` gives them."""
    journals = await service.read_journals(sources(world))
    changed = {name: change(name, rows) for name, rows in journals.items()}
    async with make_pool(world.pg.dsn("auditor"), size=2) as pool:
        return await service.reconcile(world.settings, pool, {CHAIN: world.rpc}, changed)


def unexplained(found: Report) -> list[DifferenceName]:
    return [item.name for item in found.unexplained]


def chained(bodies: Sequence[bytes]) -> list[JournalRow]:
    """Make a journal that verifies, whatever it says."""
    rows, previous = list[JournalRow](), bytes(32)
    for number, body in enumerate(bodies, 1):
        hashed = hashlib.sha256(previous + number.to_bytes(8, "big") + body).digest()
        rows.append(JournalRow(number, previous, body, hashed))
        previous = hashed
    return rows


async def paid(world: World) -> Shop:
    """A merchant with a balance that has asked for two payouts."""
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    for amount in (SATS, SATS // 2):
        await world.pay(shop, shop.intent(amount, world.node.new_address()))
    await world.turn()
    return shop


def planted(world: World) -> LedgerTransaction:
    """One satoshi that the chain does not have."""
    asset = world.chain.asset
    posting = Posting(
        Account(AccountType.CHAIN_HOT, asset), Account(AccountType.HOUSE_CAPITAL, asset), Amount(asset, 1)
    )
    return LedgerTransaction("planted", "planted", (posting,))


async def test_everything_agrees_at_every_stage_of_money(world: World) -> None:
    assert (await report(world)).differences == ()
    shop = await world.shop()
    async with transaction(world.worker) as connection:
        await set_stop(connection, Stop.CREDIT, "test", "test")
    await world.fund(shop, 3 * SATS)
    waiting = await report(world)
    assert waiting.clean
    assert [(item.name, item.found) for item in waiting.differences] == [(DifferenceName.DEPOSIT_UNCREDITED, 3 * SATS)]

    async with transaction(world.worker) as connection:
        await clear_stop(connection, Stop.CREDIT, "test", "test")
    await world.mine()
    assert (await report(world)).differences == ()

    await world.pay(shop, shop.intent(SATS, world.node.new_address()))
    assert (await report(world)).differences == ()
    await world.turn()
    assert (await report(world)).differences == ()
    await world.mine()
    flying = await report(world)
    assert flying.clean
    assert [item.name for item in flying.differences] == [DifferenceName.IN_FLIGHT]
    await world.mine(HORIZON)
    final = await report(world)
    assert final.differences == ()
    assert final.journal_rows > 0


async def test_one_planted_satoshi_is_named(world: World) -> None:
    await paid(world)
    assert (await report(world)).clean
    async with transaction(world.worker) as connection:
        await ledger.post(connection, [planted(world)])
    [difference] = (await report(world)).unexplained
    assert difference.name is DifferenceName.BOOKS_CHAIN
    assert (difference.expected, difference.found) == (3 * SATS + 1, 3 * SATS)


async def test_the_command_names_a_planted_satoshi_and_its_exit_code_tells(world: World, tmp_path: Path) -> None:
    await paid(world)
    config = settings_file(tmp_path, world)
    before = await asyncio.to_thread(command, STRONGROOM, "reconcile", "--json", "--config", config)
    assert (before.returncode, json.loads(before.stdout)["clean"]) == (0, True), before.stderr
    rows = sum(len(rows) for rows in (await service.read_journals(sources(world))).values())
    assert json.loads(before.stdout)["journal_rows"] == rows > 0

    async with transaction(world.worker) as connection:
        await ledger.post(connection, [planted(world)])
    after = await asyncio.to_thread(command, STRONGROOM, "reconcile", "--json", "--config", config)
    found = json.loads(after.stdout)
    [difference] = [row for row in found["differences"] if not row["explained"]]
    assert (after.returncode, found["clean"]) == (1, False)
    assert difference["difference"] == DifferenceName.BOOKS_CHAIN
    assert int(difference["expected"]) - int(difference["found"]) == 1
    told = await asyncio.to_thread(command, STRONGROOM, "reconcile", "--config", config)
    assert (told.returncode, "They do NOT agree" in told.stdout) == (1, True)
    async with transaction(world.worker) as connection:
        kept = await service.latest(connection)
    assert kept is not None
    assert unexplained(kept) == [DifferenceName.BOOKS_CHAIN]


def settings_file(folder: Path, world: World) -> str:
    """Write the settings of a world, with the logins of its processes, as an operator would have them."""
    cluster = world.pg.cluster
    logins = {"host": "127.0.0.1", "port": cluster.port, "name": world.pg.name, "passwords": str(cluster.passwords_dir)}
    values = msgspec.to_builtins(world.settings, enc_hook=str) | {"database": logins}
    file = folder / "strongroom.toml"
    file.write_text("".join(f"{name} = {toml(value)}\n" for name, value in values.items() if value is not None))
    return str(file)


async def test_one_missing_intent_is_named(world: World) -> None:
    await paid(world)

    def forget(name: str, rows: Rows) -> Rows:
        bodies: list[dict[str, Any]] = [json.loads(row.body) for row in rows]
        for body in bodies:
            if name == "A" and body["kind"] == "signed":
                del body["payments"][0]
        return chained([json.dumps(body, sort_keys=True, separators=(",", ":")).encode() for body in bodies])

    [difference] = (await report(world, forget)).unexplained
    assert difference.name is DifferenceName.JOURNAL_MISSING_INTENT
    assert re.match(r"A did not journal the intent [0-9a-f]{64} of pay_", difference.detail)


async def test_one_extra_journal_row_is_named(world: World) -> None:
    await paid(world)

    def invent(name: str, rows: Rows) -> Rows:
        signed = next(json.loads(row.body) for row in rows if json.loads(row.body)["kind"] == "signed")
        extra = json.dumps(signed | {"txid": "ab" * 32}, sort_keys=True, separators=(",", ":")).encode()
        return chained([*(row.body for row in rows), extra]) if name == "B" else rows

    [difference] = (await report(world, invent)).unexplained
    assert difference.name is DifferenceName.JOURNAL_EXTRA_ROW
    assert "ab" * 32 in difference.detail


async def test_a_journal_restored_from_before_a_payment_is_named(world: World) -> None:
    await paid(world)
    sent = world.pg.execute("SELECT DISTINCT slot_id FROM outbound_payment")
    payments = world.pg.execute("SELECT payout_id FROM outbound_payment")
    names = unexplained(await report(world, lambda name, rows: rows[:1] if name == "A" else rows))
    assert names.count(DifferenceName.JOURNAL_MISSING_ROW) == len(sent) > 0
    assert names.count(DifferenceName.JOURNAL_MISSING_INTENT) == len(payments) > 0
    assert len(names) == len(sent) + len(payments)


async def test_a_signer_that_does_not_answer_is_named_and_the_report_is_kept(world: World) -> None:
    world.processes[0].stop()
    async with make_pool(world.pg.dsn("auditor"), size=2) as auditor:
        found = await jobs.run(world.settings, auditor, world.worker, {CHAIN: world.rpc}, sources(world))
    assert unexplained(found) == [DifferenceName.JOURNAL_UNAVAILABLE]
    async with transaction(world.worker) as connection:
        kept = await service.latest(connection)
    assert kept is not None
    assert not kept.clean
    assert kept.differences == found.differences


async def test_a_chain_without_a_node_is_named(world: World) -> None:
    async with make_pool(world.pg.dsn("auditor"), size=2) as pool:
        journals = await service.read_journals(sources(world))
        found = await service.reconcile(world.settings, pool, {}, journals)
    assert unexplained(found) == [DifferenceName.CHAIN_UNAVAILABLE]


async def test_journals_are_read_to_their_end_in_pages(world: World) -> None:
    await paid(world)
    [first, _] = sources(world)
    rows = await service.read_journal(first)
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    kinds = [json.loads(row.body)["kind"] for row in rows]
    assert kinds[0] == "genesis"
    assert kinds[-1] == "signed"
