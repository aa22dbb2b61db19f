"""What is no shopper's payment: house capital, our own chain txs, payments between our merchants, stray change."""

from __future__ import annotations

from strongroom.infra.database import transaction
from strongroom.ledger.model import AccountType
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind, OwnPayment
from tests.integration.deposits.bank import Bank
from tests.integration.deposits.feed import Feed, fresh_hash, payment

SMALL = 40_000


async def test_a_payment_to_the_house_branch_is_capital_without_fee_and_may_be_small(bank: Bank, feed: Feed) -> None:
    async with transaction(bank.treasury) as connection:
        house = await wallets.house_address(connection, bank.chain.id, KeySetKind.HOT)
    feed.connect(payment((house.script, 700)))
    await bank.follow()
    assert await bank.balance(AccountType.HOUSE_CAPITAL) == 700
    assert await bank.balance(AccountType.CHAIN_HOT) == -700
    assert bank.payloads("deposit.credited")[0]["merchant_id"] is None
    feed.disconnect()
    await bank.follow()
    assert await bank.balance(AccountType.HOUSE_CAPITAL) == 0


async def test_outputs_of_our_own_chain_txs_are_no_deposits(bank: Bank, feed: Feed) -> None:
    coin = payment(((await bank.address()).script, SMALL))
    feed.connect(coin)
    await bank.follow()
    async with transaction(bank.treasury) as connection:
        change = await wallets.next_change(connection, bank.chain.id, KeySetKind.COLD)
    astray = await bank.address(1)
    feed.connect(payment((change.script, 30_000), (astray.script, 9_000), spends=((coin.txid, 0),)))
    await bank.follow()
    assert len(await bank.deposits()) == 1
    assert await bank.deposits(1) == []
    assert await bank.balance(AccountType.SUSPENSE) == 0


async def test_a_payout_to_another_merchant_of_ours_is_its_deposit_where_an_intent_paid_it(
    bank: Bank, feed: Feed
) -> None:
    coin = payment(((await bank.address()).script, SMALL))
    feed.connect(coin)
    other, astray = await bank.address(1), await bank.address(1)
    tx = payment((other.script, 9_000), (astray.script, 8_000), spends=((coin.txid, 0),))
    async with transaction(bank.treasury) as connection:
        announced = [OwnPayment(tx.txid, 0, "pay_1")]
        await wallets.announce_own_payments(connection, bank.chain.id, announced)
        await wallets.announce_own_payments(connection, bank.chain.id, announced)
    feed.appear(tx)
    feed.connect(tx)
    await bank.follow()
    deposit = await bank.the_deposit(1)
    assert (deposit.vout, deposit.amount, deposit.state) == (0, 9_000, "credited")
    assert await bank.available(1) == 8_910


async def test_even_an_announced_output_to_the_change_branch_is_no_deposit(bank: Bank, feed: Feed) -> None:
    coin = payment(((await bank.address()).script, SMALL))
    feed.connect(coin)
    async with transaction(bank.treasury) as connection:
        change = await wallets.next_change(connection, bank.chain.id, KeySetKind.HOT)
        tx = payment((change.script, 9_000), spends=((coin.txid, 0),))
        await wallets.announce_own_payments(connection, bank.chain.id, [OwnPayment(tx.txid, 0, "pay_1")])
    feed.connect(tx)
    await bank.follow()
    assert bank.pg.execute("SELECT count(*) FROM deposit") == [(1,)]


async def test_a_strangers_payment_to_our_change_is_kept_in_suspense_so_that_books_equal_chain(
    bank: Bank, feed: Feed
) -> None:
    async with transaction(bank.treasury) as connection:
        change = await wallets.next_change(connection, bank.chain.id, KeySetKind.HOT)
    feed.connect(payment((change.script, 546)))
    await bank.follow()
    assert await bank.balance(AccountType.SUSPENSE) == 546
    assert await bank.balance(AccountType.CHAIN_HOT) == -546
    async with transaction(bank.treasury) as connection:
        coins = await wallets.spendable_coins(
            connection, bank.chain.id, KeySetKind.HOT, tip_height=feed.height, horizon=12, unconfirmed_change=True
        )
    assert coins == []


async def test_a_reversal_posts_even_where_the_books_no_longer_show_the_coin(bank: Bank, feed: Feed) -> None:
    tx = payment(((await bank.address()).script, SMALL))
    feed.connect(tx)
    await bank.follow()
    await bank.post(AccountType.IN_TRANSIT, AccountType.CHAIN_COLD, SMALL, fund=AccountType.HOUSE_CAPITAL)
    feed.disconnect()
    await bank.follow()
    assert (await bank.the_deposit()).state == "reversed"
    assert await bank.available() + await bank.owed() == 0
    assert await bank.balance(AccountType.SUSPENSE) == SMALL
    assert await bank.balance(AccountType.CHAIN_COLD) == 0


async def test_an_unknown_script_is_nobodys(bank: Bank, feed: Feed) -> None:
    feed.connect(payment((b"\x00\x14" + bytes.fromhex(fresh_hash())[:20], SMALL)))
    await bank.follow()
    assert bank.pg.execute("SELECT count(*) FROM deposit") == [(0,)]


async def test_an_output_of_nothing_is_no_deposit(bank: Bank, feed: Feed) -> None:
    feed.connect(payment(((await bank.address()).script, 0)))
    await bank.follow()
    assert await bank.deposits() == []
