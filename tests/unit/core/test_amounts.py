"""Amounts are exact, bound to their asset, and refuse what has cost others money."""

from __future__ import annotations

import ast
import operator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strongroom_core
from strongroom_core.amounts import MAX_BASE_UNITS, Amount, AssetMismatchError, InvalidAmountError, NegativeAmountError
from strongroom_core.assets import BTC, EUR, JPY, LTC, REGTEST_BTC, Asset

units = st.integers(0, MAX_BASE_UNITS) | st.integers(0, 10**20)
decimals = st.integers(0, 36)
not_integers: list[Any] = [1.0, 0.0, True, False, "1", None, Fraction(1), 1j, float("nan"), float("inf")]


def asset_of(number: int) -> Asset:
    return Asset("eip155:1/erc20:0x00", "COIN", number)


@given(units, decimals)
def test_what_is_formatted_is_read_back_exactly(base_units: int, number: int) -> None:
    amount = Amount(asset_of(number), base_units)
    assert Amount.parse(amount.format(), amount.asset) == amount


@given(units, decimals)
def test_format_says_the_exact_value_with_all_decimals(base_units: int, number: int) -> None:
    text = Amount(asset_of(number), base_units).format()
    assert Fraction(text) == Fraction(base_units, 10**number)
    assert len(text.partition(".")[2]) == number


@given(st.from_regex(r"(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?", fullmatch=True).filter(str.isascii), decimals)
def test_parse_gives_the_exact_value_or_refuses(text: str, number: int) -> None:
    exact = Fraction(text) * 10**number
    if exact.denominator == 1:
        assert Amount.parse(text, asset_of(number)).base_units == exact
    else:
        with pytest.raises(InvalidAmountError):
            Amount.parse(text, asset_of(number))


@given(st.text(max_size=12))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    try:
        amount = Amount.parse(text, BTC)
    except InvalidAmountError:
        return
    assert Fraction(text) == Fraction(amount.base_units, 10**8)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-1",
        "+1",
        "1e3",
        "1E3",
        "1,5",
        "1_000",
        " 1",
        "1 ",
        "1\n",
        "01",
        "00",
        ".5",
        "1.",
        "1..2",
        "1.2.3",
        "0x10",
        "NaN",
        "Infinity",
        chr(0x661),
        chr(0xFF11),
        "1\xa0000",
        "0.000000001",
        "1" * 129,
        "0." + "0" * 127,
        str(2**256),
    ],
)
def test_texts_that_are_no_amount_are_refused(text: str) -> None:
    with pytest.raises(InvalidAmountError):
        Amount.parse(text, BTC)


@pytest.mark.parametrize("value", [1, 1.0, True, None, b"1", Fraction(1)])
def test_only_text_is_parsed(value: Any) -> None:
    with pytest.raises(InvalidAmountError):
        Amount.parse(value, BTC)


@pytest.mark.parametrize("value", not_integers)
def test_only_integers_are_amounts(value: Any) -> None:
    with pytest.raises(InvalidAmountError):
        Amount(BTC, value)


@pytest.mark.parametrize("value", ["BTC", None, 8, BTC.id])
def test_an_amount_needs_an_asset(value: Any) -> None:
    with pytest.raises(InvalidAmountError):
        Amount(value, 1)


@given(st.integers(max_value=-1))
def test_an_amount_below_zero_is_refused(base_units: int) -> None:
    with pytest.raises(NegativeAmountError):
        Amount(BTC, base_units)


def test_an_amount_above_uint256_is_refused() -> None:
    assert Amount(BTC, MAX_BASE_UNITS).base_units == MAX_BASE_UNITS
    with pytest.raises(InvalidAmountError):
        Amount(BTC, MAX_BASE_UNITS + 1)
    with pytest.raises(InvalidAmountError):
        Amount(BTC, MAX_BASE_UNITS) + Amount(BTC, 1)


@given(st.integers(0, 2**254), st.integers(0, 2**254))
def test_arithmetic_is_that_of_integers(left: int, right: int) -> None:
    a, b = Amount(BTC, left), Amount(BTC, right)
    assert (a + b).base_units == left + right
    assert (a + b) - b == a
    assert (a < b, a <= b, a > b, a >= b, a == b) == (
        left < right,
        left <= right,
        left > right,
        left >= right,
        left == right,
    )
    assert bool(a) == (left > 0)


@given(st.integers(0, 10**30), st.integers(0, 10**30))
def test_a_difference_below_zero_is_refused(left: int, right: int) -> None:
    if left < right:
        with pytest.raises(NegativeAmountError):
            Amount(BTC, left) - Amount(BTC, right)
    else:
        assert (Amount(BTC, left) - Amount(BTC, right)).base_units == left - right


@pytest.mark.parametrize("other", [LTC, REGTEST_BTC, EUR, Asset(BTC.id, "BTC", 9)])
def test_assets_do_not_mix(other: Asset) -> None:
    a, b = Amount(BTC, 5), Amount(other, 5)
    for mix in (lambda: a + b, lambda: a - b, lambda: a < b, lambda: a <= b, lambda: a > b, lambda: a >= b):
        with pytest.raises(AssetMismatchError):
            mix()
    assert a != b


@pytest.mark.parametrize("other", [1, 1.0, 0, True, None, "1", Fraction(1)])
def test_amounts_do_not_mix_with_bare_values(other: Any) -> None:
    amount = Amount(BTC, 5)
    for mix in (operator.add, operator.sub, operator.lt, operator.ge):
        with pytest.raises(InvalidAmountError):
            mix(amount, other)
    assert amount != other


@pytest.mark.parametrize("times", [1.0, 0.5, True, None, "2", Fraction(2)])
def test_an_amount_is_multiplied_by_integers_only(times: Any) -> None:
    with pytest.raises(InvalidAmountError):
        Amount(BTC, 5) * times
    assert Amount(BTC, 5) * 3 == Amount(BTC, 15)


def test_no_product_is_below_zero() -> None:
    with pytest.raises(NegativeAmountError):
        Amount(BTC, 5) * -1


@pytest.mark.parametrize(
    "convert", [float, int, round, lambda a: a / 2, lambda a: a * a, lambda a: 1.0 + a, lambda a: -a]
)
def test_an_amount_does_not_turn_into_a_bare_number(convert: Any) -> None:
    with pytest.raises((TypeError, InvalidAmountError)):
        convert(Amount(BTC, 5))


@given(st.integers(0, 10**30), st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_share_rounds_down(base_units: int, numerator: int, denominator: int) -> None:
    share = Amount(BTC, base_units).share(numerator, denominator).base_units
    exact = Fraction(base_units * numerator, denominator)
    assert share <= exact < share + 1


@pytest.mark.parametrize(
    ("numerator", "denominator"), [(1, 0), (-1, 2), (1, -2), (1.0, 2), (1, 2.0), (True, 2), (1, True)]
)
def test_a_share_is_a_fraction_of_integers(numerator: Any, denominator: Any) -> None:
    with pytest.raises(InvalidAmountError):
        Amount(BTC, 5).share(numerator, denominator)


def test_amounts_read_well() -> None:
    assert str(Amount(BTC, 1)) == "0.00000001 BTC"
    assert str(Amount(JPY, 1200)) == "1200 JPY"
    assert str(Amount.parse("12.5", EUR)) == "12.50 EUR"
    assert Amount.parse("1.000", JPY) == Amount(JPY, 1)
    assert Amount.zero(BTC) == Amount(BTC, 0)
    assert len({Amount(BTC, 1), Amount(BTC, 1), Amount(LTC, 1)}) == 2


def test_core_holds_no_float() -> None:
    for file in Path(strongroom_core.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), f"{file.name}: {node.value}"
            assert not (isinstance(node, ast.Name) and node.id == "float"), file.name
            assert not isinstance(node, ast.Div), f"{file.name} divides with /"
