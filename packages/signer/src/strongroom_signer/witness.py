"""A witness: a third host that keeps the journals of several signers, holds no key, and is asked by nobody to sign.

It answers push, head and copy. Whose rows it keeps stands in a small file of its own, ``identities.toml``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from strongroom_signer.errors import SignerError
from strongroom_signer.files import make_private_folder, write_private
from strongroom_signer.keeper import NO_HASH, About, Keeper
from strongroom_signer.listening import listen
from strongroom_signer.log import log
from strongroom_signer.peer_store import PeerStore

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom_signer.listening import Listening

IDENTITIES_FILE: Final = "identities.toml"
STORE_FILE: Final = "witness.sqlite"
RUNNING_FILE: Final = "running.json"
ENDS: Final = {signal.SIGTERM, signal.SIGINT}
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[\x21-\x7e]{1,64}")


class IdentitiesError(SignerError):
    """The file of identities cannot be read as one."""

    code = "identities-wrong"


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Whose journals are kept: the deployment, and Ed25519 keys (32 bytes) by the signers' names."""

    deployment: str
    owners: dict[str, bytes]


def read_identities(data: bytes) -> Witnessed:
    """Read ``deployment`` and the table ``signers``. Raises ``IdentitiesError``."""
    try:
        body: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
        found = _witnessed(**body)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, AttributeError):
        found = None
    if found is None:
        message = f'{IDENTITIES_FILE} has deployment = "…" and a table [signers] of names and identity keys, no more'
        raise IdentitiesError(message)
    return found


def _witnessed(deployment: str, signers: dict[str, str]) -> Witnessed | None:
    if not signers or not _NAME.fullmatch(deployment):
        return None
    if not all(_NAME.fullmatch(name) and _KEY.fullmatch(key) for name, key in signers.items()):
        return None
    return Witnessed(deployment, {name: bytes.fromhex(key) for name, key in signers.items()})


def witness(folder: Path, listening: Listening) -> None:
    """Keep journals until SIGTERM or SIGINT. Raises ``IdentitiesError``, ``BusyError``, ``JournalBrokenError``."""
    make_private_folder(folder)
    path = folder / IDENTITIES_FILE
    witnessed = read_identities(path.read_bytes() if path.exists() else b"")
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    store = PeerStore(folder / STORE_FILE)
    servers = listen(Keeper(store, lambda: _about(witnessed)), listening)
    where = {"pid": os.getpid(), "socket": str(listening.socket.absolute()) if listening.socket else ""}
    write_private(folder / RUNNING_FILE, json.dumps(where).encode(), replace=True)
    for server in servers:
        server.start()
    log("ready", witness=sorted(witnessed.owners), rows={name: store.held(name).rows for name in witnessed.owners})
    signal.sigwait(ENDS)
    for server in servers:
        server.close()
    if listening.socket:
        listening.socket.unlink(missing_ok=True)
    log("stopped")


def _about(witnessed: Witnessed) -> About:
    return About(witnessed.deployment, witnessed.owners, NO_HASH, NO_HASH, int(time.time()))
