"""Random lives of two signers: rewound to any row, killed between row and signature, pushes lost, late and twice.

Whatever happens: a number of a signer's journal has one signed row for ever, a signature's row is held by the peer when
the signature leaves, and an intent that was signed for one coin is never signed for another.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from strongroom_core.intents import PaymentIntent
from strongroom_core.messages import Refused, Signed, Voided
from strongroom_core.peer_messages import PushRequest
from strongroom_core.wire import Message
from tests.unit.signer.kit import NOW, Clock, coin, intent, payout, sign, void
from tests.unit.signer.pair_kit import Host, Pair

NAMES = st.sampled_from([0, 1])
COINS = st.integers(0, 2)
PAYMENTS = st.integers(0, 3)
#: What a signer may answer when it was asked to sign: nothing else is a refusal that this machine can cause.
NOES = {
    "peer-silent",
    "peer-policy",
    "journal-behind",
    "journal-forked",
    "intent-bound",
    "intent-void",
    "intent-signed",
    "slot-inputs",
}


class PeerMachine(RuleBasedStateMachine):
    """Two hosts over real sockets; a door drops pushes before or after it has taken them in."""

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="peers-machine", dir="/dev/shm"))
        clock = Clock()
        self.hosts = [Host(self.root, name, clock) for name in "AB"]
        Pair(self.hosts[0], self.hosts[1], clock).settle()
        self.payments: list[PaymentIntent] = [intent(amount=10_000 + n, expires_at=NOW + 3_600) for n in range(4)]
        self.signed: dict[tuple[str, int], bytes] = {}
        self.coin_of: dict[tuple[str, int], int] = {}
        self.voided: set[tuple[str, int]] = set()
        self.answers: list[tuple[Host, Message, Message]] = []

    def teardown(self) -> None:
        if hasattr(self, "hosts"):
            for host in self.hosts:
                host.end()
            shutil.rmtree(self.root)

    def _other(self, host: Host) -> Host:
        return self.hosts[1 - self.hosts.index(host)]

    def _ask(self, host: Host, request: Message) -> Message:
        assert host.signer.peer is not None
        host.signer.peer._silent_until = 0.0
        answer = host.ask(request)
        if isinstance(answer, Refused):
            assert answer.tag in NOES, answer
        elif isinstance(answer, Signed | Voided):
            self._left(host, answer.row)
            self.answers.append((host, request, answer))
        return answer

    def _left(self, host: Host, number: int) -> None:
        """An answer that promises something left the signer: its row is what it ever was, and the peer holds it."""
        (row,) = host.signer.journal.rows(number, 1)
        assert self.signed.setdefault((host.name, number), row.hash) == row.hash
        (held,) = self._other(host).store.copy(host.name, number, 1)
        assert held == row

    @rule(at=NAMES, number=PAYMENTS, salt=COINS)
    def pay(self, at: int, number: int, salt: int) -> None:
        host = self.hosts[at]
        request = payout(self.payments[number], coins=(coin(salt=salt),)).request()
        if isinstance(self._ask(host, request), Signed):
            assert self.coin_of.setdefault((host.name, number), salt) == salt
            assert (host.name, number) not in self.voided

    @rule(at=NAMES, number=PAYMENTS)
    def promise_to_void(self, at: int, number: int) -> None:
        host = self.hosts[at]
        if isinstance(self._ask(host, void(sign(self.payments[number]))), Voided):
            assert (host.name, number) not in self.coin_of
            self.voided.add((host.name, number))

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        host, request, before = data.draw(st.sampled_from(self.answers))
        answer = self._ask(host, request)
        assert isinstance(answer, Refused) or answer == before

    @rule(at=NAMES, number=PAYMENTS, salt=COINS, taken=st.booleans())
    def die_while_it_is_confirmed(self, at: int, number: int, salt: int, taken: bool) -> None:
        """The push is lost, or its answer is; then the signer is killed."""
        host, other = self.hosts[at], self._other(self.hosts[at])
        honest = other.door.desk

        def lose(message: Message) -> None:
            if isinstance(message, PushRequest):
                if taken:
                    honest().answer(message)
                raise ConnectionError

        other.door.before = lose
        request = payout(self.payments[number], coins=(coin(salt=salt),)).request()
        answer = self._ask(host, request)
        other.door.before = lambda _: None
        # A row that the peer holds already needs no push: then the signature may leave.
        if isinstance(answer, Signed):
            assert self.coin_of.setdefault((host.name, number), salt) == salt
            assert (host.name, number) not in self.voided
        host.restart()

    @rule(at=NAMES)
    def restart(self, at: int) -> None:
        self.hosts[at].restart()

    @rule(at=NAMES, data=st.data())
    def rewind(self, at: int, data: st.DataObject) -> None:
        """A backup of any age is restored, or none is left."""
        host = self.hosts[at]
        rows = host.rows()
        host.store_of_peer_has_mine = lambda: True  # type: ignore[method-assign]
        host.rewind(rows[: data.draw(st.integers(0, len(rows)))])

    @rule(at=NAMES, data=st.data())
    def deliver_again(self, at: int, data: st.DataObject) -> None:
        """Pushes come twice, late and out of order."""
        door = self.hosts[at].door
        pushes = [message for message in door.asked if isinstance(message, PushRequest)]
        if pushes:
            for message in data.draw(st.lists(st.sampled_from(pushes), max_size=4)):
                door.desk().answer(message)

    @rule(at=NAMES)
    def tend(self, at: int) -> None:
        host = self.hosts[at]
        assert host.signer.peer is not None
        host.signer.peer._silent_until = 0.0
        host.signer.tend()

    @invariant()
    def what_left_is_held_for_ever(self) -> None:
        for (name, number), digest in getattr(self, "signed", {}).items():
            other = self.hosts["BA".index(name)]
            (row,) = other.store.copy(name, number, 1)
            assert row.hash == digest


PeerMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestPeerMachine = PeerMachine.TestCase
