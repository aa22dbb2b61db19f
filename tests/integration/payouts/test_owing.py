"""A payout that waits because its merchant owes says so, and no longer once deposits have repaid it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from strongroom.api import views
from strongroom.console import words
from strongroom.infra.clock import SystemClock
from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.settings import DatabaseSettings, Settings
from strongroom.payouts import service as payouts
from strongroom.payouts.model import Moment, Payout, PayoutKind, PayoutState
from strongroom.processes.worker import make_dispatcher
from strongroom_core.ids import PayoutId
from strongroom_core.intents import PaymentIntent, SignedIntent
from tests.fixtures.postgres import Database
from tests.integration.deposits.bank import Bank
from tests.integration.deposits.feed import Feed, payment
from tests.integration.wallets.key_sets import chain_settings
from tests.unit.signer.kit import SHOP

NOWHERE = Path("/nonexistent")
ROUNDS = 50


@dataclass
class Till:
    """Deposits by a watcher's pen, payouts, and the worker's own dispatcher."""

    bank: Bank
    feed: Feed
    settings: Settings
    api: Pool

    async def deposit(self, amount: int) -> None:
        """One that is credited at once, minus a hundredth."""
        self.feed.connect(payment(((await self.bank.address()).script, amount)))
        await self.bank.follow()

    async def reverse(self) -> None:
        """The last block is orphaned, with the deposit in it."""
        self.feed.disconnect()
        self.feed.connect()
        await self.bank.follow()

    async def pay(self, amount: int) -> Payout:
        merchant, chain, key = self.bank.merchants[0], self.bank.chain, SigningKey.generate()
        fee, soon = chain.fees.payout_fee, int(time.time()) + 3_600
        intent = PaymentIntent("test", merchant, PayoutId.new(), chain.asset.id, amount, SHOP, "", fee, soon).encode()
        signed = SignedIntent(intent, bytes(key.verify_key), bytes(key.sign(intent).signature))
        async with transaction(self.api) as connection:
            return await payouts.create_payout(
                connection, self.settings, merchant, signed, PayoutKind.PAYMENT, datetime.now(UTC)
            )

    async def told(self) -> None:
        """Let the worker hear everything, which comes to an end."""
        dispatcher = make_dispatcher(self.settings, SystemClock())
        for _ in range(ROUNDS):
            if not await dispatcher.run_once(self.bank.worker):
                return
        pytest.fail("what is told makes new things to tell, for ever")

    async def look(self, payout: Payout) -> tuple[Payout, list[Moment]]:
        async with transaction(self.bank.worker) as connection:
            found = await payouts.get_payout(connection, payout.merchant_id, payout.id)
            return found, await payouts.timeline(connection, payout.merchant_id, payout.id)


@pytest.fixture
def feed(pg: Database) -> Iterator[Feed]:
    feed = Feed.start(pg.dsn("watcher"))
    yield feed
    feed.close()


@pytest.fixture
async def till(pg: Database, feed: Feed) -> AsyncIterator[Till]:
    chain = chain_settings()
    settings = Settings(
        deployment="test", data_dir=NOWHERE, database=DatabaseSettings(passwords=NOWHERE), chains=(chain,)
    )
    async with (
        make_pool(pg.dsn("worker"), size=2) as worker,
        make_pool(pg.dsn("treasury"), size=1) as treasury,
        make_pool(pg.dsn("api"), size=1) as api,
    ):
        bank = await Bank.open(pg, worker, treasury, chain)
        pg.execute("INSERT INTO merchant (id, name) SELECT unnest(%s::text[]), 'shop'", bank.merchants)
        yield Till(bank, feed, settings, api)


async def test_it_says_so_to_the_merchant_until_the_debt_is_repaid(till: Till) -> None:
    await till.deposit(40_000)
    payout = await till.pay(30_000)
    await till.told()
    await till.reverse()
    await till.told()
    found, life = await till.look(payout)
    assert (found.state, found.reason_tag) == (PayoutState.QUEUED, "merchant-owes")
    assert found.reason == "a deposit was reversed by its chain; this goes on once deposits have repaid what is owed"
    assert [(item.status, item.reason) for item in life] == [("queued", ""), ("queued", found.reason)]
    shown = views.payout(payouts.view(found), 0, life)
    assert (shown.status_reason, shown.status_tag) == (found.reason, "merchant-owes")
    assert shown.timeline[-1].reason == found.reason
    assert found.reason in [step.reason for step in words.timeline(life)]
    told = till.bank.payloads("payout.queued")
    assert [item["status_tag"] for item in told] == ["", "merchant-owes"]

    await till.deposit(10_000)  # repays a part
    await till.told()
    assert (await till.look(payout))[0].reason_tag == "merchant-owes"
    await till.deposit(45_000)
    await till.told()
    found, life = await till.look(payout)
    assert await till.bank.owed() == 0
    assert (found.state, found.reason, found.reason_tag) == (PayoutState.QUEUED, "", "")
    assert [item.reason for item in life[2:]] == ["what was owed has been repaid"]


async def test_it_says_so_once_however_the_news_come_and_other_merchants_say_nothing(till: Till) -> None:
    await till.deposit(40_000)
    payout = await till.pay(30_000)
    await till.reverse()
    await till.told()
    till.bank.pg.execute("UPDATE outbox_event SET handled_at = NULL")  # a worker died before its commit
    await till.told()
    assert len((await till.look(payout))[1]) == 2
    till.bank.merchants.reverse()
    await till.deposit(40_000)
    other = await till.pay(20_000)
    await till.told()
    assert [item.reason for item in (await till.look(other))[1]] == [""]


async def test_a_payout_of_hot_short_says_that_again_after_the_debt(till: Till) -> None:
    await till.deposit(40_000)
    payout = await till.pay(30_000)
    payload = f'{{"payout_id": "{payout.id}", "merchant_id": "{payout.merchant_id}", "amount": "30000"}}'
    till.bank.pg.execute(
        "INSERT INTO outbox_event (topic, key, payload) VALUES ('treasury.hot-short', %s, %s)", payout.id, payload
    )
    await till.told()
    await till.reverse()
    await till.told()
    assert (await till.look(payout))[0].reason_tag == "merchant-owes"
    await till.deposit(45_000)
    await till.told()
    found, life = await till.look(payout)
    assert (found.state, found.reason_tag) == (PayoutState.HOT_SHORT, "")
    assert found.reason.startswith("hot-short:")
    assert life[-1].reason == "what was owed has been repaid"


async def test_a_payout_that_is_being_cancelled_keeps_saying_that(till: Till) -> None:
    await till.deposit(40_000)
    payout = await till.pay(30_000)
    till.bank.pg.execute("UPDATE payout SET reason = 'cancelling', reason_tag = 'payout-cancelled'")
    await till.reverse()
    await till.told()
    assert (await till.look(payout))[0].reason == "cancelling"
