"""How large a pool is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from strongroom.wallets import rules

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGES = st.none() | st.integers(0, 10**6).map(lambda seconds: NOW - timedelta(seconds=seconds))


@given(waiting=st.integers(0, 10**6), target=st.integers(1, rules.POOL_MAX), since=AGES)
def test_a_refill_reaches_its_target_exactly_and_never_beyond_the_largest(
    waiting: int, target: int, since: datetime | None
) -> None:
    plan = rules.refill(waiting, target, since, NOW)
    assert plan.count == max(0, plan.target - waiting)
    assert 1 <= plan.target <= rules.POOL_MAX


def test_a_pool_emptied_within_a_minute_doubles_and_a_quiet_one_halves() -> None:
    assert rules.refill(0, 400, NOW - timedelta(seconds=5), NOW).target == 800
    assert rules.refill(0, 400, NOW - timedelta(hours=1), NOW).target == 400
    assert rules.refill(0, 400, NOW - timedelta(hours=7), NOW).target == 200
    assert rules.refill(0, 400, None, NOW).target == 400
    assert rules.refill(0, rules.POOL_MAX, NOW, NOW).target == rules.POOL_MAX


@given(next_index=st.integers(0, 10**6), target=st.integers(1, rules.POOL_MAX))
def test_the_mark_lies_within_what_is_derived_and_at_half_the_pool(next_index: int, target: int) -> None:
    mark = rules.refill_index(next_index, target)
    assert 0 <= mark <= max(0, next_index - 1)
    assert next_index - mark <= max(1, target // 2)


def test_whoever_waits_gets_a_few_more_than_asked() -> None:
    assert rules.inline_count(3) == 3 + rules.INLINE_EXTRA
