"""What a signer has to be shown, and how it took it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from strongroom.wallets.model import WalletAddress
from strongroom_core.ids import AddressId
from strongroom_core.messages import Refused
from strongroom_core.proof_messages import (
    ProveConflictsRequest,
    ProveExecutionsRequest,
    Proven,
    ProveReceiptsRequest,
    ProveTxsRequest,
    ReceiptProof,
    TxProof,
)

Proof = TxProof | ReceiptProof
ProofRequest = ProveTxsRequest | ProveConflictsRequest | ProveReceiptsRequest | ProveExecutionsRequest


class Shown(Protocol):
    """A signer, as far as it is shown proofs."""

    @property
    def name(self) -> str:
        """The name in our settings."""
        ...

    async def prove(self, request: ProofRequest) -> Proven | Refused:
        """Show it what the chain says. Raises ``SignerUnreachableError``, ``SignerAnswerError``."""
        ...


class ProofKind(StrEnum):
    """What is proven: money that came, or a slot that will never be paid; on EVM chains by their logs."""

    DEPOSIT = "deposit"
    CONFLICT = "conflict"
    SWEEP = "sweep"
    EXECUTION = "execution"


class ProofState(StrEnum):
    """How a signer took it; ``waiting`` is asked again with the next block, ``refused`` much later."""

    PROVEN = "proven"
    WAITING = "waiting"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something to be shown to one signer, who was shown it ``attempts`` times in this block before.

    ``place`` is the number of the output; txid and block hash are as nodes show them.
    """

    subject: str
    kind: ProofKind
    txid: str
    place: int
    address_id: AddressId | None
    height: int
    block_hash: str
    attempts: int


class Prover(Protocol):
    """How one family of chains is proven: what it proves, from our own node's blocks, in which requests."""

    @property
    def kinds(self) -> tuple[ProofKind, ...]:
        """What it proves, in the order in which signers are shown it."""
        ...

    async def proof(self, wanted: Wanted, address: WalletAddress | None) -> Proof:
        """Prove one; ``address`` is where it arrived. Raises ``UnprovableError``, or ``NodeError`` without a node."""
        ...

    def request(self, kind: ProofKind, chain: str, proofs: Sequence[Proof]) -> ProofRequest:
        """Put proofs of one kind into a request."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """How far we are on a chain: its tip's height, and the depth in blocks beyond which nothing moves."""

    chain: str
    tip: int
    horizon: int

    @property
    def deep(self) -> int:
        """The highest block beyond the horizon."""
        return self.tip - self.horizon + 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What a signer said of it; ``tip`` is the height that it was asked at."""

    wanted: Wanted
    signer: str
    state: ProofState
    row: int | None
    tag: str
    reason: str
    tip: int
    settled: bool
    retry_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Unproven:
    """What a signer's books lack of a chain: how many subjects, since when the oldest, and how the signer last said no.

    ``refused`` of them it will not take as they are; ``tag`` and ``reason`` are its last no to a request as a whole.
    """

    chain: str
    signer: str
    count: int
    refused: int
    since: datetime | None
    tag: str
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What our books give ``holder`` of ``asset`` (CAIP-19, base units) above a signer's, and nothing explains.

    From ``alarmed_at`` on, the merchant's payouts wait.
    """

    holder: str
    asset: str
    signer: str
    amount: int
    since: datetime
    alarmed_at: datetime | None
