"""The width of a question for logs finds what an endpoint lets, and wastes few questions on finding it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strongroom.chains.ethereum.ranges import AdaptiveRange


@given(st.integers(1, 5_000), st.integers(1, 5_000))
def test_it_settles_at_what_is_allowed_and_seldom_asks_for_more(allowed: int, most: int) -> None:
    width = AdaptiveRange()
    refusals = 0
    for question in range(200):
        if width.width > allowed:
            assert width.refused(width.width)
            refusals += question > 100
        else:
            width.accepted(most)
            assert 1 <= width.width <= max(most, 64)
    assert refusals <= 3 * allowed.bit_length()
    reached = min(allowed, most)
    assert width.width > allowed or width.width * 2 >= reached  # half of it at the least, just after a refusal


def test_one_block_cannot_be_less() -> None:
    width = AdaptiveRange()
    assert not width.refused(1)
