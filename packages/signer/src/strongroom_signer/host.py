"""A signer's folder: what lies in it, how a signer starts from it, and what a hand on the host may change."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from strongroom_signer import records
from strongroom_signer.books import Books
from strongroom_signer.curve import require_native_curve
from strongroom_signer.decide import Signer
from strongroom_signer.enrolment import Caps, EnrolledMerchant, Enrolment, check_distinct, parse_enrolment, render
from strongroom_signer.errors import BusyError, EnrolmentError, JournalBrokenError, PolicyError, SignerError
from strongroom_signer.files import one_at_a_time, write_private
from strongroom_signer.journal import Journal, has_writer, open_reader, open_writer
from strongroom_signer.keyfile import OpenKey, open_key, read_public
from strongroom_signer.log import log
from strongroom_signer.policy import Policy, parse_policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WAIT_SECONDS: Final = 10.0
BY_HAND: Final = "by hand"
_POLL_SECONDS: Final = 0.05
_EMPTY_ENROLMENT: Final[Enrolment] = {}


def unix_seconds() -> int:
    """The host's clock."""
    return int(time.time())


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of one signer; all 0600, the folder 0700."""

    root: Path

    def __getattr__(self, name: str) -> Path:
        """Give the path of one of the known files."""
        try:
            return self.root / _FILES[name]
        except KeyError:
            raise AttributeError(name) from None


_FILES: Final = {
    "key": "key.json",
    "policy": "policy.toml",
    "merchants": "merchants.toml",
    "journal": "journal.sqlite",
    "ticket": "resume.ticket",
    "halting": "halt.reason",
    "running": "running.json",
}


def found(folder: Folder, text: bytes, clock: Callable[[], int] = unix_seconds) -> Policy:
    """Write row 1: this key, this policy. Raises ``PolicyError``, ``BusyError``; ``SignerError`` where it is done."""
    policy = parse_policy(text)
    public = read_public(folder.key)
    for chain, own_keys in policy.hot_keys.items():
        own = public.accounts.get(chain, "")
        if own not in own_keys:
            message = (
                f"chains.{chain}: none of the hot keys is this signer's own ({own or 'it has no key of the chain'})"
            )
            raise PolicyError(message)
    with _writing(folder) as journal:
        if journal.count:
            message = f"{folder.journal} has its genesis; a policy is changed with `strongroom-signer policy`"
            raise SignerError(message)
        write_private(folder.policy, text, replace=True)
        journal.append(records.genesis(clock(), public.name, public.fingerprint, policy, text))
    return policy


def change_policy(folder: Folder, text: bytes, passphrase: bytes, clock: Callable[[], int] = unix_seconds) -> Policy:
    """Put another policy in force, by hand, with the passphrase, while the signer is stopped.

    Here the quorum and the time-lock for loosening will stand; until then the host and the passphrase are the guard.
    """
    policy = parse_policy(text)
    check_keys(open_key(folder.key, passphrase), policy)
    with _writing(folder) as journal:
        read_books(journal)
        journal.append(records.policy_row(clock(), policy, text))
        write_private(folder.policy, text, replace=True)
    return policy


def check_keys(key: OpenKey, policy: Policy) -> None:
    """Refuse a policy in whose hot key sets this signer's key does not stand. Raises ``PolicyError``."""
    for chain, own_keys in policy.hot_keys.items():
        if key.public_text(chain) not in own_keys:
            message = f"chains.{chain}: none of the hot keys is this signer's own"
            raise PolicyError(message)


def start(folder: Folder, passphrase: bytes, clock: Callable[[], int] = unix_seconds) -> Signer:
    """Open everything, verify the journal from row 1, and give a signer that is ready, or that refuses and says why."""
    require_native_curve()
    key = open_key(folder.key, passphrase)
    journal = open_writer(folder.journal)
    try:
        return _start(folder, key, journal, clock)
    except BaseException:
        journal.close()
        raise


def _start(folder: Folder, key: OpenKey, journal: Journal, clock: Callable[[], int]) -> Signer:
    text = folder.policy.read_bytes() if folder.policy.exists() else b""
    policy = parse_policy(text)
    check_keys(key, policy)
    try:
        books = read_books(journal)
    except JournalBrokenError as error:
        log("journal-broken", row=error.row, reason=error.message)
        return Signer(key, policy, _EMPTY_ENROLMENT, journal, Books(), clock, broken=error)
    if books.fingerprint != key.master.fingerprint.hex():
        message = "the journal has no genesis of this key; make it with `strongroom-signer genesis`"
        raise SignerError(message)
    if books.policy_hash != policy.hash.hex():
        message = f"{folder.policy} is not the policy in force; put it in force with `strongroom-signer policy`"
        raise PolicyError(message)
    signer = Signer(key, policy, _EMPTY_ENROLMENT, journal, books, clock)
    load_merchants(signer, folder)
    if folder.halting.exists():
        take_halt(signer, folder)
    return signer


def read_books(journal: Journal) -> Books:
    """Verify the journal from row 1 and add it up. Raises ``JournalBrokenError``."""
    books = Books()
    for number, body in journal.verified():
        try:
            books.apply(number, body)
        except (KeyError, TypeError, AttributeError):
            raise JournalBrokenError(number, "it is of a kind or form that this release does not know") from None
    return books


def load_merchants(signer: Signer, folder: Folder) -> None:
    """Read the merchants' file and use it. Raises ``EnrolmentError``, and nothing has changed then."""
    text = folder.merchants.read_bytes() if folder.merchants.exists() else render(_EMPTY_ENROLMENT)
    enrolment = parse_enrolment(text)
    signer.enrol(enrolment, text)
    log("merchants", count=len(enrolment), enrolment=signer.books.enrolment_hash)


def reload(signer: Signer, folder: Folder) -> None:
    """Do what a hand on the host asked for: take the merchants' file again, and a resume ticket if one is there."""
    if signer.broken is not None:
        return
    try:
        load_merchants(signer, folder)
    except EnrolmentError as error:
        log("merchants-kept", reason=error.message)
    _take_ticket(signer, folder)


def enrol(folder: Folder, merchant: EnrolledMerchant, caps: Caps, *, replace: bool = False) -> Enrolment:
    """Add a merchant to the file, or change its caps of one asset; its key or branch only where ``replace`` says so.

    Raises ``EnrolmentError``. Who types this may be reading an id and a key from a screen that a thief owns.
    """
    with one_at_a_time(folder.merchants):
        rows = parse_enrolment(folder.merchants.read_bytes()) if folder.merchants.exists() else {}
        old = rows.get(merchant.merchant)
        if old is not None and not replace and (old.branch, old.public_key) != (merchant.branch, merchant.public_key):
            message = (
                f"{old.merchant} is enrolled with branch {old.branch} and the key {old.public_key.hex()};"
                " only --replace changes these"
            )
            raise EnrolmentError(message)
        kept = old.caps if old is not None else {}
        row = EnrolledMerchant(merchant.merchant, merchant.branch, merchant.public_key, kept).with_caps(caps)
        enrolment = check_distinct([*(item for item in rows.values() if item.merchant != row.merchant), row])
        write_private(folder.merchants, render(enrolment), replace=True)
    return enrolment


def _ticket_mac(key: OpenKey, halt_row: int) -> str:
    return hmac.new(key.ticket_key, b"resume %d" % halt_row, hashlib.sha256).hexdigest()


def resume(folder: Folder, passphrase: bytes) -> int:
    """End a halt and give the row that says so; through a ticket where the signer runs. Raises ``SignerError``."""
    key = open_key(folder.key, passphrase)
    halt_row = _halt_row(folder)
    try:
        with _writing(folder) as journal:
            return journal.append(records.resumed(unix_seconds(), halt_row))
    except BusyError:
        ticket = json.dumps({"halt": halt_row, "mac": _ticket_mac(key, halt_row)}).encode()
        write_private(folder.ticket, ticket, replace=True)
        nudge(folder)
    return _wait(folder, lambda books: not books.halted, "the signer did not resume; see its log")


def halt(folder: Folder, reason: str) -> int:
    """Stop signing, whether the signer runs or not, and give the number of rows then; busy sockets do not matter."""
    try:
        with _writing(folder) as journal:
            return journal.append(records.halted(unix_seconds(), reason, BY_HAND))
    except BusyError:
        write_private(folder.halting, reason.encode(), replace=True)
        nudge(folder, signal.SIGUSR1)
    return _wait(folder, lambda books: books.halted, "the signer did not halt; stop its process")


def take_halt(signer: Signer, folder: Folder) -> None:
    """Halt as a hand on the host asked for."""
    reason = BY_HAND
    with contextlib.suppress(OSError):
        reason = folder.halting.read_text(errors="replace")
    signer.halt(reason, BY_HAND)
    if signer.books.halted:
        # Not before: until the row is on the disk, this file is what the next start would halt for.
        folder.halting.unlink(missing_ok=True)


def _halt_row(folder: Folder) -> int:
    with contextlib.closing(open_reader(folder.journal)) as journal:
        books = read_books(journal)
    if not books.halted:
        message = "this signer is not halted"
        raise SignerError(message)
    return books.halt_row


def _take_ticket(signer: Signer, folder: Folder) -> None:
    if not folder.ticket.exists():
        return
    try:
        ticket: dict[str, Any] = json.loads(folder.ticket.read_bytes())
        mac, halt_row = str(ticket["mac"]), ticket["halt"]
    except (ValueError, KeyError, TypeError):
        mac, halt_row = "", 0
    folder.ticket.unlink(missing_ok=True)
    wanted = _ticket_mac(signer.key, signer.books.halt_row)
    if signer.books.halted and halt_row == signer.books.halt_row and hmac.compare_digest(mac.encode(), wanted.encode()):
        log("resumed", row=signer.resume())
    else:
        log("ticket-refused", reason="the ticket is not of this key, or not for this halt")


def nudge(folder: Folder, by: signal.Signals = signal.SIGHUP) -> None:
    """Tell the running signer to look at its folder. Raises ``SignerError`` where none runs."""
    os.kill(int(running(folder)["pid"]), by)


def running(folder: Folder) -> dict[str, Any]:
    """Give the pid and socket of the signer that runs from this folder. Raises ``SignerError`` where none does."""
    if has_writer(folder.journal):
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads(folder.running.read_bytes()))
    message = f"no signer runs from {folder.root}"
    raise SignerError(message)


def wait_for_merchants(folder: Folder) -> int:
    """Wait until the running signer has journalled the merchants' file as it is now; give the number of rows."""
    wanted = hashlib.sha256(folder.merchants.read_bytes()).hexdigest()
    return _wait(folder, lambda books: books.enrolment_hash == wanted, "the signer did not take the file; see its log")


def _wait(folder: Folder, done: Callable[[Books], bool], message: str) -> int:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        with contextlib.closing(open_reader(folder.journal)) as journal:
            if done(read_books(journal)):
                return journal.count
        time.sleep(_POLL_SECONDS)
    raise SignerError(message)


def _writing(folder: Folder) -> contextlib.closing[Journal]:
    return contextlib.closing(open_writer(folder.journal))
