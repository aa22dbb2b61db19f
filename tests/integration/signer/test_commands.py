"""The command line as a hand on the host uses it, from an empty folder to a resumed signer."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import stat
import time
from pathlib import Path

import pytest

from strongroom_core.messages import HaltRequest, Refused, Signed, Status, StatusRequest
from strongroom_signer.files import write_private
from strongroom_signer.server import MAX_CONNECTIONS
from tests.integration.signer.pairs import until
from tests.integration.signer.processes import PASSPHRASE, SignerProcess, command, make_folder, running
from tests.unit.signer.kit import (
    ASSET,
    CHAIN,
    MERCHANT,
    MERCHANT_KEY,
    SATS,
    intent,
    payout,
    policy_text,
)

KEY = bytes(MERCHANT_KEY.verify_key).hex()
ENROLL = (
    "--merchant",
    MERCHANT,
    "--branch",
    "2",
    "--key",
    KEY,
    "--per-payout",
    "100000000",
    "--per-window",
    "200000000",
)


def draft_now(**changes: object):
    return payout(intent(expires_at=int(time.time()) + 3_600, **changes))


def init(folder: Path, name: str) -> dict[str, object]:
    made = command(
        "init", "--dir", str(folder), "--name", name, "--chain", CHAIN, "--kdf", "interactive", passphrase=PASSPHRASE
    )
    assert made.returncode == 0, made.stderr
    return dict(json.loads(made.stdout))


def test_from_an_empty_folder_to_a_running_signer(root: Path):
    keys = {name: init(root / name, name) for name in ("A", "B", "R", "C1", "C2", "C3")}
    accounts = {name: key["accounts"][CHAIN] for name, key in keys.items()}  # type: ignore[index]
    assert json.loads(command("xpub", "--dir", str(root / "A")).stdout) == keys["A"]
    policy = root / "policy.toml"
    policy.write_bytes(
        policy_text(hot=[accounts[name] for name in "ABR"], cold=[accounts[name] for name in ("C1", "C2", "C3")])
    )
    for name in ("A", "B"):
        folder = str(root / name)
        done = command("genesis", "--dir", folder, "--policy", str(policy))
        assert (done.returncode, json.loads(done.stdout)["row"]) == (0, 1)
        assert command("genesis", "--dir", folder, "--policy", str(policy)).returncode == 1
        done = command("enroll", "--dir", folder, *ENROLL, "--unlisted-per-window", "100000000")
        assert (done.returncode, json.loads(done.stdout)["asset"]) == (0, ASSET)
    stranger = command("genesis", "--dir", str(root / "C1"), "--policy", str(policy))
    assert json.loads(stranger.stderr)["error"] == "policy-invalid"
    for file in (root / "A").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_equal_keys_cannot_come_into_force(root: Path):
    account = init(root / "A", "A")["accounts"][CHAIN]  # type: ignore[index]
    policy = root / "policy.toml"
    others = [init(root / name, name)["accounts"][CHAIN] for name in ("R", "C1", "C2", "C3")]  # type: ignore[index]
    policy.write_bytes(policy_text(hot=[account, account, others[0]], cold=others[1:]))
    refused = command("genesis", "--dir", str(root / "A"), "--policy", str(policy))
    assert refused.returncode == 1
    assert "twice" in json.loads(refused.stderr)["message"]


def test_a_wrong_passphrase_and_another_policy_do_not_start(root: Path):
    folder = make_folder(root, "A")
    arguments = ("run", "--dir", str(folder.root), "--socket", str(root / "s"))
    assert json.loads(command(*arguments, passphrase=b"not the passphrase").stderr)["error"] == "key-file"
    folder.policy.write_bytes(policy_text(max_fee=999_999))
    refused = command(*arguments, passphrase=PASSPHRASE)
    assert "not the policy in force" in refused.stderr
    new = root / "new.toml"
    new.write_bytes(policy_text(max_fee=999_999))
    changed = command("policy", "--dir", str(folder.root), "--policy", str(new), passphrase=PASSPHRASE)
    assert changed.returncode == 0, changed.stderr
    with running(folder) as signer:
        status = signer.ask(StatusRequest("req"))
        assert isinstance(status, Status)
        assert status.policy_hash.hex() == json.loads(changed.stdout)["policy"]


def test_the_passphrase_and_the_keys_are_in_no_argument_environment_or_log(root: Path):
    folder = make_folder(root, "A")
    with running(folder) as signer:
        assert signer.tag(draft_now().request("req-77")) == "signed"
        process = Path(f"/proc/{signer.process.pid}")
        shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        assert PASSPHRASE not in shown
        log = signer.log_file.read_text()
        assert PASSPHRASE.decode() not in log
        lines = [line for line in signer.log() if line["event"] == "answered"]
        assert lines[-1]["request"] == "req-77"
        assert lines[-1]["peer"]["uid"] == os.getuid()
        assert stat.S_IMODE(signer.socket.stat().st_mode) == 0o600
        core = next(line for line in (process / "limits").read_text().splitlines() if line.startswith("Max core file"))
        assert core.split()[4:6] == ["0", "0"]


def test_a_merchant_is_enrolled_while_the_signer_runs_but_only_by_a_hand(root: Path):
    folder = make_folder(root, "A")
    folder.merchants.unlink()
    with running(folder) as signer:
        draft = draft_now()
        assert signer.tag(draft.request()) == "merchant-unknown"
        done = command("enroll", "--dir", str(folder.root), *ENROLL, "--unlisted-per-window", "200000000")
        assert done.returncode == 0
        assert signer.tag(draft.request()) == "merchant-unknown"
        assert command("reload", "--dir", str(folder.root)).returncode == 0
        assert signer.tag(draft.request()) == "signed"
        folder.merchants.write_bytes(b"version = 9\n")
        signer.process.send_signal(1)
        assert signer.tag(draft_now(amount=SATS - 1).request()) == "signed"


def test_a_halt_is_ended_only_by_the_passphrase_on_the_host(root: Path):
    folder = make_folder(root, "A")
    arguments = ("resume", "--dir", str(folder.root))
    with running(folder) as signer:
        halted = signer.ask(HaltRequest("req", "drill"))
        assert isinstance(halted, Status)
        assert halted.halted
        assert signer.tag(draft_now().request()) == "halted"
        assert command(*arguments, passphrase=b"not the passphrase").returncode == 1
        write_private(folder.ticket, b'{"halt": 4, "mac": "00"}', replace=True)
        signer.process.send_signal(1)
        until(lambda: "ticket-refused" in [line["event"] for line in signer.log()], "nobody looked at the ticket")
        assert signer.tag(draft_now().request()) == "halted"
        signer.stop()
        signer.start()
        assert signer.tag(draft_now().request()) == "halted"
        resumed = command(*arguments, passphrase=PASSPHRASE)
        assert resumed.returncode == 0, resumed.stderr
        assert isinstance(signer.ask(draft_now().request()), Signed)
        by_hand = command("halt", "--socket", str(signer.socket), "--reason", "over the socket")
        assert json.loads(by_hand.stdout)["halt_reason"] == "over the socket"
    assert command(*arguments, passphrase=PASSPHRASE).returncode == 0
    assert command(*arguments, passphrase=PASSPHRASE).returncode == 1
    assert json.loads(command("verify", "--dir", str(folder.root)).stdout)["halted"] is False


def test_a_hand_on_the_host_halts_even_when_the_socket_is_crowded_or_nobody_runs(root: Path):
    folder = make_folder(root, "A")
    halting = ("halt", "--dir", str(folder.root), "--reason")
    with running(folder) as signer:
        crowd = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(MAX_CONNECTIONS)]
        for connection in crowd:
            connection.connect(str(signer.socket))
        done = command(*halting, "crowded")
        assert done.returncode == 0, done.stderr
        for connection in crowd:
            connection.close()
        status = signer.ask(StatusRequest("req"))
        assert isinstance(status, Status)
        assert (status.halted, status.halt_reason) == (True, "crowded")
    assert command("resume", "--dir", str(folder.root), passphrase=PASSPHRASE).returncode == 0
    assert command(*halting, "stopped").returncode == 0
    with running(folder) as signer:
        assert signer.tag(draft_now().request()) == "halted"


def test_one_folder_runs_one_signer_and_stops_cleanly(root: Path):
    folder = make_folder(root, "A")
    with running(folder) as signer:
        second = command("run", "--dir", str(folder.root), "--socket", str(root / "t"), passphrase=PASSPHRASE)
        assert json.loads(second.stderr.splitlines()[-1])["error"] == "signer-busy"
        assert json.loads(command("status", "--dir", str(folder.root)).stdout)["signer"] == "A"
        assert signer.stop() == 0
        assert not signer.socket.exists()
        assert not folder.running.exists()
    nobody = command("status", "--dir", str(folder.root))
    assert json.loads(nobody.stderr)["error"] == "signer-error"


def test_a_tampered_journal_halts_a_real_signer_and_names_the_row(root: Path):
    folder = make_folder(root, "A")
    draft = draft_now()
    with running(folder) as signer:
        assert signer.tag(draft.request()) == "signed"
    connection = sqlite3.connect(folder.journal, isolation_level=None)
    connection.execute("DROP TRIGGER rows_stay")
    connection.execute("UPDATE rows SET body = CAST(replace(body, '5000', '4999') AS BLOB) WHERE number = 3")
    connection.close()
    verified = command("verify", "--dir", str(folder.root))
    assert verified.returncode == 1
    assert "row 3" in json.loads(verified.stderr)["message"]
    signer = SignerProcess(folder)
    signer.start()
    try:
        answer = signer.ask(draft.request())
        assert isinstance(answer, Refused)
        assert (answer.tag, "row 3" in answer.reason) == ("journal-broken", True)
        status = signer.ask(StatusRequest("req"))
        assert isinstance(status, Status)
        assert status.halted
    finally:
        signer.kill()


@pytest.mark.parametrize("arguments", [("run", "--dir", "x"), ("enroll",), ("init", "--dir", "x", "--name", "A")])
def test_missing_options_are_told(arguments: tuple[str, ...]):
    assert command(*arguments, passphrase=PASSPHRASE if arguments[0] == "run" else None).returncode in {1, 2}
