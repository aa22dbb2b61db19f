"""What the signers' own books do not cover waits; what is in ours alone is an alarm, and stops its merchant."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.infra.database import transaction
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.outbound import jobs as outbound_jobs
from strongroom.proofs import service
from strongroom.proofs.jobs import make_books_readings, make_comparison
from strongroom.proofs.model import Difference
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC
from tests.fixtures.notices import heard
from tests.integration.outbound.world import Shop, World
from tests.integration.proofs.showing import Showing
from tests.unit.signer.kit import ASSET, KEEPING_BOOKS, SHOP

FUND = 5_000_000
PAYOUT = 1_000_000


@pytest.fixture
def trust() -> str:
    return KEEPING_BOOKS


class Office:
    """A world whose signers keep books, with the loops that read and compare them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.showing = Showing(world)
        self.readings = make_books_readings(world.treasury, world.signers, world.clock)
        self.comparison = make_comparison(world.treasury, world.clock)

    async def shop(self) -> Shop:
        """A merchant with money, that both signers know of."""
        shop = await self.world.shop()
        await self.world.fund(shop, FUND)
        return shop

    async def read(self) -> None:
        for reading in self.readings:
            await reading.step()

    async def prove(self, deposits: int = 1) -> None:
        await self.showing.until({("A", "proven", ""), ("B", "proven", "")}, count=2 * deposits)
        await self.read()

    async def compare(self, *, after: int = 0) -> list[Difference]:
        self.world.clock.ahead += timedelta(seconds=after)
        await self.comparison.step()
        async with transaction(self.world.api) as connection:
            return await service.differences(connection)

    async def invent(self, shop: Shop, amount: int) -> None:
        """What a thief who owns the database would do: money in the books that no chain brought."""
        money = Amount(REGTEST_BTC, amount)
        source = Account(AccountType.HOUSE_CAPITAL, REGTEST_BTC)
        target = Account(AccountType.MERCHANT_AVAILABLE, REGTEST_BTC, shop.id)
        async with transaction(self.world.treasury) as connection:
            forged = LedgerTransaction("forged", "forged", (Posting(source, target, money),))
            await ledger.post(connection, [forged])

    async def cover(self, shop: Shop) -> int | None:
        async with transaction(self.world.api) as connection:
            found = await service.cover(connection, [shop.id], ASSET)
            return None if found is None else found[shop.id]

    async def planned(self) -> int:
        self.world.clock.ahead += timedelta(seconds=10)
        return await self.world.planner.plan()


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


async def test_a_payout_waits_until_both_signers_have_seen_the_deposit(office: Office, world: World) -> None:
    shop = await office.shop()
    await office.read()
    assert await office.cover(shop) == 0
    await world.pay(shop, shop.intent(PAYOUT, SHOP))
    assert await office.planned() == 0
    assert world.pg.execute("SELECT state, unproven FROM treasury_payable") == [("queued", True)]
    async with heard(world.worker, "treasury", seconds=0.5) as notices:
        assert await office.planned() == 0
    assert notices == []  # else the planner would wake itself for as long as the payout waits
    await office.prove()
    assert await office.cover(shop) == FUND
    assert await office.planned() == 1
    assert world.pg.execute("SELECT state, unproven FROM treasury_payable") == [("slotted", False)]


async def test_a_payout_that_one_signer_alone_has_signed_is_no_difference(office: Office, world: World) -> None:
    shop = await office.shop()
    await office.prove()
    await world.pay(shop, shop.intent(PAYOUT, SHOP))
    await world.mine(12)
    assert await office.planned() == 1
    # As if this process had died between the two.
    await outbound_jobs.sign(world.treasury, world.chain, world.signers[:1])
    await office.read()
    # Out of A's books, and still held in ours.
    taken = PAYOUT + world.chain.fees.payout_fee
    assert world.pg.execute("SELECT amount FROM signer_balance WHERE holder = %s AND signer = 'A'", shop.id) == [
        (FUND - taken,)
    ]
    assert await office.compare(after=20) == []


async def test_what_is_not_proven_yet_has_a_name_and_alarms_nobody(office: Office) -> None:
    await office.shop()
    await office.read()
    assert await office.compare() == []
    await office.prove()
    assert await office.compare(after=60) == []


async def test_money_that_no_chain_brought_is_an_alarm_once_it_has_lasted(office: Office, world: World) -> None:
    shop, other = await office.shop(), await office.shop()
    await office.prove(deposits=2)
    await office.invent(shop, 7_777)
    (found,) = [item for item in await office.compare() if item.signer == "A"]
    assert (found.holder, found.asset, found.amount, found.alarmed_at) == (shop.id, ASSET, 7_777, None)
    assert await office.cover(shop) == FUND
    found = (await office.compare(after=16))[0]
    assert found.alarmed_at is not None
    assert await office.cover(shop) == 0, "nothing of it is paid, not even what is its own"
    assert await office.cover(other) == FUND
    query = "SELECT payload->>'merchant_id', payload->>'amount' FROM outbox_event WHERE topic = 'books.differ'"
    topics = world.pg.execute(query)
    assert topics == [(shop.id, "7777")] * 2


async def test_a_difference_that_is_gone_lets_payouts_go_on(office: Office, world: World) -> None:
    shop = await office.shop()
    await office.prove()
    await office.invent(shop, 7_777)
    await office.compare()
    assert len(await office.compare(after=16)) == 2
    source, target = (
        Account(AccountType.MERCHANT_AVAILABLE, REGTEST_BTC, shop.id),
        Account(AccountType.HOUSE_CAPITAL, REGTEST_BTC),
    )
    async with transaction(world.treasury) as connection:
        back = LedgerTransaction("put right", "put-right", (Posting(source, target, Amount(REGTEST_BTC, 7_777)),))
        await ledger.post(connection, [back])
    assert await office.compare(after=5) == []
    assert await office.cover(shop) == FUND
    assert world.pg.execute("SELECT count(*) FROM signer_difference WHERE cleared_at IS NOT NULL") == [(2,)]


async def test_a_payout_on_its_way_is_no_difference_at_any_step(office: Office, world: World) -> None:
    shop = await office.shop()
    await office.prove()
    await world.pay(shop, shop.intent(PAYOUT, SHOP))
    await world.mine(12)
    assert await office.planned() == 1
    for step in (world.sign, world.turn, world.mine):
        await step()
        await office.read()
        assert await office.compare(after=20) == []
    await world.mine(12)
    await office.read()
    assert await office.compare(after=20) == []
    assert await office.cover(shop) == FUND - PAYOUT - world.chain.fees.payout_fee
