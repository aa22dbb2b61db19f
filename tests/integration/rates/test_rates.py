"""Sources over real HTTP (a server of ours with answers made from documentation), and the book from a real table."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from strongroom.infra.database import connect, make_pool, transaction
from strongroom.infra.settings import ChainSettings, DatabaseSettings, RateSettings, Settings
from strongroom.rates import jobs, service
from strongroom.rates.errors import RateDeviatingError, RateStaleError, RateUnavailableError
from strongroom.rates.model import Pair, RateQuote
from strongroom.rates.sources import FixedSource, coinbase, kraken
from strongroom_core.assets import (
    BITCOIN_REGTEST,
    BNB_USDT,
    CHF,
    EUR,
    GBP,
    POLYGON_USDT,
    REGTEST_BTC,
    USD,
    USDC,
    USDT,
)
from tests.fixtures.postgres import Database
from tests.integration.invoices.shop import SetClock
from tests.unit.rates import exchange_answers as answers

PAIRS = [Pair(REGTEST_BTC, EUR), Pair(REGTEST_BTC, USD)]


@dataclass
class Exchange:
    """An HTTP server that plays both exchanges; ``answers`` maps a path to what it says."""

    answers: dict[str, bytes]
    url: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    played = Exchange(
        {
            "/0/public/Ticker?pair=XBTEUR": answers.KRAKEN_BTC_EUR,
            "/products/BTC-EUR/ticker": answers.COINBASE_BTC_EUR,
            "/0/public/Ticker?pair=XBTUSD": answers.KRAKEN_UNKNOWN_PAIR,
        }
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            played.asked.append(self.path)
            body = played.answers.get(self.path)
            self.send_response(200 if body is not None else 404)
            said = answers.COINBASE_UNKNOWN_PRODUCT if body is None else body
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    played.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield played
    server.shutdown()
    thread.join()
    server.server_close()


def settings(**rates: object) -> Settings:
    chain = ChainSettings(id=BITCOIN_REGTEST.id, rpc_url="http://127.0.0.1:1", cookie_file=Path("none"))
    values = {"sources": ("kraken", "coinbase"), "fixed": {}, **rates}
    return Settings(
        deployment="test",
        data_dir=Path(),
        database=DatabaseSettings(passwords=Path()),
        chains=(chain,),
        rates=msgspec.convert(values, RateSettings),
    )


async def test_exchanges_are_asked_by_their_own_names_and_fail_alone(exchange: Exchange) -> None:
    clock = SetClock()
    from_kraken = await kraken(exchange.url).observe(PAIRS, clock)
    from_coinbase = await coinbase(exchange.url).observe(PAIRS, clock)
    assert [(one.source, one.pair.fiat, one.price) for one in (*from_kraken, *from_coinbase)] == [
        ("kraken", EUR, Fraction(5260955, 100)),
        ("coinbase", EUR, Fraction(52620)),
    ]
    assert {one.observed_at for one in (*from_kraken, *from_coinbase)} == {clock.now()}
    assert len(exchange.asked) == 4


async def test_a_stablecoin_is_asked_for_once_whatever_chains_it_is_on_and_never_where_it_has_no_market(
    exchange: Exchange,
) -> None:
    exchange.answers = {
        "/0/public/Ticker?pair=USDTUSD": answers.KRAKEN_USDT_USD,
        "/products/USDT-USD/ticker": answers.COINBASE_USDT_USD,
    }
    pairs = [Pair(asset, USD) for asset in (USDT, BNB_USDT, POLYGON_USDT, USDC)]
    from_kraken = await kraken(exchange.url).observe(pairs, SetClock())
    from_coinbase = await coinbase(exchange.url).observe(pairs, SetClock())
    assert [(one.pair.asset, one.price) for one in from_kraken] == [
        (asset, Fraction("0.9998")) for asset in (USDT, BNB_USDT, POLYGON_USDT)
    ]
    assert {one.price for one in from_coinbase} == {Fraction("0.9999")}
    assert sorted(exchange.asked) == [
        "/0/public/Ticker?pair=USDCUSD",
        "/0/public/Ticker?pair=USDTUSD",
        "/products/USDT-USD/ticker",
    ]


async def test_a_dead_or_endless_source_says_nothing_and_breaks_nothing(exchange: Exchange) -> None:
    assert await kraken("http://127.0.0.1:1").observe(PAIRS, SetClock()) == []
    exchange.answers["/products/BTC-EUR/ticker"] = b" " * 100_000 + answers.COINBASE_BTC_EUR
    assert await coinbase(exchange.url).observe(PAIRS, SetClock()) == []


async def test_polled_prices_reach_the_api_through_the_table_alone(pg: Database, exchange: Exchange) -> None:
    clock, book, plan = SetClock(), service.RateBook(), settings()
    sources = [kraken(exchange.url), coinbase(exchange.url)]
    async with make_pool(pg.dsn("worker")) as worker, make_pool(pg.dsn("api")) as api:
        with pytest.raises(RateUnavailableError):
            book.quote(REGTEST_BTC, EUR, clock.now())
        await jobs.poll_rates(worker, plan, sources, clock)
        await jobs.refresh_book(api, book)
        quote = book.quote(REGTEST_BTC, EUR, clock.now())
        assert (quote.price, quote.sources) == ((Fraction(5260955, 100) + 52620) / 2, ("coinbase", "kraken"))
        with pytest.raises(RateUnavailableError) as none:
            book.quote(REGTEST_BTC, USD, clock.now())
        assert none.value.code == "rate-unavailable"
        clock.forward(seconds=119)
        assert book.quote(REGTEST_BTC, EUR, clock.now()) == quote
        clock.forward(seconds=1)
        with pytest.raises(RateStaleError):
            book.quote(REGTEST_BTC, EUR, clock.now())


async def test_a_source_that_falls_silent_counts_until_it_is_stale(pg: Database, exchange: Exchange) -> None:
    clock, plan = SetClock(), settings(sources_min=2)
    async with make_pool(pg.dsn("worker")) as worker:
        both = [kraken(exchange.url), coinbase(exchange.url)]
        await jobs.poll_rates(worker, plan, both, clock)
        clock.forward(seconds=60)
        async with transaction(worker) as connection:
            (outcome, *_) = await service.record(connection, plan, await both[0].observe(PAIRS, clock), clock.now())
            assert isinstance(outcome, RateQuote)
            assert outcome.sources == ("coinbase", "kraken")
        clock.forward(seconds=61)
        async with transaction(worker) as connection:
            (outcome, *_) = await service.record(connection, plan, await both[0].observe(PAIRS, clock), clock.now())
        assert not isinstance(outcome, RateQuote)
        assert outcome.code == "rate-stale"


async def test_deviating_sources_refuse_at_once_although_an_older_price_would_still_hold(
    pg: Database, exchange: Exchange
) -> None:
    clock, book, plan = SetClock(), service.RateBook(), settings()
    sources = [kraken(exchange.url), coinbase(exchange.url)]
    async with make_pool(pg.dsn("worker")) as worker, make_pool(pg.dsn("api")) as api:
        await jobs.poll_rates(worker, plan, sources, clock)
        exchange.answers["/products/BTC-EUR/ticker"] = b'{"ask": "55000.00", "bid": "54999.00"}'
        clock.forward(seconds=20)
        await jobs.poll_rates(worker, plan, sources, clock)
        await jobs.refresh_book(api, book)
        with pytest.raises(RateDeviatingError):
            book.quote(REGTEST_BTC, EUR, clock.now())
    audit = pg.execute(
        "SELECT refusal, sources, cardinality(observation_ids) FROM rate_quote WHERE fiat = %s ORDER BY id", EUR.id
    )
    assert audit == [(None, ["coinbase", "kraken"], 2), ("rate-deviating", [], 2)]


async def test_the_fixed_source_needs_no_network(pg: Database) -> None:
    clock, book = SetClock(), service.RateBook()
    plan = settings(sources=("fixed",), fixed={"BTC/EUR": "50000.01", "BTC/CHF": "48000"})
    assert [pair.fiat for pair in service.pairs_of(plan)] == [EUR, CHF]
    async with make_pool(pg.dsn("worker")) as worker:
        sources = jobs.sources_of(plan.rates)
        assert [type(source) for source in sources] == [FixedSource]
        await jobs.poll_rates(worker, plan, sources, clock)
    async with await connect(pg.dsn("api")) as connection:
        assert await book.refresh(connection) == 2
    assert book.quote(REGTEST_BTC, EUR, clock.now()).price == Fraction(5000001, 100)


def test_exchanges_are_asked_for_the_fiats_that_both_trade() -> None:
    assert [pair.fiat for pair in service.pairs_of(settings())] == [EUR, USD, GBP]
    assert [source.name for source in jobs.sources_of(settings().rates)] == ["kraken", "coinbase"]


async def test_what_sources_said_is_never_rewritten(pg: Database, exchange: Exchange) -> None:
    async with make_pool(pg.dsn("worker")) as worker:
        await jobs.poll_rates(worker, settings(), [kraken(exchange.url)], SetClock())
    for role in ("worker", "api"):
        async with await connect(pg.dsn(role)) as connection:
            for table in ("rate_observation", "rate_quote"):
                with pytest.raises(Exception, match="permission denied"):
                    await connection.execute(f"UPDATE {table} SET numerator = 1".encode())
                await connection.rollback()
    with pytest.raises(Exception, match="append-only"):
        pg.execute("DELETE FROM rate_quote")
