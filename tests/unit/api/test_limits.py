"""The token bucket: what is granted, when again, and that one key does not use up another's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strongroom.api.limits import RateLimiter


class Watch:
    """Seconds as the test says."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_full_bucket_grants_its_limit_and_then_says_when_to_come_back() -> None:
    watch = Watch()
    limiter = RateLimiter(3, watch)
    granted = [limiter.take("tok_1") for _ in range(4)]
    assert [(grant.allowed, grant.remaining) for grant in granted] == [(True, 2), (True, 1), (True, 0), (False, 0)]
    assert granted[-1].headers()["Retry-After"] == str(granted[-1].reset_seconds) == "20"
    assert "Retry-After" not in granted[0].headers()
    watch.now += 19.9
    assert not limiter.take("tok_1").allowed
    watch.now += 0.2
    assert limiter.take("tok_1").allowed


def test_each_key_has_a_bucket_of_its_own() -> None:
    limiter = RateLimiter(1, Watch())
    assert limiter.take("tok_1").allowed
    assert not limiter.take("tok_1").allowed
    assert limiter.take("tok_2").allowed


@given(st.integers(1, 600), st.lists(st.floats(0, 30), max_size=60))
def test_no_client_ever_gets_more_than_a_full_bucket_and_what_flowed_in_since(
    per_minute: int, pauses: list[float]
) -> None:
    watch = Watch()
    limiter = RateLimiter(per_minute, watch)
    start, allowed = watch.now, 0
    for pause in pauses:
        watch.now += pause
        allowed += limiter.take("tok_1").allowed
    assert allowed <= per_minute + (watch.now - start) * per_minute / 60 + 1e-6
