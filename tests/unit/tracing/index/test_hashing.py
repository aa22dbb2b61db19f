from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strongroom_tracing.index.hashing import SPARE_BYTES, sha256


@settings(deadline=None)  # the first call compiles
@given(st.binary(max_size=400))
@example(b"")
@example(bytes(55))
@example(bytes(56))
@example(bytes(64))
@example(bytes(119))
@example(bytes(120))
def test_the_hash_is_pythons(data: bytes):
    room = np.full(len(data) + SPARE_BYTES, 0xEE, np.uint8)
    room[: len(data)] = np.frombuffer(data, np.uint8)
    out = np.empty(32, np.uint8)

    sha256(room, len(data), out)

    assert out.tobytes() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("length", [1_000_000])
def test_a_long_message(length: int):
    room = np.zeros(length + SPARE_BYTES, np.uint8)
    out = np.empty(32, np.uint8)

    sha256(room, length, out)

    assert out.tobytes() == hashlib.sha256(bytes(length)).digest()
