"""The key file and the key sets: what is refused, and that nothing shows the key."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from strongroom_core.assets import BITCOIN, LITECOIN
from strongroom_signer import keyfile
from strongroom_signer.chains import PARAMETERS
from strongroom_signer.curve import PrivateNode, require_native_curve
from strongroom_signer.errors import KeyFileError, KeySetError
from strongroom_signer.keyset import AccountKey, KeySet, require_distinct
from tests.unit.signer.kit import CHAIN, COLD, HOT, KEYS, PARAMS, account

PASSPHRASE = b"correct horse battery"


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "key.json"
    keyfile.create(path, "A", (CHAIN, BITCOIN.id, LITECOIN.id), PASSPHRASE, "interactive")
    return path


def test_a_key_file_opens_to_the_keys_that_its_public_half_names(key_file: Path):
    public, key = keyfile.read_public(key_file), keyfile.open_key(key_file, PASSPHRASE)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert public.fingerprint == key.master.fingerprint
    for chain, text in public.accounts.items():
        parameters = PARAMETERS[chain]
        assert key.account_key(chain).text(test=parameters.chain.test) == text
        assert AccountKey.parse(text, test=parameters.chain.test, path=parameters.account_path) == key.account_key(
            chain
        )
    assert public.accounts[LITECOIN.id].split("/")[2] == "2h"
    assert public.accounts[CHAIN].split("]")[1].startswith("tpub")


def test_two_key_files_have_different_keys(key_file: Path, tmp_path: Path):
    other = keyfile.create(tmp_path / "key.json", "B", (CHAIN,), PASSPHRASE, "interactive")
    assert other.accounts[CHAIN] != keyfile.read_public(key_file).accounts[CHAIN]


def test_a_wrong_passphrase_and_a_damaged_file_are_refused(key_file: Path, tmp_path: Path):
    with pytest.raises(KeyFileError):
        keyfile.open_key(key_file, b"correct horse batterz")
    body = json.loads(key_file.read_bytes())
    for name, value in (("box", "00" * 72), ("salt", "00" * 16), ("fingerprint", "00000000"), ("version", 2)):
        bent = tmp_path / "bent.json"
        bent.write_text(json.dumps(body | {name: value}))
        bent.chmod(0o600)
        with pytest.raises(KeyFileError):
            keyfile.open_key(bent, PASSPHRASE)


def test_a_key_file_is_never_overwritten_nor_read_when_others_can(tmp_path: Path):
    path = tmp_path / "key.json"
    with pytest.raises(KeyFileError):
        keyfile.create(path, "A", (CHAIN,), b"too short", "interactive")
    keyfile.create(path, "A", (CHAIN,), PASSPHRASE, "interactive")
    before = path.read_bytes()
    with pytest.raises(KeyFileError):
        keyfile.create(path, "A", (CHAIN,), PASSPHRASE, "interactive")
    assert path.read_bytes() == before
    path.chmod(0o644)
    with pytest.raises(KeyFileError):
        keyfile.open_key(path, PASSPHRASE)
    with pytest.raises(KeyFileError):
        keyfile.open_key(tmp_path / "none.json", PASSPHRASE)


def test_the_seed_and_the_passphrase_stand_nowhere_in_the_file(key_file: Path):
    key = keyfile.open_key(key_file, PASSPHRASE)
    secret = key.master._node.key.secret.hex()
    assert secret not in key_file.read_text()
    assert PASSPHRASE.decode() not in key_file.read_text()
    assert secret not in repr(key)
    assert "hidden" in repr(key.master)


def test_equal_keys_are_refused():
    first, second, third = HOT.keys
    for keys in ((first, first, third), (first, second, second)):
        with pytest.raises(KeySetError):
            KeySet("hot", keys)
    with pytest.raises(KeySetError):
        KeySet("hot", (first, second))
    with pytest.raises(KeySetError):
        require_distinct((HOT, KeySet("cold", (first, *COLD.keys[1:]))))


def test_an_account_key_is_refused_with_another_path_network_or_checksum():
    good = account("A")
    private = KEYS["A"].account(CHAIN)._node.to_base58()
    bad = [
        good.replace("/48h", "/49h"),
        good.replace("]tpub", "]xpub"),
        good[:-1],
        good.split("]")[1],
        f"[{good[1:9]}/48h/1h/0h/2h]{private}",
        AccountKey(KEYS["A"].master.fingerprint, PARAMS.account_path, HOT.keys[0].node.child(0)).text(test=True),
        "",
    ]
    for text in bad:
        with pytest.raises(KeySetError):
            AccountKey.parse(text, test=True, path=PARAMS.account_path)
    with pytest.raises(KeySetError):
        AccountKey.parse(good, test=False, path=PARAMS.account_path)
    with pytest.raises(KeySetError):
        HOT.keys[0].node.child(2**31)


def test_master_and_children_follow_bip_32_vector_1():
    master = PrivateNode.from_seed(bytes.fromhex("000102030405060708090a0b0c0d0e0f"))
    child = master.derive((2**31, 1, 2**31 + 2, 2))
    assert child.public().text(test=False) == (
        "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV"
    )


def test_a_signer_does_not_run_on_the_slow_curve(monkeypatch: pytest.MonkeyPatch):
    require_native_curve()

    def ecdsa_sign() -> None:
        """Stand in for the pure-Python fall-back: any function of another module."""

    monkeypatch.setattr("embit.util.secp256k1.ecdsa_sign", ecdsa_sign)
    with pytest.raises(KeyFileError):
        require_native_curve()
