"""Amounts from the node are exact or refused; notices of a node are only hints."""

from __future__ import annotations

import struct
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.chains.bitcoin.notices import Notices
from strongroom.chains.bitcoin.rpc import base_units
from strongroom.chains.errors import NodeError

decoder = msgspec.json.Decoder(float_hook=Decimal)


@given(st.integers(0, 84_000_000 * 10**8))
def test_amounts_as_the_node_writes_them_are_exact(amount: int) -> None:
    text = f"{amount // 10**8}.{amount % 10**8:08d}"
    assert base_units(decoder.decode(text)) == amount


@pytest.mark.parametrize("value", [Decimal("0.000000001"), 0.1, "1", None, True, Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_whole_number_of_base_units_is_refused(value: object) -> None:
    with pytest.raises(NodeError):
        base_units(value)


def _message(topic: bytes, body: bytes, count: int) -> list[bytes]:
    return [topic, body, struct.pack("<I", count)]


def test_notices_name_what_came_and_went_and_say_when_some_were_lost() -> None:
    notices = Notices("tcp://127.0.0.1:1")
    first, second = bytes(31) + b"\x01", bytes(31) + b"\x02"
    notices._receive(_message(b"sequence", first + b"A" + bytes(8), 7))
    assert not notices.take().complete  # nothing is known of the time before
    notices._receive(_message(b"sequence", second + b"A" + bytes(8), 8))
    notices._receive(_message(b"sequence", first + b"R" + bytes(8), 9))
    batch = notices.take()
    assert (list(batch.added), list(batch.removed), batch.complete) == ([second.hex()], [first.hex()], True)
    notices._receive(_message(b"sequence", second + b"R" + bytes(8), 11))
    assert not notices.take().complete
    notices._receive(_message(b"hashblock", first, 0))
    assert notices.take().complete


def test_a_counter_wraps() -> None:
    notices = Notices("tcp://127.0.0.1:1")
    notices._receive(_message(b"sequence", bytes(32) + b"C", 0xFFFFFFFF))
    notices.take()
    notices._receive(_message(b"sequence", bytes(32) + b"C", 0))
    assert notices.take().complete


def test_malformed_messages_change_nothing() -> None:
    notices = Notices("tcp://127.0.0.1:1")
    notices._receive([b"sequence"])
    notices._receive([b"sequence", b"", b"xx"])
    assert not notices.wake.is_set()
