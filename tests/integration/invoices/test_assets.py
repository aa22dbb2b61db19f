"""Invoices in several assets: each is paid in one of them, on its own network, and nothing else pays it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from strongroom.infra.clock import SystemClock
from strongroom.infra.database import transaction
from strongroom.infra.outbox import OutboxEvent
from strongroom.invoices import service
from strongroom.invoices.errors import InvoiceAmountError
from strongroom.invoices.model import Anomaly, Invoice, Status
from strongroom.rates import jobs as rates
from strongroom_core.assets import DEVNET, DEVNET_ETH
from tests.fixtures.devnet import OTHER_TOKEN, TOKEN, devnet
from tests.fixtures.postgres import Database
from tests.integration.invoices.shop import Shop, open_shop, topics


@pytest.fixture
async def shop(pg: Database) -> AsyncIterator[Shop]:
    async with open_shop(pg, (devnet(),)) as opened:
        await rates.poll_rates(opened.worker, opened.settings, rates.sources_of(opened.settings.rates), SystemClock())
        async with transaction(opened.api) as connection:
            await opened.book.refresh(connection)
        opened.clock.at = SystemClock().now()
        yield opened


def shown(shop: Shop, invoice: Invoice) -> dict[str, Any]:
    return service.merchant_view(invoice, shop.settings)


async def test_a_token_invoice_has_an_eip_681_link_and_names_its_network(shop: Shop) -> None:
    invoice = await shop.invoice("12.50", "EUR", asset="USDT")
    view = shown(shop, invoice)
    assert (view["asset"], view["asset_id"], view["network"]) == ("USDT", TOKEN, "Ethereum devnet")
    assert (view["chain_id"], view["amount_due"]) == (DEVNET.id, "13.586957")  # 12.50 / 0.92, rounded up
    contract = TOKEN.rpartition(":")[2]
    assert view["payment_uri"] == (f"ethereum:{contract}@31337/transfer?address={invoice.address}&uint256=13586957")


async def test_a_coin_invoice_has_an_eip_681_link_in_wei(shop: Shop) -> None:
    invoice = await shop.invoice("0.100000000000000001", "ETH")
    assert invoice.asset is DEVNET_ETH
    assert shown(shop, invoice)["payment_uri"] == f"ethereum:{invoice.address}@31337?value=100000000000000001"
    fiat = await shop.invoice("3000", "EUR", asset=DEVNET_ETH.id)
    assert fiat.due.base_units == 10**18


async def test_bitcoin_stays_the_first_choice_and_its_links_stay_bip_21(shop: Shop) -> None:
    invoice = await shop.invoice("10", "EUR")
    view = shown(shop, invoice)
    assert (view["asset"], view["network"]) == ("BTC", "Bitcoin regtest")
    assert str(view["payment_uri"]).startswith("bitcoin:bcrt1")


async def test_the_least_that_is_credited_is_the_least_of_each_asset(shop: Shop) -> None:
    for amount, currency in (("0.009999", "USDT"), ("0.0009", "ETH")):
        (answer,) = await shop.create(shop.request(amount, currency))
        assert isinstance(answer, InvoiceAmountError)
    assert (await shop.invoice("1000000000000", "USDC")).due.base_units == 10**30
    (answer,) = await shop.create(shop.request("1000000000000.000000000000000001", "USDC"))
    assert isinstance(answer, InvoiceAmountError)


async def test_what_comes_in_another_asset_is_shown_and_pays_nothing(shop: Shop, pg: Database) -> None:
    invoice = await shop.invoice("20", "USDT")
    stray = await shop.pay(invoice, "credited", 20 * 10**18, asset=OTHER_TOKEN, wrong_asset=True)
    told = await shop.get(invoice)
    assert (told.status, told.exception, told.paid.base_units) == (Status.NEW, Anomaly.WRONG_ASSET, 0)
    (payment,) = shown(shop, told)["payments"]
    assert payment["deposit_id"] == stray
    assert (payment["asset"], payment["asset_id"], payment["amount"]) == ("USDC", OTHER_TOKEN, "20.000000000000000000")
    assert topics(pg, invoice.id) == ["invoice.created", "invoice.updated"]
    await shop.pay(invoice, "credited", 20_000_000, vout=1)
    paid = await shop.get(invoice)
    assert (paid.status, paid.exception, paid.paid.base_units) == (Status.PAID, Anomaly.WRONG_ASSET, 20_000_000)
    await shop.pay(invoice, "reversed", 20 * 10**18, deposit_id=stray, asset=OTHER_TOKEN, wrong_asset=True)
    await shop.pay(invoice, "dropped", 20 * 10**18, deposit_id=stray, asset=OTHER_TOKEN, wrong_asset=True)
    assert (await shop.get(invoice)).exception is Anomaly.NONE


async def test_the_address_remembers_what_it_was_handed_out_for(shop: Shop, pg: Database) -> None:
    for asset in ("USDT", "USDC", "ETH", "BTC"):
        invoice = await shop.invoice("1", asset)
        rows = pg.execute("SELECT asset, kind FROM wallet_address WHERE id = %s", invoice.address_id)
        assert rows == [(invoice.asset.id, "cold")]


async def test_the_largest_due_amount_survives_the_database(shop: Shop) -> None:
    invoice = await shop.invoice("1000000000000", "USDC")
    assert await shop.get(invoice) == invoice
    event: OutboxEvent = shop.word(invoice, "credited", 2**256 - 1)
    await shop.tell(event)
    assert (await shop.get(invoice)).paid.base_units == 2**256 - 1
