from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from strongroom_tracing.taint.exact import multiply_divide

BIG = (1 << 62) - 1
_BELOW = st.one_of(st.integers(0, BIG), st.integers(0, 1 << 53), st.integers(0, 21 * 10**14))


@settings(deadline=None)  # the first call compiles
@given(a=_BELOW, b=_BELOW, c=st.one_of(st.integers(1, BIG), st.integers(1, 21 * 10**14)))
@example(a=21 * 10**14 - 1, b=21 * 10**14 - 1, c=21 * 10**14)
@example(a=(1 << 53) - 2, b=(1 << 53) - 1, c=(1 << 53) - 1)
@example(a=(1 << 53) - 1, b=1 << 53, c=1 << 53)
@example(a=BIG, b=BIG, c=BIG)
@example(a=BIG - 1, b=BIG, c=BIG)
@example(a=1, b=1, c=3)
@example(a=332480638630685, b=9007199230855872, c=375299967952328)  # the floats' quotient is one too low
@example(a=9206300916040, b=9007198518923700, c=12090199354260)  # and here one too high
def test_quotient_and_remainder_are_those_of_whole_numbers(a: int, b: int, c: int) -> None:
    a = min(a, c)
    assert multiply_divide(a, b, c) == divmod(a * b, c)
