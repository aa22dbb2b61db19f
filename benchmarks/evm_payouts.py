"""Payouts per minute to finality on an EVM chain, at batches of 1, 10 and 100; one JSON line per figure.

Run: python -m benchmarks.evm_payouts. A real anvil with a block each second, real Safes, two real signer processes,
a real PostgreSQL (with fsync), and the loops of the treasury as the product runs them. Counted from a queue of
accepted payouts to the last one's finality, `HORIZON` blocks deep; what was paid is counted on the node.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from strongroom.infra.components.hosting import free_port
from strongroom.infra.components.postgres import PostgresCluster
from strongroom.infra.database import transaction
from strongroom.infra.loops import Loop, run_loops
from strongroom.infra.outbox import CHANNEL
from strongroom.payouts import service as payouts
from strongroom.payouts.model import PayoutKind
from strongroom.processes.treasury import evm_loops
from tests.fixtures.ethereum import DevNode
from tests.fixtures.ethereum_house import stranger
from tests.fixtures.postgres import Database, make_database
from tests.integration.outbound.safe.world import UNIT, SafeWorld, Shop, make_place, make_signer_folder, make_world
from tests.integration.signer.processes import SignerProcess, running

BATCHES: Final = (1, 10, 100)
PAYOUTS: Final = {1: 10, 10: 100, 100: 500}
HORIZON: Final = 3
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - TemporaryDirectory makes a folder of its own in it
LIMIT_SECONDS: Final = 600.0
# Executed, beyond the horizon, measured and booked; telling each merchant of it is the worker's own work.
FINAL: Final = """SELECT count(*) FROM outbound_payment AS payment JOIN outbound_slot AS slot ON slot.id = slot_id
    WHERE slot.state = 'final'"""


@contextlib.contextmanager
def _ground(folder: Path) -> Iterator[tuple[Database, DevNode]]:
    cluster = PostgresCluster(folder / "pg", free_port())
    cluster.start()
    try:
        with DevNode(folder / "anvil", free_port(), keep_state=False) as node:
            yield make_database(cluster, "benchmark"), node
    finally:
        cluster.stop()


@contextlib.asynccontextmanager
async def _world(folder: Path, batch: int) -> AsyncIterator[SafeWorld]:
    with _ground(folder) as (pg, node):
        place = make_place(node)
        folders = [make_signer_folder(folder, name, place) for name in ("A", "B")]
        with running(folders[0]) as first, running(folders[1]) as second:
            both: tuple[SignerProcess, SignerProcess] = (first, second)
            async with make_world(pg, place, both, folder, payouts_per_tx_max=batch, horizon=HORIZON) as world:
                yield world


async def _loops(world: SafeWorld) -> list[Loop]:
    dispatcher = world.dispatcher()
    loops = evm_loops(world.treasury, world.chain, world.rpc, world.clock, world.settings)
    return [*loops, Loop("outbox", partial(dispatcher.run_once, world.worker), 0.2, (CHANNEL,))]


async def _ask(world: SafeWorld, shop: Shop, count: int) -> None:
    for number in range(count):
        signed = shop.intent(world.usdt, UNIT + number, stranger(number))
        async with transaction(world.api) as connection:
            await payouts.create_payout(
                connection, world.settings, shop.id, signed, PayoutKind.PAYMENT, world.clock.now()
            )


async def _measure(world: SafeWorld, batch: int) -> dict[str, Any]:
    count = PAYOUTS[batch]
    shop = await world.shop()
    world.trust(shop)
    await world.fund(shop, world.usdt, 2_000 * UNIT)
    await world.synced()
    world.node.rpc("evm_setAutomine", *[False])
    world.node.rpc("evm_setIntervalMining", 1)
    await _ask(world, shop, count)
    start = time.monotonic()
    running_loops = asyncio.create_task(run_loops(world.pg.dsn("treasury"), await _loops(world)))
    try:
        await _all_final(world, count, start)
        seconds = time.monotonic() - start
    finally:
        running_loops.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running_loops
    for number in range(count):
        assert world.held(world.place.usdt, stranger(number)) == UNIT + number
    slots = world.pg.execute("SELECT count(*) FROM outbound_slot")[0][0]
    return {
        "benchmark": "evm payouts",
        "batch_max": batch,
        "payouts": count,
        "executions": slots,
        "horizon_blocks": HORIZON,
        "block_seconds": 1,
        "seconds": round(seconds, 1),
        "payouts_per_minute": round(count * 60 / seconds, 1),
    }


async def _all_final(world: SafeWorld, count: int, start: float) -> None:
    while world.pg.execute(FINAL) != [(count,)]:
        assert time.monotonic() - start < LIMIT_SECONDS, world.pg.execute("SELECT state, reason FROM outbound_slot")
        await asyncio.sleep(0.25)


async def _run(batch: int) -> dict[str, Any]:
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="b") as folder:
        async with _world(Path(folder), batch) as world:
            return await _measure(world, batch)


def main() -> None:
    """Measure every batch size, each in a world of its own."""
    for batch in BATCHES:
        print(json.dumps(asyncio.run(_run(batch))), flush=True)


if __name__ == "__main__":
    main()
