"""RLP (yellow paper, appendix B), read strictly: every value has one encoding, and any other is refused.

An item is a byte string or a list of items. Numbers are byte strings without leading zero bytes; zero is the empty one.
"""

from __future__ import annotations

from typing import Final

from strongroom_signer.errors import SignerError

Item = bytes | list["Item"]

# A receipt nests four deep (receipt, logs, log, topics), an embedded trie node little deeper.
MAX_DEPTH: Final = 16
_SHORT: Final = 55
_STRING: Final = 0x80
_LIST: Final = 0xC0
_LENGTH_BYTES_MAX: Final = 4


class RlpError(SignerError):
    """Bytes that are no canonical RLP, or not of the shape that is asked for."""

    code = "rlp-invalid"


def decode(data: bytes) -> Item:
    """Read one item that fills ``data``. Raises ``RlpError``."""
    item, end = _read(data, 0, len(data), 0)
    if end != len(data):
        message = f"{len(data) - end} bytes stand behind the item"
        raise RlpError(message)
    return item


def decode_list(data: bytes) -> list[Item]:
    """Read one list that fills ``data``. Raises ``RlpError``."""
    return as_list(decode(data))


def decode_strings(data: bytes, count_max: int) -> list[bytes]:
    """Read one list of at most ``count_max`` byte strings that fills ``data``, and nothing nested. Raises ``RlpError``.

    It stops at the first item that is a list or too many, so that a crowd of tiny items costs neither time nor memory.
    """
    if not data or data[0] < _LIST:
        message = "a byte string stands where a list belongs"
        raise RlpError(message)
    at, end = _body(data, 0, len(data), _LIST)
    if end != len(data):
        message = f"{len(data) - end} bytes stand behind the item"
        raise RlpError(message)
    items: list[bytes] = []
    while at < end:
        if len(items) == count_max or data[at] >= _LIST:
            message = f"a list of at most {count_max} byte strings belongs here"
            raise RlpError(message)
        item, at = _read(data, at, end, 1)
        items.append(as_bytes(item))
    return items


def as_list(item: Item) -> list[Item]:
    """Give the items of a list. Raises ``RlpError`` for a byte string."""
    if isinstance(item, bytes):
        message = "a byte string stands where a list belongs"
        raise RlpError(message)
    return item


def as_bytes(item: Item, length: int | None = None) -> bytes:
    """Give a byte string, of ``length`` bytes where that is said. Raises ``RlpError``."""
    if not isinstance(item, bytes) or (length is not None and len(item) != length):
        message = f"a byte string of {length if length is not None else 'any number of'} bytes belongs here"
        raise RlpError(message)
    return item


def as_number(item: Item, length_max: int = 32) -> int:
    """Give a number of at most ``length_max`` bytes, written without leading zero bytes. Raises ``RlpError``."""
    raw = as_bytes(item)
    if len(raw) > length_max or raw[:1] == b"\0":
        message = f"a number of at most {length_max} bytes, without leading zero bytes, belongs here"
        raise RlpError(message)
    return int.from_bytes(raw, "big")


def encode(item: Item) -> bytes:
    """Give the one encoding of an item."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < _STRING:
            return item
        return _head(_STRING, len(item)) + item
    body = b"".join(map(encode, item))
    return _head(_LIST, len(body)) + body


def encode_number(value: int) -> bytes:
    """Give the encoding of a number that is not negative."""
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _head(kind: int, length: int) -> bytes:
    if length <= _SHORT:
        return bytes([kind + length])
    raw = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([kind + _SHORT + len(raw)]) + raw


def _read(data: bytes, at: int, end: int, depth: int) -> tuple[Item, int]:
    """Read the item that begins at ``at`` and ends at or before ``end``: the item, and where it ends."""
    if at >= end or depth > MAX_DEPTH:
        message = f"no item can begin at byte {at}"
        raise RlpError(message)
    first = data[at]
    if first < _STRING:
        return data[at : at + 1], at + 1
    start, stop = _body(data, at, end, _STRING if first < _LIST else _LIST)
    if first >= _LIST:
        return _items(data, start, stop, depth), stop
    if stop - start == 1 and data[start] < _STRING:
        message = f"the byte at {start} is its own encoding"
        raise RlpError(message)
    return data[start:stop], stop


def _items(data: bytes, at: int, end: int, depth: int) -> list[Item]:
    items: list[Item] = []
    while at < end:
        item, at = _read(data, at, end, depth + 1)
        items.append(item)
    return items


def _body(data: bytes, at: int, end: int, kind: int) -> tuple[int, int]:
    """Find where the body of the item at ``at`` begins and ends."""
    length, start = data[at] - kind, at + 1
    if length > _SHORT:
        raw = data[start : start + length - _SHORT]
        start += length - _SHORT
        length = int.from_bytes(raw, "big")
        if len(raw) > _LENGTH_BYTES_MAX or start > end or raw[:1] == b"\0" or length <= _SHORT:
            message = f"the length at byte {at} is not in its shortest form"
            raise RlpError(message)
    if start + length > end:
        message = f"the item at byte {at} ends behind what holds it"
        raise RlpError(message)
    return start, start + length
