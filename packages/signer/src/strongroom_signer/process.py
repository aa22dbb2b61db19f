"""The signer as a process: listeners up, signals heard, everything given back at the end."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sqlite3
from typing import TYPE_CHECKING, Final

from strongroom_signer.errors import PolicyError, RefusedError, SignerError
from strongroom_signer.files import write_private
from strongroom_signer.halting import take_halt
from strongroom_signer.linking import Tending, desk
from strongroom_signer.links import LINKS_FILE, read_links
from strongroom_signer.listening import listen
from strongroom_signer.log import log
from strongroom_signer.starting import look_again, reload, start
from strongroom_signer.views import Views

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_signer.decide import Signer
    from strongroom_signer.host import Folder
    from strongroom_signer.listening import Listening

# A hand on the host comes by signal, so that a crowd at the socket cannot keep it out.
BY_HAND: Final[dict[signal.Signals | None, Callable[[Signer, Folder], None]]] = {
    signal.SIGHUP: reload,
    signal.SIGUSR1: take_halt,
}
SIGNALS: Final = {signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT}
LOOK_SECONDS: Final = 1.0
PR_SET_DUMPABLE: Final = 4


def serve(folder: Folder, passphrase: bytes, listening: Listening, *, without_witness: bool = False) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reads the folder again, SIGUSR1 halts. For the rest see ``starting``."""
    _hide_memory()
    # Threads inherit the signal mask, so it is set before the first of them.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    signer = start(folder, passphrase, without_witness=without_witness)
    views = Views(read_links(folder.root / LINKS_FILE), folder.root, signer.clock, signer.on_view_change)
    signer.views = views.follow(signer.policy)
    servers = listen(desk(signer, folder), listening)
    where = {"pid": os.getpid(), "socket": str(listening.socket.absolute()) if listening.socket else ""}
    write_private(folder.running, json.dumps(where).encode(), replace=True)
    for server in servers:
        server.start()
    tending = Tending(signer, folder)
    tending.start()
    log("ready", signer=signer.key.name, rows=signer.journal.count, halted=signer.status("").halted, **where)
    while (heard := _heard()) is None or heard in BY_HAND:
        try:
            BY_HAND.get(heard, look_again)(signer, folder)
            signer.views = views.follow(signer.policy)
        except PolicyError as error:
            log("views-kept", reason=error.message)
        except (OSError, sqlite3.Error, RefusedError) as error:
            # A journal that could not be written refuses everything from now on; the door stays open to say so.
            log("by-hand-failed", signal=heard.name if heard is not None else "", error=str(error))
    tending.stop()
    for server in servers:
        server.close()
    views.stop()
    folder.running.unlink(missing_ok=True)
    if listening.socket:
        listening.socket.unlink(missing_ok=True)
    log("stopped", rows=signer.journal.count)


def _heard() -> signal.Signals | None:
    """Wait for a signal, for a second: then a change may have waited long enough."""
    heard = signal.sigtimedwait(SIGNALS, LOOK_SECONDS)
    return signal.Signals(heard.si_signo) if heard is not None else None


def _hide_memory() -> None:
    """No core dump, and no debugger of the same user: either would show the seed (prctl(2), PR_SET_DUMPABLE)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        message = f"the process's memory cannot be hidden: {os.strerror(ctypes.get_errno())}"
        raise SignerError(message)
