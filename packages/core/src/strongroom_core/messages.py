"""What the platform asks a signer, and what it answers.

The signer believes none of it: a message carries evidence, and the signer decides from the evidence, its own policy and
its own journal. How messages travel: ``strongroom_core.wire``; all kinds together: ``strongroom_core.protocol``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from strongroom_core.intents import SignedIntent
from strongroom_core.wire import Message, part

# 2**256 - 1 has 78 digits.
_UNITS: Final = re.compile("0|[1-9][0-9]{0,77}", re.ASCII)


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


@part
@dataclass(frozen=True, slots=True)
class DrawLimit(Message):
    """What the policy lets a rolling day draw from a cold Safe; only ever part of a ``Status``.

    ``asset`` is a CAIP-19 id; ``per_day`` is base units in decimal digits, since wei need more than 63 bits.
    """

    kind: ClassVar[str] = "draw-limit"
    asset: str
    per_day: str

    def __post_init__(self) -> None:
        """Refuse what is no number of base units. Raises ``ValueError``."""
        if not _UNITS.fullmatch(self.per_day):
            raise ValueError


@part
@dataclass(frozen=True, slots=True)
class PendingChange(Message):
    """A change that loosens, announced, and in force from ``effective_at`` (unix seconds) on; part of a ``Status``.

    ``document`` is "policy" or "merchants"; ``sequence`` is that of its statement, ``sha256`` that of its whole text,
    which stands in the journal.
    """

    kind: ClassVar[str] = "pending-change"
    document: str
    sequence: int
    effective_at: int
    sha256: bytes


@part
@dataclass(frozen=True, slots=True)
class Holding(Message):
    """What another host is known to hold of this signer's journal; part of a ``Status``.

    ``role`` is "peer" or "witness"; ``lag`` counts the rows that it is not known to hold; ``trouble`` says why it could
    not be asked or brought more, or nothing.
    """

    kind: ClassVar[str] = "holding"
    role: str
    name: str
    lag: int
    trouble: str


@dataclass(frozen=True, slots=True)
class Status(Message):
    """The signer's state; the answer to a halt too.

    ``rows`` counts journal rows and ``head`` is the SHA-256 chain head; ``policy_hash`` names the policy file in force;
    ``fingerprint`` is the BIP 32 fingerprint of its master key; ``now`` is its clock in unix seconds. ``draws`` has a
    limit for every asset of an EVM chain, so that it can be compared with the chain's own. ``enrolment_hash`` names
    the merchants' file in force (empty before the first), ``pending`` what waits out its time-lock, ``holdings``
    who else keeps this journal.
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
    draws: tuple[DrawLimit, ...] = ()
    enrolment_hash: bytes = b""
    pending: tuple[PendingChange, ...] = ()
    holdings: tuple[Holding, ...] = ()


@dataclass(frozen=True, slots=True)
class JournalRequest(Message):
    """Please send journal rows from number ``first`` on (the first row is 1), at most ``limit``."""

    kind: ClassVar[str] = "journal"
    request_id: str
    first: int
    limit: int


@part
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
