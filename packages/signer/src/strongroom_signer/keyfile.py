"""The key file: one BIP 32 seed, encrypted at rest under a passphrase.

Argon2id (RFC 9106, through libsodium) makes the key of an XSalsa20-Poly1305 box. The public half stands beside it in
the clear, so that keys can be exchanged and policies checked without the passphrase; ``open_key`` believes none of it.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nacl import pwhash
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from strongroom_core.abi import address_text
from strongroom_signer.chains import PARAMETERS
from strongroom_signer.curve import PrivateNode
from strongroom_signer.errors import KeyFileError
from strongroom_signer.evm_chains import EVM_PARAMETERS
from strongroom_signer.files import is_private, write_private
from strongroom_signer.identity import derive_one_way, identity_key
from strongroom_signer.keccak import keccak256
from strongroom_signer.keyset import AccountKey

if TYPE_CHECKING:
    from pathlib import Path

    from nacl.signing import SigningKey

VERSION: Final = 1
SEED_BYTES: Final = 32
SALT_BYTES: Final = pwhash.argon2id.SALTBYTES
MIN_PASSPHRASE_BYTES: Final = 12
# (operations, bytes of memory) by libsodium's names; `moderate` is 3 passes over 256 MiB.
KDF_COSTS: Final = {
    "interactive": (pwhash.argon2id.OPSLIMIT_INTERACTIVE, pwhash.argon2id.MEMLIMIT_INTERACTIVE),
    "moderate": (pwhash.argon2id.OPSLIMIT_MODERATE, pwhash.argon2id.MEMLIMIT_MODERATE),
    "sensitive": (pwhash.argon2id.OPSLIMIT_SENSITIVE, pwhash.argon2id.MEMLIMIT_SENSITIVE),
}
_FIELDS: Final = {
    "version",
    "name",
    "kdf",
    "operations",
    "memory",
    "salt",
    "box",
    "fingerprint",
    "accounts",
    "identity",
}


@dataclass(frozen=True, slots=True)
class PublicHalf:
    """What of a key file may be shown: its name, fingerprint (4 bytes), identity, and its part in a chain by CAIP-2 id.

    ``identity`` is the Ed25519 public key (32 bytes) that a policy pins. The part in a chain is an account key with its
    origin on a bitcoin-like, and an owner's address (EIP-55) on an EVM chain.
    """

    name: str
    fingerprint: bytes
    accounts: dict[str, str]
    identity: bytes


@dataclass(frozen=True, slots=True)
class OpenKey:
    """An opened key file. ``master`` never leaves the process; ``ticket_key`` proves here that it was opened.

    ``identity`` signs heads of the journal, statements and attestations; it moves no money.
    """

    name: str
    master: PrivateNode
    ticket_key: bytes = field(repr=False)
    identity: SigningKey = field(repr=False)

    def account(self, chain_id: str) -> PrivateNode:
        """Give the private account key of a chain."""
        return self.master.derive(PARAMETERS[chain_id].account_path)

    def account_key(self, chain_id: str) -> AccountKey:
        """Give the public account key of a chain, with its origin."""
        node = self.account(chain_id).public()
        return AccountKey(self.master.fingerprint, PARAMETERS[chain_id].account_path, node)

    def owner(self, chain_id: str) -> PrivateNode:
        """Give the key that owns a Safe on an EVM chain."""
        return self.master.derive(EVM_PARAMETERS[chain_id].owner_path)

    def owner_address(self, chain_id: str) -> bytes:
        """Give the owner's address (20 bytes) on an EVM chain."""
        return self.owner(chain_id).public().account

    def public_text(self, chain_id: str) -> str:
        """Write this key's part in a chain, as a policy names it."""
        if chain_id in EVM_PARAMETERS:
            return address_text(self.owner_address(chain_id), keccak256)
        return self.account_key(chain_id).text(test=PARAMETERS[chain_id].chain.test)


def create(path: Path, name: str, chains: tuple[str, ...], passphrase: bytes, cost: str = "moderate") -> PublicHalf:
    """Make a new key file (0600) and give its public half. Raises ``KeyFileError`` where one is there already."""
    if len(passphrase) < MIN_PASSPHRASE_BYTES:
        message = f"a passphrase has at least {MIN_PASSPHRASE_BYTES} bytes"
        raise KeyFileError(message)
    return _seal(path, name, secrets.token_bytes(SEED_BYTES), chains, passphrase, cost)


def _seal(path: Path, name: str, seed: bytes, chains: tuple[str, ...], passphrase: bytes, cost: str) -> PublicHalf:
    key = _opened(name, seed)
    accounts = {chain: key.public_text(chain) for chain in chains}
    operations, memory = KDF_COSTS[cost]
    salt = secrets.token_bytes(SALT_BYTES)
    body = {
        "version": VERSION,
        "name": name,
        "kdf": "argon2id",
        "operations": operations,
        "memory": memory,
        "salt": salt.hex(),
        "box": bytes(SecretBox(_derive(passphrase, salt, operations, memory)).encrypt(seed)).hex(),
        "fingerprint": key.master.fingerprint.hex(),
        "accounts": accounts,
        "identity": bytes(key.identity.verify_key).hex(),
    }
    try:
        write_private(path, json.dumps(body, indent=1).encode() + b"\n", replace=False)
    except FileExistsError:
        message = f"{path} is there already; a key file is never overwritten"
        raise KeyFileError(message) from None
    return PublicHalf(name, key.master.fingerprint, accounts, bytes(key.identity.verify_key))


def read_public(path: Path) -> PublicHalf:
    """Read the public half without a passphrase. Raises ``KeyFileError``."""
    body = _read(path)
    fingerprint, identity = bytes.fromhex(body["fingerprint"]), bytes.fromhex(body["identity"])
    return PublicHalf(body["name"], fingerprint, dict(body["accounts"]), identity)


def open_key(path: Path, passphrase: bytes) -> OpenKey:
    """Decrypt the key file. Raises ``KeyFileError``; a wrong passphrase and a damaged box cannot be told apart."""
    body = _read(path)
    try:
        secret = _derive(passphrase, bytes.fromhex(body["salt"]), body["operations"], body["memory"])
        seed = bytes(SecretBox(secret).decrypt(bytes.fromhex(body["box"])))
    except (CryptoError, ValueError, TypeError):
        message = f"{path}: the passphrase is not the file's own, or the file is damaged"
        raise KeyFileError(message) from None
    key = _opened(body["name"], seed)
    shown = (body["fingerprint"], body["identity"])
    if (key.master.fingerprint.hex(), bytes(key.identity.verify_key).hex()) != shown:
        message = f"{path}: the public half is not of this key; the file was changed"
        raise KeyFileError(message)
    return key


def _opened(name: str, seed: bytes) -> OpenKey:
    # Both are one-way from the seed; the ticket key is used for nothing that leaves the host.
    ticket_key = derive_one_way(b"strongroom resume ticket v1", seed)
    return OpenKey(name, PrivateNode.from_seed(seed), ticket_key, identity_key(seed))


def _derive(passphrase: bytes, salt: bytes, operations: int, memory: int) -> bytes:
    return bytes(pwhash.argon2id.kdf(SecretBox.KEY_SIZE, passphrase, salt, opslimit=operations, memlimit=memory))


def _read(path: Path) -> dict[str, Any]:
    try:
        if not is_private(path):
            message = f"{path} can be read by others; chmod it to 0600"
            raise KeyFileError(message)
        body = json.loads(path.read_bytes())
    except FileNotFoundError:
        message = f"{path} is not there; make it with `strongroom-signer init`"
        raise KeyFileError(message) from None
    except ValueError:
        message = f"{path} is not a key file"
        raise KeyFileError(message) from None
    if not isinstance(body, dict) or set(body) != _FIELDS or body["version"] != VERSION or body["kdf"] != "argon2id":
        message = f"{path} is not a key file of version {VERSION}"
        raise KeyFileError(message)
    return body
