"""What signers tell each other and their witness: the rows of their journals, and what is held of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from strongroom_core.messages import JournalRow
from strongroom_core.wire import Message


@dataclass(frozen=True, slots=True)
class PushRequest(Message):
    """Rows of ``owner``'s journal for its peer or witness to keep, in order.

    ``signature`` is the owner's (Ed25519, its identity key) over the head after the last of them, as
    ``strongroom_core.heads`` writes it.
    """

    kind: ClassVar[str] = "push"
    request_id: str
    owner: str
    rows: tuple[JournalRow, ...]
    signature: bytes


@dataclass(frozen=True, slots=True)
class HeadRequest(Message):
    """What do you hold of ``owner``'s journal?"""

    kind: ClassVar[str] = "head"
    request_id: str
    owner: str


@dataclass(frozen=True, slots=True)
class HeadIs(Message):
    """What is held of ``owner``'s journal: so many rows, the head after them, and the owner's signature on it.

    The rest is about who answers: the hashes of the policy and the enrolment in force there, and its clock in unix
    seconds (zero bytes and its clock for a witness).
    """

    kind: ClassVar[str] = "head-is"
    request_id: str
    owner: str
    rows: int
    head: bytes
    signature: bytes
    policy_hash: bytes
    enrolment_hash: bytes
    now: int


@dataclass(frozen=True, slots=True)
class CopyRequest(Message):
    """Please send the rows that you hold of ``owner``'s journal; answered like a ``JournalRequest``."""

    kind: ClassVar[str] = "copy"
    request_id: str
    owner: str
    first: int
    limit: int
