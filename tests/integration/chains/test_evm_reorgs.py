"""Reorganisations at several depths: payments that vanish, that move to another block, that fail the second time."""

from __future__ import annotations

import pytest

from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.model import ChainStatus, EventKind, RemovalReason
from strongroom.infra import stops
from strongroom.infra.database import transaction
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import stranger, succeeded, text
from tests.integration.chains.evm_support import CHAIN, COIN, EvmScene, asset_of, settings_for, watching
from tests.integration.chains.support import until

DEPTHS = [1, 3, 7]


async def _said_to_be_gone(evm: EvmScene, reason: RemovalReason) -> None:
    async def gone() -> bool:
        return any(event.reason is reason for event in await evm.events())

    await until(gone)


@pytest.mark.parametrize("depth", DEPTHS)
async def test_a_payment_whose_block_is_orphaned_is_taken_back_and_said_to_be_gone(evm: EvmScene, depth: int) -> None:
    house, address = evm.house, stranger(1)
    token = house.deploy("test/TetherToken", 6)
    evm.watch(address)
    house.node.mine(depth)
    async with watching(evm, settings_for(house, token)):
        house.pay(ZERO_ADDRESS, address, 5)
        if depth > 1:
            house.node.mine(depth - 1)
        await evm.synced()
        assert await evm.amounts(COIN) == {address: [5]}
        house.node.reorganise(depth)
        folded = await evm.synced()
        assert await evm.paid() == []
        await _said_to_be_gone(evm, RemovalReason.EVICTED)
    disconnected = [event for event in await evm.events() if event.kind is EventKind.DISCONNECTED]
    assert len(disconnected) == depth
    height = house.node.block_number()
    hashes = {at: house.node.rpc("eth_getBlockByNumber", hex(at), False)["hash"] for at in range(height + 1)}
    assert folded.active == hashes


@pytest.mark.parametrize("depth", DEPTHS)
async def test_a_payment_that_moves_to_another_block_is_there_once(evm: EvmScene, depth: int) -> None:
    house, address = evm.house, stranger(1)
    token = house.deploy("test/TetherToken", 6)
    evm.watch(address)
    house.node.mine(depth)
    async with watching(evm, settings_for(house, token)):
        receipt = house.mint(token, address, 70)
        if depth > 1:
            house.node.mine(depth - 1)
        await evm.synced()
        raw = house.node.rpc("debug_getRawTransaction", receipt["transactionHash"])
        house.node.rpc("anvil_reorg", depth, [[raw, depth - 1]])
        house.node.mine()
        folded = await evm.synced()
    (paid,) = await evm.paid()
    assert (paid.txid, paid.output.vout, paid.output.amount) == (receipt["transactionHash"], 0, 70)
    assert folded.open == {}
    again = house.node.receipt(paid.txid)
    assert again is not None
    assert folded.confirmed[paid.txid] == again["blockHash"] != receipt["blockHash"]


async def test_a_chain_tx_that_comes_back_and_fails_is_said_to_be_in_conflict(evm: EvmScene) -> None:
    house, address = evm.house, stranger(1)
    tether, payer = house.deploy("test/TetherToken", 6), bytes.fromhex(house.node.dev_accounts()[1][2:])
    evm.watch(address)
    async with watching(evm, settings_for(house, tether)):
        house.mint(tether, payer, 100)
        data = contract("test/TetherToken").call("transfer", address, 100)
        receipt = house.node.transact(text(tether), data, sender=text(payer), gas=200_000)
        assert succeeded(receipt)
        await evm.synced()
        raw = house.node.rpc("debug_getRawTransaction", receipt["transactionHash"])
        house.node.rpc("anvil_reorg", 2, [[raw, 0]])  # this time without the payer's money
        house.node.mine()
        await evm.synced()
        await _said_to_be_gone(evm, RemovalReason.CONFLICT)
    assert await evm.amounts(asset_of(tether)) == {}
    assert (await evm.folded()).open == {}


async def test_a_reorg_beyond_the_horizon_stops_crediting_until_an_operator_clears_it(evm: EvmScene) -> None:
    house = evm.house
    house.node.mine(6)
    async with watching(evm, settings_for(house, horizon=3)):
        await evm.synced()
        house.node.reorganise(5)
        await evm.said(ChainStatus.REORG_TOO_DEEP, "horizon of 3")
        async with transaction(evm.worker) as connection:
            assert "5 confirmations" in (await stops.stopped(connection, stops.Stop.CREDIT, CHAIN) or "")
            await stops.clear_stop(connection, stops.Stop.CREDIT, "looked at it", "operator", CHAIN)
        await evm.said(ChainStatus.OK)


async def test_what_was_called_final_and_is_orphaned_stops_crediting_where_finality_is_believed(evm: EvmScene) -> None:
    house = evm.house
    house.node.mine(6)
    async with watching(evm, settings_for(house, horizon=12, confirm_by="finalized")):
        await evm.synced()
        house.node.reorganise(4)
        await evm.said(ChainStatus.REORG_TOO_DEEP, "called final")
