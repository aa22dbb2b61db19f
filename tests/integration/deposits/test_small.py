"""Deposits below the minimum wait unlooked at, maybe for ever, until something can change for them."""

from __future__ import annotations

from strongroom.deposits import follow, store
from strongroom.deposits.model import DepositState
from strongroom.infra.database import transaction
from tests.integration.deposits.bank import Bank
from tests.integration.deposits.feed import Feed, payment


async def test_what_waits_below_the_minimum_is_neither_read_nor_locked_at_every_step(bank: Bank, feed: Feed) -> None:
    for merchant, amount in ((0, 600), (1, 700), (0, 399)):
        feed.connect(payment(((await bank.address(merchant)).script, amount)))
    feed.mine(3)
    await bank.follow()
    assert await looked_at(bank) == []
    async with transaction(bank.worker) as connection:
        found = await store.open_deposits(
            connection, bank.chain.id, {bank.chain.asset.id: 999}
        )  # as after a lower minimum was set
    assert {item.amount for item in found} == {600, 399}
    feed.connect(payment(((await bank.address()).script, 1)))
    feed.status("syncing")
    await bank.follow()
    assert await looked_at(bank) == [1, 399, 600]  # their sum has reached it: credited as soon as that may be
    feed.status("ok")
    await bank.follow()
    assert (await bank.available(), await looked_at(bank)) == (1_000 - 6 - 4 - 1, [])


async def test_what_waits_below_the_minimum_is_looked_at_again_where_the_chain_becomes_too_short(
    bank: Bank, feed: Feed
) -> None:
    tx = payment(((await bank.address()).script, 600), coinbase=True)
    feed.connect(tx)
    feed.mine(99)
    await bank.follow()
    assert (await bank.the_deposit()).state is DepositState.CONFIRMED
    assert await looked_at(bank) == []
    feed.disconnect()
    await bank.follow()
    assert (await bank.the_deposit()).state is DepositState.CONFIRMING
    assert await looked_at(bank) == [600]


async def looked_at(bank: Bank) -> list[int]:
    """The amounts that a step reads and locks."""
    async with transaction(bank.worker) as connection:
        found = await store.open_deposits(connection, bank.chain.id, follow.minimums(bank.chain))
    return sorted(item.amount for item in found)
