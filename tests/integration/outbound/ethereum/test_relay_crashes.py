"""`kill -9` of the relaying process before and after every step; what happened is counted on the node."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from strongroom.ledger.model import AccountType
from strongroom.outbound.ethereum.model import RelayState
from tests.fixtures.lives import forgotten, live
from tests.integration.outbound.ethereum import runner
from tests.integration.outbound.ethereum.runner import STEPS
from tests.integration.outbound.ethereum.world import ETH, GWEI, HORIZON, RelayWorld, foreign_raw

SENDING = ("insert-nonce", "insert-version", "commit-nonce", "sign", "commit-signed", "move", "send", "commit-sent")
MINED = ("commit-mined",)
SETTLING = ("commit-mined", "post", "finalise")


async def run(world: RelayWorld, *kill: Any) -> int:
    """One relaying process until it is idle or dead; its exit code."""
    return await live(runner.main, world.pg.dsn("treasury"), world.chain, *kill)


async def die_and_recover(world: RelayWorld, when: str, step: str) -> None:
    """Have a process die at a step; this process, which knows nothing of it but the database, goes on."""
    assert await run(world, when, step, 1) == -signal.SIGKILL, (when, step)
    await forgotten(world.pg.dsn("treasury"))
    world.retry_now()
    await world.turn(2)


async def check_books(world: RelayWorld) -> None:
    spent = sum(ETH - world.node.balance_wei(relayer) for relayer in world.relayers)
    assert await world.balance(AccountType.NETWORK_FEES) == -spent


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("steps", [SENDING[:4], SENDING[4:]])
async def test_whatever_dies_until_it_is_sent_the_call_happens_once(
    world: RelayWorld, steps: tuple[str, ...], when: str
) -> None:
    for number, step in enumerate(steps, 1):
        await world.submit(number)
        await die_and_recover(world, when, step)
        assert world.waiting_txs() == 1, step
        world.node.mine()
        assert world.effects(number) == 1, step
    await world.mine(HORIZON)
    assert [world.effects(number) for number in range(1, len(steps) + 1)] == [1] * len(steps)
    assert {(await world.found(number)).state for number in range(1, len(steps) + 1)} == {RelayState.FINAL}
    assert int(world.node.rpc("eth_getTransactionCount", world.relayers[0], "latest"), 16) == len(steps)
    await check_books(world)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_whatever_dies_once_a_block_has_it_its_gas_is_posted_once(world: RelayWorld, when: str) -> None:
    number = 0
    for blocks, steps in ((1, MINED), (HORIZON, SETTLING)):
        for step in steps:
            number += 1
            await world.submit(number)
            await world.turn()
            world.node.mine(blocks)
            await die_and_recover(world, when, step)
    await world.mine(HORIZON)
    assert [world.effects(item) for item in range(1, number + 1)] == [1] * number
    told = [row[1]["reference"] for row in world.topics() if row[0] == "outbound.relayed"]  # type: ignore[index]
    assert sorted(told) == [str(item) for item in range(1, number + 1)]
    await check_books(world)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_whatever_dies_while_a_nonce_is_raised_or_undone_the_call_happens_once(
    world: RelayWorld, when: str
) -> None:
    await world.submit(1)
    await world.turn()
    for _ in range(2):
        world.base_fee(50 * GWEI)
        world.node.mine()
    await die_and_recover(world, when, "raise")
    assert len(world.versions()) == 2
    assert await run(world) == 0, "a process that is not killed ends by itself"
    world.base_fee(50 * GWEI)
    await world.mine()
    assert world.effects(1) == 1
    world.node.reorganise(1)
    await die_and_recover(world, when, "commit-undone")
    await world.mine(HORIZON)
    assert world.effects(1) == 1
    assert (await world.found(1)).state is RelayState.FINAL
    await check_books(world)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
async def test_whatever_dies_while_a_gap_is_filled_the_call_happens_once(world: RelayWorld, when: str) -> None:
    world.node.rpc("eth_sendRawTransaction", foreign_raw(world, 0))
    await world.submit(1)
    await world.turn()
    world.node.rpc("anvil_dropAllTransactions")
    await die_and_recover(world, when, "fill")
    await world.mine(HORIZON)
    assert world.effects(1) == 1
    assert [(row[0], row[2]) for row in world.versions()] == [(0, "empty"), (1, "call")]
    await check_books(world)


@pytest.mark.slow
async def test_processes_that_race_give_every_call_one_nonce_and_no_nonce_twice(world: RelayWorld) -> None:
    for number in range(1, 9):
        await world.submit(number)
    assert await asyncio.gather(*(run(world) for _ in range(3))) == [0, 0, 0]
    for _ in range(HORIZON + 1):
        world.node.mine()
        await asyncio.gather(world.turn(), world.turn())
    assert [world.effects(number) for number in range(1, 9)] == [1] * 8
    rows = world.pg.execute("SELECT relayer, nonce FROM outbound_relay_nonce WHERE relay_id IS NOT NULL")
    assert len(rows) == len(set(rows)) == 8
    counts = [int(world.node.rpc("eth_getTransactionCount", relayer, "latest"), 16) for relayer in world.relayers]
    assert sum(counts) == 8
    await check_books(world)


def test_every_step_is_killed_in_some_test() -> None:
    assert {*SENDING, *MINED, *SETTLING, "raise", "commit-undone", "fill"} == set(STEPS)
