"""Reading numbers, bytes, addresses and hashes as nodes and files write them; whatever is malformed is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from strongroom_tracing.accounts.errors import SourceError
from strongroom_tracing.accounts.model import ADDRESS_BYTES, WORD_BYTES

_WORD_MAX: Final = 2**256 - 1


def number(value: object) -> int:
    """Read an unsigned number: an integer, decimal text, or a quantity such as ``0x1a``. Never a float."""
    found = -1
    if isinstance(value, Decimal) and value == value.to_integral_value():  # NUMERIC of a Parquet file
        found = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        found = value
    elif isinstance(value, str):
        try:
            found = int(value, 16) if value.startswith("0x") else int(value)
        except ValueError:
            found = -1
    if 0 <= found <= _WORD_MAX:
        return found
    message = f"the source gave {value!r:.80} where an unsigned number was due"
    raise SourceError(message)


def optional(value: object) -> int:
    """Read a number that may be missing: 0 then."""
    return 0 if value is None or value == "" else number(value)


def unix_time(value: object) -> int:
    """Read a block's time: unix seconds, or a timestamp of a Parquet file (UTC where it names no zone)."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return int(aware.timestamp())
    return number(value)


def data(value: object) -> bytes:
    """Read bytes such as ``0x00ff``."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    message = f"the source gave {value!r:.80} where bytes were due"
    raise SourceError(message)


def sized(value: object, size: int, what: str) -> bytes:
    """Read bytes of a fixed length."""
    found = data(value)
    if len(found) != size:
        message = f"the source gave {value!r:.80} where {what} was due"
        raise SourceError(message)
    return found


def address(value: object) -> bytes:
    """Read an address."""
    return sized(value, ADDRESS_BYTES, "an address")


def address_or_none(value: object) -> bytes | None:
    """Read an address that may be missing."""
    return None if value is None or value == "" else address(value)


def digest(value: object) -> bytes:
    """Read a hash of 32 bytes."""
    return sized(value, WORD_BYTES, "a hash")


def take(answer: Any, name: str) -> Any:
    """Take a field of an object that has to have it."""
    try:
        return answer[name]
    except (KeyError, TypeError):
        message = f"what the source gave has no {name}"
        raise SourceError(message) from None
