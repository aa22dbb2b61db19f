"""What we send: a slot is one set of coins that can have at most one effect on chain; its versions differ in fee only.

Money by state of a slot: `planned` the merchants' holds stand and nothing can move; `signed` both signatures exist, so
the holds are captured into in-transit, before anything is broadcast; `final` in-transit leaves with the coins;
`abandoned` either a signer's void released the holds, or a foreign chain tx beyond the horizon gave the money back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from strongroom_core.ids import HoldId, MerchantId, PayoutId, SlotId
from strongroom_core.intents import PaymentIntent, SignedIntent
from strongroom_core.refusals import RefusalTag


class SlotKind(StrEnum):
    """Why we send."""

    PAYOUTS = "payouts"
    SWEEP = "sweep"
    CONSOLIDATION = "consolidation"
    CANCEL = "cancel"  # of a Safe's nonce: its empty call to itself


class SlotState(StrEnum):
    """Where a slot stands."""

    PLANNED = "planned"
    SIGNED = "signed"
    BROADCAST = "broadcast"
    CONFIRMED = "confirmed"
    FINAL = "final"
    ABANDONED = "abandoned"


class VersionState(StrEnum):
    """Where one version of a slot stands."""

    PLANNED = "planned"
    SIGNED = "signed"
    BROADCAST = "broadcast"
    FINAL = "final"
    REPLACED = "replaced"
    ABANDONED = "abandoned"


# A signer has not been shown yet what the chain brought: what nobody signed is planned again once it may have been.
UNPROVEN_TAGS: Final = frozenset(
    {
        RefusalTag.BALANCE_MERCHANT,
        RefusalTag.BALANCE_HOUSE,
        RefusalTag.MERCHANT_FROZEN,
        RefusalTag.COIN_UNPROVEN,
    }
)
# These say that the chain tx costs too much: payouts that nobody signed may be planned again, at another rate.
COST_TAGS: Final = frozenset({RefusalTag.FEE_RATE, RefusalTag.FEE_ABSOLUTE})

# A reorg takes `confirmed` back to `broadcast`. `abandoned` is reached before signing by voids, later by a conflict;
# what a block has all the same (a coin came back, or signers broke a promise) goes on from there.
SLOT_MOVES: Final[dict[SlotState, frozenset[SlotState]]] = {
    SlotState.PLANNED: frozenset({SlotState.SIGNED, SlotState.ABANDONED}),
    SlotState.SIGNED: frozenset({SlotState.BROADCAST, SlotState.CONFIRMED, SlotState.ABANDONED}),
    SlotState.BROADCAST: frozenset({SlotState.CONFIRMED, SlotState.ABANDONED}),
    SlotState.CONFIRMED: frozenset({SlotState.BROADCAST, SlotState.FINAL}),
    SlotState.FINAL: frozenset(),
    SlotState.ABANDONED: frozenset({SlotState.CONFIRMED}),
}


class AnswerState(StrEnum):
    """What we know of one signer's answer on one version; `asked` means it may have signed."""

    ASKED = "asked"
    SIGNED = "signed"
    REFUSED = "refused"


class Outcome(StrEnum):
    """What becomes of a payout whose hold is released."""

    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    CONFLICTED = "conflicted"


@dataclass(frozen=True, slots=True, order=True)
class SpentCoin:
    """A coin of the hot key set that we spend: outpoint, base units, and where its script stands."""

    txid: str
    vout: int
    amount: int
    branch: int
    index: int


@dataclass(frozen=True, slots=True)
class OwnOutput:
    """An output to ourselves: change (`hot`) or a sweep (`cold`), always on branch 0.

    On an EVM chain: a draw from the cold Safe (`hot`) or a sweep to it (`cold`), of ``asset`` (CAIP-19).
    """

    script: bytes
    amount: int
    key_set: str
    branch: int
    index: int
    asset: str = ""


@dataclass(frozen=True, slots=True)
class Payment:
    """One payout in a slot: exactly ``amount`` to ``script``; the merchant pays us ``fee``; the hold covers both.

    ``hold_id`` names it within the house: ``payout_id`` is made by the merchant, and another one may use the same.

    ``suspense_key``: the chain paid it although its hold was gone; it is the house's to find out why.
    """

    payout_id: PayoutId
    merchant_id: MerchantId
    amount: int
    fee: int
    hold_id: HoldId
    script: bytes
    evidence: SignedIntent
    suspense_key: str = ""

    @property
    def intent(self) -> PaymentIntent:
        """The decoded intent."""
        return PaymentIntent.decode(self.evidence.intent)

    @property
    def asset(self) -> str:
        """What is paid, and what our fee is taken in (CAIP-19)."""
        return self.intent.asset


@dataclass(frozen=True, slots=True)
class Draft:
    """One version before it is bytes; the fee is what the outputs leave of the coins. ``rate`` is in sat/vB."""

    chain: str
    kind: SlotKind
    coins: tuple[SpentCoin, ...]
    payments: tuple[Payment, ...]
    own_outputs: tuple[OwnOutput, ...]
    rate: int

    @property
    def fee(self) -> int:
        """The miner's fee in base units; negative where the draft is wrong."""
        spent = sum(coin.amount for coin in self.coins)
        return spent - sum(item.amount for item in self.payments) - sum(item.amount for item in self.own_outputs)

    @property
    def virtual_bytes(self) -> int:
        """The size once signed, never less than it really is (BIP 141)."""
        scripts = [item.script for item in self.payments] + [item.script for item in self.own_outputs]
        return -(-tx_weight(len(self.coins), scripts) // 4)


class SlotDraft(Protocol):
    """What every draft of a slot has, of whatever family its chain is."""

    @property
    def chain(self) -> str:
        """The CAIP-2 id."""
        ...

    @property
    def kind(self) -> SlotKind:
        """Why we send."""
        ...

    @property
    def payments(self) -> tuple[Payment, ...]:
        """What merchants pay with it."""
        ...


# BIP 141 weights of a chain tx that spends 2-of-3 P2WSH coins: outpoint, empty script and sequence; then the witness of
# four items: the empty one, two signatures of at most 72 bytes, a script of 105 bytes, each with its length.
INPUT_WEIGHT: Final = 4 * (36 + 1 + 4) + (1 + 1 + 2 * (1 + 72) + (1 + 105))
P2WSH_SCRIPT_BYTES: Final = 34
_FIXED_WEIGHT: Final = 4 * (4 + 4) + 2


def output_weight(script_bytes: int) -> int:
    """Give the weight of one output: 8 bytes of amount, the script and its length."""
    return 4 * (8 + count_bytes(script_bytes) + script_bytes)


def count_bytes(count: int) -> int:
    """Give the bytes that a count takes in a chain tx (CompactSize)."""
    return 1 if count < 0xFD else 3 if count <= 0xFFFF else 5  # noqa: PLR2004 - the format's own limits


def tx_weight(inputs: int, scripts: list[bytes]) -> int:
    """Give the weight once signed of a chain tx with ``inputs`` coins of ours and these output scripts."""
    counts = 4 * (count_bytes(inputs) + count_bytes(len(scripts)))
    return _FIXED_WEIGHT + counts + inputs * INPUT_WEIGHT + sum(output_weight(len(script)) for script in scripts)


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot; ``version`` is the number of its newest version, ``txid`` the chain tx last known to carry it."""

    id: SlotId
    chain: str
    kind: SlotKind
    state: SlotState
    reason: str
    version: int
    txid: str | None
    confirmed_height: int | None
    confirmed_hash: str | None
    conflict_txid: str | None
    conflict_height: int | None
    broadcast_height: int | None
    attempts: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """One version: the PSBT as it was planned, its txid, and the signed bytes once both signers agreed."""

    slot_id: SlotId
    number: int
    state: VersionState
    psbt: bytes
    txid: str
    fee: int
    virtual_bytes: int
    rate: int
    raw: bytes | None

    @property
    def paid_rate(self) -> int:
        """What it really pays, in sat/vB rounded up: more than ``rate`` where change would have been dust."""
        return max(self.rate, -(-self.fee // self.virtual_bytes))


@dataclass(frozen=True, slots=True)
class Answer:
    """One signer's answer on one version of a slot."""

    signer: str
    number: int
    state: AnswerState
    psbt: bytes | None
    tag: str
    reason: str


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A slot with all that deciding about it needs."""

    slot: Slot
    versions: tuple[Version, ...]
    payments: tuple[Payment, ...]
    coins: tuple[SpentCoin, ...]
    own_outputs: dict[int, tuple[OwnOutput, ...]] = field(default_factory=dict)

    @property
    def newest(self) -> Version:
        """The version with the highest number."""
        return self.versions[-1]

    @property
    def standing(self) -> Version:
        """The newest version that both signers have signed: what a replacement has to beat; else the newest."""
        return next((version for version in reversed(self.versions) if version.raw is not None), self.newest)


@dataclass(frozen=True, slots=True)
class SignerState:
    """How a signer was when we last asked: `ok`, `halted` or `unreachable`, and since when it has doubted us."""

    name: str
    state: str
    detail: str
    rows: int
    checked_at: datetime
    refused_at: datetime | None


@dataclass(frozen=True, slots=True)
class Void:
    """A wish that a signer promises never to sign a payment, so that its hold may be released."""

    payment: Payment
    chain: str
    outcome: Outcome
    tag: str
    reason: str
    signer: str
    slot_id: SlotId | None


@dataclass(frozen=True, slots=True)
class WaitingVoid:
    """A void that no signer has promised yet: a hold that cannot be released. ``detail``: what they said last."""

    payout_id: PayoutId
    merchant_id: MerchantId
    attempts: int
    detail: str
    created_at: datetime
