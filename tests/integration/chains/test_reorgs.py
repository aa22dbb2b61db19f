"""Real reorgs of a real node: a payment that moves, one that vanishes, one that is double-spent, one too deep."""

from __future__ import annotations

import pytest

from strongroom.chains.model import ChainStatus, EventKind
from strongroom.infra import stops
from strongroom.infra.database import transaction
from tests.integration.chains.support import CHAIN, Scene, until, watching

ADDED, REMOVED = EventKind.MEMPOOL_ADDED, EventKind.MEMPOOL_REMOVED
CONNECTED, DISCONNECTED = EventKind.CONNECTED, EventKind.DISCONNECTED
MODES = pytest.mark.parametrize("zmq", [True, False], ids=["zmq", "polling"])


def _rewind(scene: Scene, depth: int) -> None:
    height = scene.node.rpc("getblockcount")
    scene.node.rpc("invalidateblock", scene.node.rpc("getblockhash", height - depth + 1))


def _mine_empty(scene: Scene, count: int) -> None:
    for _ in range(count):
        scene.node.rpc("generateblock", scene.node.new_address(), [])


@MODES
async def test_a_payment_moves_to_another_block(scene: Scene, zmq: bool) -> None:
    address = scene.watched_address()
    async with watching(scene, zmq=zmq):
        txid = scene.node.pay(address, 40_000)
        scene.node.mine(2)
        before = await scene.synced()
        scene.node.reorganise(2)
        after = await scene.synced()
    assert after.confirmed[txid] != before.confirmed[txid]
    kinds = [kind for kind in await scene.kinds(txid) if kind != ADDED]
    assert kinds == [CONNECTED, DISCONNECTED, CONNECTED]


async def test_a_payment_that_the_new_chain_leaves_out_is_open_while_the_mempool_has_it(scene: Scene) -> None:
    address = scene.watched_address()
    async with watching(scene):
        txid = scene.node.pay(address, 40_000)
        scene.node.mine(2)
        await scene.synced()
        scene.node.reorganise(2, keep_mempool=False)
        assert txid in (await scene.synced()).open
        scene.node.mine()
        assert txid in (await scene.synced()).confirmed
    assert REMOVED not in await scene.kinds(txid)


async def test_a_payment_vanishes_with_its_block(scene: Scene) -> None:
    """A coinbase output is the one payment that no mempool takes back."""
    address = scene.watched_address()
    async with watching(scene):
        scene.node.mine(1, address)
        before = await scene.synced()
        (txid,) = before.confirmed
        scene.node.reorganise(1)
        await until(lambda: _ends(scene, txid, REMOVED))
        after = await scene.synced()
    assert await scene.kinds(txid) == [CONNECTED, DISCONNECTED, REMOVED]
    assert (await scene.about(txid))[-1].reason == "evicted"
    assert (after.open, after.confirmed) == ({}, {})


@MODES
async def test_a_payment_is_double_spent_by_a_reorg(scene: Scene, zmq: bool) -> None:
    address = scene.watched_address()
    source, vout, amount = scene.coin()
    rival = scene.spend([(source, vout)], {scene.node.new_address(): amount - 90_000})
    async with watching(scene, zmq=zmq):
        txid = scene.send(scene.spend([(source, vout)], {address: amount - 1_000}))
        scene.node.mine()
        await scene.synced()
        _rewind(scene, 1)
        scene.node.rpc("generateblock", scene.node.new_address(), [rival])
        _mine_empty(scene, 1)
        await until(lambda: _ends(scene, txid, REMOVED))
        await scene.synced()
    removed = (await scene.about(txid))[-1]
    winner = scene.node.rpc("decoderawtransaction", rival)["txid"]
    assert (removed.reason, removed.replaced_by) == ("conflict", winner)


async def _ends(scene: Scene, txid: str, kind: EventKind) -> bool:
    return (await scene.kinds(txid))[-1:] == [kind]


async def test_a_block_may_disconnect_and_connect_again(scene: Scene) -> None:
    txid = scene.node.pay(scene.watched_address(), 9_000)
    async with watching(scene):
        scene.node.mine()
        await scene.synced()
        top = scene.node.rpc("getbestblockhash")
        scene.node.rpc("invalidateblock", top)
        _mine_empty(scene, 1)
        await scene.synced()
        other = scene.node.rpc("getbestblockhash")
        scene.node.rpc("invalidateblock", other)
        scene.node.rpc("reconsiderblock", top)
        folded = await scene.synced()
    assert folded.confirmed == {txid: top}
    kinds = [kind for kind in await scene.kinds(txid) if kind != ADDED]
    assert kinds == [CONNECTED, DISCONNECTED, CONNECTED]


async def test_a_node_that_is_merely_behind_orphans_nothing(scene: Scene) -> None:
    async with watching(scene):
        await scene.synced()
        top = scene.node.rpc("getbestblockhash")
        before = await scene.events()
        scene.node.rpc("invalidateblock", top)
        await until(lambda: _status(scene, ChainStatus.SYNCING))
        assert await scene.events() == before
        scene.node.rpc("reconsiderblock", top)
        await until(lambda: _status(scene, ChainStatus.OK))
        assert await scene.events() == before


async def test_a_reorg_while_away_is_walked_in_one_go(scene: Scene) -> None:
    txid = scene.node.pay(scene.watched_address(), 9_000)
    scene.node.mine(4)
    async with watching(scene):
        await scene.synced()
    scene.node.reorganise(4)
    async with watching(scene):
        folded = await scene.synced()
    assert folded.active == {height: scene.node.rpc("getblockhash", height) for height in range(107)}
    assert txid in folded.confirmed


async def test_a_reorg_below_the_first_recorded_block_starts_over_there(scene: Scene) -> None:
    async with watching(scene, start_height=100):
        await scene.synced()
        scene.node.reorganise(4)
        folded = await scene.synced()
    assert sorted(folded.active) == [100, 101, 102]
    assert [event.kind for event in await scene.events()] == [CONNECTED, CONNECTED, DISCONNECTED, DISCONNECTED] + [
        CONNECTED
    ] * 3


async def test_a_reorg_at_the_horizon_is_no_alarm(scene: Scene) -> None:
    scene.node.mine(3)
    async with watching(scene, horizon=3):
        await scene.synced()
        scene.node.reorganise(3)
        await scene.synced()
        await until(lambda: _status(scene, ChainStatus.OK))
    assert scene.database.execute("SELECT count(*) FROM stop_switch") == [(0,)]


async def test_a_reorg_beyond_the_horizon_stops_crediting_until_an_operator_clears_it(scene: Scene) -> None:
    scene.node.mine(4)
    async with watching(scene, horizon=3):
        await scene.synced()
        scene.node.reorganise(4)
        folded = await scene.synced()
        await until(lambda: _status(scene, ChainStatus.REORG_TOO_DEEP))
        async with transaction(scene.worker) as connection:
            reason = await stops.stopped(connection, stops.Stop.CREDIT, CHAIN)
    assert folded.active[106] == scene.node.rpc("getbestblockhash")  # the facts are recorded all the same
    assert reason == "a block with 4 confirmations was orphaned, beyond the horizon of 3"
    async with watching(scene, horizon=3):  # a restart does not make it well
        scene.node.mine()
        await scene.synced()
        await until(lambda: _status(scene, ChainStatus.REORG_TOO_DEEP))
        async with transaction(scene.worker) as connection:
            await stops.clear_stop(connection, stops.Stop.CREDIT, "looked at it", "operator", CHAIN)
        await until(lambda: _status(scene, ChainStatus.OK))


async def test_depth_counts_over_several_looks_at_one_reorg(scene: Scene) -> None:
    """A branch may look shorter for a while; a watcher that looks in between must still see how deep it goes."""
    scene.node.mine(4)
    async with watching(scene, horizon=3):
        await scene.synced()
        for step in range(4):
            _rewind(scene, min(2, step + 1))
            _mine_empty(scene, 1)
            await scene.synced()
        await until(lambda: _status(scene, ChainStatus.REORG_TOO_DEEP))


async def _status(scene: Scene, status: ChainStatus) -> bool:
    tip = await scene.tip()
    return tip is not None and tip.status == status
