"""Two real signers and a witness: kills around every step, an older journal, a peer that stops, and TLS."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from strongroom_core.messages import Signed, SignRequest
from strongroom_signer.files import write_private
from strongroom_signer.host import Folder
from tests.fixtures.ports import reserved_port
from tests.integration.signer.pairs import (
    held_by,
    keep_journal,
    lag,
    make_pair_folders,
    restore_journal,
    running_pair,
    status,
    until,
    until_settled,
    witnessing,
)
from tests.integration.signer.processes import END_SECONDS, SignerProcess, command
from tests.integration.signer.test_crash import DIES, signed_rows
from tests.integration.signer.test_door import make_certificates
from tests.unit.signer.kit import coin, intent, payout, sign, void

pytestmark = pytest.mark.slow

# Where the signer dies: module, what it is about to call, whether it dies after the call, whether it decided by then.
STEPS = {
    "before the append": ("journal", "Journal.append", False, 0),
    "after the append": ("journal", "Journal.append", True, 1),
    "before the push": ("holders", "Holder.push", False, 1),
    "after the push": ("holders", "Holder.push", True, 1),
    "before the signature": ("decide", "Signer._signatures", False, 1),
    "after the signature": ("decide", "Signer._signatures", True, 1),
}


def draft(salt: int = 0) -> SignRequest:
    item = intent(amount=10_000 + salt, expires_at=int(time.time()) + 3_600)
    return payout(item, coins=(coin(salt=salt),)).request(f"r{salt}")


def patient(signer: SignerProcess, request: SignRequest) -> Signed:
    """Ask until the pause after a silence and a recovery are over."""
    answers: list[object] = []

    def signed() -> bool:
        answers.append(signer.ask(request))
        return isinstance(answers[-1], Signed)

    until(signed, "never signed")
    assert isinstance(answers[-1], Signed)
    return answers[-1]


def dying_program(step: str) -> list[str]:
    module, target, after, _ = STEPS[step]
    before = "real(*arguments, **options)" if after else "pass"
    return [sys.executable, "-c", DIES.format(module=module, target=target, before=before)]


def test_both_sign_what_the_other_holds_and_the_witness_too(root: Path):
    with witnessing(root) as witness, running_pair(make_pair_folders(root, witness=True)) as (first, second):
        for salt in range(3):
            request = draft(salt)
            for signer in (first, second):
                patient(signer, request)
        assert held_by(first, "B") == status(second).rows
        assert held_by(second, "A") == status(first).rows
        until(lambda: lag(first, "witness") == lag(second, "witness") == 0, "the witness did not catch up")
        assert (witness.head("A"), witness.head("B")) == (status(first).rows, status(second).rows)
        patient(first, draft(9))
        for file in (first.folder.root, second.folder.root, witness.root):
            assert file.stat().st_mode & 0o077 == 0


# The first step is played with every run, the others by `make long`.
SLICE = [pytest.param(step, marks=() if at == 0 else pytest.mark.long) for at, step in enumerate(STEPS)]


@pytest.mark.parametrize("step", SLICE)
def test_a_signer_killed_around_each_step_signs_once_what_its_peer_holds(root: Path, step: str):
    folders = make_pair_folders(root)
    with running_pair(folders) as (first, second):
        patient(first, draft(1))
        until_settled(first)
        first.kill()
        request = draft()
        dying = SignerProcess(folders["A"], program=dying_program(step))
        dying.start()
        with pytest.raises(ConnectionError):
            patient(dying, request)
        assert dying.process.wait(END_SECONDS) == -9
        assert signed_rows(folders["A"].journal) == 1 + STEPS[step][3]

        first.start()
        answer = patient(first, request)
        assert patient(first, request) == answer
        assert signed_rows(folders["A"].journal) == 2
        assert held_by(second, "A") == status(first).rows
        patient(first, draft(2))
    assert command("verify", "--dir", str(folders["A"].root)).returncode == 0


def test_an_older_journal_refuses_is_made_whole_by_the_peer_and_goes_on(root: Path):
    folders = make_pair_folders(root)
    with running_pair(folders) as (first, second):
        requests = [draft(salt) for salt in range(3)]
        answers = [patient(first, requests[0])]
        first.stop()
        keep_journal(folders["A"], root / "backup")
        first.start()
        answers += [patient(first, request) for request in requests[1:]]
        rows = status(first).rows
        first.stop()
        restore_journal(folders["A"], root / "backup")

        # The peer is away: nothing is signed, and nothing is written that could stand where rows were forgotten.
        second.stop()
        first.start()
        assert first.tag(draft(7)) == "peer-silent"
        assert first.tag(void(sign(intent()))) == "peer-silent"
        assert status(first).rows < rows
        second.start()
        until(lambda: status(first).rows == rows, "the rows did not come back")
        assert [patient(first, request) for request in requests] == answers
        assert patient(first, draft(8)).row == rows + 1
        assert held_by(second, "A") == rows + 1

        # Asked at once after the start, it says why not, and the next answer is the right one.
        first.stop()
        restore_journal(folders["A"], root / "backup")
        first.start()
        assert [patient(first, request) for request in requests] == answers
    assert command("verify", "--dir", str(folders["A"].root)).returncode == 0


def test_a_journal_that_is_gone_comes_back_at_the_start_and_without_a_peer_nothing_starts(root: Path):
    folders = make_pair_folders(root)
    with running_pair(folders) as (first, second):
        answer = patient(first, request := draft())
        rows = status(first).rows
        first.stop()
        for file in folders["A"].root.glob("journal.*"):
            file.unlink()
        second.stop()
        refused = command(
            "run", "--dir", str(folders["A"].root), "--socket", str(root / "x"), passphrase=b"a passphrase of the tests"
        )
        assert refused.returncode == 1
        assert "no genesis" in refused.stderr
        second.start()
        first.start()
        assert status(first).rows == rows
        assert patient(first, request) == answer


def test_a_peer_that_stops_stops_signing_and_one_that_comes_back_lets_it_go_on(root: Path):
    folders = make_pair_folders(root)
    with running_pair(folders) as (first, second):
        patient(first, draft(1))
        second.kill()
        request = draft(2)
        assert first.tag(request) == "peer-silent"
        assert first.tag(void(sign(intent()))) == "peer-silent"
        # It waits for no more than its own time (host.WAIT_SECONDS), and the peer stays away.
        done = command("halt", "--dir", str(folders["A"].root), "--reason", "thieves")
        assert done.returncode == 0, done.stderr
        assert first.tag(request) == "halted"
        done = command("resume", "--dir", str(folders["A"].root), passphrase=b"a passphrase of the tests")
        assert done.returncode == 1
        second.start()
        until_settled(first)
        done = command("resume", "--dir", str(folders["A"].root), passphrase=b"a passphrase of the tests")
        assert done.returncode == 0, done.stderr
        patient(first, request)
        assert held_by(second, "A") == status(first).rows


def test_a_stopped_signer_is_halted_by_its_next_start(root: Path):
    folders = make_pair_folders(root)
    with running_pair(folders) as (first, _):
        patient(first, draft(1))
        rows = status(first).rows
        first.stop()
        assert command("halt", "--dir", str(folders["A"].root), "--reason", "thieves").returncode == 0
        first.start()
        assert first.tag(draft(2)) == "halted"
        until(lambda: status(first).rows > rows, "the halt was not journalled")
        assert not folders["A"].halting.exists()
        assert status(first).halt_reason == "thieves"


@pytest.mark.parametrize("after", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_peer_killed_while_it_takes_rows_holds_them_whole_or_not_at_all(root: Path, after: bool):
    folders = make_pair_folders(root)
    with running_pair(folders) as (first, second):
        second.kill()
        before = "real(*arguments, **options)" if after else "pass"
        program = DIES.format(module="peer_store", target="PeerStore._write", before=before)
        dying = SignerProcess(folders["B"], program=[sys.executable, "-c", program])
        dying.start()
        request = draft()

        def refused_and_dead() -> bool:
            # Where the peer's start took long, the pause after a silence comes first.
            assert first.tag(request) == "peer-silent"
            return dying.process.poll() is not None

        until(refused_and_dead, "the peer did not get to that step")
        assert dying.process.wait(END_SECONDS) == -9
        second.start()
        patient(first, request)
        assert held_by(second, "A") == status(first).rows


def test_two_signers_over_tls(root: Path):
    make_certificates(root)
    folders = make_pair_folders(root)
    with ExitStack() as reserved:
        _talk_over_tls(root, folders, {name: reserved.enter_context(reserved_port()) for name in folders})


def _talk_over_tls(root: Path, folders: dict[str, Folder], ports: dict[str, int]) -> None:
    files = ("signer.pem", "signer.key", "ca.pem")
    for name, folder in folders.items():
        other = "B" if name == "A" else "A"
        tls = "".join(
            f'{key} = "{root / file}"\n' for key, file in zip(("tls_cert", "tls_key", "tls_ca"), files, strict=True)
        )
        text = f'[peer]\nname = "{other}"\naddress = "127.0.0.1:{ports[other]}"\n{tls}'
        write_private(folder.root / "links.toml", text.encode(), replace=True)
    own = ("--tls-cert", str(root / files[0]), "--tls-key", str(root / files[1]), "--tls-ca", str(root / files[2]))
    made = [
        SignerProcess(folder, options=("--listen", f"127.0.0.1:{ports[name]}", *own))
        for name, folder in folders.items()
    ]
    try:
        for signer in made:
            signer.start()
        for signer in made:
            until_settled(signer)
        for signer in made:
            patient(signer, draft(1))
        assert held_by(made[0], "B") == status(made[1]).rows
        made[1].stop()
        # A stranger's certificate in the peer's place is no peer.
        made[1].options = tuple(option.replace("/signer.", "/thief.") for option in made[1].options)
        made[1].start()
        assert made[0].tag(draft(2)) == "peer-silent"
    finally:
        for signer in made:
            signer.kill()


def test_a_witness_keeps_only_whom_it_knows_and_starts_only_with_identities(root: Path):
    (root / "W").mkdir(mode=0o700)
    for text in ("", "deployment = 1\n[signers]\n", 'deployment = "x"\n[signers]\nA = "00"\n'):
        (root / "W" / "identities.toml").write_text(text)
        refused = command("witness", "--dir", str(root / "W"), "--socket", str(root / "W" / "s"))
        assert (refused.returncode, "identities-wrong" in refused.stderr) == (1, True)
    with witnessing(root) as witness:
        assert witness.head("A") == 0
        assert witness.process.poll() is None
