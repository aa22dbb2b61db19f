"""A watcher process is killed (SIGKILL) in the middle of catching up, again and again, and resumes exactly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

import msgspec
import pytest

from strongroom.infra.settings import ChainSettings
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import stranger
from tests.integration.chains.evm_support import COIN, EvmScene, asset_of, settings_for, watching
from tests.integration.chains.support import PATIENCE_SECONDS, fold

PROGRAM = Path(__file__).with_name("run_watcher.py")
ROUNDS = 6
BLOCKS = 300


async def _start(scene: EvmScene, settings: ChainSettings) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    assert process.stdin is not None
    given = {"settings": msgspec.to_builtins(settings, enc_hook=str), "dsn": scene.database.dsn("watcher")}
    process.stdin.write(json.dumps(given).encode() + b"\n")
    await process.stdin.drain()
    return process


async def _life(scene: EvmScene, settings: ChainSettings, seconds: float | None) -> float:
    """One life of a watcher, ended some time after its first record; how long that record took."""
    begun = time.monotonic()
    process = await _start(scene, settings)
    assert process.stdout is not None
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS if seconds is None else seconds)
    took = time.monotonic() - begun
    process.kill()
    await process.wait()
    return took


@pytest.mark.slow
async def test_killed_in_the_middle_of_catching_up_it_resumes_exactly(evm: EvmScene) -> None:
    chance = random.Random(20_261_122)
    house = evm.house
    token = house.deploy("test/TetherToken", 6)
    addresses = [stranger(number) for number in range(5)]
    evm.watch(*addresses)
    settings = settings_for(house, token, logs_range_max=8)
    paid: dict[str, list[int]] = {COIN: [], asset_of(token): []}

    def stir(blocks: int) -> None:
        for _ in range(blocks // 10):
            amount = chance.randrange(1, 10**9)
            asset = chance.choice([ZERO_ADDRESS, token])
            house.pay(asset, chance.choice(addresses), amount)
            paid[COIN if asset == ZERO_ADDRESS else asset_of(token)].append(amount)
            house.node.mine(9)

    stir(BLOCKS)
    usual = await _life(evm, settings, None)
    for _ in range(ROUNDS):
        await _life(evm, settings, usual * chance.uniform(0.6, 1.2))
        fold(await evm.events())  # whatever is there so far adds up
        stir(BLOCKS)
    async with watching(evm, settings):
        folded = await evm.synced()
    height = house.node.block_number()
    assert sorted(folded.active) == list(range(height + 1))
    for asset, amounts in paid.items():
        credited = [amount for found in (await evm.amounts(asset)).values() for amount in found]
        assert sorted(credited) == sorted(amounts)
