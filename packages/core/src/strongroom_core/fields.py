"""Canonical bytes as lists of fields: a domain tag, then each field behind its length of 4 bytes, big-endian.

Texts are printable ASCII without blanks. Numbers are unsigned, big-endian, without leading zero bytes (zero is the
empty string). The lengths make such an encoding injective.
"""

from __future__ import annotations

import re
from typing import Final

LENGTH_BYTES: Final = 4
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]*")


def join(tag: bytes, fields: tuple[str | int, ...]) -> bytes:
    """Write the bytes. Raises ``ValueError`` on a text that is not printable ASCII, or a number below zero."""
    return tag + b"".join(len(data).to_bytes(LENGTH_BYTES, "big") + data for data in map(_field, fields))


def split(tag: bytes, count: int, data: bytes) -> list[bytes]:
    """Read ``count`` fields. Raises ``ValueError`` where it is not exactly that many behind the tag."""
    if not data.startswith(tag):
        message = f"these bytes do not start with {tag!r}"
        raise ValueError(message)
    fields: list[bytes] = []
    position = len(tag)
    while position < len(data):
        start = position + LENGTH_BYTES
        end = start + int.from_bytes(data[position:start], "big")
        if max(start, end) > len(data):
            message = "the bytes end in the middle of a field"
            raise ValueError(message)
        fields.append(data[start:end])
        position = end
    if len(fields) != count:
        message = f"there are {len(fields)} fields, not {count}"
        raise ValueError(message)
    return fields


def _field(value: str | int) -> bytes:
    if isinstance(value, int):
        if value < 0:
            message = "a number is not below zero"
            raise ValueError(message)
        return value.to_bytes((value.bit_length() + 7) // 8, "big")
    if not _PRINTABLE.fullmatch(value):
        message = "a text is printable ASCII without blanks"
        raise ValueError(message)
    return value.encode("ascii")
