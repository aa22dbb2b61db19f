"""May this change be made, and when? The operators' signed statements, judged against the journal.

Each ``judge_…`` function is pure but for the nonce that it makes: from what the journal says and the time to the row
that is written next, or to an error with a stable code; where it raises, nothing has changed.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from strongroom_core.intents import PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from strongroom_core.statements import NONCE_BYTES, Cancellation, Document, InvalidStatementError, Statement
from strongroom_signer import change_errors as errors
from strongroom_signer import records
from strongroom_signer.changes import compare
from strongroom_signer.enrolment import parse_enrolment, render
from strongroom_signer.pending import Announcement
from strongroom_signer.policy import parse_policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from strongroom_signer.books import Books
    from strongroom_signer.policy import Policy

#: A nonce is for a statement that is made now; what was signed earlier than this was signed in advance.
NONCE_SECONDS: Final = 86_400
OPENED_KEY: Final = "passphrase"
OPERATORS_CHANGED: Final = "those who signed it are no longer enough operators"
_EMPTY: Final = render({})


@dataclass(frozen=True, slots=True)
class Signed:
    """Canonical bytes of a statement or a cancellation, and signatures (64 bytes) on them by public key (32 bytes)."""

    data: bytes
    signatures: dict[bytes, bytes]

    def encode(self) -> dict[str, Any]:
        """Give it as it stands in a file and in a journal row."""
        signatures = [{"key": key.hex(), "signature": item.hex()} for key, item in self.signatures.items()]
        return {"statement": self.data.hex(), "signatures": signatures}

    def signers(self, operators: Iterable[bytes]) -> list[bytes]:
        """Give those of the operators whose signature verifies (Ed25519, RFC 8032)."""
        return [key for key in operators if key in self.signatures and _verifies(key, self.data, self.signatures[key])]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A whole new document, and who wants it; nobody has to where the policy asks for no operators."""

    document: Document
    text: bytes
    signed: Signed | None = None


def read_signed(files: Sequence[bytes]) -> Signed | None:
    """Read statement files, all of the same statement, as one. Raises ``InvalidStatementError``."""
    if not files:
        return None
    parts = [_read_file(file) for file in files]
    if len({part.data for part in parts}) != 1:
        message = "these are files of different statements; all operators sign the same one"
        raise InvalidStatementError(message)
    return Signed(parts[0].data, {key: item for part in parts for key, item in part.signatures.items()})


def read_document(document: Document, text: bytes) -> None:
    """Refuse a text that is no such document. Raises ``PolicyError``, ``EnrolmentError``."""
    if document is Document.POLICY:
        parse_policy(text)
    else:
        parse_enrolment(text)


def in_force(books: Books, document: Document) -> bytes:
    """Give the document in force; before the first merchants' file, one without merchants."""
    text = books.changes.texts.get(document)
    return _EMPTY if text is None else text.encode("utf-8")


def judge_challenge(books: Books, now: int) -> records.Body:
    """Issue a nonce."""
    del books
    return records.challenge(now, secrets.token_hex(NONCE_BYTES))


def judge_proposal(books: Books, now: int, proposal: Proposal) -> records.Body:
    """Give the row that puts the document in force, or that announces it. Raises ``StatementError`` and others."""
    policy = parse_policy(in_force(books, Document.POLICY))
    evidence = _evidence(books, policy, now, proposal)
    read_document(proposal.document, proposal.text)
    if proposal.document is Document.POLICY:
        _check_time_lock(books, parse_policy(proposal.text))
    differences = compare(proposal.document, in_force(books, proposal.document), proposal.text)
    loose = [item.path for item in differences if item.loosens]
    if loose and policy.trust.time_lock_seconds:
        effective_at = now + policy.trust.time_lock_seconds
        return records.announced(now, proposal.document, proposal.text, effective_at, loose) | evidence
    return _in_force_row(now, proposal.document, proposal.text) | evidence


def judge_cancellation(books: Books, now: int, document: Document, signed: Signed | None) -> records.Body:
    """Give the row that cancels; without ``signed`` the caller has seen the passphrase. Raises ``StatementError``."""
    waiting = books.changes.pending.get(document)
    if waiting is None:
        message = f"no change of {document} waits"
        raise errors.NothingPendingError(message)
    if signed is None:
        return records.cancelled(now, document, waiting.sequence, OPENED_KEY)
    policy = parse_policy(in_force(books, Document.POLICY))
    wanted = Cancellation(
        policy.deployment, books.name, document, waiting.sequence, bytes.fromhex(waiting.sha256)
    ).encode()
    if signed.data != wanted:
        message = f"the cancellation is not of what waits: change {waiting.sequence} of {document}, {waiting.sha256}"
        raise errors.OtherChangeError(message)
    signers = signed.signers(policy.trust.operators)
    if not signers:
        message = "the cancellation is signed by no operator of the policy in force"
        raise errors.OperatorsMissingError(message)
    return records.cancelled(now, document, waiting.sequence, signers[0].hex()) | signed.encode()


def judge_due(books: Books, now: int) -> records.Body | None:
    """Give the row that puts in force what has waited long enough, the earliest first, or nothing."""
    # A clock that was set back decides nothing: what was due once is due again only when it is that time again.
    waiting = [item for item in books.changes.pending.values() if item.effective_at <= now and now >= books.last_at]
    if not waiting:
        return None
    first = min(waiting, key=lambda item: (item.effective_at, item.row))
    if not _still_wanted(books, first):
        return records.cancelled(now, first.document, first.sequence, OPERATORS_CHANGED)
    return _in_force_row(now, first.document, first.text.encode("utf-8")) | {"sequence": first.sequence}


def _still_wanted(books: Books, waiting: Announcement) -> bool:
    """Whether its signers are still enough: who was put out of office meanwhile loosens nothing any more."""
    trust = parse_policy(in_force(books, Document.POLICY)).trust
    left = {key.hex() for key in trust.operators} & set(waiting.signers)
    return len(left) >= trust.operator_quorum


def _evidence(books: Books, policy: Policy, now: int, proposal: Proposal) -> records.Body:
    quorum = policy.trust.operator_quorum
    if not quorum and proposal.signed is None:
        return {"sequence": books.changes.sequence + 1, "nonce": "", "statement": "", "signatures": []}
    if proposal.signed is None:
        message = f"the policy asks for a statement signed by {quorum} operator(s); see `challenge` and `operator sign`"
        raise errors.StatementMissingError(message)
    statement = Statement.decode(proposal.signed.data)
    _check_subject(statement, policy.deployment, books.name, proposal)
    signers = proposal.signed.signers(policy.trust.operators)
    if len(signers) < max(quorum, 1):
        message = f"{len(signers)} operator(s) of the policy in force signed the statement, and {max(quorum, 1)} must"
        raise errors.OperatorsMissingError(message)
    _check_fresh(statement, books, now)
    # What else was in the files is nobody's word, and does not belong into the journal.
    kept = Signed(proposal.signed.data, {key: proposal.signed.signatures[key] for key in signers})
    return {"sequence": statement.sequence, "nonce": statement.nonce.hex(), **kept.encode()}


def _check_subject(statement: Statement, deployment: str, signer: str, proposal: Proposal) -> None:
    if statement.deployment != deployment:
        message = f"the statement is for the deployment {statement.deployment}, and this is {deployment}"
        raise errors.OtherDeploymentError(message)
    if statement.signer != signer:
        message = f"the statement is for the signer {statement.signer}, and this is {signer}"
        raise errors.OtherSignerError(message)
    if statement.document is not proposal.document:
        message = f"the statement is about {statement.document}, and this is a file of {proposal.document}"
        raise errors.OtherDocumentError(message)
    digest = hashlib.sha256(proposal.text).digest()
    if statement.sha256 != digest:
        message = f"the statement is for the file {statement.sha256.hex()}, and this one is {digest.hex()}"
        raise errors.OtherTextError(message)


def _check_fresh(statement: Statement, books: Books, now: int) -> None:
    wanted = books.changes.sequence + 1
    if statement.sequence != wanted:
        message = f"the statement has the sequence number {statement.sequence}, and the next one is {wanted}"
        raise errors.SequenceError(message)
    issued_at = books.changes.nonces.get(statement.nonce.hex())
    if issued_at is None:
        message = "the statement's nonce is none that this signer issued and that was not used; ask it for a challenge"
        raise errors.NonceUnknownError(message)
    if now - issued_at > NONCE_SECONDS:
        message = f"the statement's nonce was issued {now - issued_at} s ago; ask for a new challenge and sign again"
        raise errors.NonceExpiredError(message)


def _check_time_lock(books: Books, proposed: Policy) -> None:
    """No policy may make the time-lock shorter than genesis did: else one wait would buy the end of all waits."""
    least = parse_policy(books.changes.genesis.encode("utf-8")).trust.time_lock_seconds
    if proposed.trust.time_lock_seconds < least:
        message = f"time_lock_seconds may never be less than at genesis: {least}"
        raise errors.TimeLockError(message)


def _in_force_row(now: int, document: Document, text: bytes) -> records.Body:
    if document is Document.POLICY:
        return records.policy_row(now, parse_policy(text), text)
    return records.enrolment_row(now, text)


def _verifies(key: bytes, data: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(key).verify(data, signature)
    except CryptoError:
        return False
    return True


def _read_file(file: bytes) -> Signed:
    try:
        body = json.loads(file)
        data = bytes.fromhex(body["statement"])
        found = {bytes.fromhex(item["key"]): bytes.fromhex(item["signature"]) for item in body["signatures"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        message = "a statement file is what `strongroom-signer operator sign` wrote"
        raise InvalidStatementError(message) from None
    if any(len(key) != PUBLIC_KEY_BYTES or len(item) != SIGNATURE_BYTES for key, item in found.items()):
        message = "an Ed25519 public key has 32 bytes and a signature 64"
        raise InvalidStatementError(message)
    return Signed(data, found)
