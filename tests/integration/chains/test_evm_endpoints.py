"""Three endpoints of which two have to agree: one that lies, lags or is down is an alarm.

Two that do stop the chain.
"""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.chains.errors import WrongNetworkError
from strongroom.chains.ethereum.node import EthereumNode
from strongroom.chains.model import ChainStatus
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import ETHER, stranger, text
from tests.integration.chains.evm_support import (
    COIN,
    Answer,
    EvmScene,
    Forge,
    asset_of,
    settings_for,
    three_of,
    watching,
)
from tests.integration.chains.support import until

BLOCKS = {"eth_getBlockByNumber", "eth_getBlockByHash"}


def _other_hash(question: Answer, answer: Answer) -> Answer:
    """Say another hash of every block, by number and in chain."""
    if question["method"] in BLOCKS and answer.get("result"):
        block = answer["result"]
        return {**answer, "result": {**block, "hash": "0x" + "ab" * 32}}
    return answer


def _invented_log(token: bytes, to: bytes, of: dict[str, Any]) -> Forge:
    """Tell the right hashes, and a transfer that never was, in logs, receipt and balance."""
    log = {
        **{key: of[key] for key in ("blockHash", "blockNumber", "transactionHash", "transactionIndex")},
        "address": text(token),
        "topics": [
            "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
            "0x" + "00" * 32,
            "0x" + to.hex().rjust(64, "0"),
        ],
        "data": hex(ETHER * 1000 + (1 << 255))[:2] + f"{ETHER * 1000:064x}",
        "logIndex": "0x0",
        "removed": False,
    }

    def forge(question: Answer, answer: Answer) -> Answer:
        method = question["method"]
        if method == "eth_getLogs":
            where = question["params"][0]
            if where.get("blockHash", of["blockHash"]) == of["blockHash"]:
                return {**answer, "result": [*answer["result"], log]}
        if method == "eth_getTransactionReceipt" and question["params"][0] == of["transactionHash"]:
            return {**answer, "result": {**answer["result"], "logs": [log]}}
        if method == "eth_call" and to.hex() in question["params"][0]["data"]:
            there = question["params"][1] == {"blockHash": of["blockHash"]}
            return {**answer, "result": "0x" + f"{ETHER * 1000 if there else 0:064x}"}
        return answer

    return forge


def _without_logs(question: Answer, answer: Answer) -> Answer:
    return {**answer, "result": []} if question["method"] == "eth_getLogs" else answer


@pytest.mark.parametrize("liar", [0, 2])
async def test_one_that_says_other_hashes_is_an_alarm_and_the_other_two_go_on(evm: EvmScene, liar: int) -> None:
    address = stranger(1)
    evm.watch(address)
    with three_of(evm.house) as (proxies, urls):
        proxies[liar].forge = _other_hash
        async with watching(evm, settings_for(evm.house, urls=urls, agree_min=2)):
            evm.house.pay(ZERO_ADDRESS, address, 7)
            await evm.synced()
            await evm.said(ChainStatus.OK, f"endpoint {liar + 1} ")
            assert await evm.amounts(COIN) == {address: [7]}
            proxies[liar].forge = None
            evm.house.node.mine()
            await evm.synced()

            async def well() -> bool:
                tip = await evm.tip()
                return tip is not None and tip.detail == ""

            await until(well)


async def test_one_that_tells_the_right_hash_with_forged_logs_credits_nothing(evm: EvmScene) -> None:
    token, address = evm.house.deploy("test/StandardToken", "Test", "TST", 18), stranger(1)
    evm.watch(address)
    with three_of(evm.house) as (proxies, urls):
        block = evm.house.transact(stranger(9), value=1)
        proxies[0].forge = _invented_log(token, address, block)
        async with watching(evm, settings_for(evm.house, token, urls=urls, agree_min=2)):
            await evm.synced()
            evm.house.mint(token, address, 5)
            await evm.synced()
    assert await evm.amounts(asset_of(token)) == {address: [5]}


async def test_one_that_leaves_logs_out_hides_nothing(evm: EvmScene) -> None:
    token, address = evm.house.deploy("test/StandardToken", "Test", "TST", 18), stranger(1)
    evm.watch(address)
    evm.house.mint(token, address, 5)
    with three_of(evm.house) as (proxies, urls):
        proxies[1].forge = _without_logs
        async with watching(evm, settings_for(evm.house, token, urls=urls, agree_min=2)):
            await evm.synced()
            evm.house.mint(token, address, 6)
            await evm.synced()
            await evm.said(ChainStatus.OK, "endpoint 2 ")
    assert await evm.amounts(asset_of(token)) == {address: [5, 6]}


async def test_two_forged_in_different_ways_stop_the_chain_until_one_is_right_again(evm: EvmScene) -> None:
    token, address = evm.house.deploy("test/StandardToken", "Test", "TST", 18), stranger(1)
    evm.watch(address)
    with three_of(evm.house) as (proxies, urls):
        async with watching(evm, settings_for(evm.house, token, urls=urls, agree_min=2)):
            await evm.synced()
            before = len(await evm.events())
            proxies[0].forge, proxies[1].forge = _other_hash, _without_logs
            evm.house.mint(token, address, 5)
            await evm.said(ChainStatus.DISAGREE, "agree about block")
            assert len(await evm.events()) == before
            proxies[0].forge = None
            await evm.synced()
    assert await evm.amounts(asset_of(token)) == {address: [5]}


async def test_one_that_is_down_is_an_alarm_two_are_a_stop_and_all_is_well_again_by_itself(evm: EvmScene) -> None:
    address = stranger(1)
    evm.watch(address)
    with three_of(evm.house) as (proxies, urls):
        async with watching(evm, settings_for(evm.house, urls=urls, agree_min=2)):
            proxies[2].down = True
            evm.house.pay(ZERO_ADDRESS, address, 1)
            await evm.synced()
            await evm.said(ChainStatus.OK, "endpoint 3 ")
            proxies[1].down = True
            await evm.said(ChainStatus.DISAGREE, "1 of 3 endpoints answer")
            evm.house.pay(ZERO_ADDRESS, address, 2)
            proxies[0].down = True
            await evm.said(ChainStatus.DOWN)
            for proxy in proxies:
                proxy.down = False
            await evm.synced()
    assert await evm.amounts(COIN) == {address: [1, 2]}


async def test_one_that_lags_far_behind_is_an_alarm(evm: EvmScene) -> None:
    def lagging(question: Answer, answer: Answer) -> Answer:
        if question["method"] == "eth_getBlockByNumber" and question["params"][0] == "latest":
            return {**answer, "result": {**answer["result"], "number": "0x1"}}
        return answer

    evm.house.node.mine(60)
    with three_of(evm.house) as (proxies, urls):
        proxies[0].forge = lagging
        async with watching(evm, settings_for(evm.house, urls=urls, agree_min=2)):
            await evm.synced()
            await evm.said(ChainStatus.OK, "lags behind the others")


async def test_nonsense_is_one_endpoints_failure_only(evm: EvmScene) -> None:
    def nonsense(question: Answer, answer: Answer) -> Answer:
        return {**answer, "result": {"number": [], "hash": 5}} if question["method"] in BLOCKS else answer

    with three_of(evm.house) as (proxies, urls):
        proxies[1].forge = nonsense
        async with watching(evm, settings_for(evm.house, urls=urls, agree_min=2)):
            evm.house.node.mine(2)
            await evm.synced()


async def test_endpoints_of_another_chain_are_refused_by_watcher_and_client(evm: EvmScene) -> None:
    def another(question: Answer, answer: Answer) -> Answer:
        return {**answer, "result": "0x1"} if question["method"] == "eth_chainId" else answer

    with three_of(evm.house) as (proxies, urls):
        for proxy in proxies:
            proxy.forge = another
        settings = settings_for(evm.house, urls=urls, agree_min=2)
        async with watching(evm, settings):
            await evm.said(ChainStatus.WRONG_NETWORK, "serves eip155:1, not eip155:31337")
        node = EthereumNode(settings)
        with pytest.raises(WrongNetworkError):
            await node.tip()
        await node.close()
    assert await evm.events() == []


async def test_endpoints_that_become_another_chain_between_two_looks_are_refused(evm: EvmScene) -> None:
    def another(question: Answer, answer: Answer) -> Answer:
        return {**answer, "result": "0x1"} if question["method"] == "eth_chainId" else answer

    with three_of(evm.house) as (proxies, urls):
        async with watching(evm, settings_for(evm.house, urls=urls, agree_min=2)):
            evm.house.node.mine(2)
            await evm.synced()
            for proxy in proxies:
                proxy.forge = another
            await evm.said(ChainStatus.WRONG_NETWORK, "serves eip155:1, not eip155:31337")
            for proxy in proxies:
                proxy.forge = None
            evm.house.node.mine(1)
            await evm.synced()
