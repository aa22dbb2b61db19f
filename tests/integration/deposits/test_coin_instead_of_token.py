"""Coin that a contract sends to an address handed out for a token: the same deposit with traces and without."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from strongroom.chains.ethereum.contracts import contract
from strongroom.deposits.model import DepositState
from strongroom.infra.settings import Tier
from tests.fixtures.ethereum_house import EthereumHouse, succeeded
from tests.fixtures.postgres import Database
from tests.integration.chains.evm_support import COIN, EvmScene, asset_of, evm_scene_of, settings_for, watching
from tests.integration.chains.support import until
from tests.integration.deposits.bank import Bank

SENDER = contract("test/EtherSender")


@pytest.fixture
async def evm(ethereum_house: EthereumHouse, pg: Database) -> AsyncIterator[EvmScene]:
    async with evm_scene_of(ethereum_house, pg) as scene:
        yield scene


@pytest.mark.parametrize("traces", ["debug", "none"])
async def test_coin_inside_of_a_call_to_an_address_for_a_token_is_the_merchants(evm: EvmScene, traces: str) -> None:
    house = evm.house
    token, sender = house.deploy("test/TetherToken", 6), house.deploy("test/EtherSender")
    chain = settings_for(house, token, traces=traces, tiers=(Tier(confirmations=1),))
    bank = await Bank.open(evm.database, evm.worker, evm.worker, chain)
    async with watching(evm, chain):
        await evm.synced()
        address = await bank.address(asset=asset_of(token))
        house.node.mine()
        await evm.synced()
        assert succeeded(house.transact(sender, SENDER.call("pay", address.script), value=7))

        async def credited() -> bool:
            house.node.mine()
            await bank.follow()
            return [item.state for item in await bank.deposits()] == [DepositState.CREDITED]

        await until(credited)
    deposit = await bank.the_deposit()
    assert (deposit.asset, deposit.amount, deposit.told_exception) == (COIN, 7, "wrong-asset")
    assert await bank.available(asset=COIN) == 7
    assert await bank.available(asset=asset_of(token)) == 0
