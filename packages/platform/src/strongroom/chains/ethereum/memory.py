"""What an EVM watcher keeps in memory, all of it rebuilt from the database at every start.

Open chain txs are those of orphaned blocks that no later block has, and those that wait for their first block as far as
an endpoint showed them, of which nobody has said yet that they are gone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from strongroom.chains.ethereum import store as ethereum_store
from strongroom.chains.ethereum.watched import Watched
from strongroom.chains.facts import BlockRef, SeenTx
from strongroom.chains.model import ObservedOutput, ObservedTx
from strongroom.chains.recording import store
from strongroom.chains.recording.store import OpenRow
from strongroom.infra.database import Connection


@dataclass(frozen=True, slots=True)
class OpenTx:
    """An open chain tx: the event that it stands on, and what it would take for another to have its place.

    ``pending``: no block had it yet, as far as one endpoint showed it; else its block was orphaned.
    """

    txid: str
    source: int
    sender: str
    nonce: int
    pending: bool = False


@dataclass(frozen=True, slots=True)
class OpenReading:
    """Payments that balances at a final block told of, whose record stood on an orphaned block: recorded again."""

    source: int
    height: int
    seen: SeenTx


@dataclass(slots=True)
class Memory:
    """The watcher's view of one chain."""

    chain: str
    tip: BlockRef | None = None
    scripts: Watched = field(default_factory=Watched)
    open: dict[str, OpenTx] = field(default_factory=dict)
    readings: dict[str, OpenReading] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()  # what the pending block has, as last looked at
    _floor: str | None = None

    async def load_state(self, connection: Connection) -> None:
        """Read what the event log says: the tip, what is open; and which tokens are refused."""
        self.tip = await store.load_tip(connection, self.chain)
        self.refused = await ethereum_store.load_refused(connection, self.chain)
        self.open.clear()
        self.readings.clear()
        for row in await store.load_open(connection, self.chain):
            self.add_open(row)

    async def load_scripts(self, connection: Connection) -> None:
        """Read the addresses that became watched since the last time."""
        scripts, self._floor = await store.load_scripts(connection, self.chain, self._floor)
        self.scripts.update(scripts)

    def add_open(self, row: OpenRow) -> None:
        """Remember a chain tx of an orphaned block."""
        said = json.loads(row.raw)
        if "balances" in said:
            self.readings[row.txid] = OpenReading(row.source, said["height"], reading_of(row.txid, row.raw))
        else:
            self.open[row.txid] = OpenTx(row.txid, row.source, said["from"], said["nonce"], row.pending)

    def add_waiting(self, event_id: int, seen: SeenTx) -> None:
        """Remember a chain tx that appeared before any block had it."""
        self.add_open(OpenRow(seen.observed.txid, event_id, seen.raw, pending=True))

    def drop_open(self, txid: str) -> None:
        """Forget one, in a block again or gone."""
        self.open.pop(txid, None)
        self.readings.pop(txid, None)


def write_reading(block_hash: str, height: int, outputs: tuple[ObservedOutput, ...]) -> SeenTx:
    """Make a record of payments that balances at a final block told of."""
    balances = [[output.vout, output.script.hex(), str(output.amount), output.asset] for output in outputs]
    raw = json.dumps({"height": height, "balances": balances}, separators=(",", ":"), sort_keys=True).encode()
    return SeenTx(ObservedTx(block_hash, rbf=False, outputs=outputs), raw)


def reading_of(txid: str, raw: bytes) -> SeenTx:
    """Read such a record."""
    outputs = tuple(
        ObservedOutput(vout, bytes.fromhex(script), int(amount), coinbase=False, asset=asset)
        for vout, script, amount, asset in json.loads(raw)["balances"]
    )
    return SeenTx(ObservedTx(txid, rbf=False, outputs=outputs), raw)
