"""One lock, and under it: judge, append, sync, sign, answer. A crash may waste a row; it never pays twice."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from strongroom_core.messages import (
    DrawLimit,
    HaltRequest,
    JournalRequest,
    PendingChange,
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
from strongroom_core.proof_messages import (
    AttestRequest,
    BooksRequest,
    Converted,
    ConvertRequest,
    ProveConflictsRequest,
    ProveExecutionsRequest,
    ProveReceiptsRequest,
    ProveTxsRequest,
)
from strongroom_core.refusals import RefusalTag
from strongroom_core.statements import Document
from strongroom_core.wire import Message
from strongroom_signer import records
from strongroom_signer.attest import attest
from strongroom_signer.books import ENROLMENT, POLICY
from strongroom_signer.conversions import ConversionCase, decode_order, judge_conversion
from strongroom_signer.decode import decode
from strongroom_signer.enrolment import parse_enrolment
from strongroom_signer.errors import NotJudgedError, RefusedError
from strongroom_signer.evidence import Terms, decode_intent, read_claims
from strongroom_signer.guard import may_write
from strongroom_signer.log import log
from strongroom_signer.memory import Memory
from strongroom_signer.model import Refusal
from strongroom_signer.policy import parse_policy
from strongroom_signer.proofs import MAX_PROOFS
from strongroom_signer.reorgs import MAX_FINAL, Watch, seen
from strongroom_signer.requests import book_proofs, page_of_balances, proven_rows, read_proofs
from strongroom_signer.rules import Case, judge
from strongroom_signer.safe_decode import decode_safe_tx
from strongroom_signer.safe_rules import SafeCase, judge_safe
from strongroom_signer.statements import in_force

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from strongroom_core.intents import SignedIntent
    from strongroom_signer.curve import PrivateNode
    from strongroom_signer.model import Claim, DecodedSafeTx, DecodedTx
    from strongroom_signer.policy import ChainPolicy
    from strongroom_signer.psbt import Psbt
    from strongroom_signer.requests import ProofRequest
    from strongroom_signer.safe_policy import SafePolicy
    from strongroom_signer.views import View

# A block holds fewer payments; a request beyond it is a bug or an attack on our time.
MAX_INTENTS: Final = 2_000
MAX_REQUEST_ID: Final = 64
# Proofs and addresses take seconds and megabytes each: no more of them at once, however many connections ask.
MAX_AT_ONCE: Final = 2

Decided = SignRequest | SignSafeRequest | VoidRequest | ConvertRequest


Asked = TypeVar("Asked", bound=Message)


@dataclass(slots=True)
class Signer(Memory):
    """A memory that decides and signs."""

    _accounts: dict[str, PrivateNode] = field(default_factory=dict)
    _watches: dict[str, Watch] = field(default_factory=dict)
    _looked: dict[str, tuple[int, bytes | None, int]] = field(default_factory=dict)
    _owners: dict[str, PrivateNode] = field(default_factory=dict)
    _reading: threading.Lock = field(default_factory=threading.Lock)
    # Not the lock above: proofs may wait for this signer's own nodes, and a decision's chain tx must not wait for them.
    _proving: threading.Semaphore = field(default_factory=lambda: threading.BoundedSemaphore(MAX_AT_ONCE))

    def __post_init__(self) -> None:
        """Derive the account keys once."""
        self._derive()

    def _derive(self) -> None:
        self._accounts = {chain: self.key.account(chain) for chain in self.policy.chains}
        self._owners = {chain: self.key.owner(chain) for chain in self.policy.safes}

    def answer(self, message: Message) -> Message:
        """Give the one answer to one request; decisions are made one at a time."""
        if len(getattr(message, "request_id", "")) > MAX_REQUEST_ID:
            return Refused("", RefusalTag.REQUEST_MALFORMED.value, "a request id is too long", "")
        try:
            self.advance()
            return self._answer(message)
        except sqlite3.Error as error:
            reason = self.broken.message if self.broken is not None else f"the journal cannot be read ({error})"
            return _refused(message, Refusal(RefusalTag.JOURNAL_BROKEN, reason))

    def _answer(self, message: Message) -> Message:
        match message:
            case SignRequest() | SignSafeRequest() | VoidRequest() | ConvertRequest():
                return self._guarded(message)
            case ProveTxsRequest() | ProveReceiptsRequest() | ProveConflictsRequest() | ProveExecutionsRequest():
                return self._unwritten(message, self._prove)
            case AttestRequest():
                return self._unwritten(message, self._attest)
            case HaltRequest():
                self.halt(message.reason, message.request_id)
                return self.status(message.request_id)
            case _:
                return self._tell(message)

    def _tell(self, message: Message) -> Message:
        match message:
            case BooksRequest():
                with self._lock:
                    return page_of_balances(message, self.books, self.journal.count, binding=self._binding)
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
                case ConvertRequest():
                    return self._convert(message)
                case VoidRequest():
                    with self._lock:
                        return self._void(message)
        except RefusedError as error:
            refusal = Refusal(error.tag, error.reason, error.payout)
            with self._lock:
                if self.broken is None and not isinstance(error, NotJudgedError) and may_write(self):
                    self._append(records.refused(self.clock(), message.request_id, _subject(message), refusal))
            return _refused(message, refusal)

    def _sign(self, request: SignRequest) -> Message:
        self._may_act(halted=self.books.halted, agree=True)
        chain = self.policy.chains.get(request.chain)
        if chain is None:
            raise RefusedError(RefusalTag.CHAIN_UNKNOWN, f"{request.chain[:80]} is not in this signer's policy")
        # A PSBT can be made to take seconds, and needs no journal: a crowd of them must not keep a halt waiting.
        with self._reading:
            psbt, tx = decode(request.psbt, chain)
        with self._lock:
            now = self._may_act(halted=self.books.halted, agree=True)
            if self.policy.chains.get(request.chain) is not chain:
                return self._sign(request)  # another policy came into force while this was read
            self._follow_chain(request.chain)
            row = self._row_of_version(request, tx) or self._decide(request, chain, tx, now)
            self._confirm(signing=True)
            return Signed(request.request_id, self._signatures(request.chain, psbt, tx), row)

    def _sign_safe(self, request: SignSafeRequest) -> Message:
        self._may_act(halted=self.books.halted, agree=True)
        chain = self.policy.safes.get(request.chain)
        if chain is None:
            raise RefusedError(RefusalTag.CHAIN_UNKNOWN, f"{request.chain[:80]} is no EVM chain of this policy")
        with self._reading:
            tx = decode_safe_tx(request.safe_tx, chain)
        with self._lock:
            now = self._may_act(halted=self.books.halted, agree=True)
            if self.policy.safes.get(request.chain) is not chain:
                return self._sign_safe(request)  # as above
            row = self._row_of_version(request, tx) or self._decide_safe(request, chain, tx, now)
            self._confirm(signing=True)
            signature = self._owners[request.chain].sign_recoverable(bytes.fromhex(tx.txid[2:]))
            return SafeSigned(request.request_id, signature, row)

    def _row_of_version(self, request: SignRequest | SignSafeRequest, tx: DecodedTx | DecodedSafeTx) -> int:
        """Give the row that decided on this very chain tx, or 0: the same bytes are not judged or counted again."""
        version = self.books.versions.get((request.chain, tx.txid))
        if version is None:
            return 0
        # Of the house's own intents there are several pieces of evidence, one of each operator.
        if {hashlib.sha256(item.intent).hexdigest() for item in request.evidence} != version.intents:
            reason = f"this chain tx was signed for other intents (journal row {version.row})"
            raise RefusedError(RefusalTag.SLOT_PAYMENTS, reason)
        return version.row

    def _decide(self, request: SignRequest, chain: ChainPolicy, tx: DecodedTx, now: int) -> int:
        claims = self._claims(request, self._terms(chain, {chain.parameters.asset.id}))
        off, seeing = self.policy.trust.switched_off, seen(self.views.get(request.chain))
        case = Case(now, self.policy.limits, self.books, claims, chain, tx, off=off, seen=seeing)
        _raise(judge(case))
        return self._append(records.signed(case, request))

    def _decide_safe(self, request: SignSafeRequest, chain: SafePolicy, tx: DecodedSafeTx, now: int) -> int:
        claims = self._claims(request, self._terms(chain, chain.tokens.values()))
        off, seeing = self.policy.trust.switched_off, seen(self.views.get(request.chain))
        case = SafeCase(now, self.policy.limits, self.books, claims, chain, tx, off=off, seen=seeing)
        _raise(judge_safe(case))
        return self._append(records.safe_signed(case, request))

    def _terms(self, chain: ChainPolicy | SafePolicy, assets: Collection[str]) -> Terms:
        trust = self.policy.trust
        return Terms(
            self.policy.deployment,
            chain.parameters,
            assets,
            off=trust.switched_off,
            operators=trust.operators,
            quorum=trust.operator_quorum,
            limits=self.policy.limits,
        )

    def _claims(self, request: SignRequest | SignSafeRequest, terms: Terms) -> tuple[Claim, ...]:
        if len(request.evidence) > MAX_INTENTS:
            raise RefusedError(RefusalTag.REQUEST_MALFORMED, f"a request holds at most {MAX_INTENTS} intents")
        return read_claims(request.evidence, terms, self.enrolment)

    def _convert(self, request: ConvertRequest) -> Message:
        order = decode_order(request.evidence)
        with self._lock:
            now = self._may_act(halted=self.books.halted, agree=True)
            booked = self.books.money.orders.get((order.merchant, order.order))
            if booked is not None and booked.hash == order.hash.hex():
                self._confirm(signing=False)
                return Converted(request.request_id, booked.row)
            chains = dict.fromkeys(asset.partition("/")[0] for asset in (order.sell_asset, order.buy_asset))
            for chain in chains:
                self._follow_chain(chain)
            seeing = tuple(seen(self.views.get(chain)) for chain in chains)
            merchant = self.enrolment.get(order.merchant)
            case = ConversionCase(now, self.policy, self.books, merchant, order, request.evidence, seeing)
            _raise(judge_conversion(case))
            row = self._append(records.converted(case, request.request_id))
            self._confirm(signing=True)
            return Converted(request.request_id, row)

    def _attest(self, request: AttestRequest) -> Message:
        with self._proving:
            return attest(request, self.policy, self.enrolment, self.key.identity)

    def _prove(self, request: ProofRequest) -> Message:
        self._may_act(halted=False)
        with self._proving:
            view = self.views.get(request.chain)
            if isinstance(request, ProveReceiptsRequest) and view is not None and not view.trouble:
                self._see_all(request.chain, view)
            found = read_proofs(request, self.policy, self.views)
        with self._lock:
            # A proof moves nothing, and the books should be right when a halt ends.
            now = self._may_act(halted=False)
            booking = book_proofs(request, found, self.policy, self.books, self.enrolment)
            row = max((self._append(body) for body in proven_rows(now, request, booking)), default=0)
            self._confirm(signing=False)
            return booking.answer(request.request_id, row)

    def _unwritten(self, message: Asked, answer: Callable[[Asked], Message]) -> Message:
        """Answer what decides nothing; a no to it is not journalled, or a crowd of wrong proofs would fill the disk."""
        try:
            return answer(message)
        except RefusedError as error:
            return _refused(message, Refusal(error.tag, error.reason))

    def on_view_change(self, chain: str) -> None:
        """Take back the deposits whose blocks left the chain; to be called after every refresh of its view."""
        view = self.views.get(chain)
        if view is None or self.broken is not None:
            return
        watch = self._watch(chain)
        with self._lock:
            blocks = watch.due(self.books.money, view.height)
        # An EVM view asks its nodes here, so not under the lock.
        self._take_back(chain, watch.departed(view, blocks[:MAX_FINAL] if watch.final else blocks))

    def _watch(self, chain: str) -> Watch:
        return self._watches.setdefault(chain, Watch(chain, chain in self.policy.safes))

    def _see_all(self, chain: str, view: View) -> None:
        """Look at the blocks of all sweeps first: one whose block was reversed is in another now, and no second one.

        Raises ``RefusedError`` (chain-view) until all were seen since the start.
        """
        self.on_view_change(chain)
        with self._lock:
            left = len(self._watch(chain).due(self.books.money, view.height))
        if left:
            reason = f"{left} blocks with deposits are still to be looked at since the start, or are not agreed on"
            raise RefusedError(RefusalTag.CHAIN_VIEW, reason)

    def _follow_chain(self, chain: str) -> None:
        """Take back what left a bitcoin-like just now: the hook may not have come yet. Its view answers from memory."""
        view = self.views.get(chain)
        if view is None or chain not in self.policy.chains:
            return
        height = view.height
        looked = (height, view.block(height), self.books.money.changes)
        if self._looked.get(chain) == looked:
            return
        watch = self._watch(chain)
        gone = watch.departed(view, watch.due(self.books.money, height))
        self._take_back(chain, gone)
        if any(self.books.money.keys_in(chain, block) for block in gone):
            reason = "deposits left the chain, and the journal cannot take them back at this moment"
            raise RefusedError(RefusalTag.CHAIN_VIEW, reason)
        if not gone:
            self._looked[chain] = looked

    def _take_back(self, chain: str, gone: set[tuple[int, str]]) -> None:
        with self._lock:
            if not gone or self.broken is not None or not may_write(self):
                return
            keys = [key for block in sorted(gone) for key in self.books.money.keys_in(chain, block)]
            for at in range(0, len(keys), MAX_PROOFS):
                now = max(self.clock(), self.books.last_at)
                row = self._append(records.reorged(now, chain, keys[at : at + MAX_PROOFS]))
                log("reorged", chain=chain, deposits=len(keys), row=row)

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
        self._confirm(signing=False)
        return Voided(request.request_id, digest, row)

    def _use(self, body: records.Body) -> None:
        """Decide by the documents that the journal says are in force."""
        if body["kind"] == POLICY:
            self.policy = parse_policy(in_force(self.books, Document.POLICY))
            self._derive()
        elif body["kind"] == ENROLMENT:
            self.enrolment = parse_enrolment(in_force(self.books, Document.MERCHANTS))

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
                draws=self._draws(),
                enrolment_hash=bytes.fromhex(self.books.enrolment_hash),
                pending=self._pending(),
                holdings=self._holdings(),
            )

    @property
    def _binding(self) -> bool:
        return RefusalTag.BALANCE_MERCHANT not in self.policy.trust.switched_off

    def _draws(self) -> tuple[DrawLimit, ...]:
        safes = [safe.tokens.values() for safe in self.policy.safes.values()]
        return tuple(DrawLimit(asset, str(self.policy.limits[asset].draw_per_day)) for of in safes for asset in of)

    def _pending(self) -> tuple[PendingChange, ...]:
        waiting = self.books.changes.pending.values()
        return tuple(
            PendingChange(item.document.value, item.sequence, item.effective_at, bytes.fromhex(item.sha256))
            for item in waiting
        )


def _subject(message: Decided) -> bytes:
    """Give the bytes that a refusal is about."""
    match message:
        case SignRequest():
            return message.psbt
        case SignSafeRequest():
            return message.safe_tx
        case VoidRequest() | ConvertRequest():
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
