"""Real signer processes for tests: folders, start, one question at a time over the real socket, kill."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom_core.messages import Refused
from strongroom_core.protocol import decode_message
from strongroom_core.wire import LENGTH_BYTES, Message, frame, frame_length
from strongroom_signer import host, keyfile
from strongroom_signer.enrolment import Caps, EnrolledMerchant, render
from strongroom_signer.files import write_private
from strongroom_signer.host import Folder
from tests.unit.signer import safe_kit
from tests.unit.signer.kit import (
    ASSET,
    CHAIN,
    LISTED,
    MERCHANT,
    MERCHANT_KEY,
    OTHER_KEY,
    OTHER_MERCHANT,
    SATS,
    policy_text,
)

PASSPHRASE = b"a passphrase of the tests"
START_SECONDS = 60.0  # it takes one; a machine under load may need long
END_SECONDS = 60.0
RUN = [sys.executable, "-m", "strongroom_signer.cli"]


def make_folder(root: Path, name: str, **policy: Any) -> Folder:
    """A signer's folder with the key of that name from the unit tests' kit, genesis and two merchants."""
    folder = _founded(root / name, policy_text(**policy), CHAIN)
    caps = Caps(ASSET, 4 * SATS, 10 * SATS, 8 * SATS, (LISTED,))
    for merchant, branch, key in ((MERCHANT, 2, MERCHANT_KEY), (OTHER_MERCHANT, 3, OTHER_KEY)):
        host.enrol(folder, EnrolledMerchant(merchant, branch, bytes(key.verify_key), {}), caps)
    return folder


def make_safe_folder(root: Path, name: str, house: safe_kit.House = safe_kit.HOUSE) -> Folder:
    """The same for an EVM chain: an owner of the hot Safe of that house, and the two merchants with its assets."""
    folder = _founded(root / name, safe_kit.policy_text(house), safe_kit.CHAIN)
    write_private(folder.merchants, render(safe_kit.merchants(house)), replace=True)
    return folder


def _founded(path: Path, policy: bytes, chain: str) -> Folder:
    folder = Folder(path)
    folder.root.mkdir(mode=0o700, parents=True)
    seed = hashlib.sha256(f"test key {path.name}".encode()).digest()
    keyfile._seal(folder.key, path.name, seed, (chain,), PASSPHRASE, "interactive")
    host.found(folder, policy)
    return folder


def passphrase_descriptor(passphrase: bytes = PASSPHRASE) -> int:
    """The reading end of a pipe that holds the passphrase."""
    reader, writer = os.pipe()
    os.write(writer, passphrase + b"\n")
    os.close(writer)
    return reader


def command(*arguments: str, passphrase: bytes | None = None) -> subprocess.CompletedProcess[str]:
    """Run `strongroom-signer` to its end; the passphrase goes by file descriptor."""
    descriptor = passphrase_descriptor(passphrase) if passphrase is not None else None
    extra = ["--passphrase-fd", str(descriptor)] if descriptor is not None else []
    try:
        return subprocess.run(
            [*RUN, *arguments, *extra],
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
            pass_fds=(descriptor,) if descriptor is not None else (),
        )
    finally:
        if descriptor is not None:
            os.close(descriptor)


@dataclass
class SignerProcess:
    """One running signer."""

    folder: Folder
    program: list[str] = field(default_factory=lambda: list(RUN))
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def socket(self) -> Path:
        return self.folder.root / "s"

    @property
    def log_file(self) -> Path:
        return self.folder.root / "log"

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        descriptor = passphrase_descriptor()
        arguments = ["run", "--dir", str(self.folder.root), "--socket", str(self.socket), *self.options]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*self.program, *arguments, "--passphrase-fd", str(descriptor)], pass_fds=(descriptor,), stderr=log
            )
        os.close(descriptor)
        end = time.monotonic() + START_SECONDS
        while not any(line["event"] == "ready" for line in self.log()):
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(self.log_file.read_text())
            time.sleep(0.02)

    def log(self) -> list[dict[str, Any]]:
        whole, _, _ = self.log_file.read_text().rpartition("\n")  # the last line may be half written
        return [json.loads(line) for line in whole.splitlines() if line.startswith('{"at"')]

    def reload(self) -> None:
        """Have the merchants' file in force, as `strongroom-signer reload` does, without a process of its own."""
        host.nudge(self.folder)
        host.wait_for_merchants(self.folder)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        self.process.terminate()
        return self.process.wait(END_SECONDS)

    def kill(self) -> None:
        """SIGKILL."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(END_SECONDS)

    def ask(self, message: Message) -> Message:
        return ask(self.socket, message)

    def tag(self, message: Message) -> str:
        answer = self.ask(message)
        return answer.tag if isinstance(answer, Refused) else answer.kind


@contextmanager
def running(folder: Folder, *options: str) -> Iterator[SignerProcess]:
    """A signer that runs from a folder and is gone afterwards."""
    signer = SignerProcess(folder, options=options)
    try:
        signer.start()
        yield signer
    finally:
        signer.kill()


def ask(path: Path, message: Message) -> Message:
    """The smallest client of the protocol."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(START_SECONDS)
        connection.connect(str(path))
        return talk(connection, message)


def talk(connection: socket.socket, message: Message) -> Message:
    connection.sendall(frame(message))
    with connection.makefile("rb") as answers:
        header = answers.read(LENGTH_BYTES)
        if not header:
            raise ConnectionError
        return decode_message(answers.read(frame_length(header)))
