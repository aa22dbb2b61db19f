"""Money that nobody asked for is its merchant's all the same."""

from __future__ import annotations

from strongroom.deposits.service import view
from tests.integration.deposits.bank import Bank
from tests.integration.deposits.feed import Feed, payment

AMOUNT = 200_000


async def test_a_payment_to_an_address_that_nobody_was_given_is_credited_and_told_as_unmatched(
    bank: Bank, feed: Feed
) -> None:
    [(script,)] = bank.pg.execute(
        "SELECT a.script FROM wallet_address a JOIN wallet_branch b ON (a.chain, a.kind, a.branch) = "
        "(b.chain, b.kind, b.branch) WHERE b.merchant_id = %s AND a.handed_out_at IS NULL LIMIT 1",
        bank.merchants[0],
    )
    assert isinstance(script, bytes)
    feed.connect(payment((script, AMOUNT)))
    feed.mine(2)
    await bank.follow()
    deposit = await bank.the_deposit()
    assert (deposit.state, deposit.purpose, deposit.reference) == ("credited", None, None)
    assert await bank.available() == deposit.credited > 0
    assert view(deposit)["exception"] == "unmatched"
