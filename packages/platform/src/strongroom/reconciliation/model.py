"""What is compared, and how a difference is named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from strongroom.ledger.model import AccountAudit


class DifferenceName(StrEnum):
    """The stable name of a difference: part of what scripts and alarms read, never reused."""

    # Explained: the sides differ as they should for a while.
    DEPOSIT_UNCREDITED = "deposit-uncredited"  # in a block, not deep enough yet, or held back
    BELOW_MINIMUM = "below-minimum"  # kept until the merchant's sum reaches the minimum
    IN_FLIGHT = "in-flight"  # sent, in a block, not final yet
    SUSPENSE = "suspense"  # somebody paid an address that we gave to nobody; an operator has to look

    # The books with themselves.
    ASSET_SUM = "asset-sum"
    BALANCE_ENTRIES = "balance-entries"
    POSTING_UNBALANCED = "posting-unbalanced"
    HELD_HOLDS = "held-holds"
    IN_TRANSIT_SLOTS = "in-transit-slots"

    # The books with the chain.
    BOOKS_CHAIN = "books-chain"
    BOOKS_BEHIND = "books-behind"
    RELAYER_BALANCE = "relayer-balance"  # gas capital paid in, less what its chain txs have cost, against what it has
    RELAY_GAS = "relay-gas"  # network fees of an EVM chain in the books, against what its relayers' chain txs have cost
    CHAIN_UNAVAILABLE = "chain-unavailable"
    COIN_UNKNOWN = "coin-unknown"

    # The signers' journals with what we sent.
    JOURNAL_UNAVAILABLE = "journal-unavailable"
    JOURNAL_BROKEN = "journal-broken"
    JOURNAL_EXTRA_ROW = "journal-extra-row"
    JOURNAL_MISSING_ROW = "journal-missing-row"
    JOURNAL_MISSING_INTENT = "journal-missing-intent"
    JOURNAL_EXTRA_INTENT = "journal-extra-intent"
    JOURNAL_MISSING_VOID = "journal-missing-void"
    JOURNAL_SIGNED_VOID = "journal-signed-void"
    JOURNAL_FEE = "journal-fee"
    JOURNAL_MOVEMENT = "journal-movement"  # what a Safe transaction draws from cold or sweeps to it


EXPLAINED = frozenset(
    {
        DifferenceName.DEPOSIT_UNCREDITED,
        DifferenceName.BELOW_MINIMUM,
        DifferenceName.IN_FLIGHT,
        DifferenceName.SUSPENSE,
    }
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: base units of ``asset`` (CAIP-19) as expected and as found, or counts where it is about rows."""

    name: DifferenceName
    asset: str
    expected: int
    found: int
    detail: str

    @property
    def explained(self) -> bool:
        """Whether this is how things have to be for now."""
        return self.name in EXPLAINED


@dataclass(frozen=True, slots=True)
class RelayerFacts:
    """One relayer at one block, in wei of ``asset``: what it has, and what its chain txs have cost so far.

    ``capital`` is what was paid in and not taken out by what is known, in so many ``entries``; ``nonce`` counts the
    chain txs that blocks have of it, and ``lowest_open`` is the lowest nonce that we have seen in no block yet.
    """

    chain: str
    asset: str
    address: bytes
    height: int
    block_hash: str
    balance: int
    nonce: int
    spent: int
    lowest_open: int | None
    capital: int
    entries: int

    @property
    def paid_in(self) -> int:
        """What has been paid in since the last look, 0 where less is there than was."""
        return max(0, self.balance + self.spent - self.capital)

    @property
    def behind(self) -> bool:
        """Whether a block has a nonce of which we do not know yet what it has cost."""
        return self.lowest_open is not None and self.lowest_open < self.nonce


@dataclass(frozen=True, slots=True)
class ChainFound:
    """What the comparison of one chain found."""

    differences: tuple[Difference, ...]
    relayers: tuple[RelayerFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that differs at one moment; clean where each difference is explained."""

    at: datetime
    differences: tuple[Difference, ...]
    chains: int
    journal_rows: int
    relayers: tuple[RelayerFacts, ...] = ()

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """What somebody has to look at."""
        return tuple(item for item in self.differences if not item.explained)

    @property
    def clean(self) -> bool:
        """Whether books, chain and journals agree."""
        return not self.unexplained


@dataclass(frozen=True, slots=True)
class BookFacts:
    """The books: every account recomputed, postings that do not balance, and open holds by (merchant, asset)."""

    accounts: tuple[AccountAudit, ...]
    broken_postings: tuple[tuple[int, int], ...]
    holds: dict[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class UncreditedFacts:
    """Deposits in blocks that the books do not have (yet)."""

    asset: str
    kind: str
    below_minimum: bool
    amount: int
    count: int


@dataclass(frozen=True, slots=True)
class ColdFacts:
    """What a transaction of the cold Safe has moved in a block, and the books do not have before it is final."""

    asset: str
    amount: int
    to_hot: bool
    txid: str


@dataclass(frozen=True, slots=True)
class CoinFacts:
    """What a node says that we hold: base units by kind of key set, and outputs (txid:vout) of nobody's.

    Of a bitcoin-like its unspent outputs; of one asset of an EVM chain the hot Safe, and as cold the cold Safe together
    with the forwarders.
    """

    height: int
    block_hash: str
    held: dict[str, int]
    unknown: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """One payout in a slot, named by the SHA-256 of its intent's bytes, in hex; ``amount`` is of ``asset``."""

    payout_id: str
    intent: str
    asset: str
    amount: int


@dataclass(frozen=True, slots=True)
class Movement:
    """What a Safe transaction moves between our own Safes: ``hot`` is a draw to the hot one, ``cold`` a sweep."""

    to: str
    asset: str
    amount: int


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """One version of a slot: ``signed`` once we hold its full signatures.

    Of the asset that is looked at ``swept`` goes to cold, and ``drawn`` comes from there. ``movements`` are all.
    """

    txid: str
    fee: int
    signed: bool
    swept: int
    drawn: int = 0
    movements: tuple[Movement, ...] = ()


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """One slot with what it pays; ``txid`` names the version that is on the chain, where one is."""

    id: str
    state: str
    txid: str | None
    payments: tuple[PaymentFacts, ...]
    versions: tuple[VersionFacts, ...]

    @property
    def paid(self) -> int:
        """What its payments sum to."""
        return sum(payment.amount for payment in self.payments)


@dataclass(frozen=True, slots=True)
class VoidFacts:
    """A promise that we relied on: ``signer`` will never sign ``intent``."""

    signer: str
    intent: str
    payout_id: str


@dataclass(frozen=True, slots=True)
class SentFacts:
    """What we sent on one chain, and the blocks that deposits and outbound have handled."""

    chain: str
    asset: str
    slots: tuple[SlotFacts, ...]
    voids: tuple[VoidFacts, ...]
    uncredited: tuple[UncreditedFacts, ...]
    deposit_tip: str | None
    outbound_height: int | None


@dataclass(frozen=True, slots=True)
class SignedRow:
    """A journal row of kind ``signed`` or ``safe-signed``; ``intents`` are hashes in hex.

    ``txid`` is the version's, of a Safe transaction its safeTxHash; that has no ``fee``, and ``movements``.
    """

    number: int
    chain: str
    txid: str
    fee: int
    intents: tuple[str, ...]
    movements: tuple[Movement, ...] = ()


@dataclass(frozen=True, slots=True)
class Journal:
    """One signer's journal as far as it verifies: ``broken`` says where it does not."""

    signer: str
    rows: int
    signed: tuple[SignedRow, ...]
    voided: frozenset[str]
    broken: str
