"""The books of an account chain against balances: both Safes and every forwarder, asset by asset, as of one block.

The block is the one that deposits and outbound have handled; what the books say in the same snapshot belongs to it.
Relayers' gas is no part of the ledger until it is spent (docs/decisions/0055). What is posted of it (ledger kind
`relay-gas`) is compared with what their final chain txs have cost; and each relayer's balance is explained by name:
what was paid in, less what its chain txs up to that block have cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from strongroom.chains.errors import NodeError
from strongroom.chains.ethereum.model import Block
from strongroom.chains.ethereum.node import EthereumNode
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings
from strongroom.reconciliation import rules, store
from strongroom.reconciliation.model import BookFacts, ChainFound, CoinFacts, RelayerFacts
from strongroom_core.assets import Asset

AT_ONCE: Final = 50


async def compare(connection: Connection, chain: ChainSettings, node: EthereumNode, books: BookFacts) -> ChainFound:
    """Compare the books of every held asset with what its accounts have. ``connection`` is in a snapshot.

    Raises ``NodeError`` where the node cannot tell of that block.
    """
    sent = await store.sent(connection, chain.id, chain.asset.id)
    if sent.outbound_height is None:
        return ChainFound(())
    block = await node.block(sent.outbound_height)
    if block is None:
        message = f"the node has no block {sent.outbound_height}, which outbound has handled"
        raise NodeError(message)
    found = [*rules.check_gas(books, chain.asset.id, await store.relay_gas(connection, chain.id))]
    cold_moves = await store.cold_moves(connection, chain.id)
    for item in chain.held_assets:
        moves = [move for move in cold_moves if move.asset == item.id]
        held = rules.as_before(await _held(connection, chain, node, item.asset, block.height), moves)
        found += rules.cold_in_flight(moves)
        facts = rules.of_asset(sent, item.id)
        found += rules.check_chain(books, facts, CoinFacts(block.height, block.block_hash, held, ()))
    relayers = await _relayers(connection, chain, node, block)
    found += [difference for relayer in relayers for difference in rules.check_relayer(relayer)]
    return ChainFound(tuple(found), tuple(relayers))


async def _relayers(
    connection: Connection, chain: ChainSettings, node: EthereumNode, block: Block
) -> list[RelayerFacts]:
    found = []
    for row in await store.relayers(connection, chain.id, block.height):
        address = bytes(row.pop("address"))
        balance, nonce = await asyncio.gather(
            node.balance(address, block.height), node.nonce(address, block=block.height)
        )
        place = (chain.id, chain.asset.id, address, block.height, block.block_hash)
        spent, capital = int(row.pop("spent")), int(row.pop("capital"))
        found.append(RelayerFacts(*place, balance, nonce, spent=spent, capital=capital, **row))
    return found


async def _held(
    connection: Connection, chain: ChainSettings, node: EthereumNode, asset: Asset, height: int
) -> dict[str, int]:
    if chain.ethereum is None:
        return {}
    hot, cold = (bytes.fromhex(safe[2:]) for safe in (chain.ethereum.hot_safe, chain.ethereum.cold_safe))
    forwarders = await store.forwarders(connection, chain.id, asset.id)
    sums = [await _sum(node, asset, places, height) for places in ([hot], [cold, *forwarders])]
    return {"hot": sums[0], "cold": sums[1]}


async def _sum(node: EthereumNode, asset: Asset, places: Sequence[bytes], height: int) -> int:
    total = 0
    for start in range(0, len(places), AT_ONCE):
        some = places[start : start + AT_ONCE]
        total += sum(await asyncio.gather(*(_balance(node, asset, place, height) for place in some)))
    return total


async def _balance(node: EthereumNode, asset: Asset, place: bytes, height: int) -> int:
    if asset.contract is None:
        return await node.balance(place, height)
    return await node.token_balance(bytes.fromhex(asset.contract[2:]), place, height)
