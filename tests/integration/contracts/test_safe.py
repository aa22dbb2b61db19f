"""Both Safes are 2-of-3 on a real chain: two owners move money, one does not, and a nonce pays once."""

import pytest

from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.owners import owner_address, owner_signatures
from strongroom_core.evm import ZERO_ADDRESS, Call, SafeTx, encode_exec_transaction, encode_transfer
from tests.fixtures.ethereum_house import ETHER, EthereumHouse, has_log, key_of, stranger, succeeded

SAFE = contract("safe/Safe")


def test_the_safes_have_their_owners_and_nothing_else(deployed_house: EthereumHouse) -> None:
    house = deployed_house
    for safe, keys in ((house.deployment.cold_safe, house.cold_keys), (house.deployment.hot_safe, house.hot_keys)):
        answer = house.call(safe, SAFE.call("getOwners"))
        owners = {answer[at + 12 : at + 32] for at in range(64, len(answer), 32)}
        assert owners == set(map(owner_address, keys))
        assert int.from_bytes(house.call(safe, SAFE.call("getThreshold")), "big") == 2
        allowance_enabled = house.call(safe, SAFE.call("isModuleEnabled", house.deployment.allowance))
        assert int.from_bytes(allowance_enabled, "big") == 0  # until the cold ceremony


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (1, 2), (2, 0)])
def test_any_two_owners_pay(ethereum_house: EthereumHouse, pair: tuple[int, int]) -> None:
    house, safe = ethereum_house, ethereum_house.deployment.hot_safe
    house.pay(ZERO_ADDRESS, safe, ETHER)
    receipt = house.execute(safe, [Call(stranger(1), 7, b"")], [house.hot_keys[number] for number in pair])
    assert has_log(receipt, SAFE, "ExecutionSuccess")
    assert house.balance(ZERO_ADDRESS, stranger(1)) == 7


@pytest.mark.parametrize("keys", [["hot 0"], ["hot 0", "hot 0"], ["hot 0", "cold 0"], ["thief", "thief 2"]])
def test_fewer_than_two_owners_pay_nothing(ethereum_house: EthereumHouse, keys: list[str]) -> None:
    house, safe = ethereum_house, ethereum_house.deployment.hot_safe
    house.pay(ZERO_ADDRESS, safe, ETHER)
    safe_tx = house.safe_tx(safe, [Call(stranger(1), 7, b"")])
    signatures = owner_signatures(safe_tx.hash(house.node.chain_id, keccak), [key_of(name) for name in keys])
    assert not succeeded(house.transact(safe, encode_exec_transaction(safe_tx, signatures), gas=500_000))
    assert house.balance(ZERO_ADDRESS, stranger(1)) == 0


def test_a_nonce_pays_once_and_a_cancelled_one_never(ethereum_house: EthereumHouse) -> None:
    house, safe = ethereum_house, ethereum_house.deployment.hot_safe
    house.pay(ZERO_ADDRESS, safe, ETHER)
    nonce = house.safe_nonce(safe)
    payment, cancel = house.safe_tx(safe, [Call(stranger(1), 7, b"")]), SafeTx.cancel(safe, nonce)
    signed = {
        safe_tx: encode_exec_transaction(
            safe_tx, owner_signatures(safe_tx.hash(house.node.chain_id, keccak), house.hot_keys[:2])
        )
        for safe_tx in (payment, cancel)
    }
    assert succeeded(house.transact(safe, signed[cancel]))
    assert not succeeded(house.transact(safe, signed[payment], gas=500_000))
    assert (house.safe_nonce(safe), house.balance(ZERO_ADDRESS, stranger(1))) == (nonce + 1, 0)


def test_the_hash_that_owners_sign_is_the_contracts_own(deployed_house: EthereumHouse) -> None:
    house, safe = deployed_house, deployed_house.deployment.hot_safe
    safe_tx = house.safe_tx(safe, [Call(stranger(n), n, bytes(n)) for n in range(3)])
    fields = (safe_tx.to, safe_tx.value, safe_tx.data, safe_tx.operation, 0, 0, 0, ZERO_ADDRESS, ZERO_ADDRESS)
    answer = house.call(safe, SAFE.call("getTransactionHash", *fields, safe_tx.nonce))
    assert answer == safe_tx.hash(house.node.chain_id, keccak)


def test_a_batch_in_which_one_payment_fails_pays_nobody_and_keeps_its_nonce(ethereum_house: EthereumHouse) -> None:
    house, safe = ethereum_house, ethereum_house.deployment.hot_safe
    token = house.deploy("test/TetherToken", 6)
    house.pay(token, safe, 100)
    nonce = house.safe_nonce(safe)
    batch = house.safe_tx(safe, [Call(token, 0, encode_transfer(stranger(n), 40)) for n in range(3)])
    signatures = owner_signatures(batch.hash(house.node.chain_id, keccak), house.hot_keys[:2])
    assert not succeeded(house.transact(safe, encode_exec_transaction(batch, signatures), gas=2_000_000))
    assert (house.safe_nonce(safe), house.balance(token, safe)) == (nonce, 100)
