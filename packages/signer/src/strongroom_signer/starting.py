"""How a signer starts from its folder, and what it looks at again while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom_core.statements import Document
from strongroom_signer.books import Books
from strongroom_signer.changing import load_merchants, take_requests, write_copies
from strongroom_signer.curve import require_native_curve
from strongroom_signer.decide import Signer
from strongroom_signer.errors import EnrolmentError, JournalBrokenError, PolicyError, RefusedError, SignerError
from strongroom_signer.files import write_private
from strongroom_signer.halting import take_halt, take_ticket
from strongroom_signer.host import check_keys, read_books, unix_seconds
from strongroom_signer.journal import open_writer
from strongroom_signer.keyfile import open_key
from strongroom_signer.linking import link, settle
from strongroom_signer.log import log
from strongroom_signer.policy import parse_policy
from strongroom_signer.statements import in_force

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_signer.host import Folder
    from strongroom_signer.journal import Journal
    from strongroom_signer.keyfile import OpenKey
    from strongroom_signer.policy import Policy


def start(
    folder: Folder, passphrase: bytes, clock: Callable[[], int] = unix_seconds, *, without_witness: bool = False
) -> Signer:
    """Open everything, verify the journal from row 1, and give a signer that is ready, or that refuses and says why.

    ``without_witness`` where a hand on the host says that the linked witness is gone: then the peer's word is enough.
    """
    require_native_curve()
    key = open_key(folder.key, passphrase)
    journal = open_writer(folder.journal)
    try:
        return _start(folder, key, journal, clock, without_witness=without_witness)
    except BaseException:
        journal.close()
        raise


def _start(
    folder: Folder, key: OpenKey, journal: Journal, clock: Callable[[], int], *, without_witness: bool
) -> Signer:
    policy = parse_policy(folder.policy.read_bytes() if folder.policy.exists() else b"")
    check_keys(key, policy)
    try:
        books = read_books(journal)
    except JournalBrokenError as error:
        log("journal-broken", row=error.row, reason=error.message)
        return Signer(key, policy, {}, journal, Books(), clock, broken=error)
    signer = Signer(key, policy, {}, journal, books, clock)
    link(signer, folder, without_witness=without_witness)
    settle(signer)
    if signer.broken is not None:
        return signer
    if books.fingerprint != key.master.fingerprint.hex():
        reason = f" ({signer.peer.trouble})" if signer.peer is not None and signer.peer.trouble else ""
        message = f"the journal has no genesis of this key; make it with `strongroom-signer genesis`{reason}"
        raise SignerError(message)
    _check_policy_in_force(folder, key, signer, policy)
    signer.use_documents()
    try:
        signer.advance()
        load_merchants(signer, folder)
    except RefusedError as error:
        # A clock that stands before the journal changes nothing; the door opens all the same, to say so.
        log("merchants-kept", reason=error.reason)
    write_copies(folder, books)
    take_requests(signer, folder)
    if folder.halting.exists():
        take_halt(signer, folder)
    return signer


def _check_policy_in_force(folder: Folder, key: OpenKey, signer: Signer, policy: Policy) -> None:
    """The policy is the one that the journal has; the file is a copy, and may be one policy late after a kill."""
    books = signer.books
    if books.policy_hash == policy.hash.hex():
        return
    text = in_force(books, Document.POLICY)
    check_keys(key, parse_policy(text))
    if policy.hash.hex() in books.changes.replaced:
        write_private(folder.policy, text, replace=True)
    elif signer.peer is None or signer.peer.settled:
        message = f"{folder.policy} is not the policy in force; put it in force with `strongroom-signer policy`"
        raise PolicyError(message)
    # Otherwise the file may be the newer one: the peer has not said yet that this journal is whole.


def reload(signer: Signer, folder: Folder) -> None:
    """Do what a hand on the host asked for: requests, the merchants' file, a resume ticket if one is there."""
    if signer.broken is not None:
        return
    take_requests(signer, folder)
    try:
        load_merchants(signer, folder)
    except EnrolmentError as error:
        log("merchants-kept", reason=error.message)
    except RefusedError as error:
        log("merchants-kept", reason=error.reason)
    take_ticket(signer, folder)


def look_again(signer: Signer, folder: Folder) -> None:
    """Put in force what has waited long enough, and show it in the folder; called every second or so."""
    if signer.broken is None:
        signer.advance()
        write_copies(folder, signer.books)
