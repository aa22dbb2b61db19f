"""What becomes of an invoice when money comes, or does not: on a real database, as the worker's own role."""

from __future__ import annotations

import pytest

from strongroom.deposits import service as deposits
from strongroom.deposits.model import Deposit, DepositState
from strongroom.infra.database import transaction
from strongroom.infra.outbox import Dispatcher, publish
from strongroom.invoices import jobs, service
from strongroom.invoices.model import Invoice
from strongroom.wallets.model import KeySetKind, Purpose
from strongroom_core.ids import DepositId
from tests.fixtures.notices import heard
from tests.fixtures.postgres import Database
from tests.integration.invoices.shop import Shop, new_address_id, topics

DUE = 1_000_000  # of every invoice here; 0.5 % tolerance: 995,000 is enough


def short(invoice: Invoice) -> tuple[str, str, int, int]:
    return invoice.status.value, invoice.exception.value, invoice.paid.base_units, invoice.pending.base_units


async def test_the_main_way_is_new_processing_paid(shop: Shop, pg: Database) -> None:
    invoice = await shop.invoice()
    assert short(invoice) == ("new", "none", 0, 0)
    deposit = await shop.pay(invoice, "seen", DUE)
    assert short(await shop.get(invoice)) == ("processing", "none", 0, DUE)
    await shop.pay(invoice, "confirming", DUE, deposit_id=deposit, confirmations=1)
    await shop.pay(invoice, "credited", DUE, deposit_id=deposit, confirmations=2)
    paid = await shop.get(invoice)
    assert short(paid) == ("paid", "none", DUE, 0)
    assert paid.paid_at == shop.clock.now()
    assert [payment.confirmations for payment in paid.payments] == [2]
    assert topics(pg, invoice.id) == ["invoice.created", "invoice.processing", "invoice.paid"]
    async with transaction(shop.api) as connection:
        steps = await service.invoice_history(connection, invoice.merchant_id, invoice.id)
    assert [(step.from_status.value, step.to_status.value) for step in steps] == [
        ("new", "processing"),
        ("processing", "paid"),
    ]


@pytest.mark.parametrize(
    ("amounts", "outcome"),
    [
        ([DUE - 5_000], ("paid", "none", DUE - 5_000, 0)),
        ([DUE - 5_001], ("new", "underpaid", DUE - 5_001, 0)),
        ([DUE + 1], ("paid", "overpaid", DUE + 1, 0)),
        ([600_000, 400_000], ("paid", "none", DUE, 0)),
        ([DUE, DUE], ("paid", "paid-twice", 2 * DUE, 0)),
        ([DUE, 5_000], ("paid", "overpaid", DUE + 5_000, 0)),
    ],
    ids=["within tolerance", "underpaid", "overpaid", "in two chain txs", "paid twice", "a bit more afterwards"],
)
async def test_amounts_in_time(shop: Shop, amounts: list[int], outcome: tuple[str, str, int, int]) -> None:
    invoice = await shop.invoice()
    for amount in amounts:
        await shop.pay(invoice, "credited", amount)
    assert short(await shop.get(invoice)) == outcome


async def test_underpaid_then_expired_stays_underpaid_and_says_what_is_left(shop: Shop, pg: Database) -> None:
    invoice = await shop.invoice()
    await shop.pay(invoice, "credited", 400_000)
    view = service.merchant_view(await shop.get(invoice), shop.settings)
    assert (view["amount_remaining_base_units"], view["amount_paid"]) == ("600000", "0.00400000")
    assert "amount=0.006" in view["payment_uri"]
    shop.clock.forward(seconds=900)
    assert await shop.expire() == 1
    assert short(await shop.get(invoice)) == ("expired", "underpaid", 400_000, 0)
    assert topics(pg, invoice.id) == ["invoice.created", "invoice.updated", "invoice.expired"]


async def test_a_late_payment_is_credited_and_marked_and_the_invoice_stays_expired(shop: Shop, pg: Database) -> None:
    invoice = await shop.invoice()
    shop.clock.forward(seconds=901)
    await shop.expire()
    assert short(await shop.get(invoice)) == ("expired", "none", 0, 0)
    await shop.pay(invoice, "credited", DUE)
    assert short(await shop.get(invoice)) == ("expired", "late", DUE, 0)
    shop.clock.forward(days=400)
    await shop.pay(invoice, "credited", 7)
    assert short(await shop.get(invoice)) == ("expired", "late", DUE + 7, 0)
    assert topics(pg, invoice.id)[-2:] == ["invoice.updated", "invoice.updated"]


async def test_what_was_seen_in_time_counts_although_the_clock_was_faster(shop: Shop) -> None:
    invoice = await shop.invoice()
    seen_at = shop.clock.forward(seconds=899).isoformat()
    shop.clock.forward(seconds=5)
    await shop.expire()
    deposit = await shop.pay(invoice, "seen", DUE, first_seen_at=seen_at)
    assert short(await shop.get(invoice))[:2] == ("processing", "none")
    await shop.pay(invoice, "credited", DUE, deposit_id=deposit, first_seen_at=seen_at)
    assert short(await shop.get(invoice))[:2] == ("paid", "none")


async def test_dust_is_shown_and_counts_once_it_is_credited(shop: Shop) -> None:
    invoice = await shop.invoice()
    await shop.pay(invoice, "credited", DUE - 5_500)
    dust = await shop.pay(invoice, "confirmed", 500, below_minimum=True)
    waiting = await shop.get(invoice)
    assert short(waiting) == ("new", "underpaid", DUE - 5_500, 500)
    assert [payment.below_minimum for payment in waiting.payments] == [False, True]
    await shop.pay(invoice, "credited", 500, below_minimum=True, deposit_id=dust)
    assert short(await shop.get(invoice)) == ("paid", "none", DUE - 5_000, 0)


async def test_a_reversal_takes_paid_back_to_processing_and_on_to_paid(shop: Shop, pg: Database) -> None:
    invoice = await shop.invoice()
    deposit = await shop.pay(invoice, "credited", DUE)
    shop.clock.forward(hours=2)
    first_seen = {"first_seen_at": invoice.created_at.isoformat(), "deposit_id": deposit}
    await shop.pay(invoice, "reversed", DUE, **first_seen)
    back = await shop.get(invoice)
    assert short(back) == ("processing", "none", 0, DUE)
    assert back.paid_at is None
    await shop.pay(invoice, "confirming", DUE, cycle=2, **first_seen)
    await shop.pay(invoice, "credited", DUE, cycle=2, **first_seen)
    assert short(await shop.get(invoice)) == ("paid", "none", DUE, 0)
    assert topics(pg, invoice.id)[1:] == ["invoice.paid", "invoice.processing", "invoice.paid"]


async def test_a_double_spent_payment_leaves_a_new_invoice_before_its_time_is_over(shop: Shop) -> None:
    invoice = await shop.invoice()
    deposit = await shop.pay(invoice, "seen", DUE)
    await shop.pay(invoice, "dropped", DUE, deposit_id=deposit)
    assert short(await shop.get(invoice)) == ("new", "none", 0, 0)
    shop.clock.forward(seconds=900)
    await shop.expire()
    assert short(await shop.get(invoice)) == ("expired", "none", 0, 0)


async def test_a_payment_that_vanishes_after_time_makes_it_invalid_after_a_grace(shop: Shop) -> None:
    invoice = await shop.invoice()
    first_seen = {"first_seen_at": invoice.created_at.isoformat()}
    deposit = await shop.pay(invoice, "seen", DUE)
    shop.clock.forward(seconds=1000)
    assert await shop.expire() == 0  # it is processing, and stays
    await shop.pay(invoice, "dropped", DUE, deposit_id=deposit, **first_seen)
    shop.clock.forward(seconds=599)
    assert await shop.expire() == 0
    assert short(await shop.get(invoice))[0] == "processing"
    shop.clock.forward(seconds=1)
    assert await shop.expire() == 1
    gone = await shop.get(invoice)
    assert (gone.status.value, gone.reason) == ("invalid", "payment-vanished")
    await shop.pay(invoice, "confirming", DUE, deposit_id=deposit, **first_seen)
    again = await shop.get(invoice)
    assert (again.status.value, again.reason) == ("processing", None)


async def test_what_never_confirms_is_given_up_after_the_window_and_paid_if_it_confirms_at_last(shop: Shop) -> None:
    invoice = await shop.invoice()
    first_seen = {"first_seen_at": invoice.created_at.isoformat()}
    deposit = await shop.pay(invoice, "seen", DUE)
    shop.clock.forward(seconds=900 + 86_400)
    assert await shop.expire() == 1
    given_up = await shop.get(invoice)
    assert (given_up.status.value, given_up.reason, given_up.exception.value) == ("invalid", "unconfirmed", "late")
    await shop.pay(invoice, "credited", DUE, deposit_id=deposit, **first_seen)
    assert short(await shop.get(invoice)) == ("paid", "none", DUE, 0)


async def test_a_cancelled_invoice_stays_so_and_marks_what_comes_as_late(shop: Shop, pg: Database) -> None:
    invoice = await shop.invoice()
    async with transaction(shop.api) as connection:
        await service.cancel_invoice(connection, shop.settings, invoice.merchant_id, invoice.id, shop.clock.now())
    await shop.pay(invoice, "credited", DUE)
    ended = await shop.get(invoice)
    assert (*short(ended), ended.reason) == ("invalid", "late", DUE, 0, "cancelled")
    assert topics(pg, invoice.id) == ["invoice.created", "invoice.invalid", "invoice.updated"]


async def test_an_old_or_repeated_word_changes_nothing(shop: Shop, pg: Database) -> None:
    invoice = await shop.invoice()
    seen = shop.word(invoice, "seen", DUE)
    credited = shop.word(invoice, "credited", DUE, deposit_id=DepositId(seen.key))
    for event in (credited, seen, credited, seen):
        await shop.tell(event)
    assert short(await shop.get(invoice)) == ("paid", "none", DUE, 0)
    assert topics(pg, invoice.id) == ["invoice.created", "invoice.paid"]


async def test_deposits_that_are_no_invoices_are_let_be(shop: Shop) -> None:
    invoice = await shop.invoice()
    await shop.pay(invoice, "credited", DUE, purpose="standing")
    await shop.pay(invoice, "credited", DUE, merchant_id=None)
    await shop.pay(invoice, "credited", DUE, address_id=new_address_id())
    assert short(await shop.get(invoice)) == ("new", "none", 0, 0)


async def test_the_dispatcher_brings_deposits_to_invoices_and_wakes_pages(shop: Shop) -> None:
    invoice = await shop.invoice()
    word = shop.word(invoice, "seen", DUE)
    dispatcher = Dispatcher()
    dispatcher.into(jobs.deposit_sink(shop.settings, shop.clock))
    async with heard(shop.api, "invoice") as told:
        async with transaction(shop.worker) as connection:
            await publish(connection, word.topic, word.key, word.payload)
        while await dispatcher.run_once(shop.worker):
            pass
    assert told == [invoice.id]
    assert (await shop.get(invoice)).status.value == "processing"


async def test_confirmations_alone_wake_the_page_but_tell_the_merchant_nothing(shop: Shop, pg: Database) -> None:
    invoice = await shop.invoice()
    deposit = await shop.pay(invoice, "seen", DUE)
    before = topics(pg, invoice.id)
    async with heard(shop.api, "invoice") as told:
        await shop.pay(invoice, "confirming", DUE, deposit_id=deposit, confirmations=1)
    assert told == [invoice.id]
    assert topics(pg, invoice.id) == before
    assert (await shop.get(invoice)).payments[0].confirmations == 1


async def test_expiry_moves_each_due_invoice_once(shop: Shop, pg: Database) -> None:
    made = [await shop.invoice() for _ in range(3)]
    kept = await shop.invoice(expires_in_seconds=5_000)
    shop.clock.forward(seconds=900)
    async with heard(shop.api, "invoice") as told:
        assert await shop.expire() == 3
    assert told[0] in {invoice.id for invoice in made}
    assert await shop.expire() == 0
    assert [(await shop.get(invoice)).status.value for invoice in (*made, kept)] == ["expired"] * 3 + ["new"]
    assert topics(pg, made[0].id) == ["invoice.created", "invoice.expired"]


async def test_a_deposit_as_deposits_show_it_is_understood(shop: Shop) -> None:
    invoice = await shop.invoice()
    deposit = Deposit(
        id=DepositId.new(),
        chain=invoice.asset.chain_id,
        asset=invoice.asset.id,
        merchant_id=invoice.merchant_id,
        address_id=invoice.address_id,
        address=invoice.address,
        kind=KeySetKind.COLD,
        branch=2,
        purpose=Purpose.INVOICE,
        reference=invoice.id,
        txid="cd" * 32,
        vout=3,
        amount=DUE,
        coinbase=False,
        rbf=True,
        below_minimum=False,
        wrong_asset=False,
        confirmations_needed=2,
        state=DepositState.CREDITED,
        height=7,
        block_hash="ef" * 32,
        confirmations=2,
        cycle=1,
        credited_cycle=1,
        fee=10,
        credited=DUE - 10,
        exception=None,
        replaced_by=None,
        first_seen_at=shop.clock.now(),
        credited_at=shop.clock.now(),
    )
    async with transaction(shop.worker) as connection:
        await publish(connection, "deposit.credited", deposit.id, deposits.view(deposit))
    dispatcher = Dispatcher()
    dispatcher.into(jobs.deposit_sink(shop.settings, shop.clock))
    while await dispatcher.run_once(shop.worker):
        pass
    paid = await shop.get(invoice)
    assert short(paid) == ("paid", "none", DUE, 0)
    assert (paid.payments[0].txid, paid.payments[0].vout, paid.payments[0].deposit_id) == ("cd" * 32, 3, deposit.id)


async def test_several_words_on_one_invoice_in_one_batch_are_judged_in_turn(shop: Shop, pg: Database) -> None:
    invoice, other = await shop.invoice(), await shop.invoice()
    first = shop.word(invoice, "seen", DUE)
    words = [
        first,
        shop.word(other, "seen", DUE),
        shop.word(invoice, "credited", DUE, deposit_id=first.key),
    ]
    async with transaction(shop.worker) as connection:
        await jobs.note_deposits(connection, shop.settings, words, shop.clock.now())
    assert topics(pg, invoice.id) == ["invoice.created", "invoice.processing", "invoice.paid"]
    assert short(await shop.get(other))[0] == "processing"
