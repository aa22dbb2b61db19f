"""What a node is asked, on a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from strongroom.chains.bitcoin.node import BitcoinNode
from strongroom.chains.bitcoin.scan import TARGETS_MAX
from strongroom.chains.errors import BroadcastRejectedError, NodeError, NodeRefusedError
from strongroom.chains.model import ChainNode, ScanRange
from strongroom.chains.service import address_to_script, connect_node
from tests.fixtures.bitcoin import MINER_WALLET, MiningNode, NodeFactory
from tests.integration.chains.support import CHAIN, settings_for


@pytest.fixture
async def node(fresh_bitcoin_node: MiningNode) -> AsyncIterator[ChainNode]:
    client = connect_node(settings_for(fresh_bitcoin_node))
    yield client
    await client.close()


def _signed(node: MiningNode, amount: str = "49.9999") -> str:
    (coin,) = node.rpc("listunspent", wallet="miner")
    raw = node.rpc("createrawtransaction", [{"txid": coin["txid"], "vout": coin["vout"]}], {node.new_address(): amount})
    return str(node.rpc("signrawtransactionwithwallet", raw, wallet="miner")["hex"])


async def test_blocks_and_tip(node: ChainNode, fresh_bitcoin_node: MiningNode) -> None:
    tip = await node.tip()
    assert (tip.height, tip.block_hash) == (101, fresh_bitcoin_node.rpc("getbestblockhash"))
    assert await node.block_hash(101) == tip.block_hash
    assert await node.block_hash(102) is None
    assert (await node.raw_block(tip.block_hash)).hex() == fresh_bitcoin_node.rpc("getblock", tip.block_hash, 0)
    with pytest.raises(NodeRefusedError):
        await node.raw_block("00" * 32)


async def test_broadcast_again_before_and_after_confirmation_succeeds(
    node: ChainNode, fresh_bitcoin_node: MiningNode
) -> None:
    raw = bytes.fromhex(_signed(fresh_bitcoin_node))
    assert await node.test_accept(raw) is None
    txid = await node.broadcast(raw)
    assert await node.broadcast(raw) == txid
    assert await node.test_accept(raw) is None
    assert await node.mempool_txids() == [txid]
    assert (await node.tx_place(txid)).in_mempool
    (block_hash,) = fresh_bitcoin_node.mine()
    assert await node.broadcast(raw) == txid
    place = await node.tx_place(txid)
    assert (place.block_hash, place.height, place.confirmations) == (block_hash, 102, 1)
    assert await node.raw_tx(txid, block_hash) == raw


async def test_broadcast_of_a_confirmed_tx_whose_outputs_are_spent(make_bitcoin_node: NodeFactory) -> None:
    server = make_bitcoin_node(txindex=True)
    client = BitcoinNode(settings_for(server))
    raw = bytes.fromhex(_signed(server))
    txid = await client.broadcast(raw)
    server.mine()
    spent = server.rpc("createrawtransaction", [{"txid": txid, "vout": 0}], {server.new_address(): "49.999"})
    server.rpc("sendrawtransaction", server.rpc("signrawtransactionwithwallet", spent, wallet="miner")["hex"])
    server.mine()
    assert await client.broadcast(raw) == txid
    await client.close()


async def test_a_double_spend_is_rejected_with_the_nodes_reason(
    node: ChainNode, fresh_bitcoin_node: MiningNode
) -> None:
    first, second = _signed(fresh_bitcoin_node), _signed(fresh_bitcoin_node)
    fresh_bitcoin_node.rpc("sendrawtransaction", first)
    fresh_bitcoin_node.mine()
    with pytest.raises(BroadcastRejectedError) as caught:
        await node.broadcast(bytes.fromhex(second))
    assert caught.value.code == "broadcast-rejected"
    assert "missing" in caught.value.reason
    assert await node.test_accept(bytes.fromhex(second)) == "missing-inputs"


async def test_what_is_nowhere_is_nowhere(node: ChainNode) -> None:
    assert not (await node.tx_place("11" * 32)).known
    assert await node.raw_tx("11" * 32) is None


async def test_a_node_without_data_has_no_fee_rate(node: ChainNode) -> None:
    assert await node.fee_rate(6) is None


async def test_scan_finds_scripts_and_ranged_descriptors_to_the_satoshi(
    node: ChainNode, fresh_bitcoin_node: MiningNode
) -> None:
    address = fresh_bitcoin_node.new_address()
    script = address_to_script(CHAIN, address)
    txid = fresh_bitcoin_node.pay(address, 12_345_679)
    fresh_bitcoin_node.mine()
    scan = await node.utxo_scan([script])
    (coin,) = scan.coins
    assert (coin.txid, coin.amount, coin.script, coin.height, coin.coinbase) == (txid, 12_345_679, script, 102, False)
    assert (scan.height, scan.block_hash) == (102, (await node.tip()).block_hash)
    descriptors = fresh_bitcoin_node.rpc("listdescriptors", wallet="miner")["descriptors"]
    found = await node.utxo_scan([ScanRange(item["desc"], 200) for item in descriptors])
    whole = fresh_bitcoin_node.rpc("gettxoutsetinfo")["total_amount"]
    assert sum(item.amount for item in found.coins) == int(Decimal(whole) * 10**8)


async def test_a_scan_of_too_many_targets_is_refused(node: ChainNode) -> None:
    with pytest.raises(NodeError):
        await node.utxo_scan([b"\x51"] * (TARGETS_MAX + 1))


async def test_a_cancelled_scan_is_aborted(node: ChainNode, fresh_bitcoin_node: MiningNode) -> None:
    key = fresh_bitcoin_node.rpc("listdescriptors", wallet="miner")["descriptors"][0]["desc"]
    scanning = asyncio.create_task(node.utxo_scan([ScanRange(key, 40_000)]))
    await asyncio.sleep(0.1)
    scanning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scanning
    assert (await node.utxo_scan([b"\x51"])).coins == ()


def test_a_payment_with_the_lock_time_of_a_token_is_taken(bitcoin_node: MiningNode) -> None:
    """Bitcoin Knots refuses lock time 21 ("parasite-cat21"), and wallets choose lock times at random."""
    coin = bitcoin_node.rpc("listunspent", 1, wallet=MINER_WALLET)[0]
    inputs = [{"txid": coin["txid"], "vout": coin["vout"], "sequence": 0xFFFFFFFD}]
    rest = f"{coin['amount'] - Decimal('0.0001'):f}"
    raw = bitcoin_node.rpc("createrawtransaction", inputs, {bitcoin_node.new_address(): rest}, 21)
    signed = bitcoin_node.rpc("signrawtransactionwithwallet", raw, wallet=MINER_WALLET)
    assert bitcoin_node.rpc("testmempoolaccept", [signed["hex"]])[0]["allowed"]
