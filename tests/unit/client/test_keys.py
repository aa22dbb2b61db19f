"""The merchant's key file: private, never overwritten, and refused when damaged."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import VerifyKey

from strongroom_client import keys
from strongroom_client.errors import (
    KeyFileError,
    KeyFileExistsError,
    KeyFileExposedError,
    KeyFileInvalidError,
    PassphraseNeededError,
    PassphraseWrongError,
)
from strongroom_client.keys import MerchantKey, Strength

# RFC 8032, section 7.1, test 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
PASSPHRASE = b"correct horse"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "merchant.key"
    keys.create_key_file(path, None)
    return path


@pytest.fixture(scope="module")
def sealed_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("keys") / "sealed.key"
    keys.create_key_file(path, PASSPHRASE, Strength.INTERACTIVE)
    return path.read_text()


@pytest.fixture
def sealed(tmp_path: Path, sealed_text: str) -> Path:
    return write(tmp_path / "sealed.key", sealed_text)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def altered(path: Path, **fields: Any) -> Path:
    return write(path, json.dumps(json.loads(path.read_text()) | fields))


def test_a_key_signs_as_rfc_8032_says() -> None:
    key = MerchantKey.from_seed(SEED)
    assert key.public_key == PUBLIC
    assert key.sign(bytes.fromhex("72")) == SIGNATURE


def test_a_key_never_shows_its_secret_half() -> None:
    key = MerchantKey.from_seed(SEED)
    for text in (repr(key), str(key), f"{key}", repr([key])):
        assert SEED.hex() not in text
        assert PUBLIC.hex() in text


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_has_32_bytes(length: int) -> None:
    with pytest.raises(KeyFileInvalidError):
        MerchantKey.from_seed(bytes(length))


def test_two_keys_differ() -> None:
    assert MerchantKey.generate().public_key != MerchantKey.generate().public_key


def test_a_key_file_reads_back(plain: Path) -> None:
    key = keys.load_key(plain)
    assert key.public_key == keys.read_public_key(plain)
    VerifyKey(key.public_key).verify(b"data", key.sign(b"data"))
    assert not keys.is_encrypted(plain)


def test_a_key_file_is_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        keys.create_key_file(tmp_path / "a.key", None)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600


def test_a_key_file_is_never_overwritten(plain: Path) -> None:
    before = plain.read_bytes()
    with pytest.raises(KeyFileExistsError) as caught:
        keys.create_key_file(plain, None)
    assert caught.value.code == "key-file-exists"
    assert plain.read_bytes() == before


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (tmp_path / "link.key").symlink_to(target)
    with pytest.raises(KeyFileExistsError):
        keys.create_key_file(tmp_path / "link.key", None)
    assert not target.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        keys.create_key_file(tmp_path / "none" / "a.key", None)
    with pytest.raises(KeyFileError, match="No such file"):
        keys.load_key(tmp_path / "none.key")
    with pytest.raises(KeyFileError, match="directory"):
        keys.read_public_key(tmp_path)


def test_no_half_written_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match="No space left"):
        keys.create_key_file(tmp_path / "a.key", None)
    assert list(tmp_path.iterdir()) == []


def test_file_and_name_are_on_the_disk_before_the_public_half_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, int]] = []

    def record(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced.append(("folder" if stat.S_ISDIR(found.st_mode) else "file", found.st_ino))

    monkeypatch.setattr(os, "fsync", record)
    keys.create_key_file(tmp_path / "a.key", None)
    assert synced == [("file", (tmp_path / "a.key").stat().st_ino), ("folder", tmp_path.stat().st_ino)]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601])
def test_a_key_that_others_may_read_is_not_used(plain: Path, mode: int) -> None:
    plain.chmod(mode)
    with pytest.raises(KeyFileExposedError, match="chmod 600"):
        keys.load_key(plain)
    # The public half is no secret.
    assert len(keys.read_public_key(plain)) == 32


def test_an_encrypted_key_opens_with_its_passphrase_only(sealed: Path) -> None:
    assert keys.is_encrypted(sealed)
    key = keys.load_key(sealed, PASSPHRASE)
    assert key.public_key == keys.read_public_key(sealed)
    assert key.seed().hex() not in sealed.read_text()
    for wrong in (b"correct horsf", b"Correct horse", PASSPHRASE + b" "):
        with pytest.raises(PassphraseWrongError):
            keys.load_key(sealed, wrong)


@pytest.mark.parametrize("passphrase", [None, b""])
def test_an_encrypted_key_needs_a_passphrase(sealed: Path, passphrase: bytes | None) -> None:
    with pytest.raises(PassphraseNeededError):
        keys.load_key(sealed, passphrase)


def test_an_empty_passphrase_protects_nothing(tmp_path: Path) -> None:
    with pytest.raises(PassphraseNeededError):
        keys.create_key_file(tmp_path / "a.key", b"")
    assert not (tmp_path / "a.key").exists()


def test_an_exchanged_public_half_is_noticed(plain: Path, sealed: Path) -> None:
    other = MerchantKey.generate().public_key.hex()
    with pytest.raises(KeyFileInvalidError, match="belong together"):
        keys.load_key(altered(plain, public_key=other))
    with pytest.raises(PassphraseWrongError):
        keys.load_key(altered(sealed, public_key=other), PASSPHRASE)


def test_an_altered_box_is_noticed(sealed: Path) -> None:
    box = bytearray.fromhex(json.loads(sealed.read_text())["xchacha20poly1305"])
    box[-1] ^= 1
    with pytest.raises(PassphraseWrongError):
        keys.load_key(altered(sealed, xchacha20poly1305=box.hex()), PASSPHRASE)
    with pytest.raises(PassphraseWrongError):
        keys.load_key(altered(sealed, xchacha20poly1305="00"), PASSPHRASE)


@pytest.mark.parametrize(
    "cost",
    [
        None,
        [],
        {},
        {"salt": "00", "passes": 2, "memory_bytes": 67108864},
        {"salt": "zz", "passes": 2, "memory_bytes": 1},
        {"salt": "00" * 16, "passes": 10**9, "memory_bytes": 67108864},
        {"salt": "00" * 16, "passes": 2, "memory_bytes": 2**50},
        {"salt": "00" * 16, "passes": 0, "memory_bytes": 67108864},
        {"salt": "00" * 16, "passes": "2", "memory_bytes": 1},
        {"salt": "00" * 16, "passes": 2.5, "memory_bytes": 67108864},
        {"salt": "00" * 16, "passes": 2, "memory_bytes": 1},
    ],
)
def test_a_damaged_or_ruinous_cost_is_refused(sealed: Path, cost: object) -> None:
    with pytest.raises(KeyFileInvalidError):
        keys.load_key(altered(sealed, argon2id=cost), PASSPHRASE)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"text"', "{}", '{"format": "other"}', "[" * 4000, "x" * 5000]
    + [json.dumps({"format": keys.FORMAT}), json.dumps({"format": keys.FORMAT, "public_key": 5, "seed": 5})]
    + [
        json.dumps({"format": keys.FORMAT, "public_key": PUBLIC.hex(), "seed": seed})
        for seed in ("", "zz", SEED.hex()[2:])
    ]
    + [json.dumps({"format": keys.FORMAT, "public_key": "00", "seed": SEED.hex()})],
)
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.key", text)
    with pytest.raises(KeyFileInvalidError) as caught:
        keys.load_key(path)
    assert SEED.hex() not in caught.value.message
    if PUBLIC.hex() not in text:
        with pytest.raises(KeyFileInvalidError):
            keys.read_public_key(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.key").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KeyFileInvalidError):
        keys.read_public_key(tmp_path / "a.key")
