"""What the rules judge: the decoded chain tx, the claims on it, and the answer no."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from strongroom_signer.balances import holder_of

if TYPE_CHECKING:
    from strongroom_core.intents import PaymentIntent, SignedIntent
    from strongroom_core.refusals import RefusalTag
    from strongroom_signer.enrolment import Caps
    from strongroom_signer.keyset import Place

Coin = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the signer's own nodes say of a chain: the height they agree on, and why they are not believed, or nothing.

    No rule looks at anything else of a view, so that a decision can be made again from its journal.
    """

    height: int
    trouble: str


#: No node was ever asked.
UNSEEN: Final = Seen(-1, "no node of this chain is configured on this host (links.toml)")


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


class MovementKind(StrEnum):
    """What a call of a Safe is: money to somebody, back from the cold Safe's allowance, or to the cold Safe."""

    PAYMENT = "payment"
    DRAW = "draw"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class Movement:
    """One call of a Safe: so much of an asset (CAIP-19) in base units, to an address of 20 bytes."""

    kind: MovementKind
    asset: str
    to: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class DecodedSafeTx:
    """A Safe transaction as this signer reads it; ``txid`` is the safeTxHash that it computed, ``0x`` and 64 digits."""

    txid: str
    nonce: int
    movements: tuple[Movement, ...]
    cancel: bool

    def of_kind(self, kind: MovementKind) -> tuple[Movement, ...]:
        """Its movements of one kind, in order."""
        return tuple(item for item in self.movements if item.kind is kind)

    def sums(self, kind: MovementKind) -> dict[str, int]:
        """What its movements of one kind come to, in base units by asset."""
        found: dict[str, int] = {}
        for item in self.of_kind(kind):
            found[item.asset] = found.get(item.asset, 0) + item.amount
        return found


@dataclass(frozen=True, slots=True)
class Claim:
    """A payment that a merchant's signature was found on, with the caps of that merchant.

    ``script`` is what we read the destination as: an output script, or an address of 20 bytes. ``more`` are the
    signatures of further operators, where the house pays.
    """

    intent: PaymentIntent
    hash: bytes
    script: bytes
    caps: Caps
    evidence: SignedIntent
    more: tuple[SignedIntent, ...] = ()

    @property
    def listed(self) -> bool:
        """Whether the destination is enrolled."""
        return self.script in self.caps.scripts

    @property
    def holder(self) -> str:
        """Whose money it is: a merchant's id, or ``house``."""
        return holder_of(self.intent.merchant)


@dataclass(frozen=True, slots=True)
class Refusal:
    """No: which rule, why, and for which payout (or none)."""

    tag: RefusalTag
    reason: str
    payout: str = ""
