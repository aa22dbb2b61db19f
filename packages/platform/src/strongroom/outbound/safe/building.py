"""From a draft to a Safe transaction, and from two owners' signatures to the calldata that executes it.

Deterministic: one draft makes the same bytes, one pair of signatures the same calldata. A signature is used only where
it recovers (EIP-2, SEC 1) to an owner of the Safe: what a signer sends is believed for that alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from strongroom.chains.ethereum.keccak import keccak
from strongroom.infra.settings import ChainSettings
from strongroom.outbound.errors import DraftInvalidError, SignerAnswerError
from strongroom.outbound.safe import rules
from strongroom.outbound.safe.model import Contracts, SafeBuilt, SafeDraft
from strongroom_core.evm import OWNER_SIGNATURE_BYTES, SafeTx, encode_exec_transaction

SIGNATURES_NEEDED: Final = 2
_V_OFFSET: Final = 27
# The order of secp256k1 (SEC 2); of r, s and r, n minus s only the lower is taken, so that a signature has one form.
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def contracts(settings: ChainSettings) -> Contracts:
    """Read where our contracts are. Raises ``DraftInvalidError`` for a chain that is no EVM chain."""
    if settings.ethereum is None:
        message = f"{settings.id} has no Safe"
        raise DraftInvalidError(message)
    places = settings.ethereum
    return Contracts(
        chain_number=settings.chain.evm_id,
        hot_safe=_address(places.hot_safe),
        cold_safe=_address(places.cold_safe),
        allowance=_address(places.allowance),
        multisend=_address(places.multisend),
        factory=_address(places.factory),
    )


def build(places: Contracts, draft: SafeDraft) -> SafeBuilt:
    """Build the Safe transaction of a draft. Raises ``DraftInvalidError`` where it would do nothing or cannot be."""
    if bool(rules.calls(places, draft)) == (draft.kind == "cancel"):
        message = "a Safe transaction moves something, or cancels a nonce, and never both"
        raise DraftInvalidError(message)
    return built(places, rules.safe_tx(places, draft))


def built(places: Contracts, tx: SafeTx) -> SafeBuilt:
    """Name a Safe transaction by its safeTxHash (EIP-712)."""
    return SafeBuilt(tx, f"0x{tx.hash(places.chain_number, keccak).hex()}")


def owner_of(places: Contracts, tx: SafeTx, signature: bytes) -> bytes:
    """Recover whose signature this is: 20 bytes. Raises ``SignerAnswerError`` where it is none of the one form."""
    if len(signature) != OWNER_SIGNATURE_BYTES:
        message = f"a signature has {OWNER_SIGNATURE_BYTES} bytes, not {len(signature)}"
        raise SignerAnswerError(message)
    r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
    if v not in (_V_OFFSET, _V_OFFSET + 1) or not 0 < r < _ORDER or not 0 < s <= _ORDER // 2:
        message = "a signature is r, s in the lower half, and v of 27 or 28"
        raise SignerAnswerError(message)
    try:
        found = Signature(vrs=(v - _V_OFFSET, r, s)).recover_public_key_from_msg_hash(
            tx.hash(places.chain_number, keccak)
        )
    except (BadSignature, ValidationError):
        message = "nobody made this signature"
        raise SignerAnswerError(message) from None
    return bytes(found.to_canonical_address())


def combine(places: Contracts, tx: SafeTx, signatures: Sequence[bytes]) -> bytes:
    """Give the calldata of ``execTransaction``, signatures in the order of their owners' addresses as the Safe wants.

    Raises ``SignerAnswerError`` where they are not of two different owners' keys.
    """
    by_owner = {owner_of(places, tx, signature): signature for signature in signatures}
    if len(by_owner) < SIGNATURES_NEEDED:
        message = f"{len(by_owner)} different owners signed; {SIGNATURES_NEEDED} are needed"
        raise SignerAnswerError(message)
    return encode_exec_transaction(tx, b"".join(by_owner[owner] for owner in sorted(by_owner)))


def _address(text: str) -> bytes:
    return bytes.fromhex(text[2:])
