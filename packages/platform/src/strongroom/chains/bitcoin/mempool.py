"""Following the node's mempool, as facts.

Either all of it is compared with what is known (at the start, by polling, after a gap in the notices), or only what the
notices named is looked at. Looking asks the node and changes nothing; the watcher then makes sure that the node's best
block is still the recorded tip, so that a chain tx that has just been confirmed is not taken for one that is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from strongroom.chains.bitcoin.blocks import displace, removal
from strongroom.chains.bitcoin.memory import Memory, OpenTx
from strongroom.chains.bitcoin.node import BitcoinNode
from strongroom.chains.bitcoin.parser import ParsedTx, note_coins, parse_if_wanted
from strongroom.chains.facts import Fact, SeenTx
from strongroom.chains.model import EventKind, RemovalReason

FETCH_AT_ONCE: Final = 200
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found: chain txs that concern us with the mempool's records of them, and open ones that are gone."""

    appeared: Sequence[tuple[ParsedTx, Entry]]
    gone: Collection[str]
    known: set[str]


class MempoolFollower:
    """Compares the node's mempool with the open chain txs."""

    def __init__(self, node: BitcoinNode, memory: Memory) -> None:
        """Share the watcher's node and memory."""
        self._node = node
        self._memory = memory
        self._known: set[str] = set()

    async def look_at_all(self) -> Look:
        """Compare everything. Raises ``NodeError``."""
        listed = set(await self._node.mempool_txids())
        appeared = await self._wanted_among(sorted(listed - self._known - self._memory.open.keys()))
        return Look(appeared, self._memory.open.keys() - listed, listed)

    async def look_at(self, added: Collection[str], removed: Collection[str]) -> Look:
        """Look at what notices named. Raises ``NodeError``."""
        appeared = await self._wanted_among([txid for txid in added if txid not in self._known])
        doubtful = [txid for txid in removed if txid in self._memory.open]
        entries = await self._node.mempool_entries(doubtful) if doubtful else {}
        known = (self._known | set(added)) - set(removed)
        return Look(appeared, {txid for txid in doubtful if txid not in entries}, known)

    async def _wanted_among(self, txids: Sequence[str]) -> list[tuple[ParsedTx, Entry]]:
        raws: list[bytes] = []
        for start in range(0, len(txids), FETCH_AT_ONCE):
            raws += (await self._node.raw_txs(txids[start : start + FETCH_AT_ONCE])).values()
        ours = self._parse_wanted(raws)
        entries = await self._node.mempool_entries([tx.txid for tx in ours]) if ours else {}
        return [(tx, entries[tx.txid]) for tx in ours if tx.txid in entries]

    def _parse_wanted(self, raws: Sequence[bytes]) -> list[ParsedTx]:
        """Children may be listed before the parents whose coins they spend: a new coin calls for another turn."""
        wanted = self._memory.wanted
        while True:
            before = len(self._memory.coins)
            ours = [tx for raw in raws if (tx := parse_if_wanted(raw, wanted))]
            for tx in ours:
                note_coins(tx, wanted)
            if len(self._memory.coins) == before:
                return ours

    def facts(self, look: Look) -> list[Fact]:
        """Turn a look into facts; changes the memory."""
        self._known = look.known
        facts: list[Fact] = []
        for tx, entry in look.appeared:
            facts += displace(self._memory, tx, RemovalReason.REPLACED)
            facts += self._appear(tx, self._memory.observe(tx, rbf=_replaceable(tx, entry)))
        facts += self._gone(look.gone)
        return _settled(facts)

    def _appear(self, tx: ParsedTx, seen: SeenTx | None) -> list[Fact]:
        if seen is None or tx.txid in self._memory.open:
            return []
        self._memory.add_open(tx, 0)
        return [Fact(EventKind.MEMPOOL_ADDED, txid=tx.txid, txs=(seen,))]

    def _gone(self, txids: Collection[str]) -> list[Fact]:
        """Explain first those whose parents were displaced, since each may explain its own children."""
        facts: list[Fact] = []
        waiting = [self._memory.open[txid] for txid in sorted(txids) if txid in self._memory.open]
        while waiting:
            explained = [gone for gone in waiting if self._memory.displacer(gone)]
            facts += [self._removed(gone) for gone in explained or waiting]
            waiting = [gone for gone in waiting if gone.txid in self._memory.open]
        return facts

    def _removed(self, gone: OpenTx) -> Fact:
        self._memory.drop_open(gone.txid)
        by = self._memory.displacer(gone)
        if by is None:
            return removal(gone.txid, RemovalReason.EVICTED, None, gone.source)
        self._memory.remember_displaced([gone.txid], by)
        return removal(gone.txid, RemovalReason.CONFLICT, by, gone.source)

    def recorded(self, facts: Sequence[Fact], ids: Sequence[int]) -> None:
        """Take over the event ids of what appeared, once they are known."""
        for fact, event_id in zip(facts, ids, strict=True):
            known = self._memory.open.get(fact.txid or "")
            if fact.kind == EventKind.MEMPOOL_ADDED and known is not None:
                self._memory.open[known.txid] = replace(known, source=event_id)


def _settled(facts: list[Fact]) -> list[Fact]:
    """Leave out what came and went within one look: there is no event yet that could be taken back."""
    passing = {fact.txid for fact in facts if fact.kind == EventKind.MEMPOOL_REMOVED and not fact.undoes}
    return [fact for fact in facts if fact.txid not in passing]


def _replaceable(tx: ParsedTx, entry: Entry) -> bool:
    """Whether it or an unconfirmed ancestor signals (BIP 125); the node looks at the ancestors."""
    return tx.signals or bool(entry.get("bip125-replaceable", False))
