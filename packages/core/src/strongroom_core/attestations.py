"""What a signer signs to vouch for a deposit address: whose it is, on which chain, and where it stands.

The domain tag ``strongroom address v1`` and a zero byte, then six fields (see ``strongroom_core.fields``):

    deployment, chain, merchant, key_set, index, address

``chain`` is a CAIP-2 id; ``key_set`` is ``hot`` or ``cold`` on a bitcoin-like and ``forwarder`` on an EVM chain;
``address`` is address text as it is shown (on an EVM chain with the mixed case of EIP-55). A signature is Ed25519
(RFC 8032) by the identity key of a signer. Vectors: ``tests/vectors/conversion_order_v1.json``.
"""

from __future__ import annotations

from typing import Final

from strongroom_core.fields import join

DOMAIN_TAG: Final = b"strongroom address v1\x00"
FORWARDER: Final = "forwarder"


def attestation_bytes(deployment: str, chain: str, merchant: str, key_set: str, index: int, address: str) -> bytes:
    """Give the bytes that a signer signs. Raises ``ValueError`` on a text that is not printable ASCII."""
    return join(DOMAIN_TAG, (deployment, chain, merchant, key_set, index, address))
