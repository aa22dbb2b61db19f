"""The one door to the curve: BIP 32 children, ECDSA, EVM addresses, and the proof that libsecp256k1 computes.

Everything that embit gives without types is given types here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from embit import base58, bip32, ec
from embit.base import EmbitError
from embit.util import secp256k1

from strongroom_core.abi import ADDRESS_BYTES
from strongroom_signer.errors import KeyFileError, KeySetError
from strongroom_signer.keccak import keccak256

HARDENED: Final = 2**31
ACCOUNT_DEPTH: Final = 4
# The last byte of a signature on an EVM chain (Ethereum's yellow paper, appendix F).
EVM_PARITY: Final = 27
XPUB_VERSIONS: Final = {False: bytes.fromhex("0488b21e"), True: bytes.fromhex("043587cf")}
_BAD_INPUT: Final = (EmbitError, ValueError, IndexError, RuntimeError, TypeError)


def require_native_curve() -> None:
    """Refuse embit's silent fall-back to pure Python, whose time tells about the key. Raises ``KeyFileError``."""
    if secp256k1.ecdsa_sign.__module__ != "embit.util.ctypes_secp256k1":
        message = "libsecp256k1 could not be loaded on this machine; a signer does not run without it"
        raise KeyFileError(message)


@dataclass(frozen=True, slots=True)
class PublicNode:
    """An extended public key (BIP 32)."""

    node: bip32.HDKey

    @property
    def public_key(self) -> bytes:
        """33 bytes, compressed (SEC 1)."""
        return bytes(self.node.sec())

    @property
    def account(self) -> bytes:
        """Give the EVM address: the last 20 bytes of keccak-256 of the point's two coordinates."""
        return _account(secp256k1.ec_pubkey_parse(self.public_key))

    def child(self, index: int) -> PublicNode:
        """CKDpub of an unhardened index."""
        if not 0 <= index < HARDENED:
            message = f"{index} is no unhardened index"
            raise KeySetError(message)
        return PublicNode(self.node.child(index))

    def text(self, *, test: bool) -> str:
        """Give the base58 text with the version bytes of main or test networks."""
        return str(self.node.to_base58(XPUB_VERSIONS[test]))


def parse_public_node(text: str, *, test: bool) -> PublicNode:
    """Read an account's extended public key (depth 4, BIP 48). Raises ``KeySetError``."""
    try:
        raw = bytes(base58.decode_check(text))
        node = bip32.HDKey.parse(raw)
    except _BAD_INPUT:
        message = "an account key is not a readable extended public key"
        raise KeySetError(message) from None
    if node.is_private or raw[:4] != XPUB_VERSIONS[test]:
        message = "an account key is not an extended public key of this chain's network (xpub or tpub)"
        raise KeySetError(message)
    if node.depth != ACCOUNT_DEPTH:
        message = "an account key must stand at depth 4: m/48'/coin'/0'/2'"
        raise KeySetError(message)
    return PublicNode(node)


class PrivateNode:
    """An extended private key; it never prints itself."""

    __slots__ = ("_node",)

    def __init__(self, node: bip32.HDKey) -> None:
        """Wrap embit's key."""
        self._node = node

    def __repr__(self) -> str:
        """Say nothing about the key."""
        return "PrivateNode(hidden)"

    @classmethod
    def from_seed(cls, seed: bytes) -> PrivateNode:
        """Give the master key of a seed (BIP 32)."""
        return cls(bip32.HDKey.from_seed(seed))

    @property
    def fingerprint(self) -> bytes:
        """The first four bytes of the public key's HASH160."""
        return bytes(self._node.my_fingerprint)

    def derive(self, path: tuple[int, ...]) -> PrivateNode:
        """CKDpriv along ``path``; hardened indexes have ``HARDENED`` added."""
        return PrivateNode(self._node.derive(list(path)))

    def public(self) -> PublicNode:
        """Give the extended public key."""
        return PublicNode(self._node.to_public())

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest: ECDSA, nonce by RFC 6979, low S and low R; DER. The same digest has one signature.

        The signature is verified before it is given out, so that a fault of the machine cannot leak the key.
        """
        signature = self._node.key.sign(digest)
        if not self._node.key.get_public_key().verify(signature, digest):
            message = "a signature did not verify; this machine miscomputes"
            raise KeyFileError(message)
        return bytes(signature.serialize())

    def sign_recoverable(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest for an EVM chain: r ‖ s ‖ v with v 27 or 28, nonce by RFC 6979, low S.

        The signer is recovered from it, as the chain will do it, before it is given out.
        """
        signature = secp256k1.ecdsa_sign_recoverable(digest, self._node.key.secret)
        if _account(secp256k1.ecdsa_recover(signature, digest)) != self.public().account:
            message = "a signature did not verify; this machine miscomputes"
            raise KeyFileError(message)
        compact, parity = secp256k1.ecdsa_recoverable_signature_serialize_compact(signature)
        return bytes(compact) + bytes([EVM_PARITY + parity])


def _account(point: bytes) -> bytes:
    """Give the address of a public key in libsecp256k1's own form."""
    coordinates = secp256k1.ec_pubkey_serialize(point, secp256k1.EC_UNCOMPRESSED)[1:]
    return keccak256(bytes(coordinates))[-ADDRESS_BYTES:]


def verify(public_key: bytes, signature: bytes, digest: bytes) -> bool:
    """Whether a DER signature over ``digest`` is of ``public_key``."""
    try:
        return bool(ec.PublicKey.parse(public_key).verify(ec.Signature.parse(signature), digest))
    except _BAD_INPUT:
        return False
