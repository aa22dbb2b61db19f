"""A signer's identity: an Ed25519 key (RFC 8032) that signs the heads of its journal and its word for addresses.

It is one-way from the seed, so a restored key file has it again, and it moves no money: who has it can speak for the
signer, and still needs the seed to sign a chain tx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nacl import pwhash
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from strongroom_core.heads import InvalidHeadError, head_bytes
from strongroom_signer.errors import PolicyError

if TYPE_CHECKING:
    from strongroom_signer.trust import Trust


def derive_one_way(purpose: bytes, seed: bytes) -> bytes:
    """Give 32 bytes that tell nothing about the seed; a seed has 256 bits, so the cost of a guess does not matter."""
    salt = bytes(pwhash.argon2id.SALTBYTES)
    return bytes(pwhash.argon2id.kdf(32, purpose + seed, salt, opslimit=1, memlimit=pwhash.argon2id.MEMLIMIT_MIN))


def identity_key(seed: bytes) -> SigningKey:
    """Give the identity key of a seed."""
    return SigningKey(derive_one_way(b"strongroom identity v1", seed))


def sign_head(key: SigningKey, deployment: str, owner: str, rows: int, head: bytes) -> bytes:
    """Sign that this journal has so many rows and ends with that hash."""
    return bytes(key.sign(head_bytes(deployment, owner, rows, head)).signature)


def is_head_of(identity: bytes, signature: bytes, deployment: str, owner: str, rows: int, head: bytes) -> bool:
    """Whether the identity (32 bytes) signed that head."""
    try:
        VerifyKey(identity).verify(head_bytes(deployment, owner, rows, head), signature)
    except (BadSignatureError, InvalidHeadError, ValueError):
        return False
    return True


def check_identity(trust: Trust, name: str, identity: bytes) -> None:
    """Refuse a policy that names signers but not this one by its name and key. Raises ``PolicyError``."""
    if trust.identities and trust.identities.get(name) != identity:
        message = f"signers.{name}: not this signer's identity, which is {identity.hex()}"
        raise PolicyError(message)
