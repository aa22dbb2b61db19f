"""Two real signer processes that confirm at each other, and a real witness: folders, links, older journals."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from strongroom_core.messages import Status, StatusRequest
from strongroom_core.peer_messages import HeadIs, HeadRequest
from strongroom_signer import host, keyfile
from strongroom_signer.enrolment import render
from strongroom_signer.files import write_private
from strongroom_signer.host import Folder
from tests.integration.signer.processes import END_SECONDS, PASSPHRASE, RUN, START_SECONDS, SignerProcess, ask
from tests.unit.signer.kit import CHAIN, DEPLOYMENT, merchants
from tests.unit.signer.pair_kit import IDENTITIES, pair_text

NAMES = ("A", "B")


def make_pair_folders(root: Path, *, witness: bool = False, policy: bytes | None = None) -> dict[str, Folder]:
    """Folders of signers A and B with one policy, the kit's merchants, and links to each other by socket."""
    folders = {}
    for name in NAMES:
        folder = folders[name] = Folder(root / name)
        folder.root.mkdir(mode=0o700, parents=True)
        seed = _seed(name)
        keyfile._seal(folder.key, name, seed, (CHAIN,), PASSPHRASE, "interactive")
        host.found(folder, policy or pair_text())
        write_private(folder.merchants, render(merchants()), replace=True)
        other = "B" if name == "A" else "A"
        text = f'[peer]\nname = "{other}"\nsocket = "{root / other / "s"}"\n'
        if witness:
            text += f'[witness]\nname = "W"\nsocket = "{root / "W" / "s"}"\n'
        write_private(folder.root / "links.toml", text.encode(), replace=True)
    return folders


def _seed(name: str) -> bytes:
    return hashlib.sha256(f"test key {name}".encode()).digest()


@dataclass
class WitnessProcess:
    """A running witness of both signers."""

    root: Path
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def socket(self) -> Path:
        return self.root / "s"

    def start(self) -> None:
        self.root.mkdir(mode=0o700, exist_ok=True)
        names = "".join(f'{name} = "{identity.hex()}"\n' for name, identity in IDENTITIES.items())
        (self.root / "identities.toml").write_text(f'deployment = "{DEPLOYMENT}"\n[signers]\n{names}')
        arguments = ["witness", "--dir", str(self.root), "--socket", str(self.socket), *self.options]
        with (self.root / "log").open("wb") as log:
            self.process = subprocess.Popen([*RUN, *arguments], stderr=log)
        until(lambda: '"ready"' in (self.root / "log").read_text(), "the witness did not start")

    def head(self, owner: str) -> int:
        answer = ask(self.socket, HeadRequest("test", owner))
        assert isinstance(answer, HeadIs)
        return answer.rows

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(END_SECONDS)


@contextmanager
def witnessing(root: Path) -> Iterator[WitnessProcess]:
    witness = WitnessProcess(root / "W")
    try:
        witness.start()
        yield witness
    finally:
        witness.kill()


@contextmanager
def running_pair(folders: dict[str, Folder], *options: str) -> Iterator[tuple[SignerProcess, SignerProcess]]:
    """Both signers, settled with each other: each holds all rows of the other, and the merchants are in force."""
    with ExitStack() as stack:
        made = []
        for folder in folders.values():
            signer = SignerProcess(folder, options=options)
            stack.callback(signer.kill)
            signer.start()
            made.append(signer)
        for signer in made:
            until_settled(signer)
        yield made[0], made[1]


def status(signer: SignerProcess) -> Status:
    answer = signer.ask(StatusRequest("test"))
    assert isinstance(answer, Status)
    return answer


def lag(signer: SignerProcess, role: str = "peer") -> int:
    return next(item.lag for item in status(signer).holdings if item.role == role)


def until_settled(signer: SignerProcess) -> None:
    """Wait until the peer holds every row and the merchants' file is in force."""

    def settled() -> bool:
        said = status(signer)
        return bool(said.enrolment_hash) and not any(item.lag for item in said.holdings if item.role == "peer")

    until(settled, "the signers did not settle")


def until(done: object, message: str, seconds: float = START_SECONDS) -> None:
    assert callable(done)
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise AssertionError(message)
        time.sleep(0.05)


def held_by(signer: SignerProcess, owner: str) -> int:
    """How many rows of ``owner`` this signer holds."""
    answer = signer.ask(HeadRequest("test", owner))
    assert isinstance(answer, HeadIs), answer
    return answer.rows


def keep_journal(folder: Folder, to: Path) -> None:
    """Copy the journal of a stopped signer, as a backup does."""
    to.mkdir()
    for file in folder.root.glob("journal.sqlite*"):
        shutil.copy2(file, to / file.name)


def restore_journal(folder: Folder, kept: Path) -> None:
    for file in folder.root.glob("journal.sqlite*"):
        file.unlink()
    for file in kept.iterdir():
        shutil.copy2(file, folder.root / file.name)
