"""Several assets on one account chain: each by its own minimum, tiers and fee, and never one for another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from strongroom.deposits import service
from strongroom.deposits.model import DepositState
from strongroom.infra.database import make_pool, transaction
from strongroom.infra.settings import ChainSettings, Tier
from strongroom.ledger.model import AccountType
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind
from strongroom_core.amounts import MAX_BASE_UNITS
from strongroom_core.assets import DEVNET, DEVNET_ETH
from tests.fixtures.devnet import OTHER_TOKEN, TOKEN, coin, devnet, ethereum, other_token, token
from tests.fixtures.postgres import Database
from tests.integration.deposits.bank import Bank
from tests.integration.deposits.feed import Feed, fresh_hash, transfers

USDT_TIERS = (Tier(confirmations=1, amount_max=1_000_000), Tier(confirmations=3))
HELD = (
    token(tiers=USDT_TIERS, deposit_fee_ppm=10_000),
    other_token(),
    coin(tiers=(Tier(confirmations=2),), deposit_fee_ppm=1_000),
)


@asynccontextmanager
async def open_bank(pg: Database, chain: ChainSettings) -> AsyncIterator[Bank]:
    async with make_pool(pg.dsn("worker"), size=4, name="worker") as worker:
        yield await Bank.open(pg, worker, worker, chain)


@pytest.fixture
async def bank(pg: Database) -> AsyncIterator[Bank]:
    async with open_bank(pg, devnet(assets=HELD, tiers=(Tier(confirmations=4),))) as bank:
        yield bank


@pytest.fixture
def feed(pg: Database) -> Iterator[Feed]:
    feed = Feed.start(pg.dsn("watcher"), chain=DEVNET.id)
    yield feed
    feed.close()


async def test_each_asset_has_its_own_tiers_fee_and_balance(bank: Bank, feed: Feed) -> None:
    address = (await bank.address()).script
    feed.connect(
        transfers((address, 1_000_000, TOKEN), (address, 3 * 10**18, OTHER_TOKEN), (address, 10**18, DEVNET_ETH.id))
    )
    await bank.follow()
    needed = {item.asset: item.confirmations_needed for item in await bank.deposits()}
    assert needed == {TOKEN: 1, OTHER_TOKEN: 4, DEVNET_ETH.id: 2}
    assert await bank.available(asset=TOKEN) == 990_000
    assert (await bank.available(asset=OTHER_TOKEN), await bank.available()) == (0, 0)
    feed.mine(1)
    await bank.follow()
    assert (await bank.available(asset=OTHER_TOKEN), await bank.available()) == (0, 999 * 10**15)
    feed.mine(2)
    await bank.follow()
    assert await bank.available(asset=OTHER_TOKEN) == 3 * 10**18
    assert await bank.balance(AccountType.CHAIN_COLD, asset=TOKEN) == -1_000_000
    assert await bank.balance(AccountType.HOUSE_FEES, asset=TOKEN) == 10_000
    assert await bank.balance(AccountType.HOUSE_FEES, asset=OTHER_TOKEN) == 0


async def test_what_one_chain_tx_pays_in_one_asset_is_at_stake_together(bank: Bank, feed: Feed) -> None:
    """A withdrawal from an exchange that pays hundreds: every one of them is credited, none sooner than the whole."""
    scripts = [(await bank.address(number % 2, f"inv_{number}")).script for number in range(40)]
    parts = [(script, 100_000 + number, TOKEN) for number, script in enumerate(scripts)]
    feed.connect(transfers(*parts, (scripts[0], 10**18, DEVNET_ETH.id)))
    feed.mine(1)
    await bank.follow()
    assert {(item.asset, item.state) for item in await bank.deposits()} == {
        (TOKEN, DepositState.CONFIRMING),
        (DEVNET_ETH.id, DepositState.CREDITED),
    }
    feed.mine(1)
    await bank.follow()
    told = [item for number in (0, 1) for item in await bank.deposits(number)]
    assert {item.state for item in told} == {DepositState.CREDITED}
    assert sum(item.amount for item in told if item.asset == TOKEN) == sum(amount for _, amount, _ in parts)


async def test_small_amounts_of_one_asset_wait_for_their_own_sum(bank: Bank, feed: Feed) -> None:
    one, two = (await bank.address(0, "a")).script, (await bank.address(0, "b")).script
    feed.connect(transfers((one, 9_999, TOKEN), (two, 10**16 - 1, OTHER_TOKEN), (two, 9_998, TOKEN)))
    feed.mine(5)
    await bank.follow()
    assert {(item.asset, item.state) for item in await bank.deposits()} == {
        (TOKEN, DepositState.CREDITED),
        (OTHER_TOKEN, DepositState.CONFIRMED),
    }
    assert await bank.available(asset=OTHER_TOKEN) == 0
    feed.connect(transfers((one, 1, OTHER_TOKEN)))
    feed.mine(3)
    await bank.follow()
    assert await bank.available(asset=OTHER_TOKEN) == 10**16


async def test_another_asset_on_an_invoices_address_is_credited_and_said_to_be_the_wrong_one(
    bank: Bank, feed: Feed
) -> None:
    address = await bank.address(asset=TOKEN)
    assert address.asset == TOKEN
    feed.connect(transfers((address.script, 10**17, OTHER_TOKEN), (address.script, 50_000, TOKEN)))
    feed.mine(3)
    await bank.follow()
    right, wrong = sorted(await bank.deposits(), key=lambda item: item.asset)
    assert (wrong.asset, wrong.told_exception, wrong.state) == (OTHER_TOKEN, "wrong-asset", DepositState.CREDITED)
    assert (right.asset, right.told_exception) == (TOKEN, None)
    assert await bank.available(asset=OTHER_TOKEN) == 10**17
    told = bank.payloads("deposit.credited")
    assert {(item["asset"], item["wrong_asset"], item["exception"]) for item in told} == {
        (TOKEN, False, None),
        (OTHER_TOKEN, True, "wrong-asset"),
    }


async def test_a_reorganisation_takes_each_asset_back_and_credits_it_once_more(bank: Bank, feed: Feed) -> None:
    address = (await bank.address()).script
    tx = transfers((address, 1_000_000, TOKEN), (address, 10**18, DEVNET_ETH.id))
    for cycle in (1, 2, 3):
        feed.connect(tx)
        feed.mine(1)
        await bank.follow()
        assert (await bank.available(asset=TOKEN), await bank.available()) == (990_000, 999 * 10**15)
        assert bank.postings() == [(2 * cycle, 2 * (cycle - 1))]
        feed.disconnect()
        feed.disconnect()
        await bank.follow()
        assert (await bank.available(asset=TOKEN), await bank.available()) == (0, 0)
    assert await bank.balance(AccountType.CHAIN_COLD, asset=TOKEN) == 0


async def test_a_debt_in_one_asset_leaves_the_others_alone(bank: Bank, feed: Feed) -> None:
    address = (await bank.address()).script
    feed.connect(transfers((address, 1_000_000, TOKEN)))
    await bank.follow()
    await bank.spend(990_000, asset_id=TOKEN)
    feed.disconnect()
    feed.connect(transfers((address, 10**18, DEVNET_ETH.id)))
    feed.mine(1)
    await bank.follow()
    assert (await bank.owed(asset=TOKEN), await bank.owed()) == (-990_000, 0)
    assert await bank.available() == 999 * 10**15


async def test_a_chain_tx_that_does_something_else_in_its_new_block_is_another_deposit(bank: Bank, feed: Feed) -> None:
    address, other = (await bank.address()).script, (await bank.address(1)).script
    before = transfers((address, 1_000_000, TOKEN), (address, 20_000, TOKEN))
    feed.connect(before)
    feed.mine(2)
    await bank.follow()
    assert await bank.available(asset=TOKEN) == 1_009_800
    for _ in range(3):
        feed.disconnect()
    after = transfers(
        (address, 700_000, TOKEN), (address, 20_000, TOKEN), (other, 5 * 10**17, OTHER_TOKEN), txid=before.txid
    )
    feed.connect(after)
    feed.mine(3)
    await bank.follow()
    assert {(item.amount, item.state, item.cycle) for item in await bank.deposits()} == {
        (1_000_000, DepositState.DROPPED, 1),
        (20_000, DepositState.CREDITED, 2),
        (700_000, DepositState.CREDITED, 1),
    }
    assert await bank.available(asset=TOKEN) == 693_000 + 19_800
    assert await bank.available(1, OTHER_TOKEN) == 5 * 10**17
    # And back again: what it did at first is credited once more, what it did in between is not.
    for _ in range(4):
        feed.disconnect()
    feed.connect(before)
    feed.mine(3)
    await bank.follow()
    assert await bank.available(asset=TOKEN) == 1_009_800
    assert (await bank.available(1, OTHER_TOKEN), await bank.balance(AccountType.CHAIN_COLD, asset=OTHER_TOKEN)) == (
        0,
        0,
    )


async def test_a_chain_may_be_believed_by_its_own_finality(pg: Database, feed: Feed) -> None:
    chain = devnet(assets=HELD, ethereum=ethereum(confirm_by="finalized"))
    async with open_bank(pg, chain) as bank:
        address = (await bank.address()).script
        feed.connect(transfers((address, 1_000_000, TOKEN)))
        height = feed.height
        feed.mine(80)
        for finalized in (None, height - 1):
            feed.status("ok", finalized=finalized)
            await bank.follow()
            assert (await bank.the_deposit()).state is DepositState.CONFIRMING
        assert (await bank.the_deposit()).confirmations_needed is None, "no count decides"
        feed.status("ok", finalized=height)
        await bank.follow()
        assert (await bank.the_deposit()).state is DepositState.CREDITED


async def test_what_waits_for_the_final_block_does_so_though_the_settings_go_back_to_counting(
    pg: Database, feed: Feed
) -> None:
    async with open_bank(pg, devnet(assets=HELD, ethereum=ethereum(confirm_by="finalized"))) as bank:
        feed.connect(transfers(((await bank.address()).script, 1_000_000, TOKEN)))
        height = feed.height
        await bank.follow()
        bank.chain = devnet(assets=HELD)
        feed.mine(80)
        await bank.follow()
        assert (await bank.the_deposit()).state is DepositState.CONFIRMING
        feed.status("ok", finalized=height)
        await bank.follow()
        assert (await bank.the_deposit()).state is DepositState.CREDITED
        assert bank.payloads("deposit.credited")[0]["confirmations_needed"] is None


async def test_the_largest_amount_there_is_is_credited_exactly(bank: Bank, feed: Feed) -> None:
    feed.connect(transfers(((await bank.address()).script, MAX_BASE_UNITS, OTHER_TOKEN)))
    feed.mine(3)
    await bank.follow()
    assert (await bank.the_deposit()).credited == MAX_BASE_UNITS
    assert await bank.available(asset=OTHER_TOKEN) == MAX_BASE_UNITS
    assert bank.payloads("deposit.credited")[0]["amount"] == str(MAX_BASE_UNITS)


async def test_what_forwarders_still_hold_is_known_until_they_are_emptied(bank: Bank, feed: Feed) -> None:
    first, second = await bank.address(0, "a"), await bank.address(1, "b")
    feed.connect(
        transfers((first.script, 20_000, TOKEN), (first.script, 30_000, TOKEN), (second.script, 10**18, DEVNET_ETH.id))
    )
    await bank.follow()

    async def unswept() -> set[tuple[bytes, str, int]]:
        async with transaction(bank.worker) as connection:
            found = await service.unswept(connection, bank.chain.id, 10)
        return {(item.address.script, item.asset, item.amount) for item in found}

    assert await unswept() == {(first.script, TOKEN, 50_000)}  # the other one is not credited yet
    feed.mine(1)
    at = feed.height
    feed.connect(transfers((first.script, 40_000, TOKEN)))
    await bank.follow()
    assert await unswept() == {(first.script, TOKEN, 90_000), (second.script, DEVNET_ETH.id, 10**18)}
    async with transaction(bank.worker) as connection:
        for _ in range(2):
            await service.emptied(connection, bank.chain.id, [(first.id, TOKEN)], at, f"0x{fresh_hash()}")
    assert await unswept() == {(second.script, DEVNET_ETH.id, 10**18), (first.script, TOKEN, 40_000)}


async def test_what_is_not_in_the_books_yet_is_summed_by_asset(bank: Bank, feed: Feed) -> None:
    address = (await bank.address()).script
    feed.connect(transfers((address, 5_000_000, TOKEN), (address, 10**18, OTHER_TOKEN)))
    await bank.follow()
    async with transaction(bank.worker) as connection:
        assert await service.uncredited(connection, bank.chain.id, TOKEN) == {
            KeySetKind.HOT: 0,
            KeySetKind.COLD: 5_000_000,
        }
        pending = await service.pending_by_asset(connection, bank.merchants[0])
    assert pending == {TOKEN: 5_000_000, OTHER_TOKEN: 10**18}


async def test_house_capital_comes_to_a_forwarder_of_the_house(bank: Bank, feed: Feed) -> None:
    async with transaction(bank.worker) as connection:
        house = await wallets.house_address(connection, bank.chain.id, KeySetKind.COLD)
    assert house.branch == 1
    feed.connect(transfers((house.script, 9_000_000, TOKEN)))
    feed.mine(2)
    await bank.follow()
    assert await bank.balance(AccountType.HOUSE_CAPITAL, asset=TOKEN) == 9_000_000
