"""Making invoices: priced, each with an address of its own, once per idempotency key, many at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from fractions import Fraction

import pytest

from strongroom.infra.database import connect, transaction
from strongroom.infra.stops import Stop, set_stop
from strongroom.invoices import service
from strongroom.invoices.errors import IdempotencyConflictError, InvoiceNotFoundError
from strongroom.invoices.model import Made
from strongroom.rates.model import RateQuote
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind
from strongroom_core.assets import EUR, REGTEST_BTC
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import InvoiceId, MerchantId
from tests.fixtures.postgres import Database
from tests.integration.invoices.shop import Shop, add_merchant, topics


def quote(shop: Shop, price: Fraction, lasts: int = 120) -> None:
    now = shop.clock.now()
    expires_at = now + timedelta(seconds=lasts)
    shop.book.put([RateQuote(REGTEST_BTC, EUR, price, ("coinbase", "kraken"), now, expires_at)])


async def test_a_fiat_price_is_locked_with_its_source_and_rounded_up(shop: Shop) -> None:
    quote(shop, Fraction(30_000))
    invoice = await shop.invoice("10.00", "EUR", description="Shoes & socks", reference="order 7", metadata={"n": [1]})
    assert invoice.due.base_units == 33_334  # 10 / 30,000 BTC = 33,333.33… satoshi
    assert invoice.rate is not None
    quote(shop, Fraction(60_000))
    stored = await shop.get(invoice)
    assert stored == invoice
    view = service.merchant_view(stored, shop.settings)
    assert (view["rate"], view["rate_source"], view["amount"], view["currency"]) == (
        "30000.00000000",
        "coinbase+kraken",
        "10.00",
        "EUR",
    )
    assert view["payment_uri"] == f"bitcoin:{invoice.address}?amount=0.00033334&message=Shoes%20%26%20socks"
    assert view["checkout_url"] == f"http://127.0.0.1:8420/checkout/{invoice.id}"
    assert view["metadata"] == {"n": [1]}


async def test_the_event_carries_what_the_api_shows(shop: Shop, pg: Database) -> None:
    invoice = await shop.invoice()
    ((payload,),) = pg.execute("SELECT payload FROM outbox_event WHERE key = %s", invoice.id)
    assert payload == service.merchant_view(await shop.get(invoice), shop.settings)


async def test_the_payer_sees_nothing_of_the_merchant_but_its_name(shop: Shop) -> None:
    invoice = await shop.invoice(reference="secret-reference", metadata={"customer": "secret-name"})
    await shop.pay(invoice, "seen", 1_000_000)
    async with transaction(shop.api) as connection:
        view = service.public_view(await service.public_invoice(connection, invoice.id))
    assert view["merchant_name"] == "Shop"
    assert view["payments"][0]["confirmations_needed"] == 2
    assert not {"merchant_id", "reference", "metadata", "address_id"} & set(view)
    assert "secret" not in repr(view)
    assert "deposit_id" not in view["payments"][0]


async def test_a_payment_that_waits_for_the_final_block_tells_of_no_count_to_reach(shop: Shop) -> None:
    invoice = await shop.invoice()
    await shop.pay(invoice, "confirming", 1_000_000, confirmations=30, confirmations_needed=None)
    view = service.merchant_view(await shop.get(invoice), shop.settings)
    assert (view["payments"][0]["confirmations"], view["payments"][0]["confirmations_needed"]) == (30, None)


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("10", "EUR", "rate-unavailable"),
        ("0.00000999", "BTC", "invoice-amount-out-of-range"),
        ("84000000.00000001", "BTC", "invoice-amount-out-of-range"),
    ],
)
async def test_what_cannot_be_priced_is_refused_alone(shop: Shop, amount: str, currency: str, code: str) -> None:
    good, bad = shop.request(), shop.request(amount, currency)
    first, refused, last = await shop.create(good, bad, good)
    assert (refused.code, first.status.value, last.status.value) == (code, "new", "new")
    assert first.address != last.address


async def test_a_stale_price_is_refused(shop: Shop) -> None:
    quote(shop, Fraction(30_000), lasts=10)
    shop.clock.forward(seconds=10)
    (refused,) = await shop.create(shop.request("10", "EUR"))
    assert refused.code == "rate-stale"


async def test_stopped_invoices_are_refused_with_the_reason(shop: Shop) -> None:
    async with transaction(shop.worker) as connection:
        await set_stop(connection, Stop.INVOICES, "drill", "operator")
    (refused,) = await shop.create(shop.request())
    assert (refused.code, "drill" in refused.message) == ("invoices-stopped", True)


async def test_hot_or_cold_is_as_the_intake_says(shop: Shop, pg: Database) -> None:
    chain = shop.settings.chains[0].id
    cold = await shop.invoice()
    async with await connect(pg.dsn("treasury")) as connection, connection.transaction():
        await wallets.set_intake(connection, chain, KeySetKind.HOT)
    hot = await shop.invoice()
    kinds = {
        row[0]: row[1:]
        for row in pg.execute("SELECT reference, kind, expected FROM wallet_address WHERE purpose = 'invoice'")
    }
    assert kinds == {cold.id: ("cold", 0), hot.id: ("hot", 1_000_000)}


async def test_one_key_and_one_request_is_one_invoice(shop: Shop, pg: Database) -> None:
    first = await shop.invoice(idempotency_key="k")
    shop.clock.forward(seconds=60)
    assert await shop.invoice(idempotency_key="k") == first
    (other,) = await shop.create(shop.request("0.02", idempotency_key="k"))
    assert isinstance(other, IdempotencyConflictError)
    assert pg.execute("SELECT count(*) FROM invoice") == [(1,)]
    assert topics(pg, first.id) == ["invoice.created"]


async def test_a_stored_answer_needs_no_price(shop: Shop) -> None:
    quote(shop, Fraction(30_000))
    first = await shop.invoice("10", "EUR", idempotency_key="k")
    shop.clock.forward(hours=1)
    assert await shop.invoice("10", "EUR", idempotency_key="k") == first


async def test_repeats_within_a_batch_share_their_answer(shop: Shop, pg: Database) -> None:
    same, other = shop.request(idempotency_key="k"), shop.request("0.02", idempotency_key="k")
    first, again, conflict = await shop.create(same, same, other)
    assert again == first
    assert conflict.code == "idempotency-conflict"
    dear = shop.request("10", "EUR", idempotency_key="j")
    assert [one.code for one in await shop.create(dear, dear)] == ["rate-unavailable"] * 2
    assert pg.execute("SELECT count(*) FROM invoice") == [(1,)]


async def test_keys_of_two_merchants_are_two_keys(shop: Shop) -> None:
    other = await add_merchant(shop.api, shop.settings, "Other")
    mine, theirs = await shop.create(
        shop.request(idempotency_key="k"), shop.request("0.02", idempotency_key="k", merchant_id=other.id)
    )
    assert (mine.merchant_id, theirs.merchant_id) == (shop.merchant.id, other.id)
    assert mine.address != theirs.address


async def test_another_merchant_finds_no_invoice(shop: Shop) -> None:
    invoice = await shop.invoice()
    other = (await add_merchant(shop.api, shop.settings, "Other")).id
    async with transaction(shop.api) as connection:
        with pytest.raises(InvoiceNotFoundError):
            await service.get_invoice(connection, other, invoice.id)
        with pytest.raises(InvoiceNotFoundError):
            await service.cancel_invoice(connection, shop.settings, other, invoice.id, shop.clock.now())
        assert await service.list_invoices(connection, other) == ([], None)
        assert await service.invoice_history(connection, other, invoice.id) == []
    await shop.tell(shop.word(invoice, "credited", 1_000_000, merchant_id=other))
    assert await shop.get(invoice) == invoice


@pytest.mark.parametrize("text", ["", "x", "inv_\x00", "pay_01j9z3k8c0000000000000000a", "\ud800", "inv_" + "0" * 26])
async def test_a_text_that_is_no_id_is_not_found(shop: Shop, text: str) -> None:
    async with transaction(shop.api) as connection:
        with pytest.raises(InvoiceNotFoundError):
            await service.get_invoice(connection, shop.merchant.id, InvoiceId(text))
        with pytest.raises(InvoiceNotFoundError):
            await service.public_invoice(connection, InvoiceId(text))


async def test_cancel_twice_is_once_and_a_paid_one_is_refused(shop: Shop, pg: Database) -> None:
    invoice, paid = await shop.invoice(), await shop.invoice()
    await shop.pay(paid, "seen", 1_000_000)
    now = shop.clock.now()
    async with transaction(shop.api) as connection:
        first = await service.cancel_invoice(connection, shop.settings, invoice.merchant_id, invoice.id, now)
        again = await service.cancel_invoice(connection, shop.settings, invoice.merchant_id, invoice.id, now)
        with pytest.raises(StrongroomError) as refused:
            await service.cancel_invoice(connection, shop.settings, paid.merchant_id, paid.id, now)
    assert first == again
    assert refused.value.code == "invoice-not-cancellable"
    assert topics(pg, invoice.id) == ["invoice.created", "invoice.invalid"]


async def test_lists_page_from_newest_to_oldest(shop: Shop) -> None:
    made = [await shop.invoice() for _ in range(5)]
    ids = sorted((invoice.id for invoice in made), reverse=True)
    pages, cursor = [], None
    async with transaction(shop.api) as connection:
        for _ in range(3):
            page, cursor = await service.list_invoices(connection, shop.merchant.id, cursor, 2)
            pages.append([invoice.id for invoice in page])
        assert (pages, cursor) == ([ids[:2], ids[2:4], ids[4:]], None)


async def test_many_callers_get_each_their_own_address(shop: Shop, pg: Database) -> None:
    writer = service.InvoiceWriter(shop.api, shop.desk, shop.clock)
    others = [await add_merchant(shop.api, shop.settings, f"M{number}") for number in range(3)]
    requests = [
        shop.request(merchant_id=merchant.id, reference=str(number))
        for number in range(100)
        for merchant in (shop.merchant, *others)
    ]
    made = await asyncio.gather(*(writer.create(request) for request in requests))
    await writer.aclose()
    invoices = [one.invoice for one in made]
    assert len({invoice.address for invoice in invoices}) == len(made) == 400
    assert [(one.merchant_id, one.reference) for one in invoices] == [(r.merchant_id, r.reference) for r in requests]
    assert pg.execute("SELECT count(*), count(DISTINCT address_id) FROM invoice") == [(400, 400)]
    assert pg.execute(
        "SELECT count(*) FROM invoice JOIN wallet_address AS a ON a.id = address_id"
        " WHERE a.reference = invoice.id AND a.merchant_id = invoice.merchant_id AND a.address = invoice.address"
    ) == [(400,)]
    assert pg.execute("SELECT count(*) FROM outbox_event WHERE topic = 'invoice.created'") == [(400,)]


async def test_callers_of_one_key_in_two_processes_get_one_invoice(shop: Shop, pg: Database) -> None:
    writers = [service.InvoiceWriter(shop.api, shop.desk, shop.clock, lanes=1) for _ in range(3)]
    keys = [f"k{number}" for number in range(20)]
    answers = await asyncio.gather(
        *(writer.create(shop.request(idempotency_key=key)) for key in keys for writer in writers)
    )
    for writer in writers:
        await writer.aclose()
    assert len({answer.invoice.id for answer in answers}) == 20
    assert pg.execute("SELECT count(*) FROM invoice") == [(20,)]
    assert pg.execute("SELECT count(*) FROM outbox_event WHERE topic = 'invoice.created'") == [(20,)]


async def test_one_bad_request_refuses_itself_only(shop: Shop) -> None:
    writer = service.InvoiceWriter(shop.api, shop.desk, shop.clock, lanes=1)
    stranger = shop.request(merchant_id=MerchantId.new())
    answers = await asyncio.gather(
        *(writer.create(request) for request in (shop.request(), stranger, shop.request())), return_exceptions=True
    )
    await writer.aclose()
    assert [isinstance(answer, Made) for answer in answers] == [True, False, True]
    assert isinstance(answers[1], StrongroomError)


async def test_a_caller_that_leaves_does_not_disturb_the_others(shop: Shop) -> None:
    writer = service.InvoiceWriter(shop.api, shop.desk, shop.clock)
    leaving = asyncio.create_task(writer.create(shop.request()))
    staying = asyncio.create_task(writer.create(shop.request()))
    await asyncio.sleep(0)
    leaving.cancel()
    assert isinstance(await staying, Made)
    await writer.aclose()


@pytest.mark.parametrize("role", ["api", "worker"])
async def test_no_role_can_delete_an_invoice_or_rewrite_its_price_or_history(
    pg: Database, shop: Shop, role: str
) -> None:
    await shop.pay(await shop.invoice(), "seen", 1_000_000)
    pool = shop.api if role == "api" else shop.worker
    for statement in (
        b"DELETE FROM invoice",
        b"TRUNCATE invoice CASCADE",
        b"UPDATE invoice SET amount_due = 1",
        b"UPDATE invoice SET address = 'thief'",
        b"UPDATE invoice_history SET to_status = 'paid'",
        b"DELETE FROM invoice_payment",
    ):
        with pytest.raises(Exception, match="permission denied"):
            async with transaction(pool) as connection:
                await connection.execute(statement)
    if role == "api":
        with pytest.raises(Exception, match="permission denied"):
            async with transaction(pool) as connection:
                await connection.execute(b"UPDATE invoice_payment SET state = 'credited'")
