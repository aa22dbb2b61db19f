"""The bad tokens of the corpus are as bad as they claim, so that a test which passes against them says something."""

from typing import Any

import pytest

from strongroom.chains.ethereum.contracts import contract
from strongroom.infra.components.errors import NodeRpcError
from strongroom_core.evm import ZERO_ADDRESS, encode_transfer
from tests.fixtures.ethereum_house import ETHER, EthereumHouse, stranger, succeeded, text

ALICE, BOB = stranger(1), stranger(2)
ETHER_SENDER = contract("test/EtherSender")


def transfers(receipt: dict[str, Any]) -> list[tuple[str, bytes, bytes, int]]:
    """Return every Transfer log: its contract, from, to, amount."""
    topic = "0x" + contract("test/StandardToken").topic("Transfer").hex()
    return [
        (
            log["address"],
            bytes.fromhex(log["topics"][1][26:]),
            bytes.fromhex(log["topics"][2][26:]),
            int(log["data"], 16),
        )
        for log in receipt["logs"]
        if log["topics"][0] == topic
    ]


def test_the_usdt_like_token_returns_nothing_and_wants_its_allowance_cleared(ethereum_house: EthereumHouse) -> None:
    house, tether = ethereum_house, contract("test/TetherToken")
    token = house.deploy("test/TetherToken", 6)
    house.pay(token, ALICE, 100)
    assert house.call(token, encode_transfer(BOB, 1), sender=ALICE) == b""
    approve = [tether.call("approve", BOB, amount) for amount in (5, 6, 0, 6)]
    assert [succeeded(house.transact(token, data, sender=ALICE, gas=100_000)) for data in approve] == [1, 0, 1, 1]
    house.transact(token, tether.call("setBlackListed", ALICE, True))
    assert not succeeded(house.transact(token, encode_transfer(BOB, 1), sender=ALICE, gas=100_000))


def test_the_false_token_logs_what_it_never_moved(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    token = house.deploy("test/FalseToken", True)
    receipt = house.transact(token, encode_transfer(BOB, 7), sender=ALICE)
    assert (succeeded(receipt), transfers(receipt)) == (True, [(text(token), ALICE, BOB, 7)])
    assert house.balance(token, BOB) == 0


@pytest.mark.parametrize("logs_gross", [False, True])
def test_the_fee_token_brings_less_than_was_sent(ethereum_house: EthereumHouse, logs_gross: bool) -> None:
    house = ethereum_house
    token = house.deploy("test/FeeToken", 100, logs_gross)
    house.pay(token, ALICE, 1_000)
    receipt = house.transact(token, encode_transfer(BOB, 1_000), sender=ALICE)
    assert house.balance(token, BOB) == 990
    assert transfers(receipt)[0][3] == (1_000 if logs_gross else 990)


def test_the_rebasing_token_changes_a_balance_without_a_log(ethereum_house: EthereumHouse) -> None:
    house, rebasing = ethereum_house, contract("test/RebasingToken")
    token = house.deploy("test/RebasingToken")
    house.pay(token, BOB, 1_000)
    receipt = house.transact(token, rebasing.call("rebase", 2 * ETHER))
    assert (house.balance(token, BOB), receipt["logs"]) == (2_000, [])


def test_the_spoofer_writes_logs_of_its_own_and_real_ones_of_nothing(ethereum_house: EthereumHouse) -> None:
    house, spoofer = ethereum_house, contract("test/Spoofer")
    where, token = house.deploy("test/Spoofer"), house.deploy("test/StandardToken", "Real", "REAL", 6)
    house.pay(token, ALICE, 50)
    assert transfers(house.transact(where, spoofer.call("spoof", ALICE, BOB, 50))) == [(text(where), ALICE, BOB, 50)]
    assert transfers(house.transact(where, spoofer.call("poison", token, ALICE, BOB))) == [(text(token), ALICE, BOB, 0)]
    assert (house.balance(token, ALICE), house.balance(token, BOB)) == (50, 0)


def test_hundreds_are_paid_in_one_chain_tx(ethereum_house: EthereumHouse) -> None:
    house, disperse = ethereum_house, contract("test/Disperse")
    where, token = house.deploy("test/Disperse"), house.deploy("test/TetherToken", 6)
    payer, many = bytes.fromhex(house.node.dev_accounts()[0][2:]), [stranger(n) for n in range(300)]
    house.mint(token, payer, 300)
    house.transact(token, contract("test/TetherToken").call("approve", where, 300))
    receipt = house.transact(where, disperse.call("disperseToken", token, many, [1] * 300))
    assert [log[2] for log in transfers(receipt)] == many
    ether = house.transact(where, disperse.call("disperseEther", many, [1] * 300), value=300)
    assert (succeeded(ether), ether["logs"]) == (True, [])
    assert {house.balance(ZERO_ADDRESS, one) for one in many} == {1}


@pytest.mark.parametrize(
    ("function", "arrives"),
    [("pay", 8), ("pay_twice", 8), ("pay_deep", 8), ("pay_undone", 0), ("pay_with_stipend", 8), ("pay_by_ending", 8)],
)
def test_ether_inside_calls_arrives_without_a_log(ethereum_house: EthereumHouse, function: str, arrives: int) -> None:
    house = ethereum_house
    where = house.deploy("test/EtherSender")
    receipt = house.transact(where, ETHER_SENDER.call(function, BOB), value=8)
    assert (succeeded(receipt), receipt["logs"]) == (True, [])
    assert house.balance(ZERO_ADDRESS, BOB) == arrives


@pytest.mark.parametrize("mode", [1, 3, 6])
def test_the_hostile_token_hurts_whoever_calls_it(ethereum_house: EthereumHouse, mode: int) -> None:
    house, hostile = ethereum_house, contract("test/HostileToken")
    token = house.deploy("test/HostileToken")
    house.mint(token, ALICE, 10)
    house.transact(token, hostile.call("set_mode", mode))
    data = hostile.call("balanceOf", ALICE) if mode == 6 else encode_transfer(BOB, 1)
    with pytest.raises(NodeRpcError):
        house.call(token, data, sender=ALICE)


def test_the_hostile_token_returns_sixty_four_kilobytes(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    token = house.deploy("test/HostileToken")
    house.mint(token, ALICE, 10)
    house.transact(token, contract("test/HostileToken").call("set_mode", 2))
    assert len(house.call(token, encode_transfer(BOB, 1), sender=ALICE)) == 65_536
