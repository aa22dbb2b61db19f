"""RLP is read as the ``rlp`` library writes it, and every other spelling is refused."""

import pytest
import rlp as library
from hypothesis import given
from hypothesis import strategies as st

from strongroom_signer import rlp

ITEMS = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=5), max_leaves=20)


@given(ITEMS)
def test_what_the_library_writes_is_read_and_written_alike(item: rlp.Item) -> None:
    encoded = library.encode(item)
    assert rlp.decode(encoded) == item
    assert rlp.encode(item) == encoded


@given(st.binary(max_size=200))
def test_whatever_is_read_is_the_one_spelling_of_it(data: bytes) -> None:
    try:
        item = rlp.decode(data)
    except rlp.RlpError:
        return
    assert library.encode(item) == data


@given(ITEMS, st.data())
def test_a_changed_byte_never_reads_as_the_same(item: rlp.Item, data: st.DataObject) -> None:
    encoded = bytearray(library.encode(item))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        assert rlp.decode(bytes(encoded)) != item
    except rlp.RlpError:
        return


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "8101",  # a byte that is its own encoding
        "b80100",  # a long form for a short string
        "b90038" + "00" * 56,  # a length with a leading zero
        "f800",  # a long form for a short list
        "82ff",  # cut off
        "c281",  # an item that ends behind its list
        "c180ff",  # something behind
        "bfffffffffffffffff",  # a length of eight bytes
        "b8",
        "c3820102ff",
    ],
)
def test_other_spellings_are_refused(encoded: str) -> None:
    with pytest.raises(rlp.RlpError):
        rlp.decode(bytes.fromhex(encoded))


def test_deep_nesting_is_refused_without_exhausting_the_stack() -> None:
    item: rlp.Item = b""
    for _ in range(rlp.MAX_DEPTH + 1):
        item = [item]
    with pytest.raises(rlp.RlpError):
        rlp.decode(rlp.encode(item))
    with pytest.raises(rlp.RlpError):
        rlp.decode(b"\xc1" * 100_000 + b"\xc0")


@given(st.integers(0, 2**256 - 1))
def test_numbers_have_no_leading_zero(value: int) -> None:
    assert rlp.encode_number(value) == library.encode(value)
    assert rlp.as_number(rlp.decode(rlp.encode_number(value))) == value


@pytest.mark.parametrize("raw", [b"\0", b"\0\1", b"\1" * 33, [b"\1"]])
def test_other_numbers_are_refused(raw: rlp.Item) -> None:
    with pytest.raises(rlp.RlpError):
        rlp.as_number(raw)


def test_shapes_are_what_is_asked_for() -> None:
    with pytest.raises(rlp.RlpError):
        rlp.as_list(b"")
    with pytest.raises(rlp.RlpError):
        rlp.as_bytes([])
    with pytest.raises(rlp.RlpError):
        rlp.as_bytes(b"12", 3)


@given(st.lists(st.binary(max_size=70), max_size=12), st.integers(0, 12))
def test_a_flat_list_is_read_up_to_its_count_and_no_further(items: list[bytes], count: int) -> None:
    if len(items) <= count:
        assert rlp.decode_strings(rlp.encode(list(items)), count) == items
    else:
        with pytest.raises(rlp.RlpError):
            rlp.decode_strings(rlp.encode(list(items)), count)


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x01", b"\xc1\xc0", b"\xc0\x00", b"\xc2\x01", b"\xf8\x01\x01", b"\xc2\x81\x01"]
)
def test_what_is_no_flat_list_is_refused(data: bytes) -> None:
    with pytest.raises(rlp.RlpError):
        rlp.decode_strings(data, 9)
