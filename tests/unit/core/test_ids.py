"""Ids say what they are and sort by the time they were made."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_core import ids
from strongroom_core.ids import Id, InvalidIdError, InvoiceId, MerchantId, PayoutId

moments = st.integers(0, 2**48 - 1)
KINDS = [kind for kind in vars(ids).values() if isinstance(kind, type) and issubclass(kind, Id) and kind is not Id]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_id_reads_back_as_its_own_kind_only(kind: type[Id]) -> None:
    made = kind.new()
    assert kind.parse(str(made)) == made
    assert made.startswith(f"{kind.prefix}_")
    for other in KINDS:
        if other is not kind:
            with pytest.raises(InvalidIdError):
                other.parse(made)


def test_prefixes_differ() -> None:
    assert len({kind.prefix for kind in KINDS}) == len(KINDS) > 10


@given(moments, moments)
def test_ids_sort_by_time(first: int, second: int) -> None:
    if first != second:
        assert (InvoiceId.new(first) < InvoiceId.new(second)) == (first < second)


@given(moments)
def test_an_id_holds_its_millisecond(moment: int) -> None:
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    value = 0
    for digit in InvoiceId.new(moment)[4:]:
        value = value * 32 + digits.index(digit)
    assert value >> 80 == moment


def test_an_id_made_now_holds_now() -> None:
    before = time.time_ns() // 1_000_000
    made = PayoutId.new()
    after = time.time_ns() // 1_000_000
    assert PayoutId.new(before)[:14] <= made[:14] <= PayoutId.new(after)[:14]


def test_ids_of_one_millisecond_differ() -> None:
    assert len({InvoiceId.new(1) for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize("moment", [-1, 2**48, 2**60])
def test_a_time_beyond_48_bits_is_refused(moment: int) -> None:
    with pytest.raises(InvalidIdError):
        InvoiceId.new(moment)


BODY = "01jd0000000000000000000000"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mer",
        "mer_",
        BODY,
        f"pay_{BODY}",
        f"MER_{BODY}",
        f"mer-{BODY}",
        f"mer_{BODY}0",
        f"mer_{BODY[1:]}",
        f" mer_{BODY}",
    ]
    + [f"mer_{BODY}\n", f"mer_{BODY.upper()}", f"mer_8{BODY[1:]}", f"mer_mer_{BODY}", f"mer_{BODY[:-1]}é"]
    + [f"mer_{BODY[:-1]}{letter}" for letter in "ilou"],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdError, match="MerchantId") as caught:
        MerchantId.parse(text)
    assert caught.value.code == "id-invalid"


@pytest.mark.parametrize("value", [None, 1, b"mer_", ["mer_"]])
def test_only_text_is_an_id(value: Any) -> None:
    with pytest.raises(InvalidIdError):
        MerchantId.parse(value)


@given(st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=25, max_size=27))
def test_a_body_is_26_digits_of_128_bits(body: str) -> None:
    right = len(body) == 26 and body[0] in "01234567" and not set(body) & set("ilou")
    try:
        assert MerchantId.parse(f"mer_{body}") == f"mer_{body}"
    except InvalidIdError:
        assert not right
    else:
        assert right
