"""Coins: what we may spend, and where the chain txs that made and spent them stand after any reorganisation."""

from __future__ import annotations

import pytest

from strongroom.infra.database import transaction
from strongroom.wallets import service as wallets
from strongroom.wallets.model import Coin, Holdings, KeySetKind
from tests.integration.deposits.bank import Bank
from tests.integration.deposits.conftest import bank, feed
from tests.integration.deposits.feed import Feed, payment

__all__ = ["bank", "feed"]
HORIZON = 12


async def spendable(bank: Bank, feed: Feed, *, unconfirmed: bool = False) -> list[Coin]:
    async with transaction(bank.treasury) as connection:
        return await wallets.spendable_coins(
            connection,
            bank.chain.id,
            KeySetKind.COLD,
            tip_height=feed.height,
            horizon=HORIZON,
            unconfirmed_change=unconfirmed,
        )


async def change_script(bank: Bank) -> bytes:
    async with transaction(bank.treasury) as connection:
        return (await wallets.next_change(connection, bank.chain.id, KeySetKind.COLD)).script


async def test_a_coin_is_spendable_from_the_horizon_on_and_not_a_block_before(bank: Bank, feed: Feed) -> None:
    address = await bank.address()
    feed.connect(payment((address.script, 500)))
    feed.mine(HORIZON - 2)
    await bank.follow()
    assert await spendable(bank, feed) == []
    feed.mine(1)
    await bank.follow()
    coin = (await spendable(bank, feed))[0]
    assert (coin.amount, coin.script, coin.branch, coin.index) == (500, address.script, 2, address.index)
    assert (coin.height, coin.own, coin.address_id) == (feed.height - HORIZON + 1, False, address.id)


async def test_own_change_is_spendable_at_once_confirmed_or_unconfirmed_as_told(bank: Bank, feed: Feed) -> None:
    coin = payment(((await bank.address()).script, 500))
    feed.connect(coin)
    spend = payment((await change_script(bank), 300), spends=((coin.txid, 0),))
    feed.appear(spend)
    await bank.follow()
    assert await spendable(bank, feed) == []
    assert [item.txid for item in await spendable(bank, feed, unconfirmed=True)] == [spend.txid]
    feed.connect(spend)
    await bank.follow()
    assert [(item.txid, item.own) for item in await spendable(bank, feed)] == [(spend.txid, True)]


async def test_a_spent_coin_comes_back_when_its_spend_vanishes(bank: Bank, feed: Feed) -> None:
    coin = payment(((await bank.address()).script, 500))
    feed.connect(coin)
    feed.mine(HORIZON)
    spend = payment((await change_script(bank), 300), spends=((coin.txid, 0),))
    feed.appear(spend)
    await bank.follow()
    assert await spendable(bank, feed) == []
    async with transaction(bank.treasury) as connection:
        spent = await wallets.coins_at(connection, bank.chain.id, [(coin.txid, 0)])
    assert [item.spent_by_txid for item in spent] == [spend.txid]
    feed.vanish(spend, "replaced")
    await bank.follow()
    assert [item.txid for item in await spendable(bank, feed)] == [coin.txid]


async def test_a_spend_that_is_mined_orphaned_and_double_spent_by_a_later_version(bank: Bank, feed: Feed) -> None:
    coin = payment(((await bank.address()).script, 500))
    feed.connect(coin)
    first = payment((await change_script(bank), 300), spends=((coin.txid, 0),))
    second = payment((await change_script(bank), 290), spends=((coin.txid, 0),))
    feed.connect(first)
    await bank.follow()
    feed.disconnect()
    feed.vanish(first, "conflict", second.txid)
    feed.connect(second)
    await bank.follow()
    assert [item.txid for item in await spendable(bank, feed)] == [second.txid]
    async with transaction(bank.treasury) as connection:
        coins = await wallets.coins_at(connection, bank.chain.id, [(first.txid, 0), (coin.txid, 0)])
    assert [(item.height, item.spent_by_txid) for item in coins] == [(None, None), (202, second.txid)]


@pytest.mark.parametrize(("mature", "count"), [(99, 0), (100, 1)])
async def test_a_coinbase_output_is_spendable_after_its_maturity(
    bank: Bank, feed: Feed, mature: int, count: int
) -> None:
    feed.connect(payment(((await bank.address()).script, 500), coinbase=True))
    feed.mine(mature - 1)
    await bank.follow()
    assert len(await spendable(bank, feed)) == count


async def test_holdings_say_what_a_scan_of_the_chain_would_find(bank: Bank, feed: Feed) -> None:
    coin = payment(((await bank.address()).script, 500))
    feed.connect(coin)
    spend = payment((await change_script(bank), 300), spends=((coin.txid, 0),))
    feed.appear(spend)
    await bank.follow()
    async with transaction(bank.treasury) as connection:
        before = await wallets.holdings(connection, bank.chain.id)
    feed.connect(spend)
    await bank.follow()
    async with transaction(bank.treasury) as connection:
        after = await wallets.holdings(connection, bank.chain.id)
    assert before == {KeySetKind.HOT: Holdings(0, 0), KeySetKind.COLD: Holdings(500, 300)}
    assert after[KeySetKind.COLD] == Holdings(300, 0)
