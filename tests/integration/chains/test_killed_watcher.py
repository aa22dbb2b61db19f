"""A watcher process is killed (SIGKILL) again and again while the node mines, pays and reorganises."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.fixtures.crashes import Lot
from tests.integration.chains.run_watcher import live
from tests.integration.chains.support import PATIENCE_SECONDS, Scene, fold, settings_for, until, watching

ROUNDS = 10


def _stir(scene: Scene, address: str, chance: random.Random) -> None:
    scene.node.pay(address, chance.randrange(10_000, 90_000))
    match chance.randrange(4):
        case 0:
            scene.node.reorganise(chance.randrange(1, 4), keep_mempool=chance.random() < 0.5)
        case 1:
            scene.node.mine(chance.randrange(1, 4), address)
        case _:
            scene.node.mine(chance.randrange(1, 3))


async def _round(scene: Scene, address: str, chance: random.Random, usual: float) -> float:
    """One life of a watcher, ended around the time at which it usually records; how long the first record took."""
    stirring = asyncio.create_task(asyncio.to_thread(_stir, scene, address, chance))
    settings = settings_for(scene.node, poll_seconds=0.05)
    took = await live(scene.database.dsn("watcher"), settings, usual * chance.uniform(0.7, 1.4))
    await stirring
    return took


@pytest.mark.slow
async def test_killed_at_any_point_it_resumes_exactly(scene: Scene, lot: Lot) -> None:
    address = scene.watched_address()
    scene.node.mine(8)
    usual = await _round(scene, address, random.Random(lot.seed), PATIENCE_SECONDS)
    for chance in lot.rounds(ROUNDS):
        await _round(scene, address, chance, usual)
        fold(await scene.events())  # whatever is there so far adds up
    async with watching(scene):
        await scene.synced()
        pending = set(scene.node.rpc("getrawmempool"))

        async def settled() -> bool:
            return set((await scene.folded()).open) == pending

        await until(settled)
    folded = await scene.folded()
    height = scene.node.rpc("getblockcount")
    assert folded.active == {at: scene.node.rpc("getblockhash", at) for at in range(height + 1)}
    assert folded.confirmed == _confirmed_by_the_node(scene, address, height)


def _confirmed_by_the_node(scene: Scene, address: str, height: int) -> dict[str, str]:
    """Ask the node itself which chain txs pay the address, block by block."""
    script = scene.node.rpc("getaddressinfo", address, wallet="miner")["scriptPubKey"]
    paying: dict[str, str] = {}
    for at in range(height + 1):
        block = scene.node.rpc("getblock", scene.node.rpc("getblockhash", at), 2)
        for tx in block["tx"]:
            if any(output["scriptPubKey"]["hex"] == script for output in tx["vout"]):
                paying[tx["txid"]] = block["hash"]
    return paying
