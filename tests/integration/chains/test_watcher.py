"""A watcher on a real node: blocks, mempool, resuming."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import psycopg
import pytest

from strongroom.chains.bitcoin.addresses import address_to_script
from strongroom.chains.model import ChainStatus, EventKind
from tests.integration.chains.support import CHAIN, Scene, until, watching

ADDED, REMOVED, CONNECTED = EventKind.MEMPOOL_ADDED, EventKind.MEMPOOL_REMOVED, EventKind.CONNECTED
TRIES, SEEN_SECONDS = 15, 1.0
MODES = pytest.mark.parametrize("zmq", [True, False], ids=["zmq", "polling"])


@MODES
async def test_a_payment_is_seen_within_a_second_and_then_confirmed(scene: Scene, zmq: bool) -> None:
    address = scene.watched_address()
    async with watching(scene, zmq=zmq):
        await scene.synced()
        for _ in range(TRIES):  # one on a machine that has something else to do for a moment says nothing
            txid = scene.node.pay(address, 123_456)
            paid = time.monotonic()
            await until(partial(_has, scene, txid, [ADDED]))
            if time.monotonic() - paid < SEEN_SECONDS:
                break
        else:
            pytest.fail("none was seen within a second")
        (block_hash,) = scene.node.mine()
        await scene.synced()
    seen, confirmed = await scene.about(txid)
    assert (seen.kind, confirmed.kind, confirmed.block_hash) == (ADDED, CONNECTED, block_hash)
    (tx,) = (tx for tx in confirmed.txs if tx.txid == txid)
    (output,) = tx.outputs
    assert (output.amount, output.coinbase) == (123_456, False)
    assert seen.txs[0].outputs == tx.outputs


async def _has(scene: Scene, txid: str, kinds: list[EventKind]) -> bool:
    return await scene.kinds(txid) == kinds


async def test_the_facts_are_the_nodes_chain_from_genesis_on(scene: Scene) -> None:
    async with watching(scene):
        folded = await scene.synced()
    assert folded.active == {height: scene.node.rpc("getblockhash", height) for height in range(102)}


async def test_it_starts_at_the_height_it_is_told(scene: Scene) -> None:
    async with watching(scene, start_height=95):
        folded = await scene.synced()
    assert sorted(folded.active) == list(range(95, 102))


async def test_a_coinbase_to_us_says_so(scene: Scene) -> None:
    address = scene.watched_address()
    async with watching(scene):
        scene.node.mine(1, address)
        await scene.synced()
    (tx,) = (await scene.events())[-1].txs
    assert tx.outputs[0].coinbase
    assert not tx.rbf


async def test_several_outputs_are_one_tx_and_spends_of_ours_are_noticed_in_block_and_mempool(scene: Scene) -> None:
    first, second = scene.watched_address(), scene.watched_address()
    source, vout, amount = scene.coin()
    async with watching(scene):
        paying = scene.spend(
            [(source, vout)], {first: 50_000, second: 60_000, scene.node.new_address(): amount - 120_000}
        )
        txid = scene.send(paying)
        spending = scene.send(scene.spend([(txid, 0)], {scene.node.new_address(): 40_000}))
        await until(lambda: _has(scene, spending, [ADDED]))
        scene.node.mine()
        await scene.synced()
    (paid,) = (await scene.about(txid))[-1].txs[:1]
    assert [(output.vout, output.amount) for output in paid.outputs] == [(0, 50_000), (1, 60_000)]
    for event in await scene.about(spending):
        (tx,) = (tx for tx in event.txs if tx.txid == spending)
        assert [(spend.prev_txid, spend.prev_vout) for spend in tx.spends] == [(txid, 0)]
    assert scene.database.execute("SELECT raw FROM chain_tx WHERE txid = %s", txid) == [(bytes.fromhex(paying),)]


@MODES
async def test_a_replacement_is_noticed_with_its_successor(scene: Scene, zmq: bool) -> None:
    address = scene.watched_address()
    source, vout, amount = scene.coin()
    async with watching(scene, zmq=zmq):
        await scene.synced()
        first = scene.send(scene.spend([(source, vout)], {address: amount - 1_000}))
        await until(lambda: _has(scene, first, [ADDED]))
        second = scene.send(scene.spend([(source, vout)], {scene.node.new_address(): amount - 50_000}))
        await until(lambda: _has(scene, first, [ADDED, REMOVED]))
    added, removed = await scene.about(first)
    assert added.txs[0].rbf
    assert (removed.reason, removed.replaced_by, removed.txs) == ("replaced", second, added.txs)
    assert await scene.kinds(second) == []  # it pays us nothing and spends nothing of ours


async def test_a_descendant_of_what_was_replaced_is_gone_by_conflict(scene: Scene) -> None:
    address = scene.watched_address()
    source, vout, amount = scene.coin()
    async with watching(scene):
        parent = scene.send(scene.spend([(source, vout)], {scene.watched_address(): amount - 1_000}))
        child = scene.send(scene.spend([(parent, 0)], {address: amount - 2_000}))
        await until(lambda: _has(scene, child, [ADDED]))
        second = scene.send(scene.spend([(source, vout)], {scene.node.new_address(): amount - 90_000}))
        await until(lambda: _has(scene, child, [ADDED, REMOVED]))
    removed = (await scene.about(child))[-1]
    assert (removed.reason, removed.replaced_by) == ("conflict", second)


async def test_rbf_is_marked_by_own_signal_or_an_ancestors(scene: Scene) -> None:
    address = scene.watched_address()
    source, vout, amount = scene.coin()
    async with watching(scene):
        final = scene.send(scene.spend([(source, vout)], {address: amount - 1_000}, sequence=0xFFFFFFFF))
        await until(lambda: _has(scene, final, [ADDED]))
        scene.node.mine()
        await scene.synced()
        parent = scene.send(scene.spend([(final, 0)], {scene.node.new_address(): amount - 2_000}))
        child = scene.send(scene.spend([(parent, 0)], {address: amount - 3_000}, sequence=0xFFFFFFFF))
        await until(lambda: _has(scene, child, [ADDED]))
    assert [event.txs[0].rbf for event in await scene.about(final)] == [False, False]
    assert [event.txs[0].rbf for event in await scene.about(child)] == [True]


async def test_what_happened_while_it_was_away_is_made_up_for(scene: Scene) -> None:
    address = scene.watched_address()
    source, vout, amount = scene.coin()
    async with watching(scene):
        await scene.synced()
        replaced = scene.send(scene.spend([(source, vout)], {address: amount - 1_000}))
        await until(lambda: _has(scene, replaced, [ADDED]))
    winner = scene.send(scene.spend([(source, vout)], {scene.node.new_address(): amount - 50_000}))
    scene.node.mine(3)
    waiting = scene.node.pay(address, 5_000)
    async with watching(scene):
        await until(lambda: _has(scene, waiting, [ADDED]))
        folded = await scene.synced()
    removed = (await scene.about(replaced))[-1]
    assert (removed.reason, removed.replaced_by) == ("conflict", winner)
    assert folded.open == {waiting: "mempool"}
    assert len(folded.active) == 105


async def test_a_restart_adds_nothing_that_is_known(scene: Scene) -> None:
    txid = scene.node.pay(scene.watched_address(), 5_000)
    async with watching(scene):
        await until(lambda: _has(scene, txid, [ADDED]))
    before = await scene.events()
    async with watching(scene):
        await scene.synced()
        scene.node.mine()
        await scene.synced()
    after = await scene.events()
    assert after[: len(before)] == before
    assert [event.kind for event in after[len(before) :]] == [CONNECTED]


async def test_a_script_watched_later_counts_from_then_on(scene: Scene) -> None:
    async with watching(scene):
        await scene.synced()
        address = scene.watched_address()
        txid = scene.node.pay(address, 7_000)
        scene.node.mine()
        await scene.synced()
    assert (await scene.kinds(txid))[-1] == CONNECTED


async def test_a_second_watcher_stands_by_and_takes_over(scene: Scene) -> None:
    async with watching(scene, poll_seconds=0.1):
        await scene.synced()
        async with watching(scene, poll_seconds=0.1):
            scene.node.mine(3)
            await scene.synced()
    async with watching(scene):
        scene.node.mine(2)
        folded = await scene.synced()
    assert len(folded.active) == 107


async def test_a_lost_database_connection_is_made_anew_without_losing_or_doubling_facts(scene: Scene) -> None:
    address = scene.watched_address()
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'strongroom_watcher' AND datname = %s"
    async with watching(scene):
        for _ in range(3):
            scene.node.pay(address, 5_000)
            scene.node.mine()
            scene.database.execute(end, scene.database.name)
        folded = await scene.synced()
    assert len(folded.active) == 105
    assert len(folded.confirmed) == 3


async def test_scripts_committed_out_of_their_order_are_not_missed(scene: Scene) -> None:
    """A row numbered early and committed late, behind the back of a watcher that has read further."""
    late, early = scene.node.new_address(), scene.watched_address
    insert = b"INSERT INTO chain_watch (chain, script) VALUES (%s, %s)"
    async with watching(scene, poll_seconds=0.05):
        await scene.synced()
        with psycopg.connect(scene.database.dsn("worker")) as slow:
            slow.execute(insert, [CHAIN, address_to_script(CHAIN, late)])
            scene.node.pay(early(), 5_000)
            scene.node.mine()
            await scene.synced()
            await asyncio.sleep(0.3)
        txid = scene.node.pay(late, 6_000)
        scene.node.mine()
        folded = await scene.synced()
    assert txid in folded.confirmed


async def test_the_status_tells_the_tip(scene: Scene) -> None:
    async with watching(scene):
        await scene.synced()
        await until(lambda: _status(scene, ChainStatus.OK))
    tip = await scene.tip()
    assert tip is not None
    assert (tip.chain, tip.height, tip.node_height) == (CHAIN, 101, 101)


async def _status(scene: Scene, status: ChainStatus) -> bool:
    tip = await scene.tip()
    return tip is not None and tip.status == status
