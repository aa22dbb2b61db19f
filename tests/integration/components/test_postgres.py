"""The embedded PostgreSQL: durable by default, recovers, shuts others out, changes no folder but its own."""

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from strongroom.infra.components import postgres_programs
from strongroom.infra.components.errors import ComponentBusyError, ComponentError, ComponentStartError
from strongroom.infra.components.hosting import free_port, wait_until
from strongroom.infra.components.postgres import PostgresCluster


@pytest.fixture
def cluster(scratch: Path, request: pytest.FixtureRequest) -> Iterator[PostgresCluster]:
    folder = scratch / f"own-{os.getpid()}-{request.node.name[:40]}"
    folder.mkdir(mode=0o700)
    server = PostgresCluster(folder / "pg", free_port())
    yield server
    server.stop()


def _abandon(cluster: PostgresCluster) -> None:
    """Free the folder's lock as the kernel does when the process that started the server is killed."""
    cluster._lock.release()


def test_what_was_committed_survives_a_killed_server(cluster: PostgresCluster) -> None:
    cluster.start()
    with cluster.superuser() as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    pid = cluster.server_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: cluster.server_pid() is None, 60)
    _abandon(cluster)
    again = PostgresCluster(cluster.data_dir, cluster.port)
    again.start()
    with again.superuser() as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    again.stop()


def test_a_server_left_behind_is_stopped_and_a_running_one_is_not_taken(cluster: PostgresCluster) -> None:
    cluster.start()
    first = cluster.server_pid()
    other = PostgresCluster(cluster.data_dir, cluster.port)
    with pytest.raises(ComponentBusyError, match=str(os.getpid())):
        other.start()
    assert cluster.server_pid() == first
    _abandon(cluster)
    other.start()
    assert other.server_pid() not in (None, first)
    other.stop()
    assert other.server_pid() is None


def test_a_stale_pid_file_that_names_a_living_stranger_does_not_stop_the_start(cluster: PostgresCluster) -> None:
    cluster.start()
    record = cluster.data_dir / "postmaster.pid"
    lines = record.read_text(encoding="utf-8").splitlines()
    cluster.stop()
    # A process of the same user, so that PostgreSQL itself would refuse.
    owner = cluster.data_dir.stat().st_uid
    switch = ["setpriv", f"--reuid={owner}", "--clear-groups"] if os.geteuid() == 0 else []
    with subprocess.Popen([*switch, "sleep", "600"]) as stranger:
        record.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n", encoding="utf-8")
        assert cluster.server_pid() is None
        cluster.start()
        assert cluster.server_pid() not in (None, stranger.pid)
        assert stranger.poll() is None
        stranger.kill()


def test_a_folder_that_others_cannot_traverse_stays_as_closed_as_it_was(cluster: PostgresCluster) -> None:
    closed = cluster.data_dir.parent
    closed.chmod(0o700)
    before = [stat.S_IMODE(parent.stat().st_mode) for parent in closed.parents]
    cluster.start()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert [stat.S_IMODE(parent.stat().st_mode) for parent in closed.parents] == before
    assert stat.S_IMODE(cluster.data_dir.stat().st_mode) == 0o700


def test_the_server_never_runs_as_root_and_holds_no_capability(cluster: PostgresCluster) -> None:
    cluster.start()
    status = Path(f"/proc/{cluster.server_pid()}/status").read_text(encoding="ascii")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    assert int(fields["CapEff"], 16) == 0
    assert int(fields["CapAmb"], 16) == 0


def test_a_path_too_long_for_a_socket_works(scratch: Path) -> None:
    folder = scratch / f"long-{os.getpid()}" / ("x" * 120)
    with PostgresCluster(folder / "pg", free_port(), fast=True) as cluster, cluster.superuser() as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("postgres",)


def test_passwords_are_private_kept_and_in_no_connection_string(cluster: PostgresCluster) -> None:
    cluster.start()
    with cluster.superuser() as connection:
        connection.execute("CREATE ROLE strongroom_watcher")
    cluster.give_password("strongroom_watcher")
    passfile = cluster.password_file("strongroom_watcher")
    before = passfile.read_bytes()
    password = before.decode().strip().rpartition(":")[2]
    assert stat.S_IMODE(passfile.stat().st_mode) == 0o600
    assert stat.S_IMODE(passfile.parent.stat().st_mode) == 0o700
    assert password not in cluster.dsn("strongroom_watcher")
    cluster.give_password("strongroom_watcher")
    assert passfile.read_bytes() == before
    with psycopg.connect(cluster.dsn("strongroom_watcher")) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("strongroom_watcher",)
    assert password not in cluster.log_file.read_text(encoding="utf-8")


def test_it_listens_on_the_loopback_address_only(cluster: PostgresCluster) -> None:
    cluster.start()
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    places = [line.split()[3] for line in listening.splitlines() if line.split()[3].endswith(f":{cluster.port}")]
    assert places == [f"127.0.0.1:{cluster.port}"]


def test_a_taken_port_is_said_in_the_error(cluster: PostgresCluster) -> None:
    cluster.start()
    other = PostgresCluster(cluster.data_dir.with_name("second"), cluster.port)
    with pytest.raises(ComponentStartError, match="Address already in use"):
        other.start()
    assert other.server_pid() is None


def test_a_folder_with_other_files_is_left_alone(cluster: PostgresCluster) -> None:
    cluster.data_dir.mkdir()
    precious = cluster.data_dir / "precious"
    precious.write_text("keep", encoding="utf-8")
    with pytest.raises(ComponentError, match=str(cluster.data_dir)):
        cluster.start()
    assert precious.read_text(encoding="utf-8") == "keep"


def test_the_programs_are_copied_where_the_servers_user_cannot_reach_them(
    cluster: PostgresCluster, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root with a checkout in a closed folder; seen here by declaring every folder closed."""
    if os.geteuid() != 0:
        cluster.start()  # nothing to copy: the server runs as ourselves
        return
    shared = Path("/var/tmp") / f"strongroom-{scratch.name}"  # noqa: S108 -- made by root, removed below
    monkeypatch.setattr(postgres_programs, "SHARED_PROGRAMS", shared)
    monkeypatch.setattr(postgres_programs, "reachable_by_others", lambda _: False)
    try:
        cluster.start()
        program = Path(f"/proc/{cluster.server_pid()}/exe").resolve()
        assert program.is_relative_to(shared)
        cluster.stop()
    finally:
        subprocess.run(["rm", "-rf", str(shared)], check=True)
