"""Relayers' keys: read by their owner only, never shown; what they sign is what anybody can check."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from strongroom.outbound.ethereum import transactions
from strongroom.outbound.ethereum.errors import RelayerKeyError
from strongroom.outbound.ethereum.keys import RelayerKey, load_relayer_keys, make_relayer_key, read_relayer_key
from tests.unit.outbound.ethereum.test_rules import nonce, version

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
ADDRESS = "2c7536e3605d9c16a7a3d7b1898e529396a65c23"


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "relayer.key"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_a_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "relayer.key"
    address = make_relayer_key(file)
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert make_relayer_key(file) == address == read_relayer_key(file).address
    assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_killed_process_left_behind_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "relayer.key"
    with monkeypatch.context() as patch:
        patch.setattr("os.link", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        patch.setattr(Path, "unlink", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            make_relayer_key(file)
    assert not file.exists()
    (left,) = tmp_path.iterdir()
    assert left.stat().st_mode & 0o777 == 0o600
    assert make_relayer_key(file) == read_relayer_key(file).address


def test_a_key_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    with pytest.raises(RelayerKeyError, match="folder"):
        make_relayer_key(tmp_path / "missing" / "relayer.key")


@pytest.mark.parametrize("text", [KEY, KEY + "\n", "0x" + KEY])
def test_a_key_is_read_as_hex(tmp_path: Path, text: str) -> None:
    assert read_relayer_key(write(tmp_path, text)).address.hex() == ADDRESS


@pytest.mark.parametrize(
    "text", ["", KEY[:-2], KEY + "00", "zz" * 32, "00" * 32, "ff" * 32, KEY + "\n" + KEY, "ä" * 64]
)
def test_what_is_no_key_is_refused_without_being_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(RelayerKeyError) as caught:
        read_relayer_key(write(tmp_path, text))
    assert caught.value.code == "relayer-key-invalid"
    assert len(text) < 64 or text[:16] not in caught.value.message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(RelayerKeyError, match="chmod 600"):
        read_relayer_key(write(tmp_path, KEY, mode))


def test_a_key_is_never_shown_nor_leaves_its_process(tmp_path: Path) -> None:
    key = read_relayer_key(write(tmp_path, KEY))
    assert KEY not in f"{key!r} {key} {vars(type(key))}"
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leave(key)


def test_a_key_that_cannot_sign_says_so_without_what_the_library_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def sign_msg_hash(self, digest: bytes) -> None:
            raise ValueError(KEY)

    key = RelayerKey(bytes.fromhex(KEY))
    monkeypatch.setattr(key, "_key", Broken())
    with pytest.raises(RelayerKeyError) as caught:
        transactions.sign(key, nonce(), version())
    assert KEY not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_key_file_that_fails_is_left_out_and_named_and_the_same_key_twice_is_one(tmp_path: Path) -> None:
    good = write(tmp_path, KEY)
    keys = load_relayer_keys((tmp_path / "missing.key", good, good))
    assert [(position, key.address.hex()) for position, key in keys.loaded] == [(1, ADDRESS)]
    assert len(keys.problems) == 2
    assert "missing.key" in keys.problems[0]
    assert keys.key(bytes.fromhex(ADDRESS)) is not None
    assert keys.key(bytes(20)) is None


def test_a_signed_version_says_exactly_what_was_planned_and_always_the_same() -> None:
    key = RelayerKey(bytes.fromhex(KEY))
    planned = version(max_fee=77, tip=5, gas_limit=123_456)
    raw, txid = transactions.sign(key, nonce(9), planned)
    assert transactions.sign(key, nonce(9), planned) == (raw, txid)
    read = TypedTransaction.from_bytes(HexBytes(raw))
    assert f"0x{read.hash().hex()}" != txid, "the hash that is signed is not the txid"
    assert Account.recover_transaction(raw).lower() == f"0x{ADDRESS}"
    fields = read.as_dict()
    values = {name: int(fields[name]) for name in ("type", "chainId", "nonce", "gas", "value")}
    assert values == {"type": 2, "chainId": 1, "nonce": 9, "gas": 123_456, "value": 0}
    assert (int(fields["maxFeePerGas"]), int(fields["maxPriorityFeePerGas"])) == (77, 5)
    assert bytes(fields["to"]) == planned.to
    assert not fields["accessList"]
