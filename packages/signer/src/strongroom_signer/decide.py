"""One lock, and under it: judge, append, sync, sign, answer. A crash may waste a row; it never pays twice."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from strongroom_core.messages import (
    HaltRequest,
    JournalRequest,
    JournalRows,
    Message,
    Refused,
    SafeSigned,
    Signed,
    SignRequest,
    SignSafeRequest,
    Status,
    StatusRequest,
    Voided,
    VoidRequest,
)
from strongroom_core.refusals import RefusalTag
from strongroom_signer import records
from strongroom_signer.decode import decode
from strongroom_signer.errors import JournalBrokenError, RefusedError
from strongroom_signer.evidence import Terms, decode_intent, read_claim
from strongroom_signer.log import log
from strongroom_signer.model import Refusal
from strongroom_signer.rules import Case, judge
from strongroom_signer.safe_decode import decode_safe_tx
from strongroom_signer.safe_rules import SafeCase, judge_safe

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_core.intents import SignedIntent
    from strongroom_core.messages import JournalRow
    from strongroom_signer.books import Books
    from strongroom_signer.curve import PrivateNode
    from strongroom_signer.enrolment import Enrolment
    from strongroom_signer.journal import Journal
    from strongroom_signer.keyfile import OpenKey
    from strongroom_signer.model import Claim, DecodedSafeTx, DecodedTx
    from strongroom_signer.policy import ChainPolicy, Policy
    from strongroom_signer.psbt import Psbt
    from strongroom_signer.safe_policy import SafePolicy

# A block holds fewer payments; a request beyond it is a bug or an attack on our time.
MAX_INTENTS: Final = 2_000
MAX_ROWS: Final = 1_000
# Bodies travel as hex in one frame of 16 MiB; one more row than this always fits.
MAX_ROWS_BYTES: Final = 2 * 1024 * 1024
MAX_REQUEST_ID: Final = 64

Decided = SignRequest | SignSafeRequest | VoidRequest


@dataclass(slots=True)
class Signer:
    """Everything that a running signer holds. ``clock`` gives unix seconds."""

    key: OpenKey
    policy: Policy
    enrolment: Enrolment
    journal: Journal
    books: Books
    clock: Callable[[], int]
    broken: JournalBrokenError | None = None
    _accounts: dict[str, PrivateNode] = field(default_factory=dict)
    _owners: dict[str, PrivateNode] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Derive the account keys once."""
        self._accounts = {chain: self.key.account(chain) for chain in self.policy.chains}
        self._owners = {chain: self.key.owner(chain) for chain in self.policy.safes}

    def answer(self, message: Message) -> Message:
        """Give the one answer to one request; decisions are made one at a time."""
        if len(getattr(message, "request_id", "")) > MAX_REQUEST_ID:
            return Refused("", RefusalTag.REQUEST_MALFORMED.value, "a request id is too long", "")
        try:
            return self._answer(message)
        except sqlite3.Error as error:
            reason = self.broken.message if self.broken is not None else f"the journal cannot be read ({error})"
            return _refused(message, Refusal(RefusalTag.JOURNAL_BROKEN, reason))

    def _answer(self, message: Message) -> Message:
        match message:
            case SignRequest() | SignSafeRequest() | VoidRequest():
                return self._guarded(message)
            case HaltRequest():
                self.halt(message.reason, message.request_id)
                return self.status(message.request_id)
            case StatusRequest():
                return self.status(message.request_id)
            case JournalRequest():
                return self._rows(message)
            case _:
                return _refused(message, Refusal(RefusalTag.REQUEST_MALFORMED, "not a request to a signer"))

    def _guarded(self, message: Decided) -> Message:
        try:
            match message:
                case SignRequest():
                    return self._sign(message)
                case SignSafeRequest():
                    return self._sign_safe(message)
                case VoidRequest():
                    with self._lock:
                        return self._void(message)
        except RefusedError as error:
            refusal = Refusal(error.tag, error.reason, error.payout)
            with self._lock:
                if self.broken is None:
                    self._append(records.refused(self.clock(), message.request_id, _subject(message), refusal))
            return _refused(message, refusal)

    def _sign(self, request: SignRequest) -> Message:
        self._may_act(halted=self.books.halted)
        chain = self.policy.chains.get(request.chain)
        if chain is None:
            raise RefusedError(RefusalTag.CHAIN_UNKNOWN, f"{request.chain[:80]} is not in this signer's policy")
        # A PSBT can be made to take seconds, and needs no journal: a crowd of them must not keep a halt waiting.
        with self._reading:
            psbt, tx = decode(request.psbt, chain)
        with self._lock:
            now = self._may_act(halted=self.books.halted)
            row = self._row_of_version(request, tx) or self._decide(request, chain, tx, now)
            return Signed(request.request_id, self._signatures(request.chain, psbt, tx), row)

    def _sign_safe(self, request: SignSafeRequest) -> Message:
        self._may_act(halted=self.books.halted)
        chain = self.policy.safes.get(request.chain)
        if chain is None:
            raise RefusedError(RefusalTag.CHAIN_UNKNOWN, f"{request.chain[:80]} is no EVM chain of this policy")
        with self._reading:
            tx = decode_safe_tx(request.safe_tx, chain)
        with self._lock:
            now = self._may_act(halted=self.books.halted)
            row = self._row_of_version(request, tx) or self._decide_safe(request, chain, tx, now)
            signature = self._owners[request.chain].sign_recoverable(bytes.fromhex(tx.txid[2:]))
            return SafeSigned(request.request_id, signature, row)

    def _row_of_version(self, request: SignRequest | SignSafeRequest, tx: DecodedTx | DecodedSafeTx) -> int:
        """Give the row that decided on this very chain tx, or 0: the same bytes are not judged or counted again."""
        version = self.books.versions.get((request.chain, tx.txid))
        if version is None:
            return 0
        hashes = [hashlib.sha256(item.intent).hexdigest() for item in request.evidence]
        if len(hashes) != len(version.intents) or set(hashes) != version.intents:
            reason = f"this chain tx was signed for other intents (journal row {version.row})"
            raise RefusedError(RefusalTag.SLOT_PAYMENTS, reason)
        return version.row

    def _decide(self, request: SignRequest, chain: ChainPolicy, tx: DecodedTx, now: int) -> int:
        claims = self._claims(request, Terms(self.policy.deployment, chain.parameters, {chain.parameters.asset.id}))
        case = Case(now, self.policy.limits, self.books, claims, chain, tx)
        _raise(judge(case))
        return self._append(records.signed(case, request))

    def _decide_safe(self, request: SignSafeRequest, chain: SafePolicy, tx: DecodedSafeTx, now: int) -> int:
        claims = self._claims(request, Terms(self.policy.deployment, chain.parameters, chain.tokens.values()))
        case = SafeCase(now, self.policy.limits, self.books, claims, chain, tx)
        _raise(judge_safe(case))
        return self._append(records.safe_signed(case, request))

    def _claims(self, request: SignRequest | SignSafeRequest, terms: Terms) -> tuple[Claim, ...]:
        if len(request.evidence) > MAX_INTENTS:
            raise RefusedError(RefusalTag.REQUEST_MALFORMED, f"a request holds at most {MAX_INTENTS} intents")
        return tuple(read_claim(item, terms, self.enrolment) for item in request.evidence)

    def _signatures(self, chain: str, psbt: Psbt, tx: DecodedTx) -> bytes:
        keys = [self._accounts[chain].derive((item.place.branch, item.place.index)) for item in tx.inputs]
        digests = [psbt.tx.digest(at, item.witness_script, item.amount) for at, item in enumerate(tx.inputs)]
        signatures = [key.sign(digest) for key, digest in zip(keys, digests, strict=True)]
        return psbt.with_signatures([key.public().public_key for key in keys], signatures)

    def _void(self, request: VoidRequest) -> Message:
        # Any bytes may be voided: the promise only forbids, and a hold on what we would refuse must find its end.
        now = self._may_act(halted=False)
        digest = hashlib.sha256(request.evidence.intent).digest()
        payout = _payout(request.evidence)
        signed = self.books.signed_rows.get(digest.hex())
        if signed is not None:
            reason = f"the intent was signed in journal row {signed}; it can still be paid"
            raise RefusedError(RefusalTag.INTENT_SIGNED, reason, payout)
        row = self.books.void_rows.get(digest.hex())
        if row is None:
            row = self._append(records.voided(now, request.request_id, digest, payout))
        return Voided(request.request_id, digest, row)

    def _may_act(self, *, halted: bool) -> int:
        now = self.clock()
        if self.broken is not None:
            raise RefusedError(RefusalTag.JOURNAL_BROKEN, self.broken.message)
        if halted:
            raise RefusedError(RefusalTag.HALTED, f"signing is halted: {self.books.halt_reason}")
        if now < self.books.last_at:
            reason = f"this host's clock says {now}, before the journal's last row at {self.books.last_at}"
            raise RefusedError(RefusalTag.CLOCK, reason)
        return now

    def halt(self, reason: str, request_id: str) -> None:
        """Stop signing, now and after every restart; a halt that stands is not written twice."""
        with self._lock:
            if not self.books.halted and self.broken is None:
                row = self._append(records.halted(self.clock(), reason or "no reason given", request_id))
                log("halted", request=request_id, row=row)

    def resume(self) -> int:
        """Let signing go on and give the row that says so; who calls has seen the passphrase or its ticket."""
        with self._lock:
            return self._append(records.resumed(self.clock(), self.books.halt_row))

    def enrol(self, enrolment: Enrolment, text: bytes) -> None:
        """Use these merchants from now on; a change is journalled first."""
        with self._lock:
            if hashlib.sha256(text).hexdigest() != self.books.enrolment_hash:
                self._append(records.enrolment_row(self.clock(), text))
            self.enrolment = enrolment

    def status(self, request_id: str) -> Status:
        """Say how it is."""
        broken = self.broken.message if self.broken is not None else ""
        with self._lock:
            return Status(
                request_id=request_id,
                signer=self.key.name,
                fingerprint=self.key.master.fingerprint,
                halted=self.books.halted or bool(broken),
                halt_reason=broken or self.books.halt_reason,
                rows=self.journal.count,
                head=self.journal.head,
                policy_hash=self.policy.hash,
                now=self.clock(),
            )

    def _rows(self, request: JournalRequest) -> JournalRows:
        rows: list[JournalRow] = []
        size = 0
        with self._lock:
            for row in self.journal.rows(max(request.first, 1), min(max(request.limit, 0), MAX_ROWS)):
                rows.append(row)
                size += len(row.body)
                if size > MAX_ROWS_BYTES:
                    break
        return JournalRows(request.request_id, tuple(rows))

    def _append(self, body: records.Body) -> int:
        with self._lock:
            try:
                row = self.journal.append(body)
            except sqlite3.Error as error:
                # What the disk holds is unknown now; only a start that reads it from row 1 may sign again.
                self.broken = JournalBrokenError(self.journal.count + 1, f"it could not be written ({error})")
                raise
            self.books.apply(row, body)
            return row


def _subject(message: Decided) -> bytes:
    """Give the bytes that a refusal is about."""
    match message:
        case SignRequest():
            return message.psbt
        case SignSafeRequest():
            return message.safe_tx
        case VoidRequest():
            return message.evidence.intent


def _raise(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise RefusedError(refusal.tag, refusal.reason, refusal.payout)


def _payout(evidence: SignedIntent) -> str:
    try:
        return decode_intent(evidence).payout
    except RefusedError:
        return ""


def _refused(message: Message, refusal: Refusal) -> Refused:
    request_id = getattr(message, "request_id", "")
    return Refused(request_id, refusal.tag.value, refusal.reason[: records.MAX_TEXT], refusal.payout)
