"""What the rules judge: the decoded chain tx, the claims on it, and the answer no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strongroom_core.intents import PaymentIntent, SignedIntent
    from strongroom_core.refusals import RefusalTag
    from strongroom_signer.enrolment import Caps
    from strongroom_signer.keyset import Place

Coin = tuple[str, int]


@dataclass(frozen=True, slots=True)
class OwnInput:
    """A coin of ours: outpoint, amount in base units by its own previous chain tx, place, and script to sign."""

    coin: Coin
    amount: int
    place: Place
    witness_script: bytes


@dataclass(frozen=True, slots=True)
class Output:
    """An output; ``place`` where our own derivation found it to be ours."""

    amount: int
    script: bytes
    place: Place | None


@dataclass(frozen=True, slots=True)
class DecodedTx:
    """The chain tx as this signer reads it; ``fee`` in base units, ``weight`` an upper bound once signed (BIP 141)."""

    txid: str
    inputs: tuple[OwnInput, ...]
    outputs: tuple[Output, ...]
    fee: int
    weight: int

    @property
    def coins(self) -> frozenset[Coin]:
        """The coins that it spends."""
        return frozenset(item.coin for item in self.inputs)

    @property
    def virtual_bytes(self) -> int:
        """The size that fee rates are counted in: a quarter of the weight, rounded up."""
        return -(-self.weight // 4)


@dataclass(frozen=True, slots=True)
class Claim:
    """A payment that a merchant's signature was found on, with the script we made and the caps of that merchant."""

    intent: PaymentIntent
    hash: bytes
    script: bytes
    caps: Caps
    evidence: SignedIntent

    @property
    def listed(self) -> bool:
        """Whether the destination is enrolled."""
        return self.script in self.caps.scripts


@dataclass(frozen=True, slots=True)
class Refusal:
    """No: which rule, why, and for which payout (or none)."""

    tag: RefusalTag
    reason: str
    payout: str = ""
