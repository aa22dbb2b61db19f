"""The head of a signer's journal as its owner signs it: so many rows, and the hash of the last of them.

Whoever holds the rows and this signature can prove what the owner said, and nobody else can make one: a peer or witness
can withhold rows, but not invent any.
"""

from __future__ import annotations

import re
from typing import Final

from strongroom_core.errors import InvalidValueError

DOMAIN_TAG: Final = b"strongroom head v1\n"
HEAD_BYTES: Final = 32
_LENGTH_BYTES: Final = 4
_NAME: Final = re.compile(r"[\x21-\x7e]{1,64}")


class InvalidHeadError(InvalidValueError):
    """Something that is no head of a journal."""

    code = "head-invalid"


def head_bytes(deployment: str, owner: str, rows: int, head: bytes) -> bytes:
    """Give the canonical bytes that ``owner`` signs: each field behind its length (4 bytes, big-endian).

    ``head`` is the SHA-256 of row number ``rows``; a journal without rows has no head. Raises ``InvalidHeadError``.
    """
    if not _NAME.fullmatch(deployment) or not _NAME.fullmatch(owner):
        message = "deployment and owner are 1 to 64 printable ASCII characters without blanks"
        raise InvalidHeadError(message)
    if type(rows) is not int or rows < 1 or len(head) != HEAD_BYTES:
        message = f"a head stands after one row at least, and has {HEAD_BYTES} bytes"
        raise InvalidHeadError(message)
    number = rows.to_bytes((rows.bit_length() + 7) // 8, "big")
    fields = (deployment.encode("ascii"), owner.encode("ascii"), number, head)
    return DOMAIN_TAG + b"".join(len(field).to_bytes(_LENGTH_BYTES, "big") + field for field in fields)
