"""`kill -9` of the treasury before and after every step from plan to final; what was paid is counted on the node."""

from __future__ import annotations

import itertools
import signal

import pytest

from strongroom.ledger.model import AccountType
from strongroom.outbound.safe import following
from tests.fixtures.ethereum_house import stranger
from tests.fixtures.lives import forgotten, live
from tests.integration.outbound.safe import runner
from tests.integration.outbound.safe.runner import STEPS
from tests.integration.outbound.safe.world import HORIZON, PAYOUT_FEE, UNIT, SafeWorld

WHENS = ("before", "after")
PLANNING = [(when, step, 1) for step in ("write-plan", "commit-plan", "capture") for when in WHENS]
# Those done once per signer are killed at both.
SIGNING = [
    (when, step, count)
    for step, count in itertools.product(("commit-asked", "sign", "commit-signature"), (1, 2))
    for when in WHENS
]
SENDING = [(when, step, 1) for step in ("commit-signed", "submit", "commit-handed", "send", "move") for when in WHENS]
SETTLING = [(when, step, 1) for step in ("follow", "measure", "settle", "commit-settled") for when in WHENS]


async def run_and_die(world: SafeWorld, kill: tuple[str, str, int]) -> None:
    """One treasury process until it kills itself."""
    assert await live(runner.main, world.pg.dsn("treasury"), world.settings, *kill) == -signal.SIGKILL, kill
    await forgotten(world.pg.dsn("treasury"))  # what it had locked is passed over: the turns that follow are counted


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("points", [PLANNING, SIGNING[:6], SIGNING[6:], SENDING, SETTLING])
async def test_whatever_step_dies_every_payout_is_paid_exactly_once(
    world: SafeWorld, points: list[tuple[str, str, int]]
) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    paid: dict[bytes, int] = {}
    for number, point in enumerate(points):
        destination, amount = stranger(number), (number + 1) * UNIT
        await world.pay(shop, shop.intent(world.usdt, amount, destination))
        if point in SETTLING:
            await world.synced()
            await world.planner.plan()
            await world.sign()
            await world.hand_over()
            await world.relay()
            if point[1] != "follow":
                await world.watched()
                await following.follow(world.treasury, world.chain)
            world.node.mine(HORIZON)
        await world.watched()
        await run_and_die(world, point)
        paid[destination] = amount
        for _ in range(4):
            await world.turn()
            await world.retry_now()
        assert world.held(world.place.usdt, destination) == amount, point
    await world.mine(HORIZON)
    await world.turn()
    assert {to: world.held(world.place.usdt, to) for to in paid} == paid
    assert world.pg.execute("SELECT DISTINCT state FROM payout") == [("final",)]
    held = await world.balance(AccountType.MERCHANT_HELD, world.usdt, shop.id)
    left = await world.balance(AccountType.MERCHANT_AVAILABLE, world.usdt, shop.id)
    assert (held, left) == (0, 1_000 * UNIT - sum(paid.values()) - PAYOUT_FEE * len(paid))
    await books_agree(world)


async def books_agree(world: SafeWorld) -> None:
    """What the books say is hot and cold is what the Safes have."""
    made = world.place.house.deployment
    for kind, safe in ((AccountType.CHAIN_HOT, made.hot_safe), (AccountType.CHAIN_COLD, made.cold_safe)):
        assert -await world.balance(kind, world.usdt) == world.held(world.place.usdt, safe)


def test_every_step_has_its_kills() -> None:
    assert {step for _, step, _ in PLANNING + SIGNING + SENDING + SETTLING} == set(STEPS)
