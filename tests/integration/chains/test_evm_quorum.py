"""What money is decided by is what two of three endpoints say, of one block: one that lies only blames itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from strongroom.chains.errors import CallRevertedError, EndpointsDisagreeError
from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.ethereum.model import Place
from strongroom.chains.ethereum.node import EthereumNode
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import EthereumHouse, stranger
from tests.integration.chains.evm_support import Answer, Forge, Proxy, refusing, settings_for, three_of

OURS = stranger(1)
REVERT = {"code": 3, "message": "execution reverted", "data": "0x" + "ee" * 32}


@pytest.fixture
async def three(ethereum_house: EthereumHouse) -> AsyncIterator[tuple[list[Proxy], EthereumNode]]:
    with three_of(ethereum_house) as (proxies, urls):
        node = EthereumNode(settings_for(ethereum_house, urls=urls, agree_min=2))
        yield proxies, node
        await node.close()


def _saying(method: str, result: Any) -> Forge:
    """Answer one method with something else, all the rest truly: the right blocks among it."""

    def forge(question: Answer, answer: Answer) -> Answer:
        if question["method"] != method:
            return answer
        changed = result(answer["result"]) if callable(result) else result
        return {"jsonrpc": "2.0", "id": question["id"], "result": changed}

    return forge


def _reverting(question: Answer, answer: Answer) -> Answer:
    if question["method"] not in {"eth_call", "eth_estimateGas"}:
        return answer
    return {"jsonrpc": "2.0", "id": question["id"], "error": REVERT}


WORD = "0x" + f"{10**30:064x}"


@pytest.mark.parametrize("place", ["latest", "height", "hash"])
async def test_one_that_lies_about_state_changes_no_answer(
    ethereum_house: EthereumHouse, three: tuple[list[Proxy], EthereumNode], place: str
) -> None:
    (liar, *_), node = three
    token = ethereum_house.deploy("test/TetherToken", 6)
    ethereum_house.mint(token, OURS, 50)
    ethereum_house.pay(ZERO_ADDRESS, OURS, 7)
    block = await node.block("latest")
    assert block is not None
    places: dict[str, Place] = {"latest": "latest", "height": block.height, "hash": block.block_hash}
    at = places[place]
    liar.forge = _saying("eth_call", WORD)
    assert await node.token_balance(token, OURS, at) == 50
    liar.forge = _reverting
    assert await node.token_balance(token, OURS, at) == 50
    liar.forge = _saying("eth_getBalance", hex(10**30))
    assert await node.balance(OURS, at) == 7
    liar.forge = _saying("eth_getCode", "0x")
    assert await node.code(token, at) != b""
    assert "differs from 2 others" in node.troubles
    liar.forge = _saying("eth_getTransactionCount", "0x7")
    assert await node.nonce(OURS) == 0


async def test_a_refusal_counts_where_two_returned_the_same(
    ethereum_house: EthereumHouse, three: tuple[list[Proxy], EthereumNode]
) -> None:
    proxies, node = three
    sender = ethereum_house.deploy("test/EtherSender")
    failing = contract("test/EtherSender").call("pay_and_fail", OURS)
    for forge in (_saying("eth_call", "0x"), _reverting):
        proxies[0].forge = forge
        with pytest.raises(CallRevertedError) as caught:
            await node.call(sender, failing)
        assert b"undone" in caught.value.data
    proxies[1].forge = _saying("eth_call", "0x")
    with pytest.raises(EndpointsDisagreeError):
        await node.call(sender, failing)


async def test_one_that_says_a_chain_tx_would_fail_is_not_believed(
    three: tuple[list[Proxy], EthereumNode],
) -> None:
    proxies, node = three
    proxies[0].forge = _reverting
    assert await node.estimate_gas(OURS, stranger(2), b"") == 21_000
    proxies[1].forge = _reverting
    with pytest.raises(CallRevertedError):
        await node.estimate_gas(OURS, stranger(2), b"")


@pytest.mark.parametrize(
    "lie", [lambda _: None, lambda true: {**true, "status": "0x0"}, lambda true: {**true, "logs": []}]
)
async def test_one_that_lies_about_a_receipt_changes_nothing(
    ethereum_house: EthereumHouse, three: tuple[list[Proxy], EthereumNode], lie: Callable[[Any], Any]
) -> None:
    proxies, node = three
    token = ethereum_house.deploy("test/TetherToken", 6)
    txid = ethereum_house.mint(token, OURS, 50)["transactionHash"]
    proxies[0].forge = _saying("eth_getTransactionReceipt", lie)
    receipt = await node.receipt(txid)
    assert receipt is not None
    assert receipt.success
    assert len(receipt.logs) == 1
    assert await node.receipt("0x" + "11" * 32) is None


async def test_one_that_lags_or_prunes_is_not_missed_and_one_alone_is_not_believed(
    ethereum_house: EthereumHouse, three: tuple[list[Proxy], EthereumNode]
) -> None:
    proxies, node = three
    ethereum_house.pay(ZERO_ADDRESS, OURS, 7)
    ethereum_house.node.mine(3)
    place = (await node.tip()).height - 1
    proxies[2].forge = refusing({"eth_getBalance"}, -32000, "missing trie node 00")
    assert await node.balance(OURS, place) == 7
    proxies[1].forge = _saying("eth_getBalance", hex(9))
    with pytest.raises(EndpointsDisagreeError):
        await node.balance(OURS, place)
    proxies[1].forge = None
    assert await node.balance(OURS, place) == 7
