"""Real chain txs on a real anvil become facts: coin, inner coin, tokens of every kind; and nothing else does."""

from __future__ import annotations

import pytest

from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.model import ChainStatus
from strongroom_core.evm import ZERO_ADDRESS, Call, encode_transfer
from tests.fixtures.ethereum_house import ETHER, stranger, succeeded, text
from tests.integration.chains.evm_support import COIN, EvmScene, asset_of, settings_for, watching

SENDER = contract("test/EtherSender")


async def test_coin_and_a_token_to_watched_addresses_are_facts_with_block_asset_and_amount(evm: EvmScene) -> None:
    token = evm.house.deploy("test/TetherToken", 6)
    ours, other = stranger(1), stranger(2)
    evm.watch(ours)
    evm.house.pay(ZERO_ADDRESS, ours, 5 * ETHER)
    evm.house.pay(ZERO_ADDRESS, other, ETHER)
    receipt = evm.house.mint(token, ours, 7_000_000)
    evm.house.mint(token, other, 9_000_000)
    async with watching(evm, settings_for(evm.house, token)):
        await evm.synced()
    coin, tether = sorted(await evm.paid(), key=lambda paid: paid.output.asset != COIN)
    assert (coin.output.vout, coin.output.script, coin.output.amount) == (1_000_000, ours, 5 * ETHER)
    assert (tether.txid, tether.output.vout) == (receipt["transactionHash"], 0)
    assert (tether.output.asset, tether.output.amount) == (asset_of(token), 7_000_000)
    tip = await evm.tip()
    assert tip is not None
    assert tip.finalized_height == evm.house.node.block_number("finalized")


async def test_a_failed_chain_tx_and_an_undone_call_pay_nothing(evm: EvmScene) -> None:
    ours = stranger(1)
    evm.watch(ours)
    sender = evm.house.deploy("test/EtherSender")
    undone = evm.house.transact(sender, SENDER.call("pay_undone", ours), value=ETHER)
    assert succeeded(undone)
    failed = evm.house.transact(sender, SENDER.call("pay_and_fail", ours), value=ETHER, gas=200_000)
    assert not succeeded(failed)
    async with watching(evm, settings_for(evm.house)):
        await evm.synced()
    assert await evm.paid() == []


@pytest.mark.parametrize("traces", ["debug", "trace"])
async def test_coin_inside_of_calls_is_found_by_traces_with_the_same_number_in_either_form(
    evm: EvmScene, traces: str
) -> None:
    ours = stranger(1)
    evm.watch(ours)
    sender = evm.house.deploy("test/EtherSender")
    for function in ("pay", "pay_twice", "pay_deep", "pay_with_stipend", "pay_by_ending"):
        assert succeeded(evm.house.transact(sender, SENDER.call(function, ours), value=4 * ETHER))
    async with watching(evm, settings_for(evm.house, traces=traces)):
        await evm.synced()
    paid = [(item.output.vout - 1_000_000, item.output.amount // ETHER) for item in await evm.paid()]
    assert paid == [(1, 4), (1, 2), (2, 2), (2, 4), (1, 4), (1, 4)]
    assert evm.house.balance(ZERO_ADDRESS, ours) == 20 * ETHER


async def test_a_withdrawal_that_pays_hundreds_in_one_chain_tx_is_seen_in_full(evm: EvmScene) -> None:
    token = evm.house.deploy("test/StandardToken", "Test", "TST", 18)
    disperse = evm.house.deploy("test/Disperse")
    payer = bytes.fromhex(evm.house.node.dev_accounts()[0][2:])
    ours = [stranger(number) for number in range(300)]
    evm.watch(*ours)
    evm.house.mint(token, payer, ETHER)
    evm.house.transact(token, contract("test/StandardToken").call("approve", disperse, ETHER))
    amounts = [1_000 + number for number in range(300)]
    calls = contract("test/Disperse")
    in_tokens = evm.house.transact(disperse, calls.call("disperseToken", token, ours, amounts))
    in_coin = evm.house.transact(disperse, calls.call("disperseEther", ours, amounts), value=sum(amounts))
    assert succeeded(in_tokens)
    assert succeeded(in_coin)
    async with watching(evm, settings_for(evm.house, token)):
        await evm.synced()
    expected = {address: [amount] for address, amount in zip(ours, amounts, strict=True)}
    assert await evm.amounts(asset_of(token)) == expected
    assert await evm.amounts(COIN) == expected


async def test_executions_of_our_safes_are_spends_with_nonce_effect_and_outcome(evm: EvmScene) -> None:
    house = evm.house
    hot = house.deployment.hot_safe
    token = house.deploy("test/StandardToken", "Test", "TST", 18)
    house.mint(token, hot, 100)
    good = house.safe_tx(hot, [Call(token, 0, encode_transfer(stranger(1), 60))])
    house.execute(hot, [Call(token, 0, encode_transfer(stranger(1), 60))])
    cancelled = house.safe_tx(hot, [Call(hot, 0, b"")])
    house.execute(hot, [Call(hot, 0, b"")])
    async with watching(evm, settings_for(house, token)):
        await evm.synced()
    first, second = await evm.spends()
    assert (first.prev_txid, first.prev_vout, first.success) == (text(hot), 0, True)
    assert (second.prev_txid, second.prev_vout, second.success) == (text(hot), 1, True)
    assert first.effect == "0x" + good.hash(house.node.chain_id, keccak).hex()
    assert second.effect == "0x" + cancelled.hash(house.node.chain_id, keccak).hex()


async def test_an_address_that_becomes_watched_counts_from_then_on(evm: EvmScene) -> None:
    early, late = stranger(1), stranger(2)
    evm.watch(early)
    async with watching(evm, settings_for(evm.house)):
        await evm.synced()
        evm.watch(late)
        evm.house.pay(ZERO_ADDRESS, late, 3)
        evm.house.pay(ZERO_ADDRESS, early, 4)
        await evm.synced()
        assert await evm.amounts(COIN) == {late: [3], early: [4]}
        assert await evm.status() is ChainStatus.OK
