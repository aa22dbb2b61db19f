"""How a hand on the host changes policy and merchants: on a stopped signer, or through the folder of one that runs.

The running signer judges again what it finds in its folder: nothing that lies there is believed, only what operators
signed, or what was sealed by who opened the key file.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from strongroom_core.errors import StrongroomError
from strongroom_core.statements import Document
from strongroom_signer import records
from strongroom_signer.change_errors import ClockError, StatementMissingError
from strongroom_signer.enrolment import parse_enrolment, render
from strongroom_signer.errors import BusyError, RefusedError, SignerError
from strongroom_signer.files import one_at_a_time, write_private
from strongroom_signer.guard import may_write
from strongroom_signer.halting import ticket_mac
from strongroom_signer.host import check_keys, now_in_force, nudge, read_books, unix_seconds, wait, writing
from strongroom_signer.journal import has_writer
from strongroom_signer.keyfile import OpenKey, open_key
from strongroom_signer.log import log
from strongroom_signer.policy import parse_policy
from strongroom_signer.statements import (
    NONCE_SECONDS,
    Proposal,
    Signed,
    in_force,
    judge_cancellation,
    judge_challenge,
    judge_due,
    judge_proposal,
    read_signed,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from strongroom_signer.books import Books
    from strongroom_signer.decide import Signer
    from strongroom_signer.host import Folder

    Judge = Callable[[Books, int], records.Body]
    Clock = Callable[[], int]


def challenge(folder: Folder, clock: Clock = unix_seconds) -> dict[str, object]:
    """Have the signer issue a nonce, and give what an operator needs to make a statement for it."""
    if has_writer(folder.journal):
        before = now_in_force(folder).changes.challenges
        message = "the signer issued no nonce; see its log"
        _leave(folder, folder.asking, {}, lambda books: books.changes.challenges > before, message)
        books = now_in_force(folder)
    else:
        books = _write(folder, judge_challenge, clock)
    nonce, issued_at = list(books.changes.nonces.items())[-1]
    return {
        "deployment": parse_policy(in_force(books, Document.POLICY)).deployment,
        "signer": books.name,
        "sequence": books.changes.sequence + 1,
        "nonce": nonce,
        "expires_at": issued_at + NONCE_SECONDS,
        **{item.value: digest_of(in_force(books, item)) for item in Document},
    }


def propose(
    folder: Folder, proposal: Proposal, passphrase: Callable[[], bytes], clock: Clock = unix_seconds
) -> dict[str, object]:
    """Have a signed change in force or announced, and say which. Raises ``StatementError`` and others; nothing changed.

    The passphrase is asked for where the signer is stopped and the policy changes, so that its own key is checked.
    """
    if has_writer(folder.journal):
        books = _hand_over(folder, proposal, clock)
    else:
        key = open_key(folder.key, passphrase()) if proposal.document is Document.POLICY else None
        books = _write(folder, partial(_judge, proposal=proposal, key=key), clock)
        write_copies(folder, books)
    return _told(books, proposal)


def cancel(
    folder: Folder,
    document: Document,
    signed: Signed | None,
    passphrase: Callable[[], bytes],
    clock: Clock = unix_seconds,
) -> dict[str, object]:
    """Let nothing come of what waits: by the passphrase, or signed by one operator. Raises ``StatementError``."""
    waiting = judge_cancellation(now_in_force(folder), clock(), document, signed)
    key = open_key(folder.key, passphrase()) if signed is None else None
    if not has_writer(folder.journal):
        books = _write(folder, partial(judge_cancellation, document=document, signed=signed), clock)
        _forget_draft(folder, document, books)
    else:
        body: dict[str, Any] = {"document": document.value, **(signed.encode() if signed is not None else {})}
        if key is not None:
            body["mac"] = ticket_mac(key, _cancels(document, waiting["sequence"]))
        message = "the signer did not cancel; see its log"
        _leave(folder, folder.cancelling, body, lambda books: document not in books.changes.pending, message)
    return {"cancelled": document.value, "sequence": waiting["sequence"]}


def load_merchants(signer: Signer, folder: Folder) -> None:
    """Take the merchants' file. Raises ``EnrolmentError``, and nothing has changed then.

    Where operators sign changes the file is no more than a copy of what is in force, and is written again as it was.
    """
    trust = signer.policy.trust
    if not signer.books.enrolment_hash and (trust.operator_quorum or trust.time_lock_seconds):
        signer.change(lambda _, now: records.enrolment_row(now, render({})))
    if trust.operator_quorum:
        text = in_force(signer.books, Document.MERCHANTS)
        if not folder.merchants.exists() or folder.merchants.read_bytes() != text:
            log("merchants-restored", enrolment=signer.books.enrolment_hash)
            write_private(folder.merchants, text, replace=True)
    else:
        _take_draft(signer, folder)
    log("merchants", count=len(signer.enrolment), enrolment=signer.books.enrolment_hash)


def _take_draft(signer: Signer, folder: Folder) -> None:
    """Take the file that a hand wrote; nobody else has to sign it here, but what loosens waits all the same."""
    text = folder.merchants.read_bytes() if folder.merchants.exists() else render({})
    parse_enrolment(text)
    waiting = signer.books.changes.pending.get(Document.MERCHANTS)
    known = {signer.books.enrolment_hash, waiting.sha256 if waiting is not None else ""}
    if digest_of(text) not in known:
        _change(signer, Proposal(Document.MERCHANTS, text))


def take_requests(signer: Signer, folder: Folder) -> None:
    """Do what a hand on the host left in the folder; what is refused is logged, and gone.

    Where the peer has not said yet that the journal is whole, it stays there until then.
    """
    if not may_write(signer):
        return
    for path, take in (
        (folder.asking, _take_asking),
        (folder.changing, _take_change),
        (folder.cancelling, _take_cancel),
    ):
        if not path.exists():
            continue
        try:
            take(signer, folder, path.read_bytes())
        except RefusedError as error:
            log("change-refused", request=path.name, code=error.tag.value, reason=error.reason)
        except StrongroomError as error:
            log("change-refused", request=path.name, code=error.code, reason=error.message)
        except (ValueError, KeyError, TypeError, AttributeError):
            log("change-refused", request=path.name, code="request-malformed", reason="the file is not one of ours")
        # Not before: a signer that dies in between finds it again, and judges it again.
        path.unlink(missing_ok=True)


def write_copies(folder: Folder, books: Books) -> None:
    """Let the files show what is in force, where they show what once was; a hand's own draft stays."""
    if not books.changes.replaced:
        return
    copies = {Document.POLICY: folder.policy}
    if parse_policy(in_force(books, Document.POLICY)).trust.operator_quorum:
        copies[Document.MERCHANTS] = folder.merchants
    for document, path in copies.items():
        found = path.read_bytes() if path.exists() else b""
        if digest_of(found) in books.changes.replaced - {books.changes.hashes.get(document)}:
            write_private(path, in_force(books, document), replace=True)


def _take_asking(signer: Signer, folder: Folder, data: bytes) -> None:
    del folder, data
    log("challenge", row=signer.change(judge_challenge))


def _take_change(signer: Signer, folder: Folder, data: bytes) -> None:
    body = json.loads(data)
    signed = read_signed([json.dumps(item).encode() for item in body["signed"]])
    if signed is None:
        # Where no operators are needed, the passphrase on a stopped signer is: a file in the folder is neither.
        message = "a change that nobody signed is made on a stopped signer"
        raise StatementMissingError(message)
    _change(signer, Proposal(Document(body["document"]), body["text"].encode("utf-8"), signed))
    write_copies(folder, signer.books)


def _take_cancel(signer: Signer, folder: Folder, data: bytes) -> None:
    body = json.loads(data)
    document = Document(body["document"])
    waiting = signer.books.changes.pending.get(document)
    signed = None
    if "statement" in body:
        signed = read_signed([data])
    elif waiting is not None:
        wanted = ticket_mac(signer.key, _cancels(document, waiting.sequence))
        if not hmac.compare_digest(str(body.get("mac", "")).encode(), wanted.encode()):
            message = "the ticket is not of this key, or not for what waits"
            raise SignerError(message)
    row = signer.change(partial(judge_cancellation, document=document, signed=signed))
    log("cancelled", document=document.value, row=row)
    _forget_draft(folder, document, signer.books)


def _change(signer: Signer, proposal: Proposal) -> None:
    row = signer.change(partial(_judge, proposal=proposal, key=signer.key))
    log("change", row=row, **_told(signer.books, proposal))


def _judge(books: Books, now: int, *, proposal: Proposal, key: OpenKey | None) -> records.Body:
    body = judge_proposal(books, now, proposal)
    if key is not None and proposal.document is Document.POLICY:
        check_keys(key, parse_policy(proposal.text))
    return body


def _hand_over(folder: Folder, proposal: Proposal, clock: Clock) -> Books:
    books = now_in_force(folder)
    # Judged here too, only so that a hand hears the reason; the signer's own judgement is what counts.
    judge_proposal(books, clock(), proposal)
    if proposal.signed is None:
        message = "the signer runs; stop it first, since nobody signs changes of this policy"
        raise BusyError(message)
    sequence = books.changes.sequence
    body = {
        "document": proposal.document.value,
        "text": proposal.text.decode("utf-8"),
        "signed": [proposal.signed.encode()],
    }
    message = "the signer did not take the change; see its log"
    _leave(folder, folder.changing, body, lambda books: books.changes.sequence > sequence, message)
    return now_in_force(folder)


def _leave(folder: Folder, path: Path, body: dict[str, Any], done: Callable[[Books], bool], message: str) -> None:
    """Leave a request in the folder of a signer that runs, and wait until it was done, and is gone."""
    with one_at_a_time(path):
        write_private(path, json.dumps(body).encode(), replace=True)
        nudge(folder)
        try:
            wait(folder, lambda books: not path.exists() and done(books), message)
        finally:
            # A hand that was told that nothing happened is not surprised later.
            path.unlink(missing_ok=True)


def _write(folder: Folder, judge: Judge, clock: Clock) -> Books:
    """Do on a stopped signer what a running one would do."""
    with writing(folder) as journal:
        books, now = read_books(journal), clock()
        if now < books.last_at:
            message = f"this host's clock says {now}, before the journal's last row at {books.last_at}"
            raise ClockError(message)
        while (body := judge_due(books, now)) is not None:
            books.apply(journal.append(body), body)
        body = judge(books, now)
        books.apply(journal.append(body), body)
    return books


def _forget_draft(folder: Folder, document: Document, books: Books) -> None:
    """Take back a file that was itself the proposal, or the next start would announce it again."""
    if document is Document.MERCHANTS:
        write_private(folder.merchants, in_force(books, document), replace=True)


def _told(books: Books, proposal: Proposal) -> dict[str, object]:
    digest = digest_of(proposal.text)
    waiting = books.changes.pending.get(proposal.document)
    found: dict[str, object] = {"sequence": books.changes.sequence, proposal.document.value: digest}
    if waiting is not None and waiting.sha256 == digest:
        return found | {"state": "announced", "effective_at": waiting.effective_at}
    return found | {"state": "in force"}


def digest_of(text: bytes) -> str:
    """Give the SHA-256 (hex) by which a document is named."""
    return hashlib.sha256(text).hexdigest()


def _cancels(document: Document, sequence: int) -> str:
    return f"cancel {document} {sequence}"
