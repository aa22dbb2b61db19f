"""All SQL about coins: which exist, where the chain txs that made and spent them stand now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strongroom.chains.model import ChainEvent, ObservedTx
from strongroom.infra.database import Connection, load_queries
from strongroom.wallets.model import Coin, Holdings, KeySetKind
from strongroom_core.ids import AddressId

_SQL = load_queries(__package__ or "")


async def place(connection: Connection, event: ChainEvent, *, in_mempool: bool) -> None:
    """Record where the chain txs of an event stand now: in its block, or in the mempool."""
    values = {
        "chain": event.chain,
        "height": event.height,
        "block_hash": event.block_hash,
        "in_mempool": in_mempool,
        "txids": [tx.txid for tx in event.txs],
        "own": [bool(tx.spends) for tx in event.txs],
    }
    await connection.execute(_SQL["place_txs"], values)


async def insert(connection: Connection, chain_id: str, txs: Sequence[ObservedTx]) -> None:
    """Record the coins that chain txs make and spend; known ones stay as they are."""
    outputs = [(tx.txid, item) for tx in txs for item in tx.outputs]
    spends = [(tx.txid, item) for tx in txs for item in tx.spends]
    made = {
        "chain": chain_id,
        "txids": [txid for txid, _ in outputs],
        "vouts": [item.vout for _, item in outputs],
        "amounts": [item.amount for _, item in outputs],
        "scripts": [item.script for _, item in outputs],
        "coinbases": [item.coinbase for _, item in outputs],
    }
    spent = {
        "chain": chain_id,
        "txids": [txid for txid, _ in spends],
        "prev_txids": [item.prev_txid for _, item in spends],
        "prev_vouts": [item.prev_vout for _, item in spends],
    }
    await connection.execute(_SQL["insert_coins"], made)
    await connection.execute(_SQL["insert_spends"], spent)


async def orphan(connection: Connection, event: ChainEvent) -> None:
    """Take the chain txs of a block back to unconfirmed."""
    await connection.execute(_SQL["orphan_block"], {"chain": event.chain, "block_hash": event.block_hash})


async def leave_mempool(connection: Connection, chain_id: str, txids: Sequence[str]) -> None:
    """Record that chain txs are neither in a block nor in the mempool."""
    await connection.execute(_SQL["leave_mempool"], {"chain": chain_id, "txids": list(txids)})


async def refresh(connection: Connection, chain_id: str, txids: Sequence[str]) -> None:
    """Say again by which chain tx, if any, the coins that these chain txs made or spend are spent now."""
    values = {"chain": chain_id, "txids": list(txids)}
    await connection.execute(_SQL["refresh_spent"], values)
    await connection.execute(_SQL["refresh_coins"], values)


async def spendable(
    connection: Connection,
    chain_id: str,
    kind: KeySetKind,
    *,
    tip_height: int,
    settled_height: int,
    mature_height: int,
    unconfirmed_change: bool,
) -> list[Coin]:
    """List unspent coins up to ``settled_height``, and own change up to the tip or from the mempool on."""
    values = {
        "chain": chain_id,
        "kind": kind,
        "tip_height": tip_height,
        "settled_height": settled_height,
        "mature_height": mature_height,
        "unconfirmed_change": unconfirmed_change,
    }
    rows = await (await connection.execute(_SQL["spendable"], values)).fetchall()
    return [_coin(row) for row in rows]


async def coins_at(connection: Connection, chain_id: str, outpoints: Sequence[tuple[str, int]]) -> list[Coin]:
    """Read coins by (txid, vout)."""
    values = {
        "chain": chain_id,
        "txids": [txid for txid, _ in outpoints],
        "vouts": [vout for _, vout in outpoints],
    }
    rows = await (await connection.execute(_SQL["coins_at"], values)).fetchall()
    return [_coin(row) for row in rows]


async def holdings(connection: Connection, chain_id: str, kinds: Sequence[KeySetKind]) -> dict[KeySetKind, Holdings]:
    """Sum unspent coins by key set."""
    rows = await (await connection.execute(_SQL["holdings"], {"chain": chain_id, "kinds": list(kinds)})).fetchall()
    return {KeySetKind(row["kind"]): Holdings(int(row["confirmed"]), int(row["unconfirmed"])) for row in rows}


def _coin(row: dict[str, Any]) -> Coin:
    values = {
        **row,
        "script": bytes(row["script"]),
        "address_id": AddressId(row["address_id"]),
        "kind": KeySetKind(row["kind"]),
    }
    return Coin(**values)
