"""What is covered, what is short, what goes to cold, and when gathering is worth it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.treasury.ethereum import rules
from strongroom.treasury.ethereum.model import Bound, Cover, Heap
from strongroom.treasury.model import Payable, PayableState, Queued
from strongroom_core.ids import AddressId
from tests.fixtures.devnet import OTHER_TOKEN, TOKEN
from tests.unit.outbound.safe.test_rules import payment

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ASSETS = (TOKEN, OTHER_TOKEN)


def queued(asset: str, amount: int, *, solo: bool = False) -> Queued:
    return Queued(Payable(payment(asset, amount), "chain", NOW), PayableState.QUEUED, solo, False, 0, None, NOW)


QUEUES = st.lists(st.tuples(st.sampled_from(ASSETS), st.integers(1, 100), st.booleans()), max_size=12)
COVERS = st.tuples(st.integers(-50, 150), st.integers(0, 150)).map(lambda pair: Cover(*pair))


@given(QUEUES, st.tuples(COVERS, COVERS), st.integers(1, 6))
def test_a_batch_is_covered_asset_by_asset_and_short_is_only_what_is_not(
    wanted: list[tuple[str, int, bool]], pair: tuple[Cover, Cover], limit: int
) -> None:
    queue = [queued(asset, amount, solo=solo) for asset, amount, solo in wanted]
    covers = dict(zip(ASSETS, pair, strict=True))
    batch = rules.choose(queue, covers, limit)
    assert len(batch) <= limit
    assert len(batch) <= 1 or not any(item.solo for item in batch)
    for asset, total in rules.needed(batch).items():
        assert total <= covers[asset].total
    short = rules.short(queue, batch, covers)
    assert not [item for item in short if item in batch]
    if queue and not batch:
        assert len(short) == len(queue)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 150), st.integers(0, 60), st.integers(0, 60))
def test_nothing_is_drawn_beyond_the_capital(hot: int, left: int, capital: int, taken: int, drawn: int) -> None:
    bound = Bound(TOKEN, hot, left, capital)
    cover = rules.cover(bound, cold=80, taken=taken, drawn=drawn)
    assert cover.drawable <= max(0, min(left, 80) - drawn)
    assert (hot + left <= capital) or cover.drawable == 0


@given(st.integers(0, 1000), st.integers(0, 500), st.integers(0, 1500), st.integers(0, 300), st.integers(0, 300))
def test_a_sweep_leaves_hot_within_band_and_capital(hot: int, left: int, capital: int, high: int, waiting: int) -> None:
    bound = Bound(TOKEN, hot, left, capital)
    amount = rules.excess(bound, target=high // 2, high=high, waiting=waiting, dust=1)
    top = max(0, min(high, capital - left))
    assert 0 <= amount <= hot
    assert hot - amount <= max(top, 0) or hot <= top


def heap(amount: int, asset: str = TOKEN, number: int = 1) -> Heap:
    return Heap(AddressId(f"adr_{number:026d}"), 2, number, bytes(20), asset, amount)


@pytest.mark.parametrize(
    ("amounts", "wanted", "age", "chosen"),
    [
        ([100], False, 0, 0),
        ([1_000, 999], False, 0, 0),
        ([1_000, 1_000], False, 0, 2),
        ([100], True, 0, 1),
        ([100], False, 24, 1),
        ([99], True, 24, 0),  # less than one least deposit
        ([2_000] * 100, False, 0, 100),
    ],
)
def test_gathering_waits_until_it_is_worth_it_wanted_or_a_day_old(
    amounts: list[int], wanted: bool, age: int, chosen: int
) -> None:
    heaps = [heap(amount, number=number) for number, amount in enumerate(amounts)]
    found = rules.worth_gathering(
        heaps, {TOKEN: 100}, frozenset({TOKEN}) if wanted else frozenset(), {TOKEN: NOW - timedelta(hours=age)}, NOW
    )
    assert len(found) == chosen
    assert rules.gather_gas(rules.GATHER_MAX) < 2**24
