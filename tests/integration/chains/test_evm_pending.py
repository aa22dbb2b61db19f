"""What waits to be mined is seen before a block has it; replaced, dropped or failed, it is said to be gone."""

from __future__ import annotations

import pytest

from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.model import EventKind, RemovalReason
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import ETHER, stranger, text
from tests.integration.chains.evm_support import (
    COIN,
    Answer,
    EvmScene,
    asset_of,
    proxy_of,
    refusing,
    settings_for,
    three_of,
    watching,
)
from tests.integration.chains.support import until

TETHER = contract("test/TetherToken")
GWEI = 10**9


async def _open(evm: EvmScene, expected: set[str]) -> None:
    async def there() -> bool:
        return set((await evm.folded()).open) == expected

    await until(there)


async def _seen(evm: EvmScene) -> dict[str, tuple[bytes, int, str, int, bool]]:
    """What was seen before any block had it, by txid."""
    return {
        tx.txid: (output.script, output.amount, output.asset, output.vout, tx.rbf)
        for event in await evm.events()
        if event.kind is EventKind.MEMPOOL_ADDED
        for tx in event.txs
        for output in tx.outputs
    }


async def _removals(evm: EvmScene) -> list[tuple[str, RemovalReason | None, str | None]]:
    return [
        (event.txs[0].txid, event.reason, event.replaced_by)
        for event in await evm.events()
        if event.kind is EventKind.MEMPOOL_REMOVED
    ]


async def test_coin_and_tokens_are_seen_while_they_wait_and_are_the_same_payments_in_their_block(evm: EvmScene) -> None:
    house, node = evm.house, evm.house.node
    token, other = house.deploy("test/TetherToken", 6), house.deploy("test/TetherToken", 6)
    payer, spender = node.dev_accounts()[1:3]
    house.mint(token, bytes.fromhex(payer[2:]), 100)
    house.mint(other, bytes.fromhex(payer[2:]), 100)
    node.transact(text(token), TETHER.call("approve", bytes.fromhex(spender[2:]), 30), sender=payer)
    first, second, third = (stranger(number) for number in range(3))
    evm.watch(first, second, third)
    async with watching(evm, settings_for(house, token)):
        await evm.synced()
        node.rpc("evm_setAutomine", False)
        coin = node.send(text(first), value=5, sender=payer)
        sent = node.send(text(token), TETHER.call("transfer", second, 40), sender=payer, gas=200_000)
        drawn = node.send(
            text(token),
            TETHER.call("transferFrom", bytes.fromhex(payer[2:]), third, 30),
            sender=spender,
            gas=200_000,
        )
        node.send(text(other), TETHER.call("transfer", second, 7), sender=payer, gas=200_000)  # not on the allow-list
        node.send(text(stranger(9)), value=6, sender=payer)  # nobody's
        node.send(text(token), TETHER.call("transfer", third, 0), sender=payer, gas=200_000)  # nothing
        await _open(evm, {coin, sent, drawn})
        assert await _seen(evm) == {
            coin: (first, 5, COIN, 1_000_000, True),
            sent: (second, 40, asset_of(token), 0, True),
            drawn: (third, 30, asset_of(token), 0, True),
        }
        assert await evm.paid() == []
        node.mine()
        folded = await evm.synced()
        assert folded.open == {}
    assert {(paid.txid, paid.output.script, paid.output.vout, paid.output.amount) for paid in await evm.paid()} == {
        (coin, first, 1_000_000, 5),
        (sent, second, 0, 40),
        (drawn, third, 0, 30),
    }
    assert await _removals(evm) == []


async def test_one_that_is_replaced_at_its_nonce_is_told_with_what_replaced_it(evm: EvmScene) -> None:
    house, node = evm.house, evm.house.node
    address, payer = stranger(1), node.dev_accounts()[1]
    evm.watch(address)
    async with watching(evm, settings_for(house)):
        await evm.synced()
        node.rpc("evm_setAutomine", False)
        old = node.send(text(address), value=5, sender=payer, nonce=0, gasPrice=3 * GWEI)
        await _open(evm, {old})
        new = node.send(text(address), value=6, sender=payer, nonce=0, gasPrice=9 * GWEI)
        await _open(evm, {new})
        assert await _removals(evm) == [(old, RemovalReason.REPLACED, new)]
        away = node.send(text(stranger(9)), value=7, sender=payer, nonce=0, gasPrice=20 * GWEI)
        await _open(evm, set())
        assert (await _removals(evm))[1:] == [(new, RemovalReason.REPLACED, away)]
        node.mine()
        await evm.synced()
    assert await evm.paid() == []


async def test_one_that_is_dropped_is_gone_and_seen_again_when_it_comes_back(evm: EvmScene) -> None:
    house, node = evm.house, evm.house.node
    address, payer = stranger(1), node.dev_accounts()[1]
    evm.watch(address)
    async with watching(evm, settings_for(house)):
        await evm.synced()
        node.rpc("evm_setAutomine", False)
        sent = node.send(text(address), value=5, sender=payer, nonce=0, gasPrice=3 * GWEI)
        await _open(evm, {sent})
        node.rpc("anvil_dropTransaction", sent)
        await _open(evm, set())
        assert await _removals(evm) == [(sent, RemovalReason.EVICTED, None)]
        assert node.send(text(address), value=5, sender=payer, nonce=0, gasPrice=3 * GWEI) == sent
        await _open(evm, {sent})
        node.mine()
        await evm.synced()
    assert await evm.amounts(COIN) == {address: [5]}


async def test_what_another_chain_tx_of_its_sender_displaced_in_a_block_is_in_conflict(evm: EvmScene) -> None:
    house, node = evm.house, evm.house.node
    address, payer = stranger(1), node.dev_accounts()[1]
    evm.watch(address)
    async with watching(evm, settings_for(house)):
        await evm.synced()
        node.rpc("evm_setAutomine", False)
        old = node.send(text(address), value=5, sender=payer, nonce=0, gasPrice=3 * GWEI)
        await _open(evm, {old})
    node.send(text(stranger(9)), value=6, sender=payer, nonce=0, gasPrice=9 * GWEI)
    node.mine()
    async with watching(evm, settings_for(house)):  # nobody saw how; what is open is known from the event log
        await _open(evm, set())
    assert await _removals(evm) == [(old, RemovalReason.CONFLICT, None)]


async def test_a_transfer_that_would_fail_is_not_seen_and_one_that_fails_in_its_block_is_gone(evm: EvmScene) -> None:
    house, node = evm.house, evm.house.node
    token = house.deploy("test/TetherToken", 6)
    poor, rich = node.dev_accounts()[1:3]
    house.mint(token, bytes.fromhex(rich[2:]), 100)
    address = stranger(1)
    evm.watch(address)
    async with watching(evm, settings_for(house, token)):
        await evm.synced()
        node.rpc("evm_setAutomine", False)
        node.send(text(token), TETHER.call("transfer", address, 50), sender=poor, gas=200_000)
        covered = node.send(text(token), TETHER.call("transfer", address, 60), sender=rich, gas=200_000)
        again = node.send(text(token), TETHER.call("transfer", address, 70), sender=rich, gas=200_000)  # one too many
        await _open(evm, {covered, again})
        node.mine()
        await evm.synced()
        await _open(evm, set())
    assert await evm.amounts(asset_of(token)) == {address: [60]}
    assert await _removals(evm) == [(again, RemovalReason.CONFLICT, None)]


async def test_a_token_that_says_no_and_one_that_is_refused_are_not_seen(evm: EvmScene) -> None:
    house, node = evm.house, evm.house.node
    false = house.deploy("test/FalseToken", True)
    refused = house.deploy("test/TetherToken", 6)
    payer, address = node.dev_accounts()[1], stranger(1)
    house.mint(refused, bytes.fromhex(payer[2:]), 100)
    evm.watch(address)
    evm.database.execute(
        "INSERT INTO chain_refused_token (chain, asset, reason, height) VALUES (%s, %s, 'a test', 1)",
        settings_for(house).id,
        asset_of(refused),
    )
    async with watching(evm, settings_for(house, false, refused)):
        await evm.synced()
        node.rpc("evm_setAutomine", False)
        node.send(text(false), TETHER.call("transfer", address, 50), sender=payer, gas=200_000)
        node.send(text(refused), TETHER.call("transfer", address, 60), sender=payer, gas=200_000)
        coin = node.send(text(address), value=5, sender=payer)
        await _open(evm, {coin})
        assert set(await _seen(evm)) == {coin}


async def test_one_endpoints_word_is_enough_to_see_and_to_be_gone_all_have_to_forget(evm: EvmScene) -> None:
    house, node = evm.house, evm.house.node
    address, payer = stranger(1), node.dev_accounts()[1]
    evm.watch(address)
    with three_of(house) as (proxies, urls):
        refused = refusing(
            {"eth_getBlockByNumber"}, -32601, "no pending block", lambda ask: ask["params"][0] == "pending"
        )

        def forgetful(question: Answer, answer: Answer) -> Answer:
            if question["method"] == "eth_getTransactionByHash":
                return {**answer, "result": None}
            return refused(question, answer)

        for proxy in proxies[:2]:
            proxy.forge = forgetful
        async with watching(evm, settings_for(house, urls=urls, agree_min=2)):
            await evm.synced()
            node.rpc("evm_setAutomine", False)
            sent = node.send(text(address), value=5, sender=payer, nonce=0, gasPrice=3 * GWEI)
            await _open(evm, {sent})
            proxies[2].forge = refused  # its pending block is gone, and it still knows the chain tx
            asked = len(proxies[2].asked)
            await until(lambda: _asked(proxies[2].asked, asked, "eth_getTransactionByHash", 3))
            assert set((await evm.folded()).open) == {sent}
            proxies[2].forge = forgetful
            await _open(evm, set())
    assert await _removals(evm) == [(sent, RemovalReason.EVICTED, None)]


async def _asked(methods: list[str], since: int, method: str, times: int) -> bool:
    return methods[since:].count(method) >= times


@pytest.mark.parametrize("answer", ["refused", "null", "latest", "malformed"])
async def test_where_no_endpoint_shows_what_waits_nothing_changes(evm: EvmScene, answer: str) -> None:
    house, node = evm.house, evm.house.node
    address, payer = stranger(1), node.dev_accounts()[1]
    evm.watch(address)

    def forge(question: Answer, told: Answer) -> Answer:
        if question["method"] != "eth_getBlockByNumber" or question["params"][0] != "pending":
            return told
        result = {
            "null": None,
            "latest": node.rpc("eth_getBlockByNumber", "latest", True),
            "malformed": {**told["result"], "transactions": ["0x00"]},
            "refused": None,
        }[answer]
        if answer == "refused":
            return {"jsonrpc": "2.0", "id": question["id"], "error": {"code": -32602, "message": "no such block"}}
        return {**told, "result": result}

    with proxy_of(node.rpc_url) as (proxy, url):
        proxy.forge = forge
        async with watching(evm, settings_for(house, urls=(url,))):
            await evm.synced()
            node.rpc("evm_setAutomine", False)
            node.send(text(address), value=5, sender=payer)
            asked = len(proxy.asked)
            await until(lambda: _asked(proxy.asked, asked, "eth_getBlockByNumber", 8))
            assert await _seen(evm) == {}
            node.mine()
            await evm.synced()
            asked = len(proxy.asked)
            await until(lambda: _asked(proxy.asked, asked, "eth_getBlockByNumber", 8))
            assert (await evm.folded()).open == {}  # and what is in a block does not wait for one
            assert await evm.amounts(COIN) == {address: [5]}


async def test_it_can_be_switched_off(evm: EvmScene) -> None:
    house, node = evm.house, evm.house.node
    payer = node.dev_accounts()[1]
    evm.watch(stranger(1))
    settings = settings_for(house, pending="none")
    async with watching(evm, settings):
        await evm.synced()
        node.rpc("evm_setAutomine", False)
        node.send(text(stranger(1)), value=ETHER, sender=payer)
        node.rpc("anvil_mine", "0x0")
        node.rpc("evm_setAutomine", True)
        house.pay(ZERO_ADDRESS, stranger(1), 3)
        await evm.synced()
    assert await _seen(evm) == {}
