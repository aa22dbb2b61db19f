"""What platform and signer say to each other, and how it travels.

A frame is a 4-byte big-endian length and that many bytes of JSON (RFC 8259): an object whose ``kind`` names the
message. Bytes are lower-case hex, integers go from 0 to 2**63 - 1, texts hold no NUL and no half surrogate pair. One
request, one answer, in order, on one connection. The signer believes none of it: a message carries evidence, and the
signer decides from the evidence, its own policy and its own journal.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Self, cast

from strongroom_core.errors import InvalidValueError
from strongroom_core.intents import SignedIntent

MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
LENGTH_BYTES: Final = 4
MAX_INTEGER: Final = 2**63 - 1
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class InvalidMessageError(InvalidValueError):
    """Bytes that are no message of this protocol."""

    code = "request-malformed"


@dataclass(frozen=True, slots=True)
class Message:
    """The base: subclasses are flat records of text, integers, booleans, bytes and tuples of records."""

    kind: ClassVar[str]

    def encode(self) -> bytes:
        """Give the JSON bytes, without the length in front."""
        return json.dumps(_plain(self), separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Build the message from its JSON object. Raises ``InvalidMessageError``."""
        names = {field.name: field for field in fields(cls)}
        if set(body) != set(names):
            message = f"a {cls.kind} message has exactly the fields {', '.join(sorted(names))}"
            raise InvalidMessageError(message)
        return cls(**{name: _typed(str(field.type), body[name], name) for name, field in names.items()})


@dataclass(frozen=True, slots=True)
class SignRequest(Message):
    """Please add your signatures to this PSBT (BIP 174, version 0).

    ``chain`` is a CAIP-2 id; ``evidence`` holds every intent that the outputs pay, in any order; empty for a sweep or a
    consolidation, whose outputs are all our own.
    """

    kind: ClassVar[str] = "sign"
    request_id: str
    chain: str
    psbt: bytes
    evidence: tuple[SignedIntent, ...]


@dataclass(frozen=True, slots=True)
class Signed(Message):
    """The same PSBT with this signer's partial signatures; ``row`` is the journal row that holds the decision."""

    kind: ClassVar[str] = "signed"
    request_id: str
    psbt: bytes
    row: int


@dataclass(frozen=True, slots=True)
class SignSafeRequest(Message):
    """Please sign this Safe transaction (``SafeTx.encode()``, see ``strongroom_core.evm``).

    ``chain`` is a CAIP-2 id; ``evidence`` holds every intent that it pays, in any order; empty for a sweep to the cold
    Safe, a draw alone, or the cancellation of a nonce.
    """

    kind: ClassVar[str] = "sign-safe"
    request_id: str
    chain: str
    safe_tx: bytes
    evidence: tuple[SignedIntent, ...]


@dataclass(frozen=True, slots=True)
class SafeSigned(Message):
    """This owner's signature: 65 bytes, r ‖ s ‖ v with v 27 or 28, over the safeTxHash; ``row`` as in ``Signed``."""

    kind: ClassVar[str] = "safe-signed"
    request_id: str
    signature: bytes
    row: int


@dataclass(frozen=True, slots=True)
class Refused(Message):
    """No: ``tag`` is a ``RefusalTag``, ``reason`` a sentence, ``payout`` the payout at fault or empty."""

    kind: ClassVar[str] = "refused"
    request_id: str
    tag: str
    reason: str
    payout: str


@dataclass(frozen=True, slots=True)
class VoidRequest(Message):
    """Please promise never to sign this intent (the platform releases its hold only on that promise)."""

    kind: ClassVar[str] = "void"
    request_id: str
    evidence: SignedIntent


@dataclass(frozen=True, slots=True)
class Voided(Message):
    """Journalled in ``row``: this signer will never sign the intent. Asked again, the same row is named again."""

    kind: ClassVar[str] = "voided"
    request_id: str
    intent_hash: bytes
    row: int


@dataclass(frozen=True, slots=True)
class HaltRequest(Message):
    """Stop signing at once; anyone may ask. Only a hand on the signer's own host resumes."""

    kind: ClassVar[str] = "halt"
    request_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class StatusRequest(Message):
    """How are you?"""

    kind: ClassVar[str] = "status"
    request_id: str


@dataclass(frozen=True, slots=True)
class Status(Message):
    """The signer's state; the answer to a halt too.

    ``rows`` counts journal rows and ``head`` is the SHA-256 chain head; ``policy_hash`` names the policy file in force;
    ``fingerprint`` is the BIP 32 fingerprint of its master key; ``now`` is its clock in unix seconds.
    """

    kind: ClassVar[str] = "status-is"
    request_id: str
    signer: str
    fingerprint: bytes
    halted: bool
    halt_reason: str
    rows: int
    head: bytes
    policy_hash: bytes
    now: int


@dataclass(frozen=True, slots=True)
class JournalRequest(Message):
    """Please send journal rows from number ``first`` on (the first row is 1), at most ``limit``."""

    kind: ClassVar[str] = "journal"
    request_id: str
    first: int
    limit: int


@dataclass(frozen=True, slots=True)
class JournalRow(Message):
    """One row: ``hash`` = SHA-256(``previous`` ‖ number as 8 bytes ‖ ``body``); ``body`` is canonical JSON."""

    kind: ClassVar[str] = "row"
    number: int
    previous: bytes
    body: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class JournalRows(Message):
    """Rows in order; fewer than asked for when the journal ends there."""

    kind: ClassVar[str] = "rows"
    request_id: str
    rows: tuple[JournalRow, ...]


_KINDS: Final[dict[str, type[Message]]] = {
    message.kind: message
    for message in (
        SignRequest,
        Signed,
        SignSafeRequest,
        SafeSigned,
        Refused,
        VoidRequest,
        Voided,
        HaltRequest,
        StatusRequest,
        Status,
        JournalRequest,
        JournalRow,
        JournalRows,
    )
}


def decode_message(data: bytes) -> Message:
    """Read one message. Raises ``InvalidMessageError`` on anything that is not exactly one."""
    try:
        # Decoded first: json.loads would also take UTF-16, UTF-32 and a byte order mark.
        body = json.loads(data.decode(), object_pairs_hook=_unique)
    except InvalidMessageError:
        raise
    except (ValueError, RecursionError):
        message = "a message is a JSON object in UTF-8"
        raise InvalidMessageError(message) from None
    return _decode_object(body)


def frame(message: Message) -> bytes:
    """Put the length in front. Raises ``InvalidMessageError`` where it is too long to send."""
    data = message.encode()
    if len(data) > MAX_FRAME_BYTES:
        text = f"a message has at most {MAX_FRAME_BYTES} bytes"
        raise InvalidMessageError(text)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def frame_length(header: bytes) -> int:
    """Read a frame's length from its first four bytes. Raises ``InvalidMessageError`` where it is over the limit."""
    length = int.from_bytes(header, "big")
    if len(header) != LENGTH_BYTES or not 0 < length <= MAX_FRAME_BYTES:
        text = f"a frame has 1 to {MAX_FRAME_BYTES} bytes"
        raise InvalidMessageError(text)
    return length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        message = "a key stands twice in one object"
        raise InvalidMessageError(message)
    return body


def _decode_object(body: object) -> Message:
    if not isinstance(body, dict):
        message = "a message is a JSON object"
        raise InvalidMessageError(message)
    rest = dict(body)
    kind = rest.pop("kind", None)
    message_type = _KINDS.get(kind) if isinstance(kind, str) else None
    if message_type is None:
        message = "a message of an unknown kind"
        raise InvalidMessageError(message)
    return message_type.parse(rest)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, SignedIntent):
        return {"intent": value.intent.hex(), "public_key": value.public_key.hex(), "signature": value.signature.hex()}
    if isinstance(value, Message):
        return {"kind": value.kind} | {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def _typed(annotation: str, value: object, name: str) -> object:
    try:
        return _READERS[annotation](value)
    except (KeyError, TypeError, ValueError, AttributeError):
        message = f"{name} is not of the form {annotation}"
        raise InvalidMessageError(message) from None


def _read_text(value: object) -> str:
    # Half a surrogate pair and NUL are legal in JSON, and crash the UTF-8 and the databases behind us.
    if type(value) is not str or _UNSTORABLE.search(value):
        raise TypeError
    return value


def _read_integer(value: object) -> int:
    # What SQLite and PostgreSQL hold; and none of our numbers counts below zero, where a LIMIT would mean "all".
    if type(value) is not int or not 0 <= value <= MAX_INTEGER:
        raise TypeError
    return value


def _read_boolean(value: object) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


def _read_bytes(value: object) -> bytes:
    text = cast("str", value)
    data = bytes.fromhex(text)
    # fromhex takes blanks and capitals; one value has one spelling here.
    if data.hex() != text:
        raise ValueError
    return data


def _read_intent(value: object) -> SignedIntent:
    body = cast("dict[str, str]", value)
    if set(body) != {"intent", "public_key", "signature"}:
        raise ValueError
    return SignedIntent(**{key: _read_bytes(text) for key, text in body.items()})


def _read_many(read: Any) -> Any:
    def many(value: object) -> tuple[object, ...]:
        if type(value) is not list:
            raise TypeError
        return tuple(read(item) for item in value)

    return many


def _read_row(value: object) -> JournalRow:
    # Only this one kind, never _decode_object: rows nested in rows nested in rows would exhaust the stack.
    body = dict(cast("dict[str, Any]", value))
    if body.pop("kind", None) != JournalRow.kind:
        raise TypeError
    return JournalRow.parse(body)


_READERS: Final[dict[str, Any]] = {
    "str": _read_text,
    "int": _read_integer,
    "bool": _read_boolean,
    "bytes": _read_bytes,
    "SignedIntent": _read_intent,
    "tuple[SignedIntent, ...]": _read_many(_read_intent),
    "tuple[JournalRow, ...]": _read_many(_read_row),
}
