"""How parties of a deployment speak: a frame is a length and a JSON object.

A frame is a 4-byte big-endian length and that many bytes of JSON (RFC 8259): an object whose ``kind`` names the
message. Bytes are lower-case hex, integers go from 0 to 2**63 - 1, texts hold no NUL and no half surrogate pair. One
request, one answer, in order, on one connection.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar, cast

from strongroom_core.errors import InvalidValueError
from strongroom_core.intents import SignedIntent

if TYPE_CHECKING:
    from collections.abc import Mapping

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


_Part = TypeVar("_Part", bound=Message)


def part(kind: type[_Part]) -> type[_Part]:
    """Let messages carry tuples of this record."""
    _READERS[f"tuple[{kind.__name__}, ...]"] = _read_many(_read_part(kind))
    return kind


def decode(data: bytes, kinds: Mapping[str, type[Message]]) -> Message:
    """Read one message of these kinds. Raises ``InvalidMessageError`` on anything that is not exactly one."""
    try:
        # Decoded first: json.loads would also take UTF-16, UTF-32 and a byte order mark.
        body = json.loads(data.decode(), object_pairs_hook=_unique)
    except InvalidMessageError:
        raise
    except (ValueError, RecursionError):
        message = "a message is a JSON object in UTF-8"
        raise InvalidMessageError(message) from None
    return _decode_object(body, kinds)


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


def _decode_object(body: object, kinds: Mapping[str, type[Message]]) -> Message:
    if not isinstance(body, dict):
        message = "a message is a JSON object"
        raise InvalidMessageError(message)
    rest = dict(body)
    kind = rest.pop("kind", None)
    message_type = kinds.get(kind) if isinstance(kind, str) else None
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


def _read_part(kind: type[Message]) -> Any:
    # Only this one kind, never _decode_object: rows nested in rows nested in rows would exhaust the stack.
    def part(value: object) -> Message:
        body = dict(cast("dict[str, Any]", value))
        if body.pop("kind", None) != kind.kind:
            raise TypeError
        return kind.parse(body)

    return part


_READERS: Final[dict[str, Any]] = {
    "str": _read_text,
    "int": _read_integer,
    "bool": _read_boolean,
    "bytes": _read_bytes,
    "SignedIntent": _read_intent,
    "tuple[SignedIntent, ...]": _read_many(_read_intent),
}
