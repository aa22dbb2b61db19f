"""What every embedded component needs of the operating system: owners, locks, ports, private files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.infra.components.errors import ComponentBusyError, ComponentError, ComponentMissingError

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.01
# The users a root-started component runs as: the machine's own postgres user where there is one.
UNPRIVILEGED_USERS = ("postgres", "nobody")
_TEXT_AFTER_NAME = 2  # in /proc/<pid>/stat the state letter follows the name's closing bracket and a blank


@dataclass(frozen=True, slots=True)
class Owner:
    """The operating-system user that owns a component's folder and runs its program."""

    uid: int
    gid: int
    name: str

    @property
    def is_other(self) -> bool:
        """Whether we have to change user to run as this owner."""
        return self.uid != os.geteuid()

    def command(self, *argv: str) -> list[str]:
        """Return argv, through `setpriv` where the owner is another user; needs root then."""
        if not self.is_other:
            return list(argv)
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            message = "setpriv is not on the PATH; install the package util-linux, or do not start as root"
            raise ComponentMissingError(message)
        return [setpriv, f"--reuid={self.uid}", f"--regid={self.gid}", "--init-groups", "--", *argv]


def folder_owner(folder: Path) -> Owner:
    """Choose who owns `folder` and runs its component: never root, and always the owner a filled folder already has.

    Raises ComponentError where a filled folder belongs to a user that we cannot or must not run as.
    """
    euid = os.geteuid()
    filled = folder.exists() and any(folder.iterdir())
    uid = folder.stat().st_uid if filled else (euid or _unprivileged().pw_uid)
    if uid == 0 or (euid not in (0, uid)):
        message = f"{folder} belongs to user id {uid}; chown it to the unprivileged user that is to run it"
        raise ComponentError(message)
    entry = pwd.getpwuid(uid) if _known(uid) else None
    gid = entry.pw_gid if entry else os.getegid()
    return Owner(uid=uid, gid=gid, name=entry.pw_name if entry else str(uid))


def user_name(uid: int) -> str:
    """Return the login name of a user id, or the number as text where it has none."""
    return pwd.getpwuid(uid).pw_name if _known(uid) else str(uid)


def _known(uid: int) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwuid(uid))
    return False


def _unprivileged() -> pwd.struct_passwd:
    for name in UNPRIVILEGED_USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    message = f"started as root, and there is none of the users {UNPRIVILEGED_USERS} to run PostgreSQL as"
    raise ComponentError(message)


def write_private(path: Path, text: str, owner: Owner | None = None, mode: int = 0o600) -> None:
    """Replace a file at once (never half-written), readable by its owner only.

    The new file is made beside it with O_EXCL and O_NOFOLLOW, since the folder's owner may be less trusted than we are.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if owner is not None and owner.is_other:
            os.fchown(descriptor, owner.uid, owner.gid)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def reachable_by_others(path: Path) -> bool:
    """Whether any user may traverse every folder above `path`."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def free_port() -> int:
    """Return a TCP port that is free on the loopback address now (another program may still take it first)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def is_alive(pid: int) -> bool:
    """Whether a process exists and has not ended; a zombie has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat[stat.rfind(")") + _TEXT_AFTER_NAME] not in "ZX"


def wait_until(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    """Poll a cheap condition until it holds; False after the timeout."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


class FolderLock:
    """At most one process of ours runs a component in a folder; the kernel frees the lock when that process dies."""

    def __init__(self, folder: Path) -> None:
        """Name the lock file, beside the folder and not in it."""
        self._path = folder.with_name(f".{folder.name}.lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise ComponentBusyError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            message = f"{self._path} is held by the running process {holder or '?'}; stop that one first"
            raise ComponentBusyError(message) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
