"""Tags, the lists that they come from, and what an answer about an address says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

CONFIDENCE_MAX: Final = 100  # per cent, as in GraphSense's taxonomy of confidence


class Category(StrEnum):
    """What an address is said to be: a closed vocabulary, into which every import maps its own words."""

    EXCHANGE = "exchange"
    MIXER = "mixer"
    BRIDGE = "bridge"
    POOL = "pool"  # of liquidity: a decentralised exchange, lending, derivatives
    MERCHANT_SERVICES = "merchant-services"  # payment processors and markets
    GAMBLING = "gambling"
    SANCTIONED = "sanctioned"
    THEFT = "theft"
    SCAM = "scam"
    RANSOMWARE = "ransomware"
    PHISHING = "phishing"
    MALICIOUS_CONTRACT = "malicious-contract"
    WALLET_PROVIDER = "wallet-provider"  # holds keys for its users
    MINER = "miner"
    COINJOIN = "coinjoin"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Tag:
    """One claim about one address by one source.

    ``chain`` is a CAIP-2 id, and ``address`` canonical on it (``addresses.place`` says what that means, and where the
    currencies of lists belong). ``source_date`` is the day on which the source says so: of the entry where it has one,
    else of the list. ``confidence`` is in per cent. ``currency`` is the source's own word, kept for evidence, and
    ``note`` what else it says (a sanctions programme, for one). Empty text: the source is silent.
    """

    chain: str
    address: str
    label: str
    category: Category
    actor: str
    source: str
    source_date: date
    confidence: int
    licence: str
    uri: str
    currency: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """One real-world party: its id in packs, its name, what it is, where it sits (ISO 3166 codes), its site."""

    id: str
    label: str
    category: Category
    jurisdictions: tuple[str, ...]
    uri: str


@dataclass(frozen=True, slots=True)
class ListInfo:
    """One list as the store holds it: whose it is, of which day, fetched when (UTC; None: made by hand), how much.

    ``tags`` and ``sha256`` (over the tags, sorted, as JSON lines) are filled in by the store.
    """

    name: str
    source: str
    as_of: date
    fetched_at: datetime | None
    tags: int
    sha256: str
    licence: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A line of a list that could not be read, and why."""

    line: int
    text: str
    reason: str

    def __str__(self) -> str:
        """Give it as a line of a report."""
        return f"line {self.line}: {self.text!r}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Delisting:
    """An address that a list named until a newer issue of that list no longer did."""

    list_name: str
    chain: str
    address: str
    label: str
    listed_as_of: date
    gone_as_of: date


@dataclass(frozen=True, slots=True)
class Change:
    """What replacing a list did: tags before and after, addresses that are new and that are gone."""

    list_name: str
    before: int
    after: int
    added: tuple[tuple[str, str], ...]  # (chain, address), sorted
    delisted: tuple[Delisting, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A tag and the list that it stands on."""

    list_name: str
    tag: Tag


@dataclass(frozen=True, slots=True)
class ListAge:
    """A list that was checked, and its age in days on the day of the answer."""

    info: ListInfo
    days: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What all lists together say of an address on a day, and which lists those are.

    No tag means: not on these lists of these ages; it never means clean. ``tags_hash`` names the store's content.
    """

    chain: str
    address: str
    on: date
    tags: tuple[Listed, ...]
    delisted: tuple[Delisting, ...]
    lists: tuple[ListAge, ...]
    tags_hash: str

    @property
    def conflicts(self) -> tuple[Category, ...]:
        """The categories that are said of it, where they are more than one; nobody chooses between them here."""
        said = sorted({listed.tag.category for listed in self.tags})
        return tuple(said) if len(said) > 1 else ()
