"""Policy and merchants changed by hands: operators' commands, a real signer that runs, kills between all steps."""

from __future__ import annotations

import hashlib
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from strongroom_core.messages import PendingChange, Status, StatusRequest
from strongroom_core.statements import Document, Statement
from strongroom_signer import changing
from strongroom_signer.enrolment import render
from strongroom_signer.files import write_private
from strongroom_signer.host import Folder, now_in_force
from strongroom_signer.journal import open_reader
from strongroom_signer.statements import Signed
from tests.integration.signer.processes import PASSPHRASE, SignerProcess, _founded, ask, command, running
from tests.unit.signer.kit import (
    ASSET,
    CHAIN,
    DEPLOYMENT,
    MERCHANT,
    MERCHANT_KEY,
    SATS,
    coin,
    intent,
    merchants,
    payout,
)
from tests.unit.signer.test_statements import governed

OPERATOR = SigningKey(b"\x01" * 32)
PATIENCE_SECONDS = 60
# A command takes a second or two where the tests share two cores; what waits has to wait for longer.
LOCK = 15


def ok(*arguments: str, passphrase: bytes | None = None) -> dict[str, Any]:
    done = command(*arguments, passphrase=passphrase)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def error_of(*arguments: str, passphrase: bytes | None = None) -> str:
    done = command(*arguments, passphrase=passphrase)
    assert done.returncode == 1, done.stdout
    return str(json.loads(done.stderr.splitlines()[-1])["error"])


def until(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def pending(folder: Folder) -> tuple[PendingChange, ...]:
    """What a running signer says that waits."""
    status = ask(folder.root / "s", StatusRequest("r"))
    assert isinstance(status, Status)
    return status.pending


class Hands:
    """An operator with a machine of its own, and a hand on the signer's host, who pass files to each other."""

    def __init__(self, root: Path, lock: int) -> None:
        self.root = root
        self.operator = root / "operator"
        made = ok(*self._operator("new"), "--name", "alice", "--kdf", "interactive", passphrase=PASSPHRASE)
        self.text = governed(quorum=1, lock=lock).decode()
        for key in (bytes([number]) * 32 for number in (1, 2, 3)):
            self.text = self.text.replace(bytes(SigningKey(key).verify_key).hex(), str(made["operator"]), 1)
            made["operator"] = bytes(SigningKey(key).verify_key).hex()
        self.folder = _founded(root / "A", self.text.encode(), CHAIN)
        self.signer = ("--dir", str(self.folder.root))

    def _operator(self, action: str) -> tuple[str, ...]:
        return ("operator", action, "--dir", str(self.operator))

    def file(self, name: str, text: bytes | str) -> str:
        path = self.root / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    def statement(self, document: str, before: str, after: str) -> str:
        """Ask for a challenge, look at the change, compare its hash, sign."""
        challenge = self.file("challenge.json", json.dumps(ok("challenge", *self.signer)))
        what = ("--challenge", challenge, "--document", document, "--before", before, "--after", after)
        self.shown = ok(*self._operator("sign"), *what)
        out = str(self.root / "statement.json")
        ok(*self._operator("sign"), *what, "--hash", self.shown["hash"], "--out", out, passphrase=PASSPHRASE)
        return out

    def cancellation(self, waiting: PendingChange) -> str:
        out = str(self.root / "cancellation.json")
        what = ("--deployment", DEPLOYMENT, "--signer", "A", "--document", waiting.document)
        number = ("--sequence", str(waiting.sequence), "--hash", waiting.sha256.hex(), "--out", out)
        ok(*self._operator("cancel"), *what, *number, passphrase=PASSPHRASE)
        return out

    def pending(self) -> tuple[PendingChange, ...]:
        return pending(self.folder)


def test_operators_enrol_a_merchant_and_widen_the_policy_on_a_signer_that_runs(root: Path):
    hands = Hands(root, lock=LOCK)
    new = root / "new-merchants.toml"
    enrolling = ("enroll", *hands.signer, "--merchant", MERCHANT, "--branch", "2", "--per-window", "1000000000")
    caps = ("--key", bytes(MERCHANT_KEY.verify_key).hex(), "--per-payout", "400000000", "--unlisted-per-window")
    draft = payout(intent(expires_at=int(time.time()) + 3_600), fee=250_000)
    with running(hands.folder) as signer:
        assert error_of(*enrolling, *caps, "800000000") == "statement-missing"
        drafted = ok(*enrolling, *caps, "800000000", "--out", str(new))
        assert drafted["hash"] == hashlib.sha256(new.read_bytes()).hexdigest()
        merchants_file = ("merchants", *hands.signer, "--file", str(new))
        assert error_of(*merchants_file) == "statement-missing"

        statement = hands.statement("merchants", str(hands.folder.merchants), str(new))
        (change,) = hands.shown["changes"]
        assert (change["field"], change["effect"]) == (f"merchant.{MERCHANT}", "LOOSENS")
        assert hands.shown["takes force"] == "after the time-lock"
        done = ok(*merchants_file, "--statement", statement)
        assert done["state"] == "announced"
        waiting, refused = hands.pending(), signer.tag(draft.request())
        if time.time() < done["effective_at"]:  # or this machine was slower than the lock
            assert [(item.document, item.sha256.hex()) for item in waiting] == [("merchants", drafted["hash"])]
            assert refused == "merchant-unknown"
        until(lambda: not hands.pending(), "nothing took force")
        assert signer.tag(draft.request()) == "fee-absolute"
        until(lambda: hands.folder.merchants.read_bytes() == new.read_bytes(), "the file does not show it")
        assert error_of(*merchants_file, "--statement", statement) == "statement-sequence"

        wider = hands.file("wider.toml", hands.text.replace("max_fee = 200000", "max_fee = 300000"))
        statement = hands.statement("policy", str(hands.folder.policy), wider)
        done = ok("policy", *hands.signer, "--policy", wider, "--statement", statement)
        assert (done["state"], done["effective_at"] - int(time.time()) <= LOCK) == ("announced", True)
        until(lambda: not hands.pending(), "nothing took force")
        assert signer.tag(draft.request()) == "signed"
        assert [line["event"] for line in signer.log()].count("change-due") == 2
        status = signer.ask(StatusRequest("r"))
        assert isinstance(status, Status)
        assert status.policy_hash == hashlib.sha256(Path(wider).read_bytes()).digest()


def test_what_waits_is_cancelled_by_an_operator_or_by_the_passphrase_running_or_not(root: Path):
    hands = Hands(root, lock=3_600)
    wider = hands.file("wider.toml", hands.text.replace("max_fee = 200000", "max_fee = 300000"))
    apply = ("policy", *hands.signer, "--policy", wider, "--statement")
    cancel = ("cancel", *hands.signer, "--document", "policy")
    with running(hands.folder):
        ok(*apply, hands.statement("policy", str(hands.folder.policy), wider))
        (waiting,) = hands.pending()
        ok(*cancel, "--statement", hands.cancellation(waiting))
        assert hands.pending() == ()
        ok(*apply, hands.statement("policy", str(hands.folder.policy), wider))
        assert error_of(*cancel, passphrase=b"not the passphrase") == "key-file"
        write_private(hands.folder.cancelling, b'{"document": "policy", "mac": "00"}', replace=True)
        ok("reload", *hands.signer)
        until(lambda: not hands.folder.cancelling.exists(), "nobody looked at the ticket")
        assert len(hands.pending()) == 1
        ok(*cancel, passphrase=PASSPHRASE)
        assert hands.pending() == ()
    statement = hands.statement("policy", str(hands.folder.policy), wider)
    assert ok(*apply, statement, passphrase=PASSPHRASE)["state"] == "announced"
    assert ok(*cancel, passphrase=PASSPHRASE) == {"cancelled": "policy", "sequence": 3}
    assert error_of(*cancel, passphrase=PASSPHRASE) == "nothing-pending"
    assert error_of(*apply, statement, passphrase=PASSPHRASE) == "statement-sequence"
    with running(hands.folder):
        assert hands.pending() == ()
    assert hands.folder.policy.read_text() == hands.text


def test_an_operators_hand_signs_nothing_that_is_not_what_it_compared(root: Path):
    hands = Hands(root, lock=0)
    challenge = hands.file("challenge.json", json.dumps(ok("challenge", *hands.signer)))
    tighter = hands.file("tighter.toml", hands.text.replace("max_fee = 200000", "max_fee = 100000"))
    sign = ("operator", "sign", "--dir", str(hands.operator), "--document", "policy", "--after", tighter)
    before = ("--before", str(hands.folder.policy))
    right = hashlib.sha256(Path(tighter).read_bytes()).hexdigest()
    wrong = (*sign, "--challenge", challenge, *before, "--hash", "00" * 32)
    assert error_of(*wrong, passphrase=PASSPHRASE) == "statement-hash"
    assert error_of(*sign, "--challenge", challenge, "--before", tighter) == "operator-refused"
    assert error_of(*sign, "--challenge", tighter, *before) == "statement-malformed"
    at_the_signers = ("operator", "sign", *hands.signer, "--document", "policy", "--after", tighter)
    asked = (*at_the_signers, "--challenge", challenge, *before, "--hash", right)
    assert error_of(*asked, passphrase=PASSPHRASE) == "operator-refused"
    assert ok(*sign, "--challenge", challenge, *before)["takes force"] == "at once"


def test_without_operators_a_file_that_loosens_waits_and_a_cancelled_one_does_not_come_back(root: Path):
    text = governed(quorum=0, lock=3_600, operators=0)
    folder = _founded(root / "A", text, CHAIN)
    write_private(folder.merchants, render(merchants()), replace=True)
    arguments = ("--dir", str(folder.root))
    with running(folder) as signer:
        assert [item["document"] for item in ok("status", *arguments)["pending"]] == ["merchants"]
        assert signer.tag(payout(intent(expires_at=int(time.time()) + 60)).request()) == "merchant-unknown"
        ok("cancel", *arguments, "--document", "merchants", passphrase=PASSPHRASE)
    with running(folder):
        assert pending(folder) == ()
    assert folder.merchants.read_bytes() == render({})


# The signer as it is, but it kills itself before or after it writes a row of that kind, or a file of that name.
DIES = """
import os, signal, sys
from strongroom_signer import changing, cli, journal
real_append, real_write = journal.Journal.append, changing.write_private
def die(wanted, before, write):
    if wanted and before:
        os.kill(os.getpid(), signal.SIGKILL)
    done = write()
    if wanted:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
what, when = {what!r}, {when!r} == "before"
def append(self, body):
    return die(body["kind"] == what, when, lambda: real_append(self, body))
def write(path, data, **options):
    return die(path.name == what, when, lambda: real_write(path, data, **options))
journal.Journal.append, changing.write_private = append, write
sys.exit(cli.main(sys.argv[1:]))
"""
OLD = governed(quorum=1, lock=1, operators=1)
CHANGED = {
    "looser": OLD.replace(b"max_fee = 200000", b"max_fee = 300000"),
    "tighter": OLD.replace(b"max_fee = 200000", b"max_fee = 100000"),
}


def kinds(folder: Folder) -> list[str]:
    journal = open_reader(folder.journal)
    found = [body["kind"] for _, body in journal.verified()]
    journal.close()
    return found


def doomed(folder: Folder, what: str, when: str) -> None:
    """A signer that looks at its folder, gets to that step, and dies there."""
    signer = SignerProcess(folder, program=[sys.executable, "-c", DIES.format(what=what, when=when)])
    try:
        try:
            signer.start()
            signer.process.send_signal(signal.SIGHUP)
        except (AssertionError, ProcessLookupError):
            assert signer.process.poll() is not None  # it got there while it started
        assert signer.process.wait(PATIENCE_SECONDS) == -9
    finally:
        signer.kill()


def leave(folder: Folder, text: bytes) -> None:
    """What `policy --statement` leaves in the folder of a signer that runs."""
    told = changing.challenge(folder)
    nonce = bytes.fromhex(str(told["nonce"]))
    statement = Statement(DEPLOYMENT, "A", Document.POLICY, 1, nonce, hashlib.sha256(text).digest()).encode()
    signed = Signed(statement, {bytes(OPERATOR.verify_key): bytes(OPERATOR.sign(statement).signature)})
    body = {"document": "policy", "text": text.decode(), "signed": [signed.encode()]}
    write_private(folder.changing, json.dumps(body).encode(), replace=True)


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.long), "after"])
@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("announced", "looser"),
        ("policy", "looser"),
        ("policy", "tighter"),
        ("policy.toml", "looser"),
        ("policy.toml", "tighter"),
    ],
)
def test_a_signer_killed_at_any_step_of_a_change_makes_it_once(root: Path, what: str, change: str, when: str):
    folder = _founded(root / "A", OLD, CHAIN)
    with running(folder):
        pass  # the empty merchants' file is journalled
    leave(folder, CHANGED[change])
    doomed(folder, what, when)
    with running(folder):
        until(lambda: folder.policy.read_bytes() == CHANGED[change], "the change did not take force")
        until(lambda: not folder.changing.exists(), "the request stays")
    announced = ["announced"] if change == "looser" else []
    assert kinds(folder) == ["genesis", "enrolment", "challenge", *announced, "policy"]
    assert now_in_force(folder).changes.sequence == 1
    assert ok("verify", "--dir", str(folder.root))["policy"] == hashlib.sha256(CHANGED[change]).hexdigest()


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.long), "after"])
def test_a_signer_killed_while_it_issues_a_nonce_issues_one_that_can_be_used(root: Path, when: str):
    folder = _founded(root / "A", OLD, CHAIN)
    write_private(folder.asking, b"challenge\n", replace=True)
    doomed(folder, "challenge", when)
    with running(folder):
        until(lambda: not folder.asking.exists(), "the request stays")
        assert len(now_in_force(folder).changes.nonces) == (1 if when == "before" else 2)
        leave(folder, CHANGED["tighter"])
        ok("reload", "--dir", str(folder.root))
        until(lambda: folder.policy.read_bytes() == CHANGED["tighter"], "the change did not take force")


def test_a_payment_is_judged_by_the_policy_of_its_moment_across_a_restart(root: Path):
    hands = Hands(root, lock=0)
    folder = hands.folder
    rows = hands.file("merchants.toml", render(merchants()))
    ok("merchants", *hands.signer, "--file", rows, "--statement", hands.statement("merchants", *empty(hands), rows))
    tighter = hands.file("tighter.toml", hands.text.replace("per_payout = 500000000", "per_payout = 1000"))
    with running(folder) as signer:
        later = int(time.time()) + 3_600
        assert signer.tag(payout(intent(expires_at=later)).request()) == "signed"
        statement = hands.statement("policy", str(folder.policy), tighter)
        done = ok("policy", *hands.signer, "--policy", tighter, "--statement", statement)
        assert done["state"] == "in force"
        refused = payout(intent(amount=SATS, expires_at=later), coins=(coin(salt=2),))
        assert signer.tag(refused.request()) == "limit-payout"
        signer.stop()
        signer.start()
        assert signer.tag(refused.request()) == "limit-payout"
        assert ASSET in hands.text


def empty(hands: Hands) -> tuple[str]:
    return (hands.file("empty.toml", render({})),)
