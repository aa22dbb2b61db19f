"""What an owner signs about its journal: one spelling, and nothing else has the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_core.heads import DOMAIN_TAG, InvalidHeadError, head_bytes

NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)
HEADS = st.tuples(NAMES, NAMES, st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))


def test_a_head_has_these_bytes() -> None:
    assert head_bytes("demo", "A", 258, b"\x07" * 32) == (
        b"strongroom head v1\n\0\0\0\x04demo\0\0\0\x01A\0\0\0\x02\x01\x02\0\0\0\x20" + b"\x07" * 32
    )


@given(HEADS, HEADS)
def test_two_heads_never_share_bytes(left: tuple[str, str, int, bytes], right: tuple[str, str, int, bytes]) -> None:
    assert (head_bytes(*left) == head_bytes(*right)) == (left == right)
    assert head_bytes(*left).startswith(DOMAIN_TAG)


@pytest.mark.parametrize(
    ("deployment", "owner", "rows", "head"),
    [
        ("", "A", 1, bytes(32)),
        ("demo", "", 1, bytes(32)),
        ("demo", "a b", 1, bytes(32)),
        ("demo", "é", 1, bytes(32)),
        ("demo", "A", 0, bytes(32)),
        ("demo", "A", -1, bytes(32)),
        ("demo", "A", True, bytes(32)),
        ("demo", "A", 1, bytes(31)),
        ("demo", "A", 1, b""),
    ],
)
def test_what_is_no_head_is_refused(deployment: str, owner: str, rows: int, head: bytes) -> None:
    with pytest.raises(InvalidHeadError):
        head_bytes(deployment, owner, rows, head)
