from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.rates import par
from strongroom.rates.errors import RateDepeggedError, RateUnavailableError
from strongroom.rates.model import Observation, Pair, ParPolicy, ParState, RateQuote, RateRefusal, Stand
from strongroom.rates.service import RateBook
from strongroom_core.assets import USD, USDC, USDT

NOW = datetime(2030, 1, 1, tzinfo=UTC)
BAND, BACK, CALM = Fraction(2, 100), Fraction(1, 100), 300
POLICY = ParPolicy(20_000, 10_000, CALM)


def walk(prices: Sequence[Fraction | None], every: int = 20) -> list[ParState]:
    """Judge prices one after the other, a step of ``every`` seconds apart."""
    states, state = [], par.new_state(USDT, USD, NOW)
    for number, price in enumerate(prices):
        state = par.follow(state, price, POLICY, NOW + timedelta(seconds=number * every))
        states.append(state)
    return states


def state(stand: Stand) -> ParState:
    return ParState(USDT, USD, stand, NOW)


around_par = st.one_of(
    st.none(),
    st.sampled_from([Fraction(98, 100), Fraction(102, 100), Fraction(99, 100), Fraction(101, 100), Fraction(1)]),
    st.fractions(min_value=Fraction(95, 100), max_value=Fraction(105, 100), max_denominator=10**6),
    st.fractions(min_value=Fraction(1, 1000), max_value=1000, max_denominator=10**6),
)


@given(st.lists(around_par, max_size=60))
def test_nothing_is_at_par_while_the_last_price_known_is_outside_the_band(prices: list[Fraction | None]) -> None:
    last = None
    for price, judged in zip(prices, walk(prices), strict=True):
        last = price if price is not None else last
        if last is None:
            assert judged.stand is Stand.UNKNOWN
        elif abs(last - 1) > BAND:
            assert judged.stand is Stand.DEPEGGED
        if judged.stand is Stand.AT_PAR:
            assert judged.price is not None
            assert abs(judged.price - 1) <= BAND


@given(st.lists(around_par, max_size=60), st.integers(1, 400))
def test_it_comes_back_only_after_a_calm_without_a_break(prices: list[Fraction | None], every: int) -> None:
    states = walk(prices, every)
    for place in range(1, len(states)):
        if (states[place - 1].stand, states[place].stand) != (Stand.DEPEGGED, Stand.AT_PAR):
            continue
        calm = 0
        for price in reversed(prices[: place + 1]):
            if price is None or abs(price - 1) > BACK:
                break
            calm += 1
        assert (calm - 1) * every >= CALM


@given(st.lists(around_par, min_size=1, max_size=60))
def test_a_long_calm_always_brings_it_back_and_since_moves_with_the_stand_alone(prices: list[Fraction | None]) -> None:
    states = walk([*prices, *[Fraction(1)] * (CALM // 20 + 1)])
    assert states[-1].stand is Stand.AT_PAR
    for before, after in itertools.pairwise(states):
        assert (before.since == after.since) == (before.stand is after.stand)


@given(st.lists(st.fractions(min_value=Fraction(985, 1000), max_value=Fraction(1015, 1000)), min_size=1, max_size=30))
def test_a_price_that_wavers_inside_the_band_never_depegs(prices: list[Fraction]) -> None:
    assert {judged.stand for judged in walk(prices)} == {Stand.AT_PAR}


@pytest.mark.parametrize(
    ("price", "stand"),
    [("0.98", Stand.AT_PAR), ("1.02", Stand.AT_PAR), ("0.979999", Stand.DEPEGGED), ("1.020001", Stand.DEPEGGED)],
)
def test_the_edge_of_the_band_is_inside(price: str, stand: Stand) -> None:
    assert walk([Fraction(price)])[-1].stand is stand


def test_a_price_on_the_edge_does_not_open_and_close_the_till() -> None:
    stands = [judged.stand for judged in walk([Fraction("0.97"), *[Fraction("0.985"), Fraction("0.979")] * 40])]
    assert set(stands) == {Stand.DEPEGGED}


def observation(source: str, price: str, age: int = 0) -> Observation:
    return Observation(source, Pair(USDT, USD), Fraction(price), NOW - timedelta(seconds=age))


def test_where_sources_disagree_the_word_furthest_from_par_is_judged() -> None:
    refusal = RateRefusal(USDT, USD, "rate-deviating", NOW)
    words = [observation("a", "1.001"), observation("b", "0.9"), observation("c", "0.5", age=120)]
    assert par.price_to_judge(refusal, words, 120, NOW) == Fraction("0.9")
    assert par.price_to_judge(refusal, words[2:], 120, NOW) is None
    for code in ("rate-stale", "rate-unavailable"):
        assert par.price_to_judge(RateRefusal(USDT, USD, code, NOW), words, 120, NOW) is None
    agreed = RateQuote(USDT, USD, Fraction("0.999"), ("a",), NOW, NOW)
    assert par.price_to_judge(agreed, words, 120, NOW) == Fraction("0.999")


def test_the_book_refuses_what_is_not_at_par_and_what_nobody_knows() -> None:
    book = RateBook()
    book.check_par(USDT)
    quote = RateQuote(USDT, USD, Fraction(1), ("a",), NOW, NOW + timedelta(minutes=2))
    book.put([quote])
    book.guard([state(Stand.DEPEGGED)])
    for ask in (lambda: book.check_par(USDT), lambda: book.quote(USDT, USD, NOW)):
        with pytest.raises(RateDepeggedError) as refused:
            ask()
        assert refused.value.code == "rate-depegged"
    book.check_par(USDC)
    book.guard([state(Stand.UNKNOWN)])
    with pytest.raises(RateUnavailableError) as unknown:
        book.check_par(USDT)
    assert unknown.value.code == "rate-unavailable"
    book.guard([state(Stand.AT_PAR)])
    book.check_par(USDT)
    assert book.quote(USDT, USD, NOW) == quote
