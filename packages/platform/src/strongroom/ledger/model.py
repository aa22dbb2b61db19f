"""What the books are made of: typed ledger accounts, positive postings, ledger transactions, holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from strongroom.ledger.errors import InvalidPostingError
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset
from strongroom_core.ids import HoldId, LedgerTransactionId, MerchantId

KEY_LENGTH_MAX: Final = 200
MEMO_ENTRIES_MAX: Final = 32
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class AccountType(StrEnum):
    """What a ledger account is for; the database bounds its balance by it (`ledger_low`, `ledger_high`)."""

    MERCHANT_AVAILABLE = "merchant-available"  # a merchant may pay out; never below zero
    MERCHANT_HELD = "merchant-held"  # reserved for payouts on their way; never below zero
    MERCHANT_OWED = "merchant-owed"  # what a merchant owes us after a reversal; never above zero
    HOUSE_CAPITAL = "house-capital"  # the operator's own money
    HOUSE_FEES = "house-fees"  # what merchants paid us
    NETWORK_FEES = "network-fees"  # what we paid to miners: an expense, so it goes below zero
    IN_TRANSIT = "in-transit"  # signed away, not yet final on the chain; never below zero
    SUSPENSE = "suspense"  # not explained yet
    CHAIN_HOT = "chain-hot"  # minus what the hot key set holds on chain; never above zero
    CHAIN_COLD = "chain-cold"  # minus what the cold key set holds on chain; never above zero

    @property
    def is_merchant(self) -> bool:
        """Whether accounts of this type belong to a merchant; the others are the house's."""
        return self in _MERCHANT_TYPES


_MERCHANT_TYPES: Final = frozenset(
    {AccountType.MERCHANT_AVAILABLE, AccountType.MERCHANT_HELD, AccountType.MERCHANT_OWED}
)


@dataclass(frozen=True, slots=True)
class Account:
    """One ledger account: a bucket of ``asset``, of a merchant or (``owner`` None) of the house."""

    type: AccountType
    asset: Asset
    owner: MerchantId | None = None
    #: One text per account, for sorting and for canonical bytes; no part of it can hold the separator.
    name: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a merchant's account without merchant and a house account with one. Raises ``InvalidPostingError``."""
        if (self.owner is not None) != self.type.is_merchant:
            message = f"a ledger account of type {self.type} {'needs' if self.type.is_merchant else 'has no'} merchant"
            raise InvalidPostingError(message)
        if self.owner is not None:
            MerchantId.parse(self.owner)
        object.__setattr__(self, "name", f"{self.owner or ''}|{self.type.value}|{self.asset.id}")


@dataclass(frozen=True, slots=True)
class Posting:
    """A positive ``amount`` moves from ``source`` to ``destination``: what is unbalanced cannot be written."""

    source: Account
    destination: Account
    amount: Amount

    def __post_init__(self) -> None:
        """Refuse zero, two assets, and an account paying itself. Raises ``InvalidPostingError``."""
        if not self.amount.base_units:
            message = "a posting moves more than nothing; leave it out"
            raise InvalidPostingError(message)
        if not self.source.asset == self.destination.asset == self.amount.asset:
            message = "a posting moves one asset; a conversion is two postings"
            raise InvalidPostingError(message)
        if self.source.name == self.destination.name:
            message = f"a posting needs two ledger accounts, not {self.source.type} twice"
            raise InvalidPostingError(message)


@dataclass(frozen=True, slots=True)
class LedgerTransaction:
    """Postings that happen together or not at all, in their order, once per ``key``.

    ``kind`` says why (``deposit-credit``); ``key`` is the idempotency key, unique over the whole ledger; ``memo`` is
    for people and reports.
    """

    kind: str
    key: str
    postings: tuple[Posting, ...]
    memo: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what the books cannot store: no postings, unprintable texts. Raises ``InvalidPostingError``."""
        check_texts(self.kind, self.key, self.memo)
        if not self.postings:
            message = "a ledger transaction has at least one posting"
            raise InvalidPostingError(message)


@dataclass(frozen=True, slots=True)
class Posted:
    """The stored answer: the transaction's ``number``, when it was posted, and whether that was before (``again``)."""

    number: int
    posted_at_ms: int
    again: bool

    @property
    def id(self) -> LedgerTransactionId:
        """The public id: time-sortable as all ids are, with the number where others are random."""
        body, value = "", (self.posted_at_ms << 80) | self.number
        for _ in range(26):
            value, digit = divmod(value, 32)
            body = "0123456789abcdefghjkmnpqrstvwxyz"[digit] + body
        return LedgerTransactionId(f"{LedgerTransactionId.prefix}_{body}")

    @property
    def posted_at(self) -> datetime:
        """When it was posted, in UTC, to the millisecond."""
        return _EPOCH + timedelta(milliseconds=self.posted_at_ms)


class Outcome(IntEnum):
    """What became of one transaction of a batch; the numbers are those of ``ledger_post`` in the migration."""

    POSTED = 0
    AGAIN = 1
    CONFLICT = 2
    INSUFFICIENT = 3
    HOLD_CLOSED = 4
    HOLD_EXCEEDED = 5
    HOLD_UNKNOWN = 6


class HoldState(StrEnum):
    """Where a hold is. Only an open one can be captured, released or expire; the others are the end."""

    OPEN = "open"
    CLOSED = "closed"
    EXPIRED = "expired"


HOLD_MOVES: Final = {
    HoldState.OPEN: frozenset({HoldState.OPEN, HoldState.CLOSED, HoldState.EXPIRED}),
    HoldState.CLOSED: frozenset[HoldState](),
    HoldState.EXPIRED: frozenset[HoldState](),
}


@dataclass(frozen=True, slots=True)
class Hold:
    """A reservation of ``amount`` on a merchant's balance; what was neither captured nor released is still held."""

    id: HoldId
    key: str
    account: Account
    amount: Amount
    captured: Amount
    released: Amount
    state: HoldState
    expires_at: datetime | None
    memo: dict[str, str]

    @property
    def held_account(self) -> Account:
        """The account that the held money is on, the source of captures."""
        return Account(AccountType.MERCHANT_HELD, self.account.asset, self.account.owner)

    @property
    def remaining(self) -> Amount:
        """What is still held."""
        return self.amount - self.captured - self.released


@dataclass(frozen=True, slots=True)
class Balance:
    """What stands on an account, signed, in base units."""

    account: Account
    base_units: int


class BreachKind(StrEnum):
    """What is not covered, by which an operator can tell what to do; each freezes what is handed out from hot."""

    # Deposits landed on hot addresses beyond the house's capital: by design, for as long as a sweep to cold takes.
    HOT_LANDED = "hot-landed"
    # The house's capital fell below what is hot or in flight: withdrawn, spent on fees, lost. Swept too; look why.
    HOT_UNCOVERED = "hot-uncovered"
    # Clients have more than hot and cold hold together: only the operator's money can mend it.
    CLIENTS_SHORT = "clients-short"
    # Found by an independent look, and by no posting.
    BOOKS_WRONG = "books-wrong"  # the books do not add up, or their own judgement of cover is not what they say
    CHAIN_SHORT = "chain-short"  # clients have more than the chain does
    SIGNERS_SHORT = "signers-short"  # clients have more than a signer's own books do


@dataclass(frozen=True, slots=True)
class Breach:
    """One time that clients' money was not covered as it has to be, in base units of ``asset`` (CAIP-19).

    ``size`` is how much is not covered, as long as it stands; ``worst`` the most that it was. ``cause`` is the kind of
    ledger transaction that began it, or what the independent look found.
    """

    id: int
    asset: str
    kind: BreachKind
    size: int
    worst: int
    cause: str
    since: datetime
    last_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Cover:
    """How an asset's two rules stand, in base units: above zero what is short, below zero what is to spare.

    ``hot`` contains what is in flight, until its chain tx is final. ``capital`` is the house's own money as far as it
    covers others' (what was paid in, less what was lost), and may be below zero.
    """

    hot: int
    in_flight: int
    capital: int
    hot_short: int
    clients_short: int


@dataclass(frozen=True, slots=True)
class AccountAudit:
    """One account as its entries tell it: their sum, the last one's balance, and how many break the chain."""

    account: Account
    balance: int
    entries: int
    entry_count: int
    entry_sum: int
    last_after: int
    breaks: int

    @property
    def sound(self) -> bool:
        """Whether the account says what its entries say."""
        return (self.balance, self.balance, self.entries, 0) == (
            self.entry_sum,
            self.last_after,
            self.entry_count,
            self.breaks,
        )


def check_texts(kind: str, key: str, memo: dict[str, str]) -> None:
    """Refuse texts that are empty, too long or not printable. Raises ``InvalidPostingError``."""
    if not 0 < len(key) <= KEY_LENGTH_MAX or not 0 < len(kind) <= KEY_LENGTH_MAX or not (key + kind).isprintable():
        message = f"kind and key of a ledger transaction are 1 to {KEY_LENGTH_MAX} printable characters"
        raise InvalidPostingError(message)
    if len(memo) > MEMO_ENTRIES_MAX or not all((name + text).isprintable() for name, text in memo.items()):
        message = f"a memo has at most {MEMO_ENTRIES_MAX} entries of printable text"
        raise InvalidPostingError(message)
