"""The merchant's Ed25519 key: made and kept on the merchant's side; only its public half ever leaves.

A key file is JSON with mode 0600. Without a passphrase it holds the 32-byte seed (RFC 8032) in hex. With one, the seed
is sealed by XChaCha20-Poly1305 under a key that Argon2id (RFC 9106) derives from the passphrase; the public key is
bound in as additional data, so that it cannot be exchanged.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, Self

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import Aead
from nacl.signing import SigningKey
from nacl.utils import random

from strongroom_client.errors import (
    KeyFileError,
    KeyFileExistsError,
    KeyFileExposedError,
    KeyFileInvalidError,
    PassphraseNeededError,
    PassphraseWrongError,
)

FORMAT: Final = "strongroom merchant key v1"
SEED_BYTES: Final = 32
MAX_FILE_BYTES: Final = 4096
# Beyond these a file that somebody altered could make the reader run for hours or out of memory.
_MAX_PASSES: Final = 16
_MAX_MEMORY: Final = 1024**3


class Strength(Enum):
    """What a guess at the passphrase costs: Argon2id passes, and memory in bytes."""

    MODERATE = (argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE)
    INTERACTIVE = (argon2id.OPSLIMIT_INTERACTIVE, argon2id.MEMLIMIT_INTERACTIVE)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class MerchantKey:
    """A key that signs payment intents. It never shows its secret half in a text."""

    _key: SigningKey

    @classmethod
    def generate(cls) -> Self:
        """Make a fresh key from the operating system's randomness."""
        return cls(SigningKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Take the 32-byte seed of RFC 8032. Raises ``KeyFileInvalidError`` on another length."""
        if len(seed) != SEED_BYTES:
            message = f"the seed of an Ed25519 key has {SEED_BYTES} bytes"
            raise KeyFileInvalidError(message)
        return cls(SigningKey(seed))

    @property
    def public_key(self) -> bytes:
        """The 32-byte public half, which is enrolled on each signer's host."""
        return bytes(self._key.verify_key)

    def sign(self, data: bytes) -> bytes:
        """Give the 64-byte Ed25519 signature (RFC 8032) over ``data``."""
        return self._key.sign(data).signature

    def seed(self) -> bytes:
        """Give the secret half, to be written into a key file and nowhere else."""
        return bytes(self._key)

    def __repr__(self) -> str:
        """Name the key by its public half."""
        return f"MerchantKey({self.public_key.hex()})"


def create_key_file(path: Path, passphrase: bytes | None, strength: Strength = Strength.MODERATE) -> bytes:
    """Make a key, write its file with mode 0600 and give its public half.

    Raises ``KeyFileExistsError`` where something stands at ``path``, ``KeyFileError`` where it cannot be written.
    """
    key = MerchantKey.generate()
    body = _plain(key) if passphrase is None else _sealed(key, passphrase, strength)
    _write_new(path, json.dumps(body, indent=1).encode() + b"\n")
    return key.public_key


def load_key(path: Path, passphrase: bytes | None = None) -> MerchantKey:
    """Read a key file to sign with it.

    Raises ``KeyFileExposedError`` where others may read it, ``PassphraseNeededError``, ``PassphraseWrongError``, and
    ``KeyFileInvalidError`` where it is damaged or its halves do not belong together.
    """
    body = _read(path, secret=True)
    try:
        seed = bytes.fromhex(body["seed"]) if "seed" in body else _open(body, passphrase, path)
    except (KeyError, TypeError, ValueError):
        raise _invalid(path) from None
    key = MerchantKey.from_seed(seed)
    if key.public_key.hex() != body.get("public_key"):
        message = f"{path}: the public and the secret half do not belong together; restore the file from its copy"
        raise KeyFileInvalidError(message)
    return key


def read_public_key(path: Path) -> bytes:
    """Read the 32-byte public half; needs no passphrase. Raises ``KeyFileError`` as ``load_key`` does."""
    try:
        public_key = bytes.fromhex(_read(path, secret=False)["public_key"])
    except (KeyError, TypeError, ValueError):
        raise _invalid(path) from None
    if len(public_key) != SEED_BYTES:
        raise _invalid(path)
    return public_key


def is_encrypted(path: Path) -> bool:
    """Whether reading the key takes a passphrase. Raises ``KeyFileError`` as ``load_key`` does."""
    return "seed" not in _read(path, secret=False)


def _plain(key: MerchantKey) -> dict[str, Any]:
    return {"format": FORMAT, "public_key": key.public_key.hex(), "seed": key.seed().hex()}


def _sealed(key: MerchantKey, passphrase: bytes, strength: Strength) -> dict[str, Any]:
    if not passphrase:
        message = "the passphrase is empty; give one, or say that the key shall not be encrypted"
        raise PassphraseNeededError(message)
    passes, memory = strength.value
    salt = random(argon2id.SALTBYTES)
    box = Aead(argon2id.kdf(Aead.KEY_SIZE, passphrase, salt, opslimit=passes, memlimit=memory))
    sealed = box.encrypt(key.seed(), aad=_bound(key.public_key.hex()))
    return {
        "format": FORMAT,
        "public_key": key.public_key.hex(),
        "argon2id": {"salt": salt.hex(), "passes": passes, "memory_bytes": memory},
        "xchacha20poly1305": bytes(sealed).hex(),
    }


def _open(body: dict[str, Any], passphrase: bytes | None, path: Path) -> bytes:
    cost, sealed = body["argon2id"], bytes.fromhex(body["xchacha20poly1305"])
    salt, passes, memory = bytes.fromhex(cost["salt"]), cost["passes"], cost["memory_bytes"]
    if not (0 < passes <= _MAX_PASSES and 0 < memory <= _MAX_MEMORY):
        raise _invalid(path)
    if not passphrase:
        message = f"{path} is encrypted: give its passphrase by file descriptor or at the prompt"
        raise PassphraseNeededError(message)
    try:
        box = Aead(argon2id.kdf(Aead.KEY_SIZE, passphrase, salt, opslimit=passes, memlimit=memory))
    except CryptoError:
        # Its own errors for numbers and salts that Argon2id does not take.
        raise _invalid(path) from None
    try:
        return box.decrypt(sealed, aad=_bound(body["public_key"]))
    except CryptoError:
        message = f"the passphrase does not open {path}, or the file was altered"
        raise PassphraseWrongError(message) from None


def _bound(public_key: str) -> bytes:
    return f"{FORMAT}\0{public_key}".encode()


def _read(path: Path, *, secret: bool) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        message = f"cannot read the key file {path}: {error.strerror}"
        raise KeyFileError(message) from None
    if secret and mode & (stat.S_IRWXG | stat.S_IRWXO):
        message = f"other users may read {path}: run `chmod 600 {path}`, and replace the key if it may have been read"
        raise KeyFileExposedError(message)
    try:
        body = json.loads(data.decode()) if len(data) <= MAX_FILE_BYTES else None
    except (ValueError, RecursionError):
        raise _invalid(path) from None
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise _invalid(path)
    return body


def _invalid(path: Path) -> KeyFileInvalidError:
    return KeyFileInvalidError(f"{path} is not a whole key file of the form {FORMAT!r}; restore it from its copy")


def _write_new(path: Path, data: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        message = f"{path} exists, and a key is never overwritten; choose another name"
        raise KeyFileExistsError(message) from None
    except OSError as error:
        message = f"cannot make the key file {path}: {error.strerror}"
        raise KeyFileError(message) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        message = f"cannot write the key file {path}: {error.strerror}"
        raise KeyFileError(message) from None


def _sync_folder(folder: Path) -> None:
    # Without it the new file's name may be lost with the power, after its public half was enrolled.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
