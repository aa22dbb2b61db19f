"""A watcher process is killed (SIGKILL) in the middle of catching up, again and again, and resumes exactly."""

from __future__ import annotations

import random

import pytest

from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import stranger
from tests.integration.chains.evm_support import COIN, EvmScene, asset_of, settings_for, watching
from tests.integration.chains.run_watcher import live
from tests.integration.chains.support import PATIENCE_SECONDS, fold

ROUNDS = 6
BLOCKS = 300


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
    dsn = evm.database.dsn("watcher")
    usual = await live(dsn, settings, PATIENCE_SECONDS)
    for _ in range(ROUNDS):
        await live(dsn, settings, usual * chance.uniform(0.6, 1.2))
        fold(await evm.events())  # whatever is there so far adds up
        stir(BLOCKS)
    async with watching(evm, settings):
        folded = await evm.synced()
    height = house.node.block_number()
    assert sorted(folded.active) == list(range(height + 1))
    for asset, amounts in paid.items():
        credited = [amount for found in (await evm.amounts(asset)).values() for amount in found]
        assert sorted(credited) == sorted(amounts)
