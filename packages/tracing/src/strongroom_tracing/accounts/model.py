"""What an account chain's money does: transfers, the question of a trace, and why it ends.

Addresses are ``0x`` and 40 small hex digits, assets CAIP-19 ids, values integers of base units (uint256). A transfer is
named by its chain tx and its place there: ``<txid>:coin<n>`` (0 is the chain tx's own payment, 1, 2 … those inside of
contract calls, in the order of execution, counting only those that moved coin), ``<txid>:log<n>``, ``<txid>:gas<n>``;
what a block pays out by itself is ``<height>:coin<n>``. With several chains the CAIP-2 id and a slash stand before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

from strongroom_tracing.taint.model import Direction, Policy

ADDRESS_BYTES: Final = 20
WORD_BYTES: Final = 32
NOBODY: Final = bytes(ADDRESS_BYTES)  # the zero address: tokens are made by it and destroyed with it
NO_TXID: Final = bytes(WORD_BYTES)
END_OF_BLOCK: Final = 2**31 - 1  # the place of what a block pays out by itself: after its chain txs (EIP-4895)


class Kind(IntEnum):
    """What a row of the index records; the numbers are those of the files."""

    GAS = 0  # what the sender pays for execution, whole; to nobody
    VALUE = 1  # the coin that a chain tx itself pays
    INTERNAL = 2  # coin paid inside of contract calls
    TOKEN = 3  # an ERC-20 Transfer
    NFT = 4  # an ERC-721 Transfer: the value is the number of the token
    WRAP = 5  # Deposit(dst, wad) of a wrapping contract: coin of dst became tokens of dst
    UNWRAP = 6  # Withdrawal(src, wad)
    SWAP = 7  # an exchange's own event: says that the sender of the row is one
    TIP = 8  # what of a chain tx's gas the block's maker got
    ISSUED = 9  # a block's reward, or a withdrawal from the beacon chain (EIP-4895)

    @property
    def part(self) -> str:
        """The word for it in a transfer's name."""
        return _PARTS[self]

    @property
    def rank(self) -> int:
        """Its place among the rows of a chain tx: gas is bought first, logs stand in an order of their own."""
        return _RANKS[self]


_COIN_KINDS: Final = (Kind.VALUE, Kind.INTERNAL, Kind.ISSUED)
_LOG_KINDS: Final = (Kind.TOKEN, Kind.NFT, Kind.WRAP, Kind.UNWRAP, Kind.SWAP)
_PARTS: Final = (
    {Kind.GAS: "gas", Kind.TIP: "tip"} | dict.fromkeys(_COIN_KINDS, "coin") | dict.fromkeys(_LOG_KINDS, "log")
)
_RANKS: Final = {Kind.GAS: 0, Kind.TIP: 3} | dict.fromkeys(_COIN_KINDS, 1) | dict.fromkeys(_LOG_KINDS, 2)


@dataclass(frozen=True, slots=True)
class Transfer:
    """One row: ``contract`` is the token's, empty for the chain's coin; ``place`` counts within kind's ``part``."""

    block: int
    tx_index: int
    kind: Kind
    place: int
    txid: bytes
    sender: bytes
    recipient: bytes
    contract: bytes
    value: int

    @property
    def order(self) -> tuple[int, int, int, int]:
        """Where it stands in the chain."""
        return self.block, self.tx_index, self.kind.rank, self.place


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the index; ``unix_time`` in seconds."""

    height: int
    block_hash: bytes
    parent_hash: bytes
    unix_time: int


@dataclass(frozen=True, slots=True)
class BlockTransfers:
    """A block with its transfers, in order."""

    block: Block
    transfers: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """How far an index is; ``traced`` is false where coin inside of contract calls is not known."""

    chain: str
    first_height: int
    height: int
    block_hash: str
    transfers: int
    traced: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """Stolen money: ``amount`` of what a transfer paid, all of it where None. Marks stand in the order of report."""

    claim: str
    transfer: str
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Bridge:
    """An investigator's finding that the money of ``paid_in`` came out with ``paid_out``, of any chain and asset.

    ``confidence`` is in percent; it and ``evidence`` stand with every row that rests on this.
    """

    paid_in: str
    paid_out: str
    evidence: str
    confidence: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How far the untagged are followed; None means without end. They stand in the answer.

    ``hops``: moves from address to address. ``smallest``: by asset, a transfer that carries less than this of a claim
    is not followed. ``block``: the last one (going backward: the first one). ``transfers``: an address with more of
    one asset than this is taken for a service that nobody has tagged yet.
    """

    hops: int | None = None
    smallest: Mapping[str, int] = field(default_factory=dict)
    block: int | None = None
    transfers: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is traced, and how.

    ``stops``: services by address (or CAIP-10 id, where several chains are asked): money that comes to them is not
    followed. ``pools``: exchanges by contract, with a label; money is followed through a swap there, and stops there
    where no swap is found. ``swap_events``: whoever emits a known exchange's event in a chain tx counts as a pool in
    it; not by default, since a thief can write a contract that does. ``openings``: known balances before the index's
    first block, by address (or CAIP-10 id) and asset.
    """

    policy: Policy
    direction: Direction
    marks: tuple[Mark, ...]
    stops: Mapping[str, str] = field(default_factory=dict)
    pools: Mapping[str, str] = field(default_factory=dict)
    bridges: tuple[Bridge, ...] = ()
    openings: Mapping[tuple[str, str], int] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    swap_events: bool = False


class Reason(StrEnum):
    """Why money was not followed further."""

    BELOW_THRESHOLD = "below-threshold"
    HOP_LIMIT = "hop-limit"
    BLOCK_LIMIT = "block-limit"
    BUSY = "too-many-transfers"


class Origin(StrEnum):
    """Where money comes from when nothing stands before it."""

    UNKNOWN = "unknown"  # more was paid than is known to have come in: before the index, or not seen by it
    OPENING = "opening-balance"  # as the question states it
    ISSUED = "issued"  # made by a block or a token's contract


class Conversion(StrEnum):
    """How money changed its asset or chain."""

    WRAP = "wrap"
    UNWRAP = "unwrap"
    SWAP = "swap"
    BRIDGE = "bridge"


class Ignored(StrEnum):
    """Why a row of the index moves no money here."""

    ZERO_VALUE = "zero-value"  # anybody may transfer nothing in anybody's name: address poisoning
    NOT_GENUINE = "contract-not-on-the-list"  # whatever it calls itself
    NOT_FUNGIBLE = "not-fungible"
    NOT_WRAPPING = "contract-does-not-wrap"  # a Deposit or Withdrawal event of somebody else
