"""Endpoints that refuse wide ranges, do not know blocks by hash, or have forgotten old state."""

from __future__ import annotations

from strongroom.chains.model import ChainStatus
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import stranger
from tests.integration.chains.evm_support import COIN, Answer, EvmScene, asset_of, proxy_of, settings_for, watching

RANGE_MAX = 3


def _refused(answer: Answer, message: str, code: int = -32005) -> Answer:
    return {"jsonrpc": "2.0", "id": answer["id"], "error": {"code": code, "message": message}}


async def test_ranges_shrink_where_they_are_refused_and_nothing_is_missed(evm: EvmScene) -> None:
    widths: list[int] = []

    def narrow(question: Answer, answer: Answer) -> Answer:
        where = question["params"][0] if question["method"] == "eth_getLogs" else {}
        if "fromBlock" not in where:
            return answer
        widths.append(int(where["toBlock"], 16) - int(where["fromBlock"], 16) + 1)
        return answer if widths[-1] <= RANGE_MAX else _refused(answer, "query returned more than 10000 results")

    token, address = evm.house.deploy("test/TetherToken", 6), stranger(1)
    evm.watch(address)
    for amount in range(1, 21):
        evm.house.mint(token, address, amount)
        evm.house.node.mine(3)
    with proxy_of(evm.house.node.rpc_url) as (proxy, url):
        proxy.forge = narrow
        async with watching(evm, settings_for(evm.house, token, urls=(url,), horizon=5)):
            await evm.synced()
    assert await evm.amounts(asset_of(token)) == {address: list(range(1, 21))}
    assert max(widths) > RANGE_MAX
    assert any(width <= RANGE_MAX for width in widths)
    assert len(widths) < 80  # by the tens, not one by one


async def test_state_is_asked_for_by_height_where_hashes_are_not_known(evm: EvmScene) -> None:
    def old(question: Answer, answer: Answer) -> Answer:
        if question["method"] == "eth_call" and isinstance(question["params"][1], dict):
            return _refused(answer, "invalid argument 1: json: cannot unmarshal object", -32602)
        return answer

    token, address = evm.house.deploy("test/FeeToken", 250, True), stranger(1)
    evm.watch(address)
    with proxy_of(evm.house.node.rpc_url) as (proxy, url):
        proxy.forge = old
        async with watching(evm, settings_for(evm.house, token, urls=(url,))):
            evm.house.mint(token, address, 5)
            await evm.synced()
    assert await evm.amounts(asset_of(token)) == {address: [5]}


async def test_a_payment_whose_state_is_forgotten_waits_for_an_endpoint_that_has_it(evm: EvmScene) -> None:
    def pruned(question: Answer, answer: Answer) -> Answer:
        return _refused(answer, "missing trie node", -32000) if question["method"] == "eth_call" else answer

    token, address = evm.house.deploy("test/TetherToken", 6), stranger(1)
    evm.watch(address)
    evm.house.mint(token, address, 5)
    with proxy_of(evm.house.node.rpc_url) as (proxy, url):
        proxy.forge = pruned
        async with watching(evm, settings_for(evm.house, token, urls=(url,))):
            await evm.said(ChainStatus.DOWN, "archive node")
            assert await evm.paid() == []
            proxy.forge = None
            await evm.synced()
    assert await evm.amounts(asset_of(token)) == {address: [5]}


async def test_nothing_that_is_not_held_is_recorded(evm: EvmScene) -> None:
    address = stranger(1)
    evm.watch(address)
    token = evm.house.deploy("test/TetherToken", 6)
    evm.house.pay(ZERO_ADDRESS, address, 7)
    evm.house.mint(token, address, 8)
    async with watching(evm, settings_for(evm.house, token, coin=False)):
        await evm.synced()
        assert await evm.amounts(COIN) == {}
        assert await evm.amounts(asset_of(token)) == {address: [8]}
