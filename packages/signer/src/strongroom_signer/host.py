"""A signer's folder: what lies in it, how it is founded and read, and who may be enrolled in it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from strongroom_core.refusals import RefusalTag
from strongroom_core.statements import Document
from strongroom_signer import records
from strongroom_signer.books import Books
from strongroom_signer.change_errors import StatementMissingError
from strongroom_signer.enrolment import Caps, EnrolledMerchant, Enrolment, check_distinct, parse_enrolment, render
from strongroom_signer.errors import EnrolmentError, JournalBrokenError, PolicyError, SignerError
from strongroom_signer.files import one_at_a_time, write_private
from strongroom_signer.identity import check_identity
from strongroom_signer.journal import Journal, has_writer, open_reader, open_writer
from strongroom_signer.keyfile import OpenKey, read_public
from strongroom_signer.policy import Policy, parse_policy
from strongroom_signer.statements import in_force

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WAIT_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05


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
    "asking": "challenge.ask",
    "changing": "change.json",
    "cancelling": "cancel.json",
    "running": "running.json",
    "peers": "peers.sqlite",
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
    check_identity(policy.trust, public.name, public.identity)
    with writing(folder) as journal:
        if journal.count:
            message = f"{folder.journal} has its genesis; a policy is changed with `strongroom-signer policy`"
            raise SignerError(message)
        write_private(folder.policy, text, replace=True)
        journal.append(records.genesis(clock(), public.name, public.fingerprint, policy, text))
    return policy


def check_keys(key: OpenKey, policy: Policy) -> None:
    """Refuse a policy in whose hot key sets this signer's key does not stand. Raises ``PolicyError``."""
    for chain, own_keys in policy.hot_keys.items():
        if key.public_text(chain) not in own_keys:
            message = f"chains.{chain}: none of the hot keys is this signer's own"
            raise PolicyError(message)
    check_identity(policy.trust, key.name, bytes(key.identity.verify_key))


def wants_peer(folder: Folder) -> bool:
    """Whether the policy of the folder lets nothing be signed without the peer."""
    policy = parse_policy(folder.policy.read_bytes())
    return RefusalTag.PEER_SILENT not in policy.trust.switched_off


def read_books(journal: Journal) -> Books:
    """Verify the journal from row 1 and add it up. Raises ``JournalBrokenError``."""
    books = Books()
    for number, body in journal.verified():
        try:
            books.apply(number, body)
        except (KeyError, TypeError, AttributeError):
            raise JournalBrokenError(number, "it is of a kind or form that this release does not know") from None
    return books


def now_in_force(folder: Folder) -> Books:
    """Read the journal as it is now; a running signer is not disturbed. Raises ``JournalBrokenError``."""
    with contextlib.closing(open_reader(folder.journal)) as journal:
        return read_books(journal)


def enrol(
    folder: Folder, merchant: EnrolledMerchant, caps: Caps, *, replace: bool = False, out: Path | None = None
) -> Enrolment:
    """Add a merchant to the file, or change its caps of one asset; its key or branch only where ``replace`` says so.

    The file is ``merchants.toml`` where the policy asks for no operators, and ``out`` otherwise: it begins as what is
    in force, and operators sign it as it is in the end. Raises ``EnrolmentError``, ``StatementMissingError``. Who types
    this may be reading an id and a key from a screen that a thief owns.
    """
    path = _draft(folder) if out is None else out
    with one_at_a_time(path):
        if path.exists():
            text = path.read_bytes()
        else:
            text = render({}) if out is None else in_force(now_in_force(folder), Document.MERCHANTS)
        enrolment = _with(parse_enrolment(text), merchant, caps, replace=replace)
        write_private(path, render(enrolment), replace=True)
    return enrolment


def _draft(folder: Folder) -> Path:
    if parse_policy(folder.policy.read_bytes()).trust.operator_quorum:
        message = "operators sign the merchants' file: write it with --out, then `operator sign` and `merchants`"
        raise StatementMissingError(message)
    return folder.merchants


def _with(rows: Enrolment, merchant: EnrolledMerchant, caps: Caps, *, replace: bool) -> Enrolment:
    old = rows.get(merchant.merchant)
    if old is not None and not replace and (old.branch, old.public_key) != (merchant.branch, merchant.public_key):
        message = (
            f"{old.merchant} is enrolled with branch {old.branch} and the key {old.public_key.hex()};"
            " only --replace changes these"
        )
        raise EnrolmentError(message)
    kept = old.caps if old is not None else {}
    row = EnrolledMerchant(merchant.merchant, merchant.branch, merchant.public_key, kept).with_caps(caps)
    return check_distinct([*(item for item in rows.values() if item.merchant != row.merchant), row])


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
    """Wait until the running signer has the merchants' file as it is now in force or announced; give the rows."""
    wanted = hashlib.sha256(folder.merchants.read_bytes()).hexdigest()

    def taken(books: Books) -> bool:
        waiting = books.changes.pending.get(Document.MERCHANTS)
        return books.enrolment_hash == wanted or (waiting is not None and waiting.sha256 == wanted)

    return wait(folder, taken, "the signer did not take the file; see its log")


def wait(folder: Folder, done: Callable[[Books], bool], message: str) -> int:
    """Wait until the journal says so, and give its number of rows. Raises ``SignerError`` with ``message``."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        with contextlib.closing(open_reader(folder.journal)) as journal:
            if done(read_books(journal)):
                return journal.count
        time.sleep(_POLL_SECONDS)
    raise SignerError(message)


def writing(folder: Folder) -> contextlib.closing[Journal]:
    """Open the journal to write, until the block ends. Raises ``BusyError`` where the signer runs."""
    return contextlib.closing(open_writer(folder.journal))
