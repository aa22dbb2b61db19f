"""What a signer is told about chains, with proof; what its own books answer; and its word for an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from strongroom_core.intents import SignedIntent
from strongroom_core.wire import Message, part

# 2**256 - 1 has 78 digits.
_SIGNED_UNITS: Final = re.compile("0|-?[1-9][0-9]{0,77}", re.ASCII)


@part
@dataclass(frozen=True, slots=True)
class TxProof(Message):
    """One output of a chain tx of a bitcoin-like, with the proof that a block holds the tx.

    ``tx`` is the raw tx, with or without witnesses; ``block`` the hash of the block's header (32 bytes, as hashed, not
    reversed); ``height`` its height; ``position`` the tx's place in it; ``siblings`` the Merkle branch, 32 bytes a
    level from the leaf up. ``output`` is the number of the output; ``key_set`` (hot or cold), ``branch`` and ``index``
    say where it stands: a hint, which the signer derives itself. In a proof of a conflict the last four say nothing.
    """

    kind: ClassVar[str] = "tx-proof"
    tx: bytes
    block: bytes
    height: int
    position: int
    siblings: bytes
    output: int
    key_set: str
    branch: int
    index: int


@part
@dataclass(frozen=True, slots=True)
class ReceiptProof(Message):
    """One log of a receipt of an EVM chain, with the proof that a block holds the receipt.

    ``header`` is the block's header in RLP; ``position`` the chain tx's place in the block; ``nodes`` are the nodes of
    the receipts' trie (yellow paper, appendix D) from the root to the leaf, as one RLP list of byte strings; ``log`` is
    the number of the log within the receipt; ``branch`` and ``index`` say which forwarder it is of: a hint.
    """

    kind: ClassVar[str] = "receipt-proof"
    header: bytes
    position: int
    nodes: bytes
    log: int
    branch: int
    index: int


@dataclass(frozen=True, slots=True)
class ProveTxsRequest(Message):
    """Please take these outputs into your own books: each is a deposit, to a merchant or the house by its branch."""

    kind: ClassVar[str] = "prove-txs"
    request_id: str
    chain: str
    proofs: tuple[TxProof, ...]


@dataclass(frozen=True, slots=True)
class ProveReceiptsRequest(Message):
    """Please take these logs into your own books: a forwarder's ``Swept`` is a deposit."""

    kind: ClassVar[str] = "prove-receipts"
    request_id: str
    chain: str
    proofs: tuple[ReceiptProof, ...]


@dataclass(frozen=True, slots=True)
class ProveConflictsRequest(Message):
    """Please give merchants their money back: these chain txs, beyond the horizon, spent a slot's coins otherwise."""

    kind: ClassVar[str] = "prove-conflicts"
    request_id: str
    chain: str
    proofs: tuple[TxProof, ...]


@dataclass(frozen=True, slots=True)
class ProveExecutionsRequest(Message):
    """Please give money back: these ``ExecutionSuccess`` logs used a nonce of the hot Safe otherwise."""

    kind: ClassVar[str] = "prove-executions"
    request_id: str
    chain: str
    proofs: tuple[ReceiptProof, ...]


@part
@dataclass(frozen=True, slots=True)
class ProofResult(Message):
    """What became of a proof: ``row`` is the journal row that holds it, or 0 with the ``tag`` and ``reason`` of no."""

    kind: ClassVar[str] = "proof-result"
    row: int
    tag: str
    reason: str


@dataclass(frozen=True, slots=True)
class Proven(Message):
    """One result for each proof, in the order of the request. What is proven already names its row again."""

    kind: ClassVar[str] = "proven"
    request_id: str
    results: tuple[ProofResult, ...]


@dataclass(frozen=True, slots=True)
class BooksRequest(Message):
    """Please say what your own books hold, from the balance after (``after_holder``, ``after_asset``) on."""

    kind: ClassVar[str] = "books"
    request_id: str
    after_holder: str
    after_asset: str
    limit: int


@part
@dataclass(frozen=True, slots=True)
class OwnBalance(Message):
    """What a holder (a merchant's id, or ``house``) has of an asset (CAIP-19), in base units as decimal text.

    Below zero after a reorged credit.
    """

    kind: ClassVar[str] = "balance"
    holder: str
    asset: str
    amount: str

    def __post_init__(self) -> None:
        """Refuse what is no number of base units. Raises ``ValueError``."""
        if not _SIGNED_UNITS.fullmatch(self.amount):
            raise ValueError


@dataclass(frozen=True, slots=True)
class BooksAre(Message):
    """Balances in the order of (holder, asset), as of journal row ``row``; fewer than asked for at the end.

    ``binding``: nothing is signed beyond them. A test network's policy may do without that rule.
    """

    kind: ClassVar[str] = "books-are"
    request_id: str
    row: int
    binding: bool
    balances: tuple[OwnBalance, ...]


@dataclass(frozen=True, slots=True)
class AttestRequest(Message):
    """Please attest the deposit addresses ``first`` to ``first + count - 1`` of a merchant.

    ``key_set`` is hot or cold on a bitcoin-like and ``forwarder`` on an EVM chain.
    """

    kind: ClassVar[str] = "attest"
    request_id: str
    chain: str
    merchant: str
    key_set: str
    first: int
    count: int


@part
@dataclass(frozen=True, slots=True)
class Attestation(Message):
    """A signer's word for one address; what is signed is in ``strongroom_core.attestations``."""

    kind: ClassVar[str] = "attestation"
    index: int
    address: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Attested(Message):
    """The addresses in order, and the identity key (Ed25519, 32 bytes) that signed each of them."""

    kind: ClassVar[str] = "attested"
    request_id: str
    identity: bytes
    attestations: tuple[Attestation, ...]


@dataclass(frozen=True, slots=True)
class ConvertRequest(Message):
    """Please book this conversion, which the merchant signed (``strongroom_core.orders``), against the house."""

    kind: ClassVar[str] = "convert"
    request_id: str
    evidence: SignedIntent


@dataclass(frozen=True, slots=True)
class Converted(Message):
    """Both legs are booked in journal row ``row``; asked again, the same row is named again."""

    kind: ClassVar[str] = "converted"
    request_id: str
    row: int
