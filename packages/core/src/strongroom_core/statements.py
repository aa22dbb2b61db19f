"""Statements of operators: what a person signs so that one signer changes its policy or its merchants' file.

Encoding, version 1. The domain tag ``strongroom statement v1`` and a zero byte, then six fields in this order, each as
a 4-byte big-endian length and that many bytes:

    deployment, signer, document, sequence, nonce, sha256

A cancellation has the domain tag ``strongroom cancellation v1`` and a zero byte, then five fields in the same way:

    deployment, signer, document, sequence, sha256

Texts are printable ASCII; ``sequence`` is unsigned, big-endian, without leading zero bytes; nonce and hash have 32
bytes. ``decode`` accepts only what ``encode`` makes. A signature is Ed25519 (RFC 8032) over these bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from strongroom_core.errors import InvalidValueError

STATEMENT_TAG: Final = b"strongroom statement v1\x00"
CANCELLATION_TAG: Final = b"strongroom cancellation v1\x00"
NONCE_BYTES: Final = 32
HASH_BYTES: Final = 32
MAX_SEQUENCE: Final = 2**63 - 1
MAX_ENCODED_BYTES: Final = 1024
_LENGTH_BYTES: Final = 4
_TEXTS: Final = {"deployment": re.compile(r"[\x21-\x7e]{1,64}"), "signer": re.compile(r"[\x21-\x7e]{1,32}")}


class InvalidStatementError(InvalidValueError):
    """A statement, or its bytes, that break the format."""

    code = "statement-malformed"


class Document(StrEnum):
    """What of a signer is changed by statements."""

    POLICY = "policy"
    MERCHANTS = "merchants"


@dataclass(frozen=True, slots=True)
class Statement:
    """Let the signer named ``signer`` of this deployment have the document whose file has this SHA-256.

    ``sequence`` is one more than that of the last statement which this signer took, and ``nonce`` is one that it
    issued itself, a day ago at most: a statement that was signed in advance cannot name either.
    """

    deployment: str
    signer: str
    document: Document
    sequence: int
    nonce: bytes
    sha256: bytes

    def __post_init__(self) -> None:
        """Refuse what cannot be encoded in exactly one way. Raises ``InvalidStatementError``."""
        _check(self)
        _check_bytes("nonce", self.nonce, NONCE_BYTES)

    def encode(self) -> bytes:
        """Give the canonical bytes that are signed."""
        return _join(STATEMENT_TAG, [*_head(self), self.nonce, self.sha256])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read canonical bytes; anything that ``encode`` would not have made raises ``InvalidStatementError``."""
        fields = _split(STATEMENT_TAG, data, 6)
        statement = cls(*_read_head(fields), nonce=fields[4], sha256=fields[5])
        _check_canonical(statement, data)
        return statement


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Let nothing come of the change of ``document`` that the signer announced under this sequence number."""

    deployment: str
    signer: str
    document: Document
    sequence: int
    sha256: bytes

    def __post_init__(self) -> None:
        """Refuse what cannot be encoded in exactly one way. Raises ``InvalidStatementError``."""
        _check(self)

    def encode(self) -> bytes:
        """Give the canonical bytes that are signed."""
        return _join(CANCELLATION_TAG, [*_head(self), self.sha256])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read canonical bytes; anything that ``encode`` would not have made raises ``InvalidStatementError``."""
        fields = _split(CANCELLATION_TAG, data, 5)
        cancellation = cls(*_read_head(fields), sha256=fields[4])
        _check_canonical(cancellation, data)
        return cancellation


def _head(item: Statement | Cancellation) -> list[bytes]:
    number = item.sequence.to_bytes((item.sequence.bit_length() + 7) // 8, "big")
    return [item.deployment.encode("ascii"), item.signer.encode("ascii"), item.document.encode("ascii"), number]


def _read_head(fields: list[bytes]) -> tuple[str, str, Document, int]:
    try:
        deployment, signer, document = (field.decode("ascii") for field in fields[:3])
        return deployment, signer, Document(document), int.from_bytes(fields[3], "big")
    except ValueError:
        message = "a text of the statement is not ASCII, or it is about no known document"
        raise InvalidStatementError(message) from None


def _check(item: Statement | Cancellation) -> None:
    for name, form in _TEXTS.items():
        if not form.fullmatch(getattr(item, name)):
            message = f"{name} must be a few printable ASCII characters without blanks"
            raise InvalidStatementError(message)
    if type(item.sequence) is not int or not 1 <= item.sequence <= MAX_SEQUENCE:
        message = "the sequence number is a positive integer"
        raise InvalidStatementError(message)
    _check_bytes("sha256", item.sha256, HASH_BYTES)


def _check_bytes(name: str, value: bytes, length: int) -> None:
    if len(value) != length:
        message = f"{name} has {length} bytes"
        raise InvalidStatementError(message)


def _check_canonical(item: Statement | Cancellation, data: bytes) -> None:
    if item.encode() != data:
        message = "the statement is not in its canonical form"
        raise InvalidStatementError(message)


def _join(tag: bytes, fields: list[bytes]) -> bytes:
    return tag + b"".join(len(field).to_bytes(_LENGTH_BYTES, "big") + field for field in fields)


def _split(tag: bytes, data: bytes, wanted: int) -> list[bytes]:
    if len(data) > MAX_ENCODED_BYTES or not data.startswith(tag):
        message = "these bytes do not start as a statement of this kind and version"
        raise InvalidStatementError(message)
    fields: list[bytes] = []
    position = len(tag)
    while position < len(data):
        start = position + _LENGTH_BYTES
        end = start + int.from_bytes(data[position:start], "big")
        if end > len(data):
            message = "the statement ends in the middle of a field"
            raise InvalidStatementError(message)
        fields.append(data[start:end])
        position = end
    if len(fields) != wanted:
        message = f"a statement of this kind has {wanted} fields, not {len(fields)}"
        raise InvalidStatementError(message)
    return fields
