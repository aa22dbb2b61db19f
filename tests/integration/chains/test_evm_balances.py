"""Where endpoints offer no traces, coin that came inside of calls is found by balances at final blocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from strongroom.chains import service
from strongroom.chains.ethereum import store, views
from strongroom.chains.ethereum.contracts import SweepItem, contract
from strongroom.chains.model import ChainStatus
from strongroom.infra.database import make_pool, transaction
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import succeeded, text
from tests.integration.chains.evm_support import (
    CHAIN,
    COIN,
    Answer,
    EvmScene,
    proxy_of,
    refusing,
    settings_for,
    watching,
)
from tests.integration.chains.support import until

SENDER = contract("test/EtherSender")


async def _hand_out(evm: EvmScene, *addresses: bytes, hours: int = 1) -> None:
    async with transaction(evm.worker) as connection:
        await service.watch_scripts(connection, CHAIN, addresses)
        await service.watch_balances(connection, CHAIN, addresses, datetime.now(UTC) + timedelta(hours=hours))


async def _amounts_become(evm: EvmScene, expected: dict[bytes, list[int]]) -> None:
    async def there() -> bool:
        evm.house.node.mine()
        return await evm.amounts(COIN) == expected

    await until(there)


async def test_inner_coin_is_credited_once_beside_what_came_directly_and_sweeps_do_not_hide_it(evm: EvmScene) -> None:
    house = evm.house
    sender = house.deploy("test/EtherSender")
    first, second = house.forwarder(2, 0), house.forwarder(2, 1)
    async with watching(evm, settings_for(house, traces="none")):
        await evm.synced()
        await _hand_out(evm, first, second)
        house.pay(ZERO_ADDRESS, first, 100)
        assert succeeded(house.transact(sender, SENDER.call("pay", first), value=7))
        assert succeeded(house.transact(sender, SENDER.call("pay_undone", second), value=9))
        await _amounts_become(evm, {first: [100, 7]})
        assert succeeded(house.transact(sender, SENDER.call("pay_twice", first), value=20))
        assert succeeded(house.sweep(SweepItem(2, 0)))
        house.pay(ZERO_ADDRESS, second, 5)
        assert succeeded(house.transact(sender, SENDER.call("pay_deep", second), value=3))
        await _amounts_become(evm, {first: [100, 7, 20], second: [5, 3]})
    async with watching(evm, settings_for(house, traces="none")):
        house.node.mine(10)
        await evm.synced()
        assert await evm.amounts(COIN) == {first: [100, 7, 20], second: [5, 3]}


async def test_a_finding_outlives_a_reorg_of_the_block_that_it_was_recorded_with(evm: EvmScene) -> None:
    house = evm.house
    sender = house.deploy("test/EtherSender")
    address = house.forwarder(2, 0)
    async with watching(evm, settings_for(house, traces="none")):
        await evm.synced()
        await _hand_out(evm, address)
        assert succeeded(house.transact(sender, SENDER.call("pay", address), value=7))
        await _amounts_become(evm, {address: [7]})
        await evm.synced()
        house.node.reorganise(1)
        await evm.synced()
        assert await evm.amounts(COIN) == {address: [7]}
        house.node.mine(30)
        await evm.synced()
    assert await evm.amounts(COIN) == {address: [7]}
    (found,) = await evm.paid()
    assert found.output.vout == 2_000_000


async def test_what_an_address_held_before_it_was_handed_out_is_nobodys(evm: EvmScene) -> None:
    house = evm.house
    sender = house.deploy("test/EtherSender")
    address = house.forwarder(2, 0)
    house.pay(ZERO_ADDRESS, address, 1_000)
    house.node.mine(5)
    async with watching(evm, settings_for(house, traces="none")):
        await evm.synced()
        await _hand_out(evm, address)
        assert succeeded(house.transact(sender, SENDER.call("pay", address), value=7))
        await _amounts_become(evm, {address: [7]})


async def test_addresses_that_nobody_said_are_paid_now_are_not_read(evm: EvmScene) -> None:
    house = evm.house
    sender = house.deploy("test/EtherSender")
    idle, active = house.forwarder(2, 0), house.forwarder(2, 1)
    async with watching(evm, settings_for(house, traces="none")):
        await evm.synced()
        await _hand_out(evm, idle, hours=-1)
        await _hand_out(evm, active)
        for address in (idle, active):
            assert succeeded(house.transact(sender, SENDER.call("pay", address), value=7))
        await _amounts_become(evm, {active: [7]})


async def test_coin_that_came_while_there_were_no_traces_is_found_after_they_are_back(
    evm: EvmScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "TRACES_AGAIN_SECONDS", 0.2)
    house = evm.house
    sender = house.deploy("test/EtherSender")
    address = house.forwarder(2, 0)
    with proxy_of(house.node.rpc_url) as (proxy, url):
        proxy.forge = refusing({"debug_traceBlockByHash", "trace_block"}, -32005, "limit exceeded: slow down")
        async with watching(evm, settings_for(house, urls=(url,))):
            await evm.synced()
            await _hand_out(evm, address)
            assert succeeded(house.transact(sender, SENDER.call("pay", address), value=7))
            await evm.synced()
            assert await evm.paid() == []
            proxy.forge = None

            async def traced() -> bool:
                assert succeeded(house.transact(sender, SENDER.call("pay", address), value=5))
                await evm.synced()
                return any(1_000_000 < paid.output.vout < 2_000_000 for paid in await evm.paid())

            await until(traced)

            async def all_told() -> bool:
                house.node.mine()
                told = (await evm.amounts(COIN))[address]
                return sum(told) == house.balance(ZERO_ADDRESS, address)

            await until(all_told)
            await until(lambda: _nothing_untraced(evm))
            proxy.asked.clear()
            house.node.mine(3)
            await evm.synced()
            assert "eth_getBalance" not in proxy.asked
    assert sum((await evm.amounts(COIN))[address]) == house.balance(ZERO_ADDRESS, address)


async def _nothing_untraced(evm: EvmScene) -> bool:
    evm.house.node.mine()
    return evm.database.execute("SELECT height FROM chain_untraced") == []


async def _some_balance_read(evm: EvmScene) -> bool:
    evm.house.node.mine()
    return evm.database.execute("SELECT height FROM chain_balance") != []


async def test_balances_that_cannot_be_read_are_an_alarm_and_stop_nothing_else(evm: EvmScene) -> None:
    house = evm.house
    sender = house.deploy("test/EtherSender")
    first, second = house.forwarder(2, 0), house.forwarder(2, 1)
    with proxy_of(house.node.rpc_url) as (proxy, url):
        async with watching(evm, settings_for(house, urls=(url,), traces="none")):
            await evm.synced()
            await _hand_out(evm, first)
            await until(lambda: _some_balance_read(evm))
            proxy.forge = refusing({"eth_getBalance"}, -32000, "missing trie node 00")
            await _hand_out(evm, second)
            house.pay(ZERO_ADDRESS, first, 100)
            assert succeeded(house.transact(sender, SENDER.call("pay", first), value=7))

            async def alarmed() -> bool:
                house.node.mine()
                tip = await evm.tip()
                assert tip is None or tip.status in {ChainStatus.OK, ChainStatus.SYNCING}
                return tip is not None and "coin inside of calls is not looked for" in tip.detail

            await until(alarmed)
            await evm.synced()
            assert await evm.amounts(COIN) == {first: [100]}
            proxy.forge = None
            await _amounts_become(evm, {first: [100, 7]})


async def test_one_address_whose_first_balance_is_pruned_does_not_keep_others_from_being_read(evm: EvmScene) -> None:
    house = evm.house
    sender = house.deploy("test/EtherSender")
    lost, found = house.forwarder(2, 0), house.forwarder(2, 1)

    def of_lost(question: Answer) -> bool:
        return bool(question["params"][0] == text(lost))

    with proxy_of(house.node.rpc_url) as (proxy, url):
        proxy.forge = refusing({"eth_getBalance"}, -32000, "missing trie node 00", of_lost)
        async with watching(evm, settings_for(house, urls=(url,), traces="none")):
            await evm.synced()
            await _hand_out(evm, lost)
            house.node.mine(5)
            await evm.synced()
            await _hand_out(evm, found)
            assert succeeded(house.transact(sender, SENDER.call("pay", found), value=7))
            await _amounts_become(evm, {found: [7]})
            await evm.said(ChainStatus.OK, "coin inside of calls to 1 addresses")


async def test_no_balances_are_read_twice_at_one_block(evm: EvmScene) -> None:
    """What is found goes by the hash of that block: a second finding would have the name of the first."""
    for script, since in ((b"\x01" * 20, 3), (b"\x02" * 20, 5)):
        evm.database.execute(
            "INSERT INTO chain_balance_watch (chain, script, since_height, until) VALUES (%s, %s, %s, 'infinity')",
            CHAIN,
            script,
            since,
        )
    pool = make_pool(evm.database.dsn("watcher"), size=1, name="test-watcher")
    async with pool, transaction(pool) as connection:
        assert len(await store.load_balance_watches(connection, CHAIN, 9)) == 2
        await store.save_balances(connection, CHAIN, 9, {b"\x01" * 20: 0})
        assert await store.load_balance_watches(connection, CHAIN, 9) == []
        assert len(await store.load_balance_watches(connection, CHAIN, 10)) == 2
