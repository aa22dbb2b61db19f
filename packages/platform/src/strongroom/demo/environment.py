"""An environment: one folder that holds everything a running demonstration is made of, and remembers how far it got.

``environment.json`` is replaced at once after each finished step, so that a set-up that was killed goes on where it
stopped. Everything secret is a file of mode 0600; signers, offline keys, merchant and shopper each have their folder.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from strongroom.demo.errors import EnvironmentBusyError, EnvironmentUnusableError
from strongroom.infra.components.errors import ComponentBusyError
from strongroom.infra.components.hosting import LOOPBACK, FolderLock, free_port, write_private

VERSION: Final = 3
DEFAULT_FOLDER: Final = Path("var") / "demo"
API_PORT: Final = 8420
PORTS: Final = (
    "api",
    "merchant",
    "postgres",
    "node_rpc",
    "node_p2p",
    "node_zmq",
    "outside_rpc",
    "outside_p2p",
    "outside_zmq",
    "ethereum_rpc",
    *(f"{node}_{use}" for node in ("a1", "a2", "b1", "b2") for use in ("rpc", "p2p", "zmq")),
)
SIGNERS: Final = ("a", "b")
#: The Bitcoin nodes of each signer's own, which no process of the platform can reach into.
SIGNER_NODES: Final = {"a": ("a1", "a2"), "b": ("b1", "b2")}
OFFLINE_KEYS: Final = ("recovery", "cold-1", "cold-2", "cold-3")
WITNESS: Final = "witness"
OPERATOR: Final = "operator"  # the key that signs changes of the signers' policy and merchants; it moves no money
PASSPHRASE_BYTES: Final = 24
# sockaddr_un holds 108 bytes; a longer path gets a short name elsewhere.
SOCKET_PATH_MAX: Final = 100
NOTICE: Final = """\
A demonstration of Strongroom: NOT FOR PRODUCTION.

Every secret of it lies in this one folder: the passphrases beside the keys of both signers, and the keys that belong
offline. Whoever reads the folder can take all that is in it, which is play money of a private chain. In production
each signer runs on a host of its own, started there by hand, and the recovery and cold keys never see a network.
"""


@dataclass(slots=True)
class Environment:
    """The folder's places, and what was done and found so far."""

    root: Path
    deployment: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, root: Path, *, preferred: Mapping[str, int] | None = None) -> Environment:
        """Open the folder, or make it; ports that are taken by now are chosen anew.

        Raises ``EnvironmentUnusableError`` where the folder is something else, or of another release.
        """
        environment = cls.read(root)
        root = environment.root
        if environment.deployment == "" and root.exists() and any(root.iterdir()):
            message = f"{root} holds files but no environment; name an empty folder with --dir"
            raise EnvironmentUnusableError(message)
        for folder in (
            root,
            *(
                root / name
                for name in ("log", "run", "signers", "witness", "offline", "relayers", "merchant", "shopper")
            ),
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment.deployment = environment.deployment or f"demonstration-{secrets.token_hex(4)}"
        environment.ports = _choose_ports(environment.ports, preferred or {})
        write_private(root / "README.txt", NOTICE)
        environment.save()
        return environment

    @classmethod
    def read(cls, root: Path) -> Environment:
        """Read what is there, changing nothing; an empty environment where nothing is."""
        root = Path(os.path.abspath(root))  # noqa: PTH100 -- keep symlinks, as the components do
        environment = cls(root)
        try:
            body = json.loads((root / "environment.json").read_text(encoding="utf-8"))
            known = body.pop("version") == VERSION
            environment = cls(root, **body)
        except FileNotFoundError:
            return environment
        except NotADirectoryError:
            message = f"{root} is no folder; name an empty one with --dir"
            raise EnvironmentUnusableError(message) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            known = False
        if not known:
            message = f"{root / 'environment.json'} is not of this release; remove {root} (it is only a demonstration)"
            raise EnvironmentUnusableError(message)
        return environment

    def save(self) -> None:
        """Write down what is known; never half."""
        body = {
            "version": VERSION,
            "deployment": self.deployment,
            "ports": self.ports,
            "done": self.done,
            "facts": self.facts,
        }
        write_private(self.root / "environment.json", json.dumps(body, indent=1) + "\n")

    def finish(self, step: str, **facts: Any) -> None:
        """Mark a step as done, with what it found."""
        self.facts |= facts
        if step not in self.done:
            self.done.append(step)
        self.save()

    @property
    def exists(self) -> bool:
        """Whether there is an environment in the folder."""
        return self.deployment != ""

    @property
    def settings_file(self) -> Path:
        """The settings of every process."""
        return self.root / "strongroom.toml"

    @property
    def api_url(self) -> str:
        """Where the API, checkout and console are."""
        return f"http://{LOOPBACK}:{self.ports['api']}"

    @property
    def merchant_url(self) -> str:
        """Where the demonstration merchant's own server takes webhooks."""
        return f"http://{LOOPBACK}:{self.ports['merchant']}/webhooks"

    @property
    def token_file(self) -> Path:
        """The merchant's API token."""
        return self.root / "merchant" / "token"

    def holder(self, name: str) -> Path:
        """Give the folder of a key's holder: signer `a` or `b`, or one of the offline keys."""
        return self.root / ("signers" if name in SIGNERS else "offline") / name

    def key_folder(self, name: str) -> Path:
        """Give the folder that `strongroom-signer` works in."""
        return self.holder(name) / "signer"

    def passphrase_file(self, name: str) -> Path:
        """Give where a holder's passphrase is kept, which only a demonstration does."""
        return self.holder(name) / "passphrase"

    def signer_node(self, signer: str, node: str) -> Path:
        """Give the folder of one of a signer's own nodes."""
        return self.holder(signer) / "nodes" / node

    @property
    def witness(self) -> Path:
        """The folder of the witness, which keeps both signers' journals on a host of its own."""
        return self.root / "witness"

    def socket(self, signer: str) -> Path:
        """Give the socket that a signer listens on, or the witness."""
        path = (self.witness if signer == WITNESS else self.holder(signer)) / "socket"
        if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
            return path
        return _short_folder(self.root) / f"signer-{signer}"

    def lock(self) -> FolderLock:
        """Take the folder for one `up` alone. Raises ``EnvironmentBusyError``."""
        lock = FolderLock(self.root)
        self.root.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except ComponentBusyError as error:
            message = f"{self.root} is up already ({error.message}); `strongroom down` stops it"
            raise EnvironmentBusyError(message) from None
        return lock

    def lock_holder(self) -> int | None:
        """Give the process that holds the folder now, or None."""
        lock = FolderLock(self.root)
        if not self.root.parent.exists():
            return None
        path = self.root.with_name(f".{self.root.name}.lock")
        try:
            lock.acquire()
        except ComponentBusyError:
            text = path.read_text(encoding="ascii", errors="replace").strip()
            return int(text) if text.isdecimal() else None
        lock.release()
        return None


def make_passphrase(path: Path) -> None:
    """Make a passphrase file, once."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        write_private(path, secrets.token_urlsafe(PASSPHRASE_BYTES) + "\n")


def _choose_ports(known: Mapping[str, int], preferred: Mapping[str, int]) -> dict[str, int]:
    chosen: dict[str, int] = {}
    for name in PORTS:
        port = known.get(name) or preferred.get(name) or 0
        while not port or port in chosen.values() or not _is_free(port):
            port = free_port()
        chosen[name] = port
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: old connections that still time out do not count, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _short_folder(root: Path) -> Path:
    """Make a folder with a short path that only we can write, for the sockets of an environment with a long one."""
    base = Path(f"/tmp/strongroom-signers-{os.geteuid()}")  # noqa: S108 -- ownership is checked below
    base.mkdir(mode=0o700, exist_ok=True)
    state = base.lstat()
    if base.is_symlink() or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        message = f"{base} belongs to someone else or is open to others; remove it"
        raise EnvironmentUnusableError(message)
    place = root.stat()
    folder = base / f"{place.st_dev:x}-{place.st_ino:x}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
