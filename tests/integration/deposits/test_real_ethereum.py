"""A real anvil with our contracts, a real watcher: what comes to forwarders is in the books once, swept or orphaned."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from strongroom.chains.ethereum.contracts import SweepItem
from strongroom.deposits import service
from strongroom.deposits.model import DepositState
from strongroom.infra.database import transaction
from strongroom.infra.settings import Tier
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import ETHER, EthereumHouse, succeeded
from tests.fixtures.postgres import Database
from tests.integration.chains.evm_support import COIN, EvmScene, asset_of, evm_scene_of, settings_for, watching
from tests.integration.chains.support import until
from tests.integration.deposits.bank import Bank


@pytest.fixture
async def evm(ethereum_house: EthereumHouse, pg: Database) -> AsyncIterator[EvmScene]:
    async with evm_scene_of(ethereum_house, pg) as scene:
        yield scene


async def open_bank(evm: EvmScene, *tokens: bytes, needed: int = 2) -> Bank:
    chain = settings_for(evm.house, *tokens, tiers=(Tier(confirmations=needed),))
    return await Bank.open(evm.database, evm.worker, evm.worker, chain)


async def states(bank: Bank, wanted: dict[str, tuple[DepositState, int]], merchant: int = 0) -> None:
    """Follow until there is one deposit of each asset that stands as told, with its cycle."""

    async def there() -> bool:
        await bank.follow()
        return {item.asset: (item.state, item.cycle) for item in await bank.deposits(merchant)} == wanted

    await until(there)


async def test_what_comes_to_a_forwarder_is_credited_and_only_then_swept_to_the_cold_safe(evm: EvmScene) -> None:
    token = evm.house.deploy("test/TetherToken", 6)
    bank = await open_bank(evm, token)
    address = await bank.address()
    assert address.script == evm.house.forwarder(address.branch, address.index)
    assert evm.house.code(address.script) == b""
    async with watching(evm, bank.chain):
        evm.house.pay(token, address.script, 25_000_000)
        evm.house.pay(ZERO_ADDRESS, address.script, 3 * ETHER)
        evm.house.node.mine(3)
        credited = (DepositState.CREDITED, 1)
        await states(bank, {asset_of(token): credited, COIN: credited})
        assert await bank.available(asset=asset_of(token)) == 25_000_000
        assert await bank.available(asset=COIN) == 3 * ETHER
        async with transaction(evm.worker) as connection:
            held = await service.unswept(connection, bank.chain.id, 10)
        assert {(item.address.script, item.asset, item.amount) for item in held} == {
            (address.script, asset_of(token), 25_000_000),
            (address.script, COIN, 3 * ETHER),
        }
        items = [SweepItem(address.branch, address.index, of) for of in (token, ZERO_ADDRESS)]
        assert succeeded(evm.house.sweep(*items))
        evm.house.node.mine(3)
        await evm.synced()
        await bank.follow()
    assert evm.house.balance(token, evm.house.deployment.cold_safe) == 25_000_000
    assert evm.house.balance(token, address.script) == 0
    assert len(await bank.deposits()) == 2  # the sweep is nobody's deposit


async def test_a_reorganisation_reverses_what_it_takes_away_and_credits_what_comes_again_once(evm: EvmScene) -> None:
    token = evm.house.deploy("test/TetherToken", 6)
    bank = await open_bank(evm, token, needed=1)
    address = await bank.address()
    async with watching(evm, bank.chain):
        evm.house.pay(token, address.script, 25_000_000)
        await states(bank, {asset_of(token): (DepositState.CREDITED, 1)})
        evm.house.node.reorganise(1)

        async def taken_back() -> bool:
            await bank.follow()
            return await bank.available(asset=asset_of(token)) == 0

        await until(taken_back)
        evm.house.pay(token, address.script, 7_000_000)

        async def again() -> bool:
            await bank.follow()
            return await bank.available(asset=asset_of(token)) == 7_000_000

        await until(again)
    assert bank.postings() == [(2, 1)]


async def test_another_token_on_an_invoices_address_is_the_merchants_and_a_token_that_is_not_held_is_nobodys(
    evm: EvmScene,
) -> None:
    held, other, stranger = (evm.house.deploy("test/TetherToken", 6) for _ in range(3))
    bank = await open_bank(evm, held, other)
    address = await bank.address(asset=asset_of(held))
    async with watching(evm, bank.chain):
        evm.house.pay(other, address.script, 5_000_000)
        evm.house.pay(stranger, address.script, 6_000_000)
        evm.house.node.mine(3)
        await states(bank, {asset_of(other): (DepositState.CREDITED, 1)})
    deposit = await bank.the_deposit()
    assert deposit.told_exception == "wrong-asset"
    assert await bank.available(asset=asset_of(other)) == 5_000_000
