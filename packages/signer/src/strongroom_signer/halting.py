"""The brake of a signer, by hand on its host: stop at once, go on only with the passphrase."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import signal
from typing import TYPE_CHECKING, Any, Final

from strongroom_signer import records
from strongroom_signer.errors import BusyError, SignerError
from strongroom_signer.files import write_private
from strongroom_signer.host import now_in_force, nudge, unix_seconds, wait, wants_peer, writing
from strongroom_signer.keyfile import OpenKey, open_key
from strongroom_signer.log import log

if TYPE_CHECKING:
    from strongroom_signer.decide import Signer
    from strongroom_signer.host import Folder

BY_HAND: Final = "by hand"


def ticket_mac(key: OpenKey, what: str) -> str:
    """Prove to the running signer that a hand opened the key file, and for what."""
    return hmac.new(key.ticket_key, what.encode(), hashlib.sha256).hexdigest()


def resume(folder: Folder, passphrase: bytes) -> int:
    """End a halt and give the row that says so; through a ticket where the signer runs. Raises ``SignerError``."""
    key = open_key(folder.key, passphrase)
    halt_row = _halt_row(folder)
    try:
        with writing(folder) as journal:
            return journal.append(records.resumed(unix_seconds(), halt_row))
    except BusyError:
        ticket = json.dumps({"halt": halt_row, "mac": ticket_mac(key, f"resume {halt_row}")}).encode()
        write_private(folder.ticket, ticket, replace=True)
        nudge(folder)
    return wait(folder, lambda books: not books.halted, "the signer did not resume; see its log")


def halt(folder: Folder, reason: str) -> int:
    """Stop signing, whether the signer runs or not, and give the number of rows then; busy sockets do not matter."""
    try:
        with writing(folder) as journal:
            if wants_peer(folder):
                # Whether this journal is whole is for the peer to say: the next start halts, and writes it down then.
                write_private(folder.halting, reason.encode(), replace=True)
                return journal.count
            return journal.append(records.halted(unix_seconds(), reason, BY_HAND))
    except BusyError:
        write_private(folder.halting, reason.encode(), replace=True)
        nudge(folder, signal.SIGUSR1)
    message = "the signer did not halt, or its peer has not said that its journal is whole: see its log, or stop it"
    return wait(folder, lambda books: books.halted, message)


def take_halt(signer: Signer, folder: Folder) -> None:
    """Halt as a hand on the host asked for."""
    reason = BY_HAND
    with contextlib.suppress(OSError):
        reason = folder.halting.read_text(errors="replace")
    signer.halt(reason, BY_HAND)
    if signer.books.halt_row:
        # Not before: until the row is on the disk, this file is what the next start would halt for.
        folder.halting.unlink(missing_ok=True)


def _halt_row(folder: Folder) -> int:
    books = now_in_force(folder)
    if not books.halted:
        message = "this signer is not halted"
        raise SignerError(message)
    return books.halt_row


def take_ticket(signer: Signer, folder: Folder) -> None:
    """Resume where a ticket of this key for this halt lies in the folder."""
    if not folder.ticket.exists():
        return
    try:
        ticket: dict[str, Any] = json.loads(folder.ticket.read_bytes())
        mac, halt_row = str(ticket["mac"]), ticket["halt"]
    except (ValueError, KeyError, TypeError):
        mac, halt_row = "", 0
    folder.ticket.unlink(missing_ok=True)
    wanted = ticket_mac(signer.key, f"resume {signer.books.halt_row}")
    if signer.books.halted and halt_row == signer.books.halt_row and hmac.compare_digest(mac.encode(), wanted.encode()):
        log("resumed", row=signer.resume())
    else:
        log("ticket-refused", reason="the ticket is not of this key, or not for this halt")
