"""What a signer said of an address of ours, and what is still to be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from strongroom.wallets.model import KeySetKind
from strongroom_core.ids import AddressId, MerchantId
from strongroom_core.messages import Refused, Status
from strongroom_core.proof_messages import Attested, AttestRequest


class Attester(Protocol):
    """A signer, as far as it attests addresses."""

    @property
    def name(self) -> str:
        """The name in our settings."""
        ...

    async def attest(self, request: AttestRequest) -> Attested | Refused:
        """Ask for its word. Raises ``SignerUnreachableError``, ``SignerAnswerError``."""
        ...

    async def status(self) -> Status:
        """Ask how it is. Raises ``SignerUnreachableError``, ``SignerAnswerError``."""
        ...


@dataclass(frozen=True, slots=True)
class Due:
    """Addresses of a branch that a signer did not attest yet: those from ``first`` up to ``end``, without it.

    ``identity`` is the key that signed those before ``first``; None where there are none. ``attempts`` counts its
    refusals in a row.
    """

    chain: str
    kind: KeySetKind
    branch: int
    merchant_id: MerchantId | None
    first: int
    end: int
    attempts: int
    identity: bytes | None
    disputed: str | None


@dataclass(frozen=True, slots=True)
class Attestation:
    """A signer's word: the identity key (32 bytes) that signed it, what it was signed as, and the signature (64)."""

    address_id: AddressId
    signer: str
    identity: bytes
    key_set: str
    index: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Dispute:
    """An address that a signer derives otherwise: ``ours`` is what we would have handed out."""

    index: int
    ours: str
    derived: str
    handed_out: bool


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a signer did not attest: how many addresses of how many branches, and branches that it disputes."""

    signer: str
    addresses: int
    branches: int
    disputed: int
