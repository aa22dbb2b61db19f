"""What a Safe slot is made of: what it pays, draws from the cold Safe and sweeps to it, at one nonce of the hot Safe.

A slot's version 1 is what it is for; any later version is its cancellation, the Safe's empty call to itself at the
same nonce. Both versions can be executed, but never both: the Safe counts its nonce up with either.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from strongroom.chains.ethereum.model import Block
from strongroom.chains.ethereum.model import Place as BlockPlace
from strongroom.outbound.model import OpenSlot, OwnOutput, Payment, SlotKind
from strongroom_core.assets import Asset
from strongroom_core.evm import SafeTx

#: The version of a slot that does what the slot is for.
PAYING_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Portion:
    """Base units of one asset (CAIP-19)."""

    asset: str
    amount: int


@dataclass(frozen=True, slots=True)
class Contracts:
    """Where our contracts are on one chain (20 bytes each), and the chain's number (EIP-155)."""

    chain_number: int
    hot_safe: bytes
    cold_safe: bytes
    allowance: bytes
    multisend: bytes
    factory: bytes

    @property
    def hot_safe_text(self) -> str:
        """How facts and slots name the hot Safe: ``0x`` and 40 lower-case hex digits."""
        return f"0x{self.hot_safe.hex()}"

    @property
    def cold_safe_text(self) -> str:
        """How facts name the cold Safe."""
        return f"0x{self.cold_safe.hex()}"


@dataclass(frozen=True, slots=True)
class SafeDraft:
    """One Safe transaction before it is bytes: first ``draws`` to the hot Safe, then payments, then sweeps to cold.

    A draft of kind ``cancel`` has none of them.
    """

    chain: str
    kind: SlotKind
    nonce: int
    payments: tuple[Payment, ...] = ()
    draws: tuple[Portion, ...] = ()
    sweeps: tuple[Portion, ...] = ()


@dataclass(frozen=True, slots=True)
class SafeBuilt:
    """A Safe transaction in its canonical bytes, and its safeTxHash as text: the identity of a version."""

    safe_tx: SafeTx
    hash_text: str


@dataclass(frozen=True, slots=True)
class SafeSlot:
    """An open slot with its nonce and what it moves; ``confirmed`` once a block that we handled has executed it."""

    state: OpenSlot
    nonce: int
    draws: tuple[Portion, ...]
    sweeps: tuple[Portion, ...]

    @property
    def confirmed(self) -> bool:
        """Whether a handled block has used the nonce up, by this slot or by something else."""
        return self.state.slot.confirmed_height is not None or self.state.slot.conflict_height is not None


@dataclass(frozen=True, slots=True)
class Standing:
    """The hot Safe's nonces as we have bound them: its open slots, by nonce."""

    slots: tuple[SafeSlot, ...]

    @property
    def unconfirmed(self) -> tuple[SafeSlot, ...]:
        """Slots that no handled block has executed: what they move is still to be moved."""
        return tuple(item for item in self.slots if not item.confirmed)

    @property
    def taken(self) -> frozenset[int]:
        """Nonces of open slots."""
        return frozenset(item.nonce for item in self.slots)


@dataclass(frozen=True, slots=True)
class Handover:
    """One try to have a version executed by the relayer."""

    number: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What a slot did with one asset, by the balances of its block, in base units.

    ``expected`` is what its payments sum to, ``left_hot`` what left the hot Safe for them, ``received`` what their
    destinations have more than before (never counted above what each was to get).
    """

    asset: str
    expected: int
    left_hot: int
    received: int

    @property
    def as_planned(self) -> bool:
        """Whether everything left and everything arrived."""
        return self.expected == self.left_hot == self.received


class SafeNode(Protocol):
    """What is asked of a node; every method raises ``NodeError`` where it cannot answer. Addresses have 20 bytes."""

    async def call(
        self,
        to: bytes,
        data: bytes,
        block: BlockPlace = "latest",
        *,
        sender: bytes | None = None,
        gas: int | None = None,
    ) -> bytes:
        """Run a call without sending it, with at most ``gas``. Raises ``CallRevertedError`` with what it returned."""
        ...

    async def balance(self, address: bytes, block: BlockPlace = "latest") -> int:
        """Give an account's coin in wei."""
        ...

    async def token_balance(self, token: bytes, address: bytes, block: BlockPlace = "latest") -> int:
        """Give an account's base units of a token."""
        ...

    async def code(self, address: bytes, block: BlockPlace = "latest") -> bytes:
        """Give a contract's runtime code; empty where there is none."""
        ...

    async def block(self, place: BlockPlace) -> Block | None:
        """Give the header of a height, a tag or a hash; None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Funds:
    """What there is of one asset at one block, in base units; ``left`` is what the allowance still lets us draw."""

    hot: int
    cold: int
    left: int


class ColdKind(StrEnum):
    """What the cold Safe's owners can be asked to sign."""

    REFILL = "refill"  # to the hot Safe, beyond the allowance
    WITHDRAWAL = "withdrawal"  # out of the house
    LIMIT = "limit"  # of the allowance


@dataclass(frozen=True, slots=True)
class ColdMove:
    """What one transaction of the cold Safe does: base units of an asset to ``to``, or its allowance in 24 hours."""

    kind: ColdKind
    asset: Asset
    amount: int
    to: bytes


def portions_of(outputs: tuple[OwnOutput, ...], key_set: str) -> tuple[Portion, ...]:
    """Read draws (``hot``) or sweeps (``cold``) from a slot's own outputs."""
    return tuple(Portion(item.asset, item.amount) for item in outputs if item.key_set == key_set)


def token_of(asset: Asset) -> bytes | None:
    """Give the contract of a token as 20 bytes; None for the chain's coin."""
    return bytes.fromhex(asset.contract[2:]) if asset.contract else None
