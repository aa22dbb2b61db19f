"""A deposit's life on a real PostgreSQL: seen, confirming, credited once per cycle, reversed, and back."""

from __future__ import annotations

import psycopg
import pytest

from strongroom.deposits import service
from strongroom.deposits.errors import DepositMoveError, DepositNotFoundError
from strongroom.deposits.model import DepositException, DepositState
from strongroom.infra.database import transaction
from strongroom.infra.stops import Stop, clear_stop, set_stop
from strongroom.ledger.model import AccountType
from strongroom.wallets.model import KeySetKind
from tests.integration.deposits.bank import Bank
from tests.integration.deposits.feed import Feed, fresh_hash, payment

AMOUNT = 100_000  # three confirmations, by the settings of the tests
NET = 99_000  # less one percent
SMALL = 40_000  # one confirmation


async def test_a_payment_is_seen_confirms_and_is_credited_net_of_the_fee(bank: Bank, feed: Feed) -> None:
    address = await bank.address()
    tx = payment((address.script, AMOUNT))
    feed.appear(tx)
    await bank.follow()
    seen = await bank.the_deposit()
    assert (seen.state, seen.confirmations, seen.reference) == (DepositState.SEEN, 0, "inv_1")
    feed.connect(tx)
    await bank.follow()
    feed.mine(1)
    await bank.follow()
    assert (await bank.the_deposit()).confirmations == 2
    assert await bank.available() == 0
    feed.mine(1)
    await bank.follow()
    credited = await bank.the_deposit()
    assert (credited.state, credited.confirmations, credited.credited, credited.fee) == ("credited", 3, NET, 1_000)
    assert await bank.available() == NET
    assert await bank.balance(AccountType.HOUSE_FEES) == 1_000
    assert await bank.balance(AccountType.CHAIN_COLD) == -AMOUNT
    assert bank.told() == ["deposit.seen", "deposit.confirming", "deposit.confirming", "deposit.credited"]


async def test_the_events_carry_the_whole_deposit(bank: Bank, feed: Feed) -> None:
    address = await bank.address(reference="inv_7")
    feed.connect(payment((address.script, AMOUNT)))
    await bank.follow()
    payload = bank.payloads("deposit.confirming")[0]
    deposit = await bank.the_deposit()
    assert payload == service.view(deposit)
    assert payload["amount"] == "100000"
    assert (payload["confirmations"], payload["confirmations_needed"], payload["cycle"]) == (1, 3, 1)
    assert (payload["address"], payload["purpose"], payload["merchant_id"]) == (
        address.address,
        "invoice",
        bank.merchants[0],
    )


@pytest.mark.parametrize(("amount", "blocks"), [(50_000, 1), (50_001, 3)])
async def test_the_tier_of_the_amount_says_how_many_blocks(bank: Bank, feed: Feed, amount: int, blocks: int) -> None:
    feed.connect(payment(((await bank.address()).script, amount)))
    for depth in range(1, blocks + 1):
        assert await bank.available() == 0
        if depth > 1:
            feed.mine(1)
        await bank.follow()
    assert (await bank.the_deposit()).state is DepositState.CREDITED


async def test_a_payment_cut_into_small_outputs_needs_the_blocks_of_its_sum(bank: Bank, feed: Feed) -> None:
    outputs = [((await bank.address()).script, SMALL) for _ in range(2)]
    feed.connect(payment(*outputs))
    await bank.follow()
    assert {item.state for item in await bank.deposits()} == {DepositState.CONFIRMING}
    feed.mine(2)
    await bank.follow()
    assert {item.state for item in await bank.deposits()} == {DepositState.CREDITED}


async def test_a_payment_that_moves_to_another_block_is_reversed_and_credited_again_in_its_next_cycle(
    bank: Bank, feed: Feed
) -> None:
    tx = payment(((await bank.address()).script, SMALL))
    feed.connect(tx)
    await bank.follow()
    assert await bank.available() == 39_600
    feed.disconnect()
    await bank.follow()
    reversed_ = await bank.the_deposit()
    assert (reversed_.state, reversed_.exception) == (DepositState.REVERSED, DepositException.ORPHANED)
    assert (await bank.available(), await bank.owed(), await bank.balance(AccountType.CHAIN_COLD)) == (0, 0, 0)
    feed.connect()
    feed.connect(tx)
    await bank.follow()
    again = await bank.the_deposit()
    assert (again.state, again.cycle, again.exception) == (DepositState.CREDITED, 2, None)
    assert await bank.available() == 39_600
    assert bank.postings() == [(2, 1)]
    assert bank.told() == [
        *("deposit.confirming", "deposit.credited", "deposit.reversed", "deposit.confirming", "deposit.credited"),
    ]
    async with transaction(bank.worker) as connection:
        arrows = [(row["from_state"], row["to_state"]) for row in await service.history(connection, again.id)]
    assert arrows == [
        (None, "confirming"),
        ("confirming", "confirmed"),
        ("confirmed", "credited"),
        ("credited", "reversed"),
        ("reversed", "confirming"),
        ("confirming", "confirmed"),
        ("confirmed", "credited"),
    ]


async def test_a_double_spent_credit_is_taken_back_and_dropped(bank: Bank, feed: Feed) -> None:
    tx = payment(((await bank.address()).script, SMALL))
    feed.connect(tx)
    await bank.follow()
    feed.disconnect()
    feed.connect()
    feed.vanish(tx, "conflict", fresh_hash())
    await bank.follow()
    deposit = await bank.the_deposit()
    assert (deposit.state, deposit.exception) == (DepositState.DROPPED, DepositException.DOUBLE_SPENT)
    assert await bank.available() == 0
    assert bank.told()[-1] == "deposit.dropped"


async def test_a_replaced_payment_is_dropped_with_its_replacement_named_and_the_other_is_seen(
    bank: Bank, feed: Feed
) -> None:
    address = await bank.address()
    first, second = payment((address.script, SMALL)), payment((address.script, SMALL + 1))
    feed.appear(first)
    feed.appear(second)
    feed.vanish(first, "replaced", second.txid)
    await bank.follow()
    one, two = sorted(await bank.deposits(), key=lambda item: item.amount)
    assert (one.state, one.exception, one.replaced_by) == ("dropped", DepositException.REPLACED, second.txid)
    assert (two.state, two.amount) == (DepositState.SEEN, SMALL + 1)


async def test_an_evicted_payment_that_comes_back_is_seen_again(bank: Bank, feed: Feed) -> None:
    tx = payment(((await bank.address()).script, SMALL))
    feed.appear(tx)
    feed.vanish(tx)
    feed.appear(tx)
    await bank.follow()
    assert (await bank.the_deposit()).state is DepositState.SEEN
    feed.connect(tx)
    await bank.follow()
    assert (await bank.the_deposit()).state is DepositState.CREDITED
    assert await bank.available() == 39_600


async def test_a_reversal_takes_what_is_available_and_the_rest_is_owed_and_repaid_first(bank: Bank, feed: Feed) -> None:
    tx = payment(((await bank.address()).script, SMALL))
    feed.connect(tx)
    await bank.follow()
    await bank.spend(30_000)
    feed.disconnect()
    await bank.follow()
    assert (await bank.available(), await bank.owed()) == (0, -30_000)
    feed.connect(payment(((await bank.address()).script, SMALL)))
    await bank.follow()
    assert (await bank.available(), await bank.owed()) == (9_600, 0)


@pytest.mark.parametrize("status", ["syncing", "down", "wrong-network", "reorg-too-deep"])
async def test_nothing_is_credited_while_the_chain_cannot_be_relied_on_and_all_of_it_afterwards(
    bank: Bank, feed: Feed, status: str
) -> None:
    feed.connect(payment(((await bank.address()).script, SMALL)))
    feed.status(status)
    await bank.follow()
    assert (await bank.the_deposit()).state is DepositState.CONFIRMED
    assert await bank.available() == 0
    assert bank.told()[-1] == "deposit.confirmed"
    feed.status("ok")
    await bank.follow()
    assert await bank.available() == 39_600


async def test_a_stop_of_crediting_holds_credits_back_but_not_reversals(bank: Bank, feed: Feed) -> None:
    tx = payment(((await bank.address()).script, SMALL))
    feed.connect(tx)
    await bank.follow()
    async with transaction(bank.worker) as connection:
        await set_stop(connection, Stop.CREDIT, "incident", "operator", bank.chain.id)
    feed.disconnect()
    await bank.follow()
    assert await bank.available() == 0
    feed.connect(tx)
    await bank.follow()
    assert (await bank.the_deposit()).state is DepositState.CONFIRMED
    async with transaction(bank.worker) as connection:
        await clear_stop(connection, Stop.CREDIT, "over", "operator", bank.chain.id)
    await bank.follow()
    assert await bank.available() == 39_600


async def test_below_the_minimum_is_kept_per_merchant_and_credited_when_the_sum_reaches_it(
    bank: Bank, feed: Feed
) -> None:
    for merchant, amount in ((0, 600), (1, 700), (0, 399)):
        feed.connect(payment(((await bank.address(merchant)).script, amount)))
    await bank.follow()
    assert {(item.state, item.below_minimum) for item in await bank.deposits()} == {("confirmed", True)}
    async with transaction(bank.worker) as connection:
        assert await service.pending_by_asset(connection, bank.merchants[0]) == {bank.chain.asset.id: 999}
        assert await service.uncredited(connection, bank.chain.id) == {KeySetKind.HOT: 0, KeySetKind.COLD: 1_699}
    feed.connect(payment(((await bank.address()).script, 1)))
    await bank.follow()
    assert {item.state for item in await bank.deposits()} == {DepositState.CREDITED}
    assert await bank.available() == 1_000 - 6 - 4 - 1
    assert await bank.available(1) == 0


async def test_a_coinbase_output_waits_for_its_maturity(bank: Bank, feed: Feed) -> None:
    feed.connect(payment(((await bank.address()).script, SMALL), coinbase=True))
    feed.mine(98)
    await bank.follow()
    assert (await bank.the_deposit()).state is DepositState.CONFIRMING
    feed.mine(1)
    await bank.follow()
    assert (await bank.the_deposit()).state is DepositState.CREDITED


async def test_the_intake_says_which_side_of_the_chain_is_credited(bank: Bank, feed: Feed) -> None:
    await bank.hot()
    feed.connect(payment(((await bank.address()).script, SMALL)))
    await bank.follow()
    assert await bank.balance(AccountType.CHAIN_HOT) == -SMALL
    assert await bank.balance(AccountType.CHAIN_COLD) == 0


async def test_two_outputs_of_one_chain_tx_are_two_deposits(bank: Bank, feed: Feed) -> None:
    script = (await bank.address()).script
    feed.connect(payment((script, 1_000), (script, 2_000)))
    await bank.follow()
    assert {(item.vout, item.amount) for item in await bank.deposits()} == {(0, 1_000), (1, 2_000)}
    assert await bank.available() == 2_970


async def test_a_confirmed_deposit_can_be_held_and_is_credited_after_its_release(bank: Bank, feed: Feed) -> None:
    feed.connect(payment(((await bank.address()).script, SMALL)))
    feed.status("syncing")
    await bank.follow()
    deposit = await bank.the_deposit()
    async with transaction(bank.worker) as connection:
        await service.hold_deposit(connection, deposit.id, "tainted")
    feed.status("ok")
    await bank.follow()
    assert (await bank.the_deposit()).state is DepositState.HELD
    assert await bank.available() == 0
    async with transaction(bank.worker) as connection:
        await service.release_deposit(connection, deposit.id, "cleared")
    await bank.follow()
    assert await bank.available() == 39_600
    with pytest.raises(DepositMoveError):
        async with transaction(bank.worker) as connection:
            await service.hold_deposit(connection, deposit.id, "too late")


async def test_a_deposit_is_shown_to_its_merchant_only(bank: Bank, feed: Feed) -> None:
    address = await bank.address()
    feed.connect(payment((address.script, SMALL)))
    await bank.follow()
    deposit = await bank.the_deposit()
    async with transaction(bank.worker) as connection:
        assert await service.get_deposit(connection, bank.merchants[0], deposit.id) == deposit
        assert await service.on_address(connection, address.id) == [deposit]
        assert await service.list_deposits(connection, bank.merchants[0], deposit.id, 10) == []
        with pytest.raises(DepositNotFoundError):
            await service.get_deposit(connection, bank.merchants[1], deposit.id)


async def test_the_database_itself_refuses_a_second_credit_of_a_cycle_and_a_cycle_that_skips_its_reversal(
    bank: Bank, feed: Feed
) -> None:
    feed.connect(payment(((await bank.address()).script, SMALL)))
    await bank.follow()
    deposit = await bank.the_deposit()
    for cycle, error in ((1, psycopg.errors.UniqueViolation), (2, psycopg.errors.ForeignKeyViolation)):
        with psycopg.connect(bank.pg.dsn("worker")) as connection, pytest.raises(error):
            connection.execute(
                "INSERT INTO deposit_credit (deposit_id, cycle, ledger_transaction_id) VALUES (%s, %s, 'x')",
                [deposit.id, cycle],
            )
    with psycopg.connect(bank.pg.dsn("worker")) as connection, pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute(
            "INSERT INTO deposit_reversal (deposit_id, cycle, ledger_transaction_id) VALUES (%s, 2, 'x')", [deposit.id]
        )


@pytest.mark.parametrize("role", ["api", "worker", "treasury", "watcher"])
def test_no_process_can_delete_deposits_or_rewrite_their_history(bank: Bank, role: str) -> None:
    for statement in (
        "DELETE FROM deposit",
        "UPDATE deposit SET amount = 5",
        "UPDATE deposit_history SET reason = 'x'",
        "DELETE FROM deposit_credit",
        "TRUNCATE deposit_reversal",
    ):
        with psycopg.connect(bank.pg.dsn(role)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())
