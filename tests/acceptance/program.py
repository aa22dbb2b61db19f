"""Runs `strongroom` as a person would: a program of its own, watched through what it prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STRONGROOM = (sys.executable, "-m", "strongroom.processes.cli")
SIGNER = (sys.executable, "-m", "strongroom_signer.cli")
MERCHANT = (sys.executable, "-m", "strongroom_client.cli")
SECONDS = 300.0


def run(
    *argv: str, cwd: Path | None = None, secret: Path | None = None, seconds: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; a passphrase goes by file descriptor."""
    descriptor = os.open(secret, os.O_RDONLY) if secret else None
    extra = () if descriptor is None else ("--passphrase-fd", str(descriptor))
    try:
        return subprocess.run(
            [*argv, *extra],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=environment(),
            pass_fds=() if descriptor is None else (descriptor,),
        )
    finally:
        if descriptor is not None:
            os.close(descriptor)


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")} | {"TERM": "dumb"}


class Up:
    """One `strongroom up`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder.with_suffix(".out")
        with self.log.open("wb") as log:
            argv = [*STRONGROOM, "up", "--dir", str(folder)]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, env=environment(), start_new_session=True)

    def said(self, words: str) -> bool:
        return words in self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, words: str) -> None:
        """Wait until it has said something, which it must before it ends."""
        wait_until(lambda: self.said(words) or self.process.poll() is not None, words)
        assert self.said(words), self.log.read_text(encoding="utf-8", errors="replace")

    def interrupt(self) -> int:
        """Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(SECONDS)

    def end(self) -> None:
        """Whatever the test did: nothing stays."""
        if self.process.poll() is None:
            run(*STRONGROOM, "down", "--dir", str(self.folder))
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)

    def config(self) -> tuple[str, str]:
        return ("--config", str(self.folder / "strongroom.toml"))

    def ask(self, *argv: str) -> Any:
        """Run a command on this environment and read its JSON."""
        answer = run(*STRONGROOM, *argv, *self.config(), "--json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def facts(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "environment.json").read_text())["facts"])


def processes_of(folder: Path) -> list[str]:
    """The command lines of running processes that name a folder of an environment, or work in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            surroundings = (process / "environ").read_bytes().decode(errors="replace")
            here = str(process.joinpath("cwd").readlink())
        except OSError:
            continue
        if str(folder) in line or f"{folder}/" in surroundings or here.startswith(f"{folder}/"):
            found.append(line)
    return found


def wait_until(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
