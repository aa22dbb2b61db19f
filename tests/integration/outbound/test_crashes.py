"""`kill -9` of the treasury process before and after every step; payments are counted on the node."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
from typing import Any

import pytest

from strongroom.chains import service as chains
from strongroom.ledger.model import AccountType
from tests.fixtures.crashes import Lot
from tests.fixtures.lives import live
from tests.integration.outbound import runner
from tests.integration.outbound.runner import STEPS
from tests.integration.outbound.world import HORIZON, PAYOUT_FEE, World
from tests.unit.signer.kit import CHAIN, SATS

LIVES = 5
# Each step is killed at its first doing; those done once per signer also at the second.
PLANNING = [(when, step, 1) for step in ("write-plan", "commit-plan") for when in ("before", "after")]
SIGNING = [
    (when, step, count)
    for step, count in itertools.product(("commit-asked", "sign", "commit-signature"), (1, 2))
    for when in ("before", "after")
]
SENDING = [
    (when, step, 1)
    for step in ("capture", "commit-signed", "move", "broadcast", "commit-broadcast")
    for when in ("before", "after")
]
SETTLING = [(when, step, 1) for step in ("settle", "follow") for when in ("before", "after")]


async def run(world: World, *kill: Any) -> int:
    """One treasury process until it is idle or dead; its exit code."""
    return await live(runner.main, world.pg.dsn("treasury"), world.settings, *kill)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("points", [PLANNING + SENDING[:4], SIGNING[:6], SIGNING[6:], SENDING[4:] + SETTLING])
async def test_whatever_step_dies_every_payout_is_paid_exactly_once(
    world: World, points: list[tuple[str, str, int]]
) -> None:
    shop = await world.shop()
    await world.fund(shop, *[SATS] * 4)
    paid: dict[str, int] = {}
    for number, point in enumerate(points):
        destination = world.node.new_address()
        amount = 1_000_000 + number
        payout = await world.pay(shop, shop.intent(amount, destination))
        if point[1] in {"settle", "follow"}:
            assert await run(world) == 0
            await world.mine_only(HORIZON)
        assert await run(world, *point) == -signal.SIGKILL, point
        assert await run(world) == 0
        paid[destination] = amount
        assert world.received(destination) == [amount], point
        await world.mine(1)
        assert (await world.payout(shop, payout.id)).txid is not None
    await world.mine(HORIZON)
    assert {destination: world.received(destination) for destination in paid} == {d: [a] for d, a in paid.items()}
    assert world.pg.execute("SELECT DISTINCT state FROM payout") == [("final",)]
    held = await world.balance(AccountType.MERCHANT_HELD, shop.id)
    left = await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id)
    assert (held, left) == (0, 4 * SATS - sum(paid.values()) - PAYOUT_FEE * len(paid))
    hot = await world.balance(AccountType.CHAIN_HOT)
    fees = await world.balance(AccountType.NETWORK_FEES)
    assert hot == -(4 * SATS - sum(paid.values()) + fees)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_random_kills_of_the_treasury_pay_every_payout_exactly_once(world: World, lot: Lot) -> None:
    """Several payouts at once, a process that dies up to three times in a row, and sometimes a signer with it."""
    shop = await world.shop(per_payout=SATS, per_window=400 * SATS, unlisted_per_window=400 * SATS)
    paid: dict[str, int] = {}
    for chance in lot.rounds(4):
        await world.fund(shop, *[SATS // 10] * 3)  # a coin for each: what is new rides alone, and change is not yet old
        for _ in range(chance.randrange(1, 4)):
            # Nobody's: what is paid to the node's own wallet it may spend on our next coins, and is then not seen.
            destination = chains.script_to_address(CHAIN, b"\x00\x14" + chance.randbytes(20)) or ""
            amount = chance.randrange(10_000, 3_000_000)
            await world.pay(shop, shop.intent(amount, destination))
            paid[destination] = amount
        for _ in range(chance.randrange(1, 4)):
            await deadly_life(world, chance)
        await until_paid(world, dict(list(paid.items())[-3:]))
        await world.mine(HORIZON + 1)
    await world.facts()
    assert {address: world.received(address) for address in paid} == {d: [a] for d, a in paid.items()}
    assert world.pg.execute("SELECT DISTINCT state FROM payout") == [("final",)]
    assert await world.balance(AccountType.MERCHANT_HELD, shop.id) == 0
    assert await world.balance(AccountType.IN_TRANSIT) == 0


async def until_paid(world: World, paid: dict[str, int]) -> None:
    """Let whole lives follow, with the worker's part between them, until the node shows every payment, never twice."""
    wanted = {address: [amount] for address, amount in paid.items()}
    found: dict[str, list[int]] = {}
    for _ in range(LIVES):
        await world.retry_now()
        assert await run(world) == 0
        found = {address: world.received(address) for address in paid}
        assert all(amounts in ([], wanted[address]) for address, amounts in found.items()), found
        if found == wanted:
            return
        await world.mine(1)
    slots = world.pg.execute("SELECT id, state, retry_at - now() FROM outbound_slot WHERE state <> 'final'")
    waiting = world.pg.execute("SELECT payout_id, state, retry_at - now() FROM treasury_payable WHERE state = 'queued'")
    message = f"not paid after {LIVES} lives: {found} of {wanted}; slots {slots}, payables {waiting}"
    raise AssertionError(message)


async def deadly_life(world: World, chance: random.Random) -> None:
    """One treasury process that ends at a step or a moment, unless it is idle before that."""
    if chance.random() < 0.5:
        kill: tuple[object, ...] = ("within", chance.uniform(0, 0.6))
    else:
        kill = (chance.choice(["before", "after"]), chance.choice(list(STEPS)), chance.randrange(1, 4))
    living = asyncio.create_task(run(world, *kill))
    if chance.random() < 0.3:
        signer = chance.choice(world.processes)
        await asyncio.sleep(chance.uniform(0, 0.5))
        await asyncio.to_thread(signer.kill)
        await asyncio.wait([living], timeout=1)  # what it does without the signer; it is not idle until it is back
        await asyncio.to_thread(signer.start)
    await living


def test_every_step_has_its_kills() -> None:
    assert {step for _, step, _ in PLANNING + SIGNING + SENDING + SETTLING} == set(STEPS)
