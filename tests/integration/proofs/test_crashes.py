"""`kill -9` of the prover before and after every step: each deposit stands in each journal exactly once."""

from __future__ import annotations

import itertools
import signal

import pytest

from tests.fixtures.lives import live
from tests.integration.outbound.world import World
from tests.integration.proofs import runner
from tests.integration.proofs.showing import Showing

POINTS = [
    (when, step, count)
    for step, count in itertools.product(("due", "block", "show", "write", "commit"), (1, 2))
    for when in ("before", "after")
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("points", [POINTS[:10], pytest.param(POINTS[10:], marks=pytest.mark.long)])
async def test_whatever_step_dies_every_deposit_is_told_to_each_signer_once(
    world: World, points: list[tuple[str, str, int]]
) -> None:
    shop = await world.shop()
    showing = Showing(world)
    # The signers' views are up once they took the first one.
    address = await showing.address(shop)
    told = [world.node.pay(address, 100_000)]
    await world.mine(2)
    await showing.until({("A", "proven", ""), ("B", "proven", "")})
    for number, point in enumerate(points):
        told.append(world.node.pay(address, 200_000 + number))
        await world.mine(2)
        assert await live(runner.main, world.pg.dsn("treasury"), world.settings, *point) == -signal.SIGKILL, point
        await showing.until({("A", "proven", ""), ("B", "proven", "")}, count=2 * len(told))
        for items in showing.journalled("deposits"):
            assert [item["txid"] for item in items] == told, point
