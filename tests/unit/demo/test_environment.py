from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.demo.configuration import CHAIN as BITCOIN_CHAIN
from strongroom.demo.configuration import key_names, write_policy, write_settings
from strongroom.demo.environment import PORTS, Environment, make_passphrase
from strongroom.demo.errors import EnvironmentBusyError, EnvironmentUnusableError
from strongroom.demo.ethereum_configuration import CHAIN, HOLDINGS
from strongroom.demo.leftovers import Record, read_records, start_time, stop_leftovers, write_record
from strongroom_signer.policy import parse_policy
from tests.unit.signer.kit import open_key

ACCOUNT = "[d34db33f/48h/1h/0h/2h]tpub" + "x" * 20
TRUST = {"operator": "ab" * 32, "identities": {"a": "01" * 32, "b": "02" * 32}}
OWNERS = {name: "0x" + f"{number:02x}" * 20 for number, name in enumerate(key_names(), 0x11)}


def test_it_remembers_what_was_done(tmp_path: Path) -> None:
    first = Environment.open(tmp_path / "e")
    first.finish("keys", accounts={"a": ACCOUNT})
    second = Environment.open(tmp_path / "e")
    assert (second.done, second.facts) == (["keys"], {"accounts": {"a": ACCOUNT}})
    assert (second.deployment, second.ports) == (first.deployment, first.ports)


def test_a_port_that_is_taken_is_chosen_anew_and_no_other(tmp_path: Path) -> None:
    first = Environment.open(tmp_path / "e")
    with socket.socket() as other:
        other.bind(("127.0.0.1", first.ports["node_rpc"]))
        other.listen()
        second = Environment.open(tmp_path / "e")
    changed = {name for name in PORTS if first.ports[name] != second.ports[name]}
    assert changed == {"node_rpc"}
    assert len(set(second.ports.values())) == len(PORTS)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(EnvironmentUnusableError):
        Environment.open(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}', '{"version": 2, "strange": 1}', "{"])
def test_a_damaged_environment_is_said_to_be_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "environment.json").write_text(text)
    with pytest.raises(EnvironmentUnusableError):
        Environment.read(tmp_path)


def test_a_file_is_no_environment_and_nobody_is_told_to_remove_it(tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("precious")
    with pytest.raises(EnvironmentUnusableError, match="is no folder") as refusal:
        Environment.read(file)
    assert "remove" not in refusal.value.message


def test_one_up_at_a_time(tmp_path: Path) -> None:
    environment = Environment.open(tmp_path / "e")
    assert environment.lock_holder() is None
    lock = environment.lock()
    with pytest.raises(EnvironmentBusyError) as refusal:
        environment.lock()
    assert refusal.value.code == "environment-busy"
    lock.release()
    assert environment.lock_holder() is None


def test_settings_and_policy_hold_no_secret_and_parse(tmp_path: Path) -> None:
    environment = Environment.open(tmp_path / "e")
    for name in key_names():
        make_passphrase(environment.passphrase_file(name))
    environment.finish("keys", accounts=dict.fromkeys(key_names(), ACCOUNT), owners=OWNERS, **TRUST)
    settings = write_settings(environment)
    write_policy(environment)
    assert [signer.name for signer in settings.signers] == ["A", "B"]
    assert [chain.horizon for chain in settings.chains] == [12, 6]
    assert [asset.code for asset in settings.held_assets] == ["BTC", "USDT", "USDC", "ETH"]
    secrets = [environment.passphrase_file(name).read_text().strip() for name in key_names()]
    assert len(set(secrets)) == len(secrets)
    for file in (environment.settings_file, tmp_path / "e" / "policy.toml", tmp_path / "e" / "environment.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not any(secret in file.read_text() for secret in secrets)


def test_what_the_hot_safe_may_draw_is_covered_by_the_house() -> None:
    assert all(0 < item.draw <= item.capital for item in HOLDINGS)
    assert {item.asset.decimals for item in HOLDINGS if item.asset.contract} == {6}


def test_both_signers_take_the_policy(tmp_path: Path) -> None:
    environment = Environment.open(tmp_path / "e")
    keys = {name: open_key(name) for name in key_names()}
    accounts, owners = (
        {name: key.public_text(chain) for name, key in keys.items()} for chain in (BITCOIN_CHAIN.id, CHAIN.id)
    )
    environment.finish("keys", accounts=accounts, owners=owners, **TRUST)
    write_policy(environment)
    policy = parse_policy((tmp_path / "e" / "policy.toml").read_bytes())
    assert set(policy.safes) == {CHAIN.id}
    assert {item.asset.id for item in HOLDINGS} <= set(policy.limits)
    assert (policy.trust.operators, policy.trust.operator_quorum) == ((b"\xab" * 32,), 1)


def test_leftovers_are_stopped_and_strangers_are_not(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    program = [sys.executable, "-c", "import time; time.sleep(600)"]
    ours = subprocess.Popen(program, start_new_session=True)
    stranger = subprocess.Popen(program, start_new_session=True)
    try:
        write_record(tmp_path, "ours", ours.pid, 1)
        # The number of a process that has ended belongs to another program by now.
        file = tmp_path / "run" / "stranger.json"
        write_record(tmp_path, "stranger", stranger.pid, 1)
        file.write_text(file.read_text().replace(str(start_time(stranger.pid)), "1"))
        assert stop_leftovers(tmp_path) == ["ours"]
        assert ours.wait(60) == -signal.SIGTERM
        assert stranger.poll() is None
        assert read_records(tmp_path) == []
    finally:
        for process in (ours, stranger):
            process.kill()
            process.wait()


def test_a_record_of_a_process_that_is_gone_is_not_alive() -> None:
    assert not Record("gone", 2**22 + 1, 5, 0, signal.SIGTERM).alive
