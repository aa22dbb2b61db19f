"""What a watcher keeps in memory, all of it rebuilt from the database at every start.

Watched scripts and our coins are sets of bytes: about 150 bytes for each. Open chain txs are those that concern us and
are unconfirmed: in the mempool, or left over from an orphaned block.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from strongroom.chains.bitcoin.parser import ParsedTx, Wanted, outpoint, parse_tx, split_outpoint
from strongroom.chains.facts import BlockRef, SeenTx
from strongroom.chains.model import ObservedOutput, ObservedSpend, ObservedTx
from strongroom.chains.recording import store
from strongroom.infra.database import Connection


@dataclass(frozen=True, slots=True)
class OpenTx:
    """An open chain tx: the event that it stands on, and the coins that it spends, ours or not."""

    txid: str
    source: int
    spends: tuple[bytes, ...]


@dataclass(slots=True)
class Memory:
    """The watcher's view of one chain."""

    chain: str
    asset: str
    tip: BlockRef | None = None
    scripts: set[bytes] = field(default_factory=set)
    coins: set[bytes] = field(default_factory=set)
    open: dict[str, OpenTx] = field(default_factory=dict)
    contested: dict[bytes, str] = field(default_factory=dict)
    displaced: dict[str, str] = field(default_factory=dict)
    _floor: str | None = None

    @property
    def wanted(self) -> Wanted:
        """What the parser looks for."""
        return Wanted(self.scripts, self.coins, self.contested.keys())

    async def load(self, connection: Connection) -> None:
        """Read everything that the event log says."""
        self.coins.update(outpoint(txid, vout) for txid, vout in await store.load_coins(connection, self.chain))
        await self.load_state(connection)
        await self.load_scripts(connection)

    async def load_state(self, connection: Connection) -> None:
        """Read again what facts that were worked out, but not recorded, may have changed here: the tip, what is open.

        Coins need no second reading: one too many in memory is only never spent.
        """
        self.tip = await store.load_tip(connection, self.chain)
        self.open.clear()
        self.contested.clear()
        self.displaced.clear()
        for row in await store.load_open(connection, self.chain):
            self.add_open(parse_tx(row.raw), row.source)

    async def load_scripts(self, connection: Connection) -> None:
        """Read the scripts that became watched since the last time."""
        scripts, self._floor = await store.load_scripts(connection, self.chain, self._floor)
        self.scripts.update(scripts)

    def add_open(self, tx: ParsedTx, source: int) -> None:
        """Remember an unconfirmed chain tx of ours, and the coins that nobody else may spend while it stands."""
        spends = () if tx.coinbase else tuple(spent for spent, _ in tx.inputs)
        self.open[tx.txid] = OpenTx(tx.txid, source, spends)
        self.contested.update(dict.fromkeys(spends, tx.txid))

    def drop_open(self, txid: str) -> OpenTx | None:
        """Forget an open chain tx, confirmed or gone."""
        known = self.open.pop(txid, None)
        for spent in known.spends if known else ():
            if self.contested.get(spent) == txid:
                del self.contested[spent]
        return known

    def rivals(self, tx: ParsedTx) -> list[str]:
        """Name the open chain txs that spend a coin which this one spends too."""
        rivals = (self.contested.get(spent) for spent, _ in tx.inputs)
        return list(dict.fromkeys(rival for rival in rivals if rival is not None and rival != tx.txid))

    def displacer(self, gone: OpenTx) -> str | None:
        """Name the chain tx that displaced an ancestor of one that is gone, where that was seen."""
        parents = (self.displaced.get(split_outpoint(spent)[0]) for spent in gone.spends)
        return next((displacer for displacer in parents if displacer is not None), None)

    def observe(self, tx: ParsedTx, *, rbf: bool | None = None) -> SeenTx | None:
        """Say what of a chain tx concerns us: outputs to watched scripts, spends of our coins; None: nothing."""
        coinbase = tx.coinbase
        outputs = tuple(
            ObservedOutput(vout, script, amount, coinbase, self.asset)
            for vout, (amount, script) in enumerate(tx.outputs)
            if script in self.scripts
        )
        spends = tuple(
            ObservedSpend(vin, *split_outpoint(spent))
            for vin, (spent, _) in enumerate(tx.inputs)
            if spent in self.coins
        )
        if not outputs and not spends:
            return None
        signals = tx.signals and not coinbase if rbf is None else rbf
        return SeenTx(ObservedTx(tx.txid, signals, outputs, spends), tx.raw)

    def remember_displaced(self, gone: Iterable[str], by: str) -> None:
        """Keep who displaced whom, so that descendants are explained; only as long as the process lives."""
        self.displaced.update(dict.fromkeys(gone, by))
