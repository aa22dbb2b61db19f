"""Two signers that confirm at each other over real sockets, in one process, so that a test can stop and rewind them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from strongroom_core.messages import JournalRow, Refused
from strongroom_core.wire import Message
from strongroom_signer import holders, peers, records, streaming
from strongroom_signer.decide import Signer
from strongroom_signer.errors import NotJudgedError
from strongroom_signer.host import read_books
from strongroom_signer.journal import Journal, open_writer
from strongroom_signer.keeper import About, Desk, Keeper
from strongroom_signer.linking import _about, owner_of
from strongroom_signer.links import Endpoint, Links
from strongroom_signer.peer_store import PeerStore
from strongroom_signer.peers import PeerLink
from strongroom_signer.policy import Policy, parse_policy
from strongroom_signer.server import Server, unix_listener
from strongroom_signer.streaming import WitnessStream
from tests.unit.signer.kit import ALONE, DEPLOYMENT, KEYS, Clock, enrol, merchants, policy_text

UNHURRIED_SECONDS = 60.0
IDENTITIES = {name: bytes(KEYS[name].identity.verify_key) for name in ("A", "B")}


def trust(*also_off: str) -> str:
    """The policy's part about trust where two signers confirm at each other."""
    signers = ", ".join(f'{name} = "{identity.hex()}"' for name, identity in IDENTITIES.items())
    off = ALONE.replace('"peer-silent", ', "").replace("signers = {}", f"signers = {{ {signers} }}")
    return off.replace("switched_off = [", "switched_off = [" + "".join(f'"{tag}", ' for tag in also_off))


def pair_text(*also_off: str, **changes: object) -> bytes:
    """The kit's policy for a pair; ``also_off`` are more rules to switch off."""
    return policy_text(**changes).replace(ALONE.encode(), trust(*also_off).encode())


PAIR = parse_policy(pair_text())


@dataclass
class Door:
    """Lets requests in, or drops every connection where ``shut``; ``before`` runs in front of each answer."""

    desk: Callable[[], Desk | Keeper]
    shut: bool = False
    before: Callable[[Message], None] = field(default=lambda _: None)
    asked: list[Message] = field(default_factory=list)

    def answer(self, message: Message) -> Message:
        if self.shut:
            raise ConnectionError
        self.asked.append(message)
        self.before(message)
        return self.desk().answer(message)


def end_server(server: Server) -> None:
    """Wake the thread that accepts, which a close alone does not: a process ends with its threads, a test does not."""
    with contextlib.suppress(OSError):
        server._listener.shutdown(socket.SHUT_RDWR)
    server.close()


def endpoint(name: str, socket: Path) -> Endpoint:
    return Endpoint(name, socket, None, None)


@dataclass
class Host:
    """One signer's host: its journal, what it holds of its peer's, its door; the signer can die and be rewound."""

    root: Path
    name: str
    clock: Clock
    text: bytes = field(default_factory=pair_text)
    witness: Path | None = None
    signer: Signer = field(init=False)
    store: PeerStore = field(init=False)
    door: Door = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.store = PeerStore(self.folder / "peers.sqlite")
        self.door = Door(lambda: Desk(self.signer, Keeper(self.store, lambda: _about(self.signer))))
        self.open()
        self.server = Server(self.door, unix_listener(self.socket))
        self.server.start()

    @property
    def folder(self) -> Path:
        return self.root / self.name

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    @property
    def policy(self) -> Policy:
        return parse_policy(self.text)

    @property
    def links(self) -> Links:
        other = "B" if self.name == "A" else "A"
        witness = endpoint("W", self.witness) if self.witness is not None else None
        return Links(endpoint(other, self.root / other / "s"), witness, {})

    def open(self, *, without_witness: bool = False) -> None:
        """Start the signer over what the journal holds; a new one gets its genesis."""
        journal = open_writer(self.folder / "journal.sqlite")
        key, policy = KEYS[self.name], self.policy
        if not journal.count and not self.store_of_peer_has_mine():
            journal.append(records.genesis(self.clock.now, self.name, key.master.fingerprint, policy, self.text))
        self.signer = Signer(key, policy, merchants(), journal, read_books(journal), self.clock)
        self.signer.peer = PeerLink(owner_of(key, policy), self.links, without_witness=without_witness)
        if self.witness is not None:
            stream = WitnessStream(owner_of(key, policy), endpoint("W", self.witness), journal)
            self.signer.witness = stream

    def store_of_peer_has_mine(self) -> bool:
        return False

    def enrol(self) -> None:
        """What a start does once it is settled; a signer that is not settled leaves it for later."""
        enrol(self.signer, merchants())

    def close(self) -> None:
        """The signer dies; its door says nothing more."""
        self.signer.journal.close()
        if self.signer.peer is not None:
            self.signer.peer.close()
        if self.signer.witness is not None:
            self.signer.witness.close()

    def restart(self) -> None:
        self.close()
        self.open()

    def rows(self) -> list[JournalRow]:
        return list(self.signer.journal.rows())

    def rewind(self, rows: list[JournalRow]) -> None:
        """Put an older journal in its place, as who restores a backup does, and start from it."""
        self.close()
        for file in self.folder.glob("journal.*"):
            file.unlink()
        with self._writing() as journal:
            list(journal.restore(rows))
        self.open()

    @contextmanager
    def _writing(self) -> Iterator[Journal]:
        journal = open_writer(self.folder / "journal.sqlite")
        yield journal
        journal.close()

    def ask(self, message: Message) -> Message:
        return self.signer.answer(message)

    def tag(self, message: Message) -> str:
        answer = self.ask(message)
        return answer.tag if isinstance(answer, Refused) else answer.kind

    def patient(self, message: Message) -> str:
        """The tag once the pause after a silence is over and what was missing is back."""
        assert self.signer.peer is not None
        for _ in range(3):
            self.signer.peer._silent_until = 0.0
            if (tag := self.tag(message)) != "journal-behind":
                return tag
        return "journal-behind"

    def end(self) -> None:
        self.close()
        self.door.shut = True
        end_server(self.server)
        self.store.close()


@dataclass
class Pair:
    """Signers A and B, settled with each other, with the same merchants."""

    a: Host
    b: Host
    clock: Clock

    @property
    def hosts(self) -> tuple[Host, Host]:
        return self.a, self.b

    def settle(self) -> None:
        for host in self.hosts:
            host.enrol()
            host.signer.tend()


class Witnessing:
    """A witness at a socket of its own."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.socket = root / "w"
        self.store = PeerStore(root / "witness.sqlite")
        about = About(DEPLOYMENT, IDENTITIES, bytes(32), bytes(32), clock.now)
        self.door = Door(lambda: Keeper(self.store, lambda: about))
        self.server = Server(self.door, unix_listener(self.socket))
        self.server.start()

    def end(self) -> None:
        self.door.shut = True
        end_server(self.server)
        self.store.close()


@contextmanager
def pair(*, witness: bool = False, text: bytes | None = None) -> Iterator[tuple[Pair, Witnessing | None]]:
    """Two signers in a folder in memory, gone afterwards; none is silent only because this machine is slow."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (holders, peers, streaming):
            patch.setattr(module, "ANSWER_SECONDS", UNHURRIED_SECONDS)
        for name in ("WITNESS_SECONDS", "FRESH_SECONDS"):
            patch.setattr(peers, name, UNHURRIED_SECONDS)
        with _pair(witness=witness, text=text) as made:
            yield made


@contextmanager
def _pair(*, witness: bool, text: bytes | None) -> Iterator[tuple[Pair, Witnessing | None]]:
    root = Path(tempfile.mkdtemp(prefix="pair", dir="/dev/shm"))
    clock = Clock()
    watching = Witnessing(root, clock) if witness else None
    hosts = [Host(root, name, clock, text or pair_text(), watching.socket if watching else None) for name in "AB"]
    try:
        made = Pair(hosts[0], hosts[1], clock)
        made.settle()
        yield made, watching
    finally:
        for host in hosts:
            host.end()
        if watching is not None:
            watching.end()
        shutil.rmtree(root)


def settled(host: Host) -> bool:
    """Whether the signer may write now."""
    try:
        host.signer._may_act(halted=False)
    except NotJudgedError:
        return False
    return True
