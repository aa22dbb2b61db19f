"""Services at which a trace stops, since behind them the coins of many people are one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from strongroom_tracing.tags.model import Category, Listed
from strongroom_tracing.tags.store import TagStore

# Who takes coins in and pays out others. Not among them: a sanctioned person's or thief's own address, which the trace
# goes through; a CoinJoin's, where the chain itself shows the way on; miners, who are paid for work.
STOPS: Final = frozenset(
    {
        Category.EXCHANGE,
        Category.MIXER,
        Category.BRIDGE,
        Category.POOL,
        Category.MERCHANT_SERVICES,
        Category.GAMBLING,
        Category.WALLET_PROVIDER,
    }
)
_SHOWN: Final = 3  # labels of one address; the others are counted


class Index(Protocol):
    """What is needed of an index of a chain of coins."""

    @property
    def chain(self) -> str:
        """CAIP-2."""

    def addresses_of(self, texts: Iterable[str]) -> dict[str, int]:
        """Give the numbers of addresses; those that the chain has never seen are left out."""


def stops(store: TagStore, index: Index, *, confidence: int = 0) -> dict[int, str]:
    """Give the services of a chain of coins: number of the address to label, by number.

    ``confidence`` leaves out tags of less (per cent). Addresses that the chain has never seen are left out.
    """
    labels = stops_by_text(store, str(index.chain), confidence=confidence)
    return {number: labels[text] for number, text in sorted((n, t) for t, n in index.addresses_of(labels).items())}


def stops_by_text(store: TagStore, chain: str, *, confidence: int = 0) -> dict[str, str]:
    """Give the services of any chain: canonical address to label, by address.

    On an EVM chain those of every EVM chain count: hot wallets are the same everywhere, and going on through an
    exchange taints its customers. The label then says on which chain it was said, since a contract may be another's
    there.
    """
    said: defaultdict[str, list[Listed]] = defaultdict(list)
    for listed in store.all_listed(chain):
        if listed.tag.category in STOPS and listed.tag.confidence >= confidence:
            said[listed.tag.address].append(listed)
    return {address: _label(chain, said[address]) for address in sorted(said)}


def lists_used(store: TagStore) -> Mapping[str, str]:
    """Give every list with its day (ISO 8601), to be shown beside the stops."""
    return {info.name: info.as_of.isoformat() for info in store.lists()}


def _label(chain: str, said: Sequence[Listed]) -> str:
    """Name the service: the surest tags first; other lists' other words are shown, never chosen between."""
    ranked = sorted(said, key=lambda listed: (-listed.tag.confidence, listed.list_name, listed.tag.label))
    words = list(dict.fromkeys(_words(chain, listed) for listed in ranked))
    more = f" / and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return " / ".join(words[:_SHOWN]) + more


def _words(chain: str, listed: Listed) -> str:
    elsewhere = "" if listed.tag.chain == chain else f", said on {listed.tag.chain}"
    return f"{listed.tag.label} ({listed.tag.category}{elsewhere})"
