"""The depeg guard on a real database: the till closes, what is under way waits, and it opens again by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from strongroom.infra.database import transaction
from strongroom.infra.outbox import Dispatcher
from strongroom.infra.settings import RateSettings, Settings
from strongroom.invoices import jobs as invoice_jobs
from strongroom.invoices import service as invoices
from strongroom.invoices.errors import InvoiceNotHeldError
from strongroom.invoices.model import Anomaly, Invoice, Reason, Status
from strongroom.rates import jobs, service
from strongroom.rates.model import Stand
from strongroom_core.assets import EUR, USD
from tests.fixtures.devnet import TOKEN, USDC, USDT, devnet, other_token, token
from tests.fixtures.postgres import Database
from tests.integration.invoices.shop import Shop, open_shop, topics

RATES = {"BTC/EUR": "50000", "USDT/USD": "1.0", "USDT/EUR": "0.92", "USDC/USD": "1.0"}


@dataclass
class Till:
    """A shop whose prices a test sets; every look at them is 20 seconds after the one before."""

    shop: Shop

    async def look(self, times: int = 1, **prices: str) -> None:
        shop = self.shop
        for _ in range(times):
            shop.clock.forward(seconds=20)
            fixed = {**shop.settings.rates.fixed, **{f"USDT/{fiat}": price for fiat, price in prices.items()}}
            shop.settings = with_rates(shop.settings, fixed)
            await jobs.poll_rates(shop.worker, shop.settings, jobs.sources_of(shop.settings.rates), shop.clock)
            await jobs.refresh_book(shop.api, shop.book)

    async def stand(self) -> dict[str, Stand]:
        async with transaction(self.shop.api) as connection:
            return {state.asset.code: state.stand for state in await service.par_states(connection)}

    async def dispatch(self) -> None:
        dispatcher = Dispatcher()
        for topic, handler in invoice_jobs.handlers(self.shop.clock):
            dispatcher.on(topic, handler)
        while await dispatcher.run_once(self.shop.worker):
            pass

    async def decide(self, invoice: Invoice, *, paid: bool) -> Invoice:
        async with transaction(self.shop.worker) as connection:
            return await invoices.decide_held(
                connection, self.shop.settings, invoice.id, self.shop.clock.now(), paid=paid
            )


def with_rates(settings: Settings, fixed: dict[str, str]) -> Settings:
    return msgspec.structs.replace(settings, rates=RateSettings(fixed=fixed, spread_ppm=0))


@pytest.fixture
async def till(pg: Database) -> AsyncIterator[Till]:
    chain = devnet(assets=(token(par="USD"), other_token(par="USD")))
    async with open_shop(pg, (chain,)) as shop:
        shop.settings = with_rates(shop.settings, RATES)
        opened = Till(shop)
        await opened.look()
        yield opened


async def test_a_stablecoin_outside_the_band_is_not_offered_and_the_operator_is_told(till: Till, pg: Database) -> None:
    assert await till.stand() == {"USDT": Stand.AT_PAR, "USDC": Stand.AT_PAR}
    await till.shop.invoice("10", "USD", asset="USDT")
    await till.look(USD="0.97")
    assert await till.stand() == {"USDT": Stand.DEPEGGED, "USDC": Stand.AT_PAR}
    for amount, currency in (("10", "USD"), ("10", "EUR"), ("10", "USDT")):
        (refused,) = await till.shop.create(till.shop.request(amount, currency, asset="USDT"))
        assert getattr(refused, "code", refused) == "rate-depegged"
    await till.shop.invoice("10", "USD", asset="USDC")
    await till.shop.invoice("10", "EUR")
    assert topics(pg, TOKEN) == ["rate.at-par", "rate.depegged"]
    payload: Any
    ((payload,),) = pg.execute("SELECT payload FROM outbox_event WHERE topic = 'rate.depegged'")
    assert (payload["asset"], payload["par"], payload["price"]) == ("USDT", "USD", "0.970000")
    await till.look(3)
    assert topics(pg, TOKEN) == ["rate.at-par", "rate.depegged"], "told once"


async def test_it_is_offered_again_after_a_calm_and_by_itself(till: Till) -> None:
    await till.look(USD="1.03")
    await till.look(20, USD="1.015")
    assert (await till.stand())["USDT"] is Stand.DEPEGGED, "inside the band, not inside the way back"
    await till.look(15, USD="1.001")
    assert (await till.stand())["USDT"] is Stand.DEPEGGED
    await till.look()
    assert (await till.stand())["USDT"] is Stand.AT_PAR
    await till.shop.invoice("10", "USD", asset="USDT")


async def test_a_payment_that_confirms_meanwhile_is_credited_but_not_called_paid_until_par_is_back(
    till: Till, pg: Database
) -> None:
    shop = till.shop
    invoice = await shop.invoice("10", "USD", asset="USDT")
    own = await shop.invoice("10", "USDT")
    await till.look(USD="0.5")
    for open_one in (invoice, own):
        await shop.pay(open_one, "credited", 10_000_000)
    held = await shop.get(invoice)
    assert (held.status, held.exception) == (Status.PROCESSING, Anomaly.DEPEGGED)
    assert held.paid.base_units == 10_000_000, "the amount is what it is"
    assert (await shop.get(own)).status is Status.PAID, "who asked for 10 USDT got 10 USDT"
    assert topics(pg, invoice.id)[-1] == "invoice.processing"
    await till.dispatch()  # the word of par from before the fall
    await shop.expire()
    assert (await shop.get(invoice)).status is Status.PROCESSING
    await till.look(17, USD="1.0")
    assert (await till.stand())["USDT"] is Stand.AT_PAR
    await till.dispatch()
    assert await shop.expire() == 1
    paid = await shop.get(invoice)
    assert (paid.status, paid.exception) == (Status.PAID, Anomaly.NONE)
    assert topics(pg, invoice.id)[-1] == "invoice.paid"


async def test_it_waits_no_longer_than_payments_are_watched(till: Till) -> None:
    invoice = await till.shop.invoice("10", "USD", asset="USDT")
    await till.look(USD="0.5")
    await till.shop.pay(invoice, "credited", 10_000_000)
    till.shop.clock.forward(days=2)
    await till.shop.expire()
    ended = await till.shop.get(invoice)
    assert (ended.status, ended.reason) == (Status.INVALID, Reason.DEPEGGED)
    assert ended.paid.base_units == 10_000_000
    await till.look(20, USD="1.0")
    await till.dispatch()
    await till.shop.expire()
    assert (await till.shop.get(invoice)).status is Status.INVALID


@pytest.mark.parametrize(("paid", "status"), [(True, Status.PAID), (False, Status.INVALID)])
async def test_the_operator_decides_on_what_waits_and_on_nothing_else(
    till: Till, *, paid: bool, status: Status
) -> None:
    invoice, other = [await till.shop.invoice("10", "USD", asset="USDT") for _ in range(2)]
    await till.look(USD="0.5")
    await till.shop.pay(invoice, "credited", 10_000_000)
    assert (await till.decide(invoice, paid=paid)).status is status
    assert (await till.shop.get(invoice)).status is status
    for decided in (invoice, other):
        with pytest.raises(InvoiceNotHeldError):
            await till.decide(decided, paid=paid)


async def test_a_stablecoin_that_nobody_can_price_against_its_par_is_not_offered(till: Till) -> None:
    till.shop.settings = with_rates(till.shop.settings, {"USDT/EUR": "0.92"})
    async with transaction(till.shop.worker) as connection:
        await connection.execute("DELETE FROM rate_par")
    till.shop.clock.forward(minutes=5)
    await till.look()
    assert await till.stand() == {"USDT": Stand.UNKNOWN, "USDC": Stand.UNKNOWN}
    (refused,) = await till.shop.create(till.shop.request("10", "EUR", asset="USDT"))
    assert getattr(refused, "code", refused) == "rate-unavailable"


async def test_an_asset_that_is_no_longer_guarded_is_forgotten(till: Till) -> None:
    await till.look(USD="0.5")
    till.shop.settings = msgspec.structs.replace(till.shop.settings, chains=(till.shop.settings.chains[0], devnet()))
    await till.look()
    assert await till.stand() == {}
    await till.shop.invoice("10", "USDT")


def test_a_stablecoin_is_always_priced_in_its_par(till: Till) -> None:
    pairs = service.pairs_of(with_rates(till.shop.settings, {}))
    assert [(pair.asset, pair.fiat) for pair in pairs] == [(USDT, USD), (USDC, USD)]
    assert EUR not in {pair.fiat for pair in pairs}
