"""A node that is down, syncing, on another network, or not ours: said clearly, nothing recorded, recovery by itself."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from strongroom.chains.bitcoin.node import BitcoinNode
from strongroom.chains.bitcoin.rpc import RpcClient
from strongroom.chains.errors import NodeAuthError, NodeDownError, NodeRefusedError
from strongroom.chains.jsonrpc import call_of
from strongroom.chains.model import ChainStatus, Tip
from strongroom.infra.components.bitcoind import BitcoinNode as BitcoinProcess
from strongroom.infra.components.hosting import free_port
from strongroom_core.assets import LITECOIN_REGTEST
from tests.fixtures.bitcoin import MiningNode, NodeFactory
from tests.fixtures.postgres import Database
from tests.integration.chains.support import CHAIN, Scene, scene_of, settings_for, until, watching


async def _tip_at(scene: Scene, status: ChainStatus) -> Tip:
    async def there() -> bool:
        tip = await scene.tip()
        return tip is not None and tip.status == status

    await until(there)
    tip = await scene.tip()
    assert tip is not None
    return tip


@pytest.mark.parametrize("zmq", [True, False], ids=["zmq", "polling"])
async def test_a_node_that_dies_is_down_and_its_return_is_noticed(scene: Scene, zmq: bool) -> None:
    address = scene.watched_address()
    async with watching(scene, zmq=zmq):
        await scene.synced()
        scene.node.stop()
        tip = await _tip_at(scene, ChainStatus.DOWN)
        assert tip.height == 101
        scene.node.start()
        await _tip_at(scene, ChainStatus.OK)
        scene.node.rpc("loadwallet", "miner")
        txid = scene.node.pay(address, 8_000)
        (block,) = scene.node.mine()
        assert txid in scene.node.rpc("getblock", block)["tx"]
        assert txid in (await scene.synced()).confirmed


async def test_a_killed_node_that_lost_its_last_blocks_is_waited_for(scene: Scene) -> None:
    """What a node has not flushed when it is killed is gone until its peers give it again; a reorg it is not."""
    blocks = [scene.node.rpc("getblock", scene.node.rpc("getblockhash", height), 0) for height in range(1, 102)]
    async with watching(scene):
        await scene.synced()
        before = await scene.events()
        old = scene.node.cookie_file.read_bytes()
        scene.node.kill()
        await _tip_at(scene, ChainStatus.DOWN)
        scene.node.start()
        assert scene.node.cookie_file.read_bytes() != old
        tip = await _tip_at(scene, ChainStatus.SYNCING)
        assert tip.detail == "the node is at block 0 of the 101 recorded"
        for block in blocks:
            scene.node.rpc("submitblock", block)
        await _tip_at(scene, ChainStatus.OK)
    assert await scene.events() == before


async def test_a_node_that_has_headers_without_blocks_is_syncing(
    scene: Scene, make_bitcoin_node: NodeFactory, pg: Database
) -> None:
    behind = make_bitcoin_node(prepare=False)
    scene.node.mine(9)
    blocks = [scene.node.rpc("getblock", scene.node.rpc("getblockhash", height), 0) for height in range(1, 111)]
    for block in blocks[:50]:
        behind.rpc("submitblock", block)
    for block in blocks[50:]:
        behind.rpc("submitheader", block[:160])
    async with scene_of(behind, pg) as other, watching(other):
        tip = await _tip_at(other, ChainStatus.SYNCING)
        assert (tip.height, tip.detail) == (None, "the node has 60 blocks to fetch after 50")
        assert await other.events() == []
        for block in blocks[50:]:
            behind.rpc("submitblock", block)
        await _tip_at(other, ChainStatus.OK)
        assert len((await other.synced()).active) == 111


async def test_a_node_of_another_network_is_refused(scene: Scene) -> None:
    async with watching(scene):
        await scene.synced()
    scene.database.execute("UPDATE chain_status SET status = 'ok'")
    async with watching(scene, id=LITECOIN_REGTEST.id):

        async def wrong() -> bool:
            return scene.database.execute("SELECT status FROM chain_status WHERE chain = %s", LITECOIN_REGTEST.id) == [
                ("wrong-network",)
            ]

        await until(wrong)
    assert scene.database.execute("SELECT count(*) FROM chain_event WHERE chain <> %s", CHAIN) == [(0,)]


async def test_a_node_of_another_network_at_the_same_address_is_not_believed_and_the_right_ones_return_is_noticed(
    scene: Scene, tmp_path: Path
) -> None:
    """As after somebody has started the wrong one: nothing is recorded, and nobody has to do more than put it right."""
    address = scene.watched_address()
    async with watching(scene):
        await scene.synced()
        before = await scene.events()
        scene.node.stop()
        other = BitcoinProcess(tmp_path / "other", scene.node.rpc_port, free_port(), free_port(), chain="signet")
        other.start()
        try:
            scene.node.cookie_file.write_bytes(other.cookie_file.read_bytes())
            tip = await _tip_at(scene, ChainStatus.WRONG_NETWORK)
            assert tip.height == 101
            assert await scene.events() == before
        finally:
            other.stop()
        scene.node.start()
        await _tip_at(scene, ChainStatus.OK)
        scene.node.rpc("loadwallet", "miner")
        txid = scene.node.pay(address, 8_000)
        scene.node.mine()
        assert txid in (await scene.synced()).confirmed


async def test_another_nodes_cookie_is_named_without_its_content(bitcoin_node: MiningNode, tmp_path: Path) -> None:
    cookie = tmp_path / "cookie"
    cookie.write_text("__cookie__:not-the-one")
    node = BitcoinNode(settings_for(bitcoin_node, cookie_file=cookie))
    with pytest.raises(NodeAuthError) as caught:
        await node.state()
    await node.close()
    assert caught.value.code == "node-unauthorized"
    assert "not-the-one" not in str(caught.value)


async def test_a_missing_cookie_means_down(bitcoin_node: MiningNode, tmp_path: Path) -> None:
    node = BitcoinNode(settings_for(bitcoin_node, cookie_file=tmp_path / "none"))
    with pytest.raises(NodeDownError):
        await node.state()
    await node.close()


async def test_a_cookie_that_changed_is_read_again(bitcoin_node: MiningNode, tmp_path: Path) -> None:
    cookie = tmp_path / "cookie"
    cookie.write_text("__cookie__:old")
    node = BitcoinNode(settings_for(bitcoin_node, cookie_file=cookie))
    with pytest.raises(NodeAuthError):
        await node.state()
    cookie.write_bytes(bitcoin_node.cookie_file.read_bytes())
    assert (await node.state()).tip.height >= 101
    await node.close()


async def test_refusals_of_a_batch_come_one_by_one(bitcoin_node: MiningNode) -> None:
    node = BitcoinNode(settings_for(bitcoin_node))
    good, bad = await node.rpc.batch([call_of("getblockhash", 0), call_of("getblockhash", 10**6)])
    await node.close()
    assert len(good) == 64
    assert isinstance(bad, NodeRefusedError)
    assert bad.number == -8


async def test_a_node_that_hangs_is_down_after_the_timeout(tmp_path: Path) -> None:
    cookie = tmp_path / "cookie"
    cookie.write_text("__cookie__:x")
    silence = socket.create_server(("127.0.0.1", 0))
    client = RpcClient(f"http://127.0.0.1:{silence.getsockname()[1]}", cookie, timeout_seconds=0.2)
    with pytest.raises(NodeDownError):
        await client.call("getblockcount")
    await client.close()
    silence.close()
