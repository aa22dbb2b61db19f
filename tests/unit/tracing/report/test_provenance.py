"""What an answer rests on: the same input, the same bytes, and no clock in them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_tracing.provenance import InexactValueError, Provenance, canonical_json
from strongroom_tracing.tags.model import ListInfo

LIST = ListInfo("ofac-sdn", "OFAC", date(2025, 11, 19), None, 3, "ab" * 32, "public domain")
FACTS = Provenance(
    chain="bip122:0f9188f13cb7b2c71f2a335e3a4fc328",
    height=201,
    block_hash="00" * 32,
    dataset_hash="11" * 32,
    method={"policy": "fifo", "direction": "forward", "fees": "absorbed"},
    parameters={"hops": None, "smallest": "0"},
    marks=({"claim": "theft-1", "amount": "5"},),
    tags_hash="22" * 32,
    lists=(LIST,),
    tool="strongroom-tracing 0.1.0",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_the_bytes_and_their_hash_are_these():
    assert FACTS.canonical().startswith(b'{"block_hash":"0000')
    assert FACTS.sha256 == "48daf6fd17d9ba62c0e8c8031da5c300371cb15c00a485d5865215df9699d31a"


def test_when_a_list_was_fetched_is_no_part_of_it():
    fetched = replace(LIST, fetched_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert replace(FACTS, lists=(fetched,)).canonical() == FACTS.canonical()


@pytest.mark.parametrize(
    "other",
    [
        {"height": 202},
        {"dataset_hash": "12" * 32},
        {"block_hash": "01" * 32},
        {"method": {**FACTS.method, "policy": "lifo"}},
        {"parameters": {"hops": 3, "smallest": "0"}},
        {"marks": ()},
        {"tags_hash": ""},
        {"lists": (replace(LIST, as_of=date(2025, 11, 20)),)},
        {"tool": "strongroom-tracing 0.2.0"},
    ],
)
def test_whatever_the_answer_rests_on_changes_the_hash(other: dict[str, Any]):
    assert replace(FACTS, **other).sha256 != FACTS.sha256


def test_ages_are_told_from_the_day_that_the_caller_names():
    assert FACTS.ages(date(2025, 11, 29)) == ((LIST, 10),)


@given(JSON)
def test_canonical_json_is_read_back_and_does_not_depend_on_the_order_of_keys(value: Any):
    data = canonical_json(value)
    assert json.loads(data) == value
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(value.items()))) == data


@pytest.mark.parametrize("value", [1.0, {"a": [0.5]}, {1: "a"}, {"a": date(2026, 1, 1)}, b"a"])
def test_what_has_no_exact_text_is_refused(value: Any):
    with pytest.raises(InexactValueError) as refused:
        canonical_json(value)
    assert refused.value.code == "value-inexact"
