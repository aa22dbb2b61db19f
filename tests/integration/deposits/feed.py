"""A watcher's pen: writes chain facts as the watcher's role, for tests that decide themselves what the chain did."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

import psycopg

from strongroom.chains.model import ObservedOutput, ObservedSpend, ObservedTx
from strongroom_core.assets import BITCOIN_REGTEST, REGTEST_BTC

CHAIN = BITCOIN_REGTEST.id
_numbers = itertools.count(1)


def fresh_hash(word: str = "tx") -> str:
    """A txid or block hash that nothing else has."""
    return hashlib.sha256(f"{word} {next(_numbers)}".encode()).hexdigest()


def payment(
    *outputs: tuple[bytes, int], coinbase: bool = False, spends: tuple[tuple[str, int], ...] = ()
) -> ObservedTx:
    """A chain tx that pays scripts, and spends coins of ours where told."""
    return ObservedTx(
        fresh_hash(),
        rbf=False,
        outputs=tuple(
            ObservedOutput(vout, script, amount, coinbase, REGTEST_BTC.id)
            for vout, (script, amount) in enumerate(outputs)
        ),
        spends=tuple(ObservedSpend(vin, txid, vout) for vin, (txid, vout) in enumerate(spends)),
    )


def transfers(*outputs: tuple[bytes, int, str], txid: str | None = None) -> ObservedTx:
    """A chain tx of an account chain that brings amounts of assets (by id) to forwarders, log by log."""
    found = tuple(
        ObservedOutput(vout, script, amount, coinbase=False, asset=asset)
        for vout, (script, amount, asset) in enumerate(outputs)
    )
    return ObservedTx(txid or f"0x{fresh_hash()}", rbf=False, outputs=found)


@dataclass
class Block:
    """A block of the active chain."""

    height: int
    hash: str
    parent: str
    event: int
    txs: tuple[ObservedTx, ...]


@dataclass
class Feed:
    """The active chain and the open chain txs, as the facts written so far say."""

    connection: psycopg.Connection[tuple[object, ...]]
    chain: str = CHAIN
    blocks: list[Block] = field(default_factory=list)
    open: dict[str, int] = field(default_factory=dict)  # txid → the event to take back

    @classmethod
    def start(cls, dsn: str, height: int = 200, chain: str = CHAIN) -> Self:
        """Begin with one empty block, in sync."""
        feed = cls(psycopg.connect(dsn, autocommit=True), chain)
        feed.blocks.append(Block(height, fresh_hash("block"), "00" * 32, 0, ()))
        feed.connect()
        feed.status("ok")
        return feed

    def close(self) -> None:
        self.connection.close()

    @property
    def height(self) -> int:
        return self.blocks[-1].height

    def status(self, status: str, detail: str = "", finalized: int | None = None) -> None:
        """Say how the chain stands, and up to which height it is final."""
        tip = self.blocks[-1]
        self.connection.execute(
            "INSERT INTO chain_status AS s (chain, status, height, hash, detail, finalized_height) "
            "VALUES (%s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (chain) DO UPDATE SET (status, height, hash, detail, finalized_height) = "
            "(EXCLUDED.status, EXCLUDED.height, EXCLUDED.hash, EXCLUDED.detail, EXCLUDED.finalized_height)",
            [self.chain, status, tip.height, tip.hash, detail, finalized],
        )

    def connect(self, *txs: ObservedTx) -> None:
        """A block with these chain txs on the tip."""
        tip = self.blocks[-1]
        block_hash = fresh_hash("block")
        event = self._event("connected", tip.height + 1, block_hash, tip.hash)
        self._write(event, txs)
        self.blocks.append(Block(tip.height + 1, block_hash, tip.hash, event, txs))
        for tx in txs:
            self.open.pop(tx.txid, None)

    def mine(self, count: int) -> None:
        """Empty blocks."""
        for _ in range(count):
            self.connect()

    def disconnect(self) -> tuple[ObservedTx, ...]:
        """The tip is orphaned; its chain txs are open again."""
        block = self.blocks.pop()
        self._event("disconnected", block.height, block.hash, block.parent, undoes=block.event)
        self.open |= {tx.txid: block.event for tx in block.txs}
        return block.txs

    def appear(self, tx: ObservedTx) -> None:
        """A chain tx in the mempool."""
        event = self._event("mempool_added", txid=tx.txid)
        self._write(event, (tx,))
        self.open[tx.txid] = event

    def vanish(self, tx: ObservedTx, reason: str = "evicted", replaced_by: str | None = None) -> None:
        """An open chain tx is gone."""
        undoes = self.open.pop(tx.txid)
        self._event("mempool_removed", txid=tx.txid, reason=reason, replaced_by=replaced_by, undoes=undoes)

    def _event(
        self,
        kind: str,
        height: int | None = None,
        block_hash: str | None = None,
        parent: str | None = None,
        **more: object,
    ) -> int:
        values = {"txid": None, "reason": None, "replaced_by": None, "undoes": None, **more}
        time = None if height is None else datetime.now(UTC)
        row = self.connection.execute(
            "INSERT INTO chain_event (chain, kind, height, block_hash, parent_hash, block_time, txid, reason, "
            "replaced_by, undoes) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            [self.chain, kind, height, block_hash, parent, time, *values.values()],
        ).fetchone()
        assert row is not None
        assert isinstance(row[0], int)
        return row[0]

    def _write(self, event: int, txs: tuple[ObservedTx, ...]) -> None:
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO chain_event_tx (event_id, position, txid, rbf) VALUES (%s, %s, %s, %s)",
                [(event, place, tx.txid, tx.rbf) for place, tx in enumerate(txs)],
            )
            cursor.executemany(
                "INSERT INTO chain_event_output (event_id, txid, vout, script, amount, coinbase, asset) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [(event, tx.txid, o.vout, o.script, o.amount, o.coinbase, o.asset) for tx in txs for o in tx.outputs],
            )
            cursor.executemany(
                "INSERT INTO chain_event_spend (event_id, txid, vin, prev_txid, prev_vout) VALUES (%s, %s, %s, %s, %s)",
                [(event, tx.txid, s.vin, s.prev_txid, s.prev_vout) for tx in txs for s in tx.spends],
            )
