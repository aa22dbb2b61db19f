"""The relayer's nouns: a relay is one call with at most one effect, carried by one nonce of one relayer's account.

A nonce has versions that differ in fee, or that carry an empty self-call instead. The chain takes one chain tx for each
nonce of an account, so all versions together have one effect at most. Fees and balances are wei, fee rates wei for
each gas (EIP-1559), addresses 20 bytes, txids ``0x`` and 64 lower-case hex digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from strongroom.chains.ethereum.model import Block, GasPrices, Place, Receipt
from strongroom.chains.model import NodeTip


class RelayPurpose(StrEnum):
    """Why a call is relayed."""

    SAFE = "safe"  # the execution of what a Safe's owners signed
    GATHER = "gather"  # forwarders swept to the treasury
    DEPLOY = "deploy"  # a contract made by calling its factory
    COLD = "cold"  # the execution of what the cold Safe's owners signed offline


class RelayState(StrEnum):
    """Where a relay stands."""

    PLANNED = "planned"  # no signed bytes of it exist
    SIGNED = "signed"  # signed bytes exist, so that it may happen
    BROADCAST = "broadcast"
    MINED = "mined"
    FINAL = "final"  # mined, beyond the reorg horizon
    DROPPED = "dropped"  # it has not happened and cannot


# `planned` again: its nonce went to a foreign chain tx for good, so that none of its own can be mined any more.
# `dropped` after `signed`: it was cancelled, and its nonce went for good to our own empty self-call; or its nonce was
# taken so long ago that receipts no longer tell by what: its reason says to look before it is tried again.
# A reorg takes `mined` back to `broadcast`. `dropped` is left by `retry` only.
RELAY_MOVES: Final[dict[RelayState, frozenset[RelayState]]] = {
    RelayState.PLANNED: frozenset({RelayState.SIGNED, RelayState.DROPPED}),
    RelayState.SIGNED: frozenset({RelayState.BROADCAST, RelayState.MINED, RelayState.PLANNED, RelayState.DROPPED}),
    RelayState.BROADCAST: frozenset({RelayState.MINED, RelayState.PLANNED, RelayState.DROPPED}),
    RelayState.MINED: frozenset({RelayState.BROADCAST, RelayState.FINAL}),
    RelayState.FINAL: frozenset(),
    RelayState.DROPPED: frozenset({RelayState.PLANNED}),
}


class NonceState(StrEnum):
    """Where one nonce of a relayer stands."""

    OPEN = "open"
    MINED = "mined"  # by one of our versions
    FINAL = "final"
    FOREIGN = "foreign"  # taken, beyond the horizon, by a chain tx that is none of our versions


NONCE_MOVES: Final[dict[NonceState, frozenset[NonceState]]] = {
    NonceState.OPEN: frozenset({NonceState.MINED, NonceState.FOREIGN}),
    NonceState.MINED: frozenset({NonceState.OPEN, NonceState.FINAL}),
    NonceState.FINAL: frozenset(),
    # A reorg may give it back, and later nonces wait for it: it is taken by an empty self-call.
    NonceState.FOREIGN: frozenset({NonceState.OPEN}),
}


class VersionKind(StrEnum):
    """What one version of a nonce does."""

    CALL = "call"
    EMPTY = "empty"  # a self-call without value: it only takes the nonce, so that later ones go on


class VersionState(StrEnum):
    """Where one version stands."""

    PLANNED = "planned"
    SIGNED = "signed"
    BROADCAST = "broadcast"


class Alarm(StrEnum):
    """What an operator has to look at."""

    GAS_LOW = "gas-low"
    KEY_MISSING = "key-missing"
    BUDGET_SPENT = "budget-spent"
    FEE_CEILING = "fee-ceiling"  # the chain asks for more than the settings allow
    STUCK = "stuck"  # a nonce has waited for a block far too long
    NONCE_FOREIGN = "nonce-foreign"  # somebody else has used the relayer's key, or the database is an older one
    NONCE_BEHIND = "nonce-behind"  # the chain has forgotten a nonce that was final


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559: the most that a gas may cost, and what of it the block's maker gets; wei for each gas."""

    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class Relayed:
    """A relay as its submitter sees it; ``success`` is what the chain says once mined, ``fee`` the wei it cost."""

    id: int
    chain: str
    purpose: str
    reference: str
    state: RelayState
    reason: str
    txid: str | None
    height: int | None
    block_hash: str | None
    success: bool | None
    gas_used: int | None
    fee: int | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RelayVersion:
    """One version of a nonce: `raw` is there once it is signed, and is on disk before any node sees it."""

    number: int
    kind: VersionKind
    to: bytes
    data: bytes
    gas_limit: int
    fees: Fees
    state: VersionState
    raw: bytes | None
    txid: str | None
    offered_at: datetime | None
    created_at: datetime

    @property
    def worst(self) -> int:
        """The most that it can cost, in wei."""
        return self.gas_limit * self.fees.max_fee


@dataclass(frozen=True, slots=True)
class RelayNonce:
    """One nonce of one relayer with its versions, newest last; ``relay_id`` None: it carries nothing.

    ``sent_height`` is the tip when its newest version was first sent, ``missed_height`` and ``missed_hash`` the block
    in which the nonce was first seen taken with none of our versions in a block.
    """

    id: int
    chain: str
    relayer: bytes
    nonce: int
    relay_id: int | None
    state: NonceState
    emptied: bool
    underpriced: bool
    attempts: int
    mined_number: int | None
    mined_height: int | None
    mined_hash: str | None
    sent_height: int | None
    sent_at: datetime | None
    missed_height: int | None
    missed_hash: str | None
    created_at: datetime
    versions: tuple[RelayVersion, ...]

    @property
    def newest(self) -> RelayVersion:
        """The version with the highest number, which pays most."""
        return self.versions[-1]

    @property
    def worst(self) -> int:
        """The most that it can cost: one of its versions at most is mined."""
        return max(version.worst for version in self.versions)

    def version_of(self, txid: str) -> RelayVersion | None:
        """Find the version with this txid."""
        return next((version for version in self.versions if version.txid == txid), None)


@dataclass(frozen=True, slots=True)
class Call:
    """What a planned relay asks for."""

    relay_id: int
    to: bytes
    data: bytes
    gas_limit: int


@dataclass(frozen=True, slots=True)
class Account:
    """A relayer as our database has it, balances in wei.

    ``next_nonce`` is the first that we never gave out, ``chain_nonce`` the first that no block has, when last asked;
    ``committed`` is what its open nonces may cost yet.
    """

    address: bytes
    position: int
    next_nonce: int
    chain_nonce: int
    balance: int
    committed: int

    @property
    def nonce(self) -> int:
        """The nonce to give out next: never one that was given out, never one that a block has."""
        return max(self.next_nonce, self.chain_nonce)

    @property
    def spendable(self) -> int:
        """What is not committed."""
        return self.balance - self.committed


@dataclass(frozen=True, slots=True)
class Spending:
    """What gas may cost within 24 hours, and what it has cost or may yet: open nonces by their worst case, in wei."""

    budget: int
    spent: int

    @property
    def left(self) -> int:
        """What may still be committed."""
        return max(0, self.budget - self.spent)


@dataclass(frozen=True, slots=True)
class RelayerState:
    """A relayer for people, metrics and doctor; ``active``: the first with key and gas enough. Wei."""

    chain: str
    address: bytes
    position: int
    active: bool
    key_loaded: bool
    balance: int
    gas_low: int
    next_nonce: int
    chain_nonce: int
    open_nonces: int
    waiting: int
    spent: int
    budget: int
    alarms: tuple[str, ...]
    detail: str
    checked_at: datetime


class RelayNode(Protocol):
    """What the relayer asks of a node. Every method raises ``NodeError`` where the node cannot answer."""

    async def tip(self) -> NodeTip:
        """Give the newest block."""
        ...

    async def block(self, place: Place) -> Block | None:
        """Give the canonical block at a height, None beyond the tip."""
        ...

    async def nonce(self, address: bytes, *, pending: bool = False) -> int:
        """Count the chain txs of an account: in blocks only, or with those that wait (``pending``)."""
        ...

    async def balance(self, address: bytes) -> int:
        """Give an account's coin in wei."""
        ...

    async def fees(self) -> GasPrices:
        """Give the base fee, and a tip that gets in; wei for each gas."""
        ...

    async def estimate_gas(self, sender: bytes, to: bytes, data: bytes) -> int:
        """Run a call on the newest block, unsent; its gas. Raises ``CallRevertedError`` where it would fail."""
        ...

    async def send_raw(self, raw: bytes) -> str:
        """Send a chain tx; one already known is a success. Raises ``BroadcastRejectedError``."""
        ...

    async def receipt(self, txid: str) -> Receipt | None:
        """Find what a block did with a chain tx; None where no block has it."""
        ...
