"""What stops the processes of an environment whose `up` is gone: by the next `up`, by `down`, or by the guard.

Every process that is started is written down in ``run/`` with its start time, so that a number that belongs to another
program by now is left alone. The guard is a small process that reads its standard input: when that ends without the
word that all is well, `up` was killed, and the guard stops what it left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.infra.components.hosting import is_alive, wait_until, write_private

STOP_SECONDS: Final = 30.0
ALL_IS_WELL: Final = b"stopped\n"
# The argument of bitcoind, and of anvil, by which a process is known to work in our folder.
_NODE_MARKS: Final = ("-datadir", "--cache-path")
_START_TIME: Final = 19  # field 22 of /proc/<pid>/stat (proc(5)), counted after the name's closing bracket


@dataclass(frozen=True, slots=True)
class Record:
    """A process that was started: lower ``order`` was started earlier, and is stopped later."""

    name: str
    pid: int
    started: int
    order: int
    stop_signal: int

    @property
    def alive(self) -> bool:
        """Whether the very process that was started is still there."""
        return is_alive(self.pid) and start_time(self.pid) == self.started


def start_time(pid: int) -> int:
    """Give when a process started, in clock ticks since boot; 0 where there is none."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(stat[stat.rfind(")") + 2 :].split()[_START_TIME])
    return 0


def write_record(root: Path, name: str, pid: int, order: int, stop_signal: int = signal.SIGTERM) -> None:
    """Write a started process down."""
    body = {"pid": pid, "started": start_time(pid), "order": order, "stop_signal": int(stop_signal)}
    write_private(root / "run" / f"{name}.json", json.dumps(body) + "\n")


def remove_record(root: Path, name: str) -> None:
    """Forget a process that has ended."""
    (root / "run" / f"{name}.json").unlink(missing_ok=True)


def read_records(root: Path) -> list[Record]:
    """Read what was started and not stopped, latest first."""
    found = []
    for file in (root / "run").glob("*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            found.append(Record(file.stem, **json.loads(file.read_text(encoding="utf-8"))))
    return sorted(found, key=lambda record: -record.order)


def stop_leftovers(root: Path) -> list[str]:
    """Stop what still runs, later started first, together with its children; the names of what was stopped."""
    records = [record for record in read_records(root) if record.alive]
    known = {record.pid for record in records}
    records += [record for record in _unwritten(root) if record.pid not in known]
    for order in sorted({record.order for record in records}, reverse=True):
        group = [record for record in records if record.order == order]
        for record in group:
            _signal(record, record.stop_signal)
        if not wait_until(lambda group=group: not any(item.alive for item in group), STOP_SECONDS):  # type: ignore[misc]
            for record in group:
                _signal(record, signal.SIGKILL)
    for record in read_records(root):
        if not record.alive:
            remove_record(root, record.name)
    return [record.name for record in records]


def _unwritten(root: Path) -> list[Record]:
    """Find components that an `up` killed in their very start had no time to write down: by their folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        with contextlib.suppress(OSError):
            if os.getsid(pid) != pid:
                continue
            arguments = (process / "cmdline").read_bytes()
            if any(os.fsencode(f"{mark}={root}/") in arguments for mark in _NODE_MARKS):
                found.append(Record("node", pid, start_time(pid), 0, signal.SIGTERM))
            elif (process / "cwd").readlink() == root / "postgres":
                found.append(Record("postgres", pid, start_time(pid), 0, signal.SIGINT))
    return found


def _signal(record: Record, number: int) -> None:
    if not record.alive:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        # Each was started as the leader of a session of its own; the leader passes a stop on to its children.
        if number == signal.SIGKILL:
            os.killpg(record.pid, number)
        else:
            os.kill(record.pid, number)


def main() -> None:
    """Guard the environment named as the only argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    said = sys.stdin.buffer.read()
    if said != ALL_IS_WELL:
        stop_leftovers(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
