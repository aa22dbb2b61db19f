from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.rates import rules
from strongroom.rates.errors import RateDeviatingError, RateStaleError, RateUnavailableError, SourceAnswerError
from strongroom.rates.model import Observation, Pair, RatePolicy, RateQuote
from strongroom_core.amounts import Amount, AssetMismatchError
from strongroom_core.assets import EUR, JPY, REGTEST_BTC, USD, Asset
from tests.unit.rates import exchange_answers as answers

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PAIR = Pair(REGTEST_BTC, EUR)
POLICY = RatePolicy(stale_after_seconds=120, deviation_max_ppm=20_000, sources_min=1)


def said(source: str, price: Fraction | int, age: int = 0) -> Observation:
    return Observation(source, PAIR, Fraction(price), NOW - timedelta(seconds=age))


def quote(price: Fraction, fiat: Asset = EUR) -> RateQuote:
    return RateQuote(REGTEST_BTC, fiat, price, ("fixed",), NOW, NOW + timedelta(minutes=2))


def test_exchanges_are_read_exactly() -> None:
    assert rules.parse_kraken(answers.KRAKEN_BTC_EUR) == Fraction(5260955, 100)
    assert rules.parse_coinbase(answers.COINBASE_BTC_EUR) == Fraction(52620)


@pytest.mark.parametrize(
    "body",
    [
        answers.KRAKEN_UNKNOWN_PAIR,
        answers.COINBASE_UNKNOWN_PRODUCT,
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"result": []}',
        b'{"result": {"X": {"a": [], "b": []}}}',
        b'{"result": {"X": {"a": ["2"], "b": ["3"]}}, "ask": "2", "bid": "3"}',
        b'{"result": {"X": {"a": ["1"], "b": ["0"]}}, "ask": "1", "bid": "0"}',
        b'{"result": {"X": {"a": ["NaN"], "b": ["1"]}}, "ask": "NaN", "bid": "1"}',
        b'{"result": {"X": {"a": ["1e999999999"], "b": ["1"]}}, "ask": "1e999999999", "bid": "1"}',
        b'{"result": {"X": {"a": [true], "b": [true]}}, "ask": true, "bid": true}',
        b'{"result": {"X": {"a": [null], "b": ["1"]}}, "ask": null, "bid": "1"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_price_is_refused(body: bytes) -> None:
    for parse in (rules.parse_kraken, rules.parse_coinbase):
        with pytest.raises(SourceAnswerError):
            parse(body)


@given(st.decimals(min_value="0.00000001", max_value="1000000000", places=8))
def test_a_json_number_is_read_as_exactly_as_text(price) -> None:  # noqa: ANN001 -- a parameter
    as_number = f'{{"ask": {price}, "bid": {price}}}'.encode()
    as_text = json.dumps({"ask": str(price), "bid": str(price)}).encode()
    assert rules.parse_coinbase(as_number) == rules.parse_coinbase(as_text) == Fraction(price)


def test_a_float_is_no_price() -> None:
    with pytest.raises(SourceAnswerError):
        rules.parse_price(0.1)


def test_the_median_of_agreeing_sources_is_the_price_until_the_oldest_is_stale() -> None:
    made = rules.agree(PAIR, [said("a", 100, age=30), said("b", 101), said("c", 102)], POLICY, NOW)
    assert (made.price, made.sources, made.at) == (Fraction(101), ("a", "b", "c"), NOW)
    assert made.expires_at == NOW + timedelta(seconds=90)
    assert rules.agree(PAIR, [said("a", 100), said("b", 101)], POLICY, NOW).price == Fraction(201, 2)


def test_one_wrong_source_refuses_the_price_rather_than_being_outvoted() -> None:
    with pytest.raises(RateDeviatingError):
        rules.agree(PAIR, [said("a", 100), said("b", 100), said("c", 103)], POLICY, NOW)
    assert rules.agree(PAIR, [said("a", 100), said("b", 100), said("c", 102)], POLICY, NOW).price == 100


def test_stale_words_are_left_out_and_too_few_are_refused() -> None:
    assert rules.agree(PAIR, [said("a", 900, age=120), said("b", 100)], POLICY, NOW).sources == ("b",)
    with pytest.raises(RateStaleError):
        rules.agree(PAIR, [said("a", 900, age=120)], POLICY, NOW)
    with pytest.raises(RateUnavailableError) as none:
        rules.agree(PAIR, [], POLICY, NOW)
    assert none.value.code == "rate-unavailable"
    two = RatePolicy(120, 20_000, sources_min=2)
    with pytest.raises(RateUnavailableError):
        rules.agree(PAIR, [said("a", 100)], two, NOW)
    with pytest.raises(RateStaleError):
        rules.agree(PAIR, [said("a", 100), said("b", 100, age=121)], two, NOW)


def test_a_word_from_the_future_is_not_believed() -> None:
    with pytest.raises(RateUnavailableError):
        rules.agree(PAIR, [said("a", 100, age=-6)], POLICY, NOW)


prices = st.fractions(min_value=Fraction(1, 10**6), max_value=10**9)


@given(st.lists(prices, min_size=1, max_size=5), st.integers(0, 1_000_000))
def test_what_is_agreed_is_within_the_band_of_every_source(said_prices: list[Fraction], ppm: int) -> None:
    policy = RatePolicy(120, ppm, 1)
    observations = [said(str(number), price) for number, price in enumerate(said_prices)]
    try:
        made = rules.agree(PAIR, observations, policy, NOW)
    except RateDeviatingError:
        assert max(said_prices) > min(said_prices)
        return
    assert min(said_prices) <= made.price <= max(said_prices)
    for price in said_prices:
        assert abs(price - made.price) <= made.price * Fraction(ppm, 1_000_000)


@given(st.integers(1, 10**12), prices, st.integers(0, 1_000_000))
def test_what_is_due_covers_the_price_and_spread_and_one_unit_less_would_not(
    cents: int, price: Fraction, ppm: int
) -> None:
    due = rules.price_in_asset(Amount(EUR, cents), quote(price), ppm).base_units
    wanted = Fraction(cents, 100) * (1 + Fraction(ppm, 1_000_000))
    assert Fraction(due, 10**8) * price >= wanted
    assert Fraction(due - 1, 10**8) * price < wanted


def test_currencies_without_decimals_are_priced_right() -> None:
    due = rules.price_in_asset(Amount.parse("15000000", JPY), quote(Fraction(15_000_000), JPY), 0)
    assert due == Amount.parse("1", REGTEST_BTC)


def test_a_quote_in_another_currency_is_refused() -> None:
    with pytest.raises(AssetMismatchError):
        rules.price_in_asset(Amount(USD, 100), quote(Fraction(1)), 0)
