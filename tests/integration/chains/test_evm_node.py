"""The client of an EVM chain: what it reads, what it sends, and how it says that something would fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from eth_keys.datatypes import PrivateKey

from strongroom.chains.errors import BroadcastRejectedError, CallRevertedError, NodeDownError, NodeError
from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.node import EthereumNode
from strongroom.chains.ethereum.owners import owner_address
from strongroom.chains.service import connect_ethereum, connect_node
from strongroom_core.assets import UnknownChainError
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import ETHER, EthereumHouse, key_of, stranger
from tests.integration.chains.evm_support import settings_for

KEY = key_of("a sender")
ADDRESS = owner_address(KEY)


@pytest.fixture
async def node(ethereum_house: EthereumHouse) -> AsyncIterator[EthereumNode]:
    client = connect_ethereum(settings_for(ethereum_house))
    yield client
    await client.close()


def _signed(house: EthereumHouse, nonce: int, value: int = 1) -> bytes:
    """Sign a chain tx of before EIP-1559, with the chain's number in it (EIP-155)."""
    fields: list[int | bytes] = [nonce, 3 * 10**9, 100_000, stranger(1), value, b""]
    number = house.node.chain_id
    signature = PrivateKey(KEY).sign_msg_hash(keccak(_list([*fields, number, 0, 0])))
    v, r, s = (int(part) for part in signature.vrs)
    return _list([*fields, v + 35 + 2 * number, r, s])


def _list(items: Sequence[int | bytes]) -> bytes:
    """Write a list of numbers and bytes in RLP (Ethereum's yellow paper, appendix B)."""
    body = b"".join(map(_item, items))
    return _head(0xC0, len(body)) + body


def _item(item: int | bytes) -> bytes:
    data = item if isinstance(item, bytes) else item.to_bytes((item.bit_length() + 7) // 8, "big")
    return data if len(data) == 1 and data[0] < 0x80 else _head(0x80, len(data)) + data


def _head(kind: int, size: int) -> bytes:
    if size < 56:
        return bytes([kind + size])
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([kind + 55 + len(digits)]) + digits


async def test_state_is_read_as_of_a_tag_a_height_or_a_hash(ethereum_house: EthereumHouse, node: EthereumNode) -> None:
    token = ethereum_house.deploy("test/TetherToken", 6)
    before = await node.tip()
    ethereum_house.mint(token, ADDRESS, 50)
    ethereum_house.pay(ZERO_ADDRESS, ADDRESS, 7)
    after = await node.block("latest")
    assert after is not None
    for place in ("latest", after.height, after.block_hash):
        assert await node.token_balance(token, ADDRESS, place) == 50
        assert await node.balance(ADDRESS, place) == 7
        assert await node.code(token, place) != b""
    assert await node.token_balance(token, ADDRESS, before.height) == 0
    assert await node.balance(ADDRESS, before.block_hash) == 0
    assert await node.block(after.block_hash) == after == await node.block(after.height)
    assert await node.block(after.height + 1) is None
    assert await node.code(ADDRESS) == b""
    with pytest.raises(NodeError):
        await node.token_balance(ADDRESS, ADDRESS)


async def test_a_chain_tx_is_sent_once_however_often_and_its_receipt_tells_the_fee(
    ethereum_house: EthereumHouse, node: EthereumNode
) -> None:
    ethereum_house.pay(ZERO_ADDRESS, ADDRESS, ETHER)
    raw = _signed(ethereum_house, 0, value=5)
    txid = await node.send_raw(raw)
    assert await node.send_raw(raw) == txid  # mined by now, or still known
    ethereum_house.node.mine()
    assert await node.send_raw(raw) == txid
    receipt = await node.receipt(txid)
    assert receipt is not None
    assert (receipt.success, receipt.sender, receipt.to) == (True, ADDRESS, stranger(1))
    assert await node.balance(ADDRESS) == ETHER - 5 - receipt.fee
    assert await node.known(txid)
    assert not await node.known("0x" + "11" * 32)
    assert await node.receipt("0x" + "11" * 32) is None
    assert await node.nonce(ADDRESS) == await node.nonce(ADDRESS, pending=True) == 1


async def test_what_nobody_takes_is_rejected_with_the_reason(ethereum_house: EthereumHouse, node: EthereumNode) -> None:
    with pytest.raises(BroadcastRejectedError) as poor:
        await node.send_raw(_signed(ethereum_house, 0))
    assert "funds" in poor.value.reason.lower()
    ethereum_house.pay(ZERO_ADDRESS, ADDRESS, ETHER)
    await node.send_raw(_signed(ethereum_house, 0))
    ethereum_house.node.mine()
    with pytest.raises(BroadcastRejectedError) as late:
        await node.send_raw(_signed(ethereum_house, 0, value=2))  # another one at a nonce that is used up
    assert "nonce too low" in late.value.reason.lower()


async def test_a_call_that_fails_says_what_the_contract_returned(
    ethereum_house: EthereumHouse, node: EthereumNode
) -> None:
    sender = ethereum_house.deploy("test/EtherSender")
    data = contract("test/EtherSender").call("pay_and_fail", ADDRESS)
    with pytest.raises(CallRevertedError) as called:
        await node.call(sender, data)
    assert b"undone" in called.value.data
    with pytest.raises(CallRevertedError):
        await node.estimate_gas(ADDRESS, sender, data)
    assert await node.estimate_gas(ADDRESS, stranger(1), b"") == 21_000
    prices = await node.fees()
    assert prices.base_fee > 0


async def test_an_endpoint_that_is_away_is_said_to_be_so_without_its_path(ethereum_house: EthereumHouse) -> None:
    settings = settings_for(ethereum_house, urls=("http://127.0.0.1:1/secret-key",))
    client = connect_ethereum(settings)
    with pytest.raises(NodeDownError) as caught:
        await client.tip()
    assert "127.0.0.1:1" in caught.value.message
    assert "secret" not in caught.value.message
    with pytest.raises(NodeDownError):
        await client.send_raw(_signed(ethereum_house, 0))
    await client.close()


def test_the_client_of_bitcoin_likes_is_not_for_evm_chains(ethereum_house: EthereumHouse) -> None:
    with pytest.raises(UnknownChainError):
        connect_node(settings_for(ethereum_house))
