"""Whoever calls a forwarder, its holdings go to the treasury or stay; one bad token stops no other."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.chains.ethereum.contracts import (
    MAX_SWEEP_ITEMS,
    SWEEP_RESERVE_GAS,
    SweepItem,
    contract,
    encode_sweep,
    implementation_address,
)
from strongroom.infra.components.errors import NodeRpcError
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import ETHER, EthereumHouse, gas_used, stranger, succeeded, text

BURNS_GAS, RETURNS_MUCH, REVERTS_WITH_MUCH, CALLS_BACK, ANSWERS_TWO, BURNS_IN_BALANCE, TWO_WORDS = range(1, 8)
LARGEST_GAS_PER_CHAIN_TX = 2**24  # EIP-7825
SELECTORS = [
    contract("Forwarder").selector("sweep"),
    contract("Forwarder").selector("TREASURY"),
    contract("ForwarderFactory").selector("sweep"),
    contract("test/StandardToken").selector("transfer"),
    contract("test/StandardToken").selector("approve"),
    contract("safe/Safe").selector("setup"),
]
addresses = st.integers(0, 5).map(stranger)


def failed_items(receipt: dict[str, Any]) -> set[tuple[bytes, bytes]]:
    """Return forwarder and token of every item that a sweep says failed."""
    topic = "0x" + contract("ForwarderFactory").topic("SweepFailed").hex()
    logs = [log for log in receipt["logs"] if log["topics"][0] == topic]
    return {(bytes.fromhex(log["topics"][1][26:]), bytes.fromhex(log["topics"][2][26:])) for log in logs}


@pytest.mark.parametrize("decimals", [6, 18])
def test_a_token_is_swept_before_and_after_the_forwarder_is_deployed(
    ethereum_house: EthereumHouse, decimals: int
) -> None:
    house = ethereum_house
    token = house.deploy("test/StandardToken", "Dollar", "USD", decimals)
    for swept_before in range(2):
        house.pay(token, house.forwarder(2, 0), 10**decimals)
        receipt = house.sweep(SweepItem(2, 0, token), sender=stranger(9))
        assert (succeeded(receipt), failed_items(receipt)) == (True, set())
        assert house.balance(token, house.deployment.cold_safe) == 10**decimals * (swept_before + 1)
    assert house.balance(token, house.forwarder(2, 0)) == 0


def test_ether_is_swept_and_the_safe_says_from_where(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    house.pay(ZERO_ADDRESS, house.forwarder(2, 0), 3 * ETHER)
    receipt = house.sweep(SweepItem(2, 0))
    assert house.balance(ZERO_ADDRESS, house.deployment.cold_safe) == 3 * ETHER
    received = [log for log in receipt["logs"] if log["address"] == text(house.deployment.cold_safe)]
    assert received[0]["topics"][0] == "0x" + contract("safe/Safe").topic("SafeReceived").hex()
    assert received[0]["topics"][1][26:] == house.forwarder(2, 0).hex()
    assert int(received[0]["data"], 16) == 3 * ETHER


def test_a_deployed_forwarder_still_takes_ether_in_every_way(ethereum_house: EthereumHouse) -> None:
    house, sender = ethereum_house, ethereum_house.deploy("test/EtherSender")
    forwarder = house.forwarder(2, 0)
    house.sweep(SweepItem(2, 0))
    assert succeeded(house.transact(forwarder, value=1))
    assert succeeded(house.transact(forwarder, b"thank you", value=2))
    for amount, function in ((4, "pay"), (8, "pay_deep"), (16, "pay_with_stipend"), (32, "pay_by_ending")):
        assert succeeded(house.transact(sender, contract("test/EtherSender").call(function, forwarder), value=amount))
    assert house.balance(ZERO_ADDRESS, forwarder) == 63
    house.sweep(SweepItem(2, 0))
    assert house.balance(ZERO_ADDRESS, house.deployment.cold_safe) == 63


def test_the_most_that_fits_is_swept_in_one_chain_tx(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    token, disperse = house.deploy("test/TetherToken", 6), house.deploy("test/Disperse")
    items = [SweepItem(2 + number % 3, number, token) for number in range(MAX_SWEEP_ITEMS)]
    payer = bytes.fromhex(house.node.dev_accounts()[0][2:])
    house.mint(token, payer, 10**9)
    house.transact(token, contract("test/TetherToken").call("approve", disperse, 10**9))
    targets, amounts = [house.forwarder(item.branch, item.index) for item in items], list(range(1, len(items) + 1))
    house.transact(disperse, contract("test/Disperse").call("disperseToken", token, targets, amounts))
    receipt = house.sweep(*items)
    assert house.balance(token, house.deployment.cold_safe) == sum(amounts)
    assert gas_used(receipt) + SWEEP_RESERVE_GAS < LARGEST_GAS_PER_CHAIN_TX
    too_many = [(item.branch, item.index, item.token) for item in [*items, items[0]]]
    with pytest.raises(NodeRpcError):
        house.call(house.deployment.factory, contract("ForwarderFactory").call("sweep", too_many))


def test_tokens_that_fail_say_so_and_stop_no_other(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    cold, good = house.deployment.cold_safe, house.deploy("test/StandardToken", "Good", "GOOD", 18)
    listed, paused = (house.deploy("test/TetherToken", 6) for _ in range(2))
    says_no = house.deploy("test/FalseToken", True)
    hostile = {mode: house.deploy("test/HostileToken") for mode in range(1, 8)}
    for token in (good, listed, paused, *hostile.values()):
        house.pay(token, house.forwarder(2, 0), 1_000)
    house.transact(says_no, contract("test/FalseToken").call("setBalance", house.forwarder(2, 0), 1_000))
    house.transact(listed, contract("test/TetherToken").call("setBlackListed", house.forwarder(2, 0), True))
    house.transact(paused, contract("test/TetherToken").call("setPaused", True))
    for mode, token in hostile.items():
        house.transact(token, contract("test/HostileToken").call("set_mode", mode))
    no_contract, no_token = stranger(1), house.deployment.multisend
    tokens = [listed, paused, says_no, *hostile.values(), no_contract, no_token, good]
    receipt = house.sweep(*(SweepItem(2, 0, token) for token in tokens))
    assert succeeded(receipt)
    assert house.balance(good, cold) == 1_000
    refused = {hostile[mode] for mode in (BURNS_GAS, RETURNS_MUCH, REVERTS_WITH_MUCH, ANSWERS_TWO, BURNS_IN_BALANCE)}
    failed = {token for _, token in failed_items(receipt)}
    assert failed == {listed, paused, says_no, no_contract, no_token, *refused}
    assert house.balance(hostile[TWO_WORDS], cold) == 1_000


def test_a_token_that_was_paused_is_swept_later(ethereum_house: EthereumHouse) -> None:
    house, tether = ethereum_house, contract("test/TetherToken")
    token = house.deploy("test/TetherToken", 6)
    house.pay(token, house.forwarder(2, 0), 5)
    house.transact(token, tether.call("setPaused", True))
    assert failed_items(house.sweep(SweepItem(2, 0, token))) == {(house.forwarder(2, 0), token)}
    house.transact(token, tether.call("setPaused", False))
    assert failed_items(house.sweep(SweepItem(2, 0, token))) == set()
    assert house.balance(token, house.deployment.cold_safe) == 5


def test_a_treasury_that_refuses_ether_loses_none(ethereum_house: EthereumHouse) -> None:
    house, refuser = ethereum_house, ethereum_house.deploy("test/Refuser")
    factory = house.deploy("ForwarderFactory", refuser, contract("Forwarder").creation_code)
    forwarder = house.call(factory, contract("ForwarderFactory").call("forwarder_address", 2, 0))[-20:]
    house.pay(ZERO_ADDRESS, forwarder, ETHER)
    assert failed_items(house.transact(factory, encode_sweep([SweepItem(2, 0)]))) == {(forwarder, ZERO_ADDRESS)}
    assert house.balance(ZERO_ADDRESS, forwarder) == ETHER
    house.transact(refuser, contract("test/Refuser").call("set_taking", True))
    house.transact(factory, encode_sweep([SweepItem(2, 0)]))
    assert house.balance(ZERO_ADDRESS, refuser) == ETHER


def test_a_token_that_calls_back_can_only_sweep_too(ethereum_house: EthereumHouse) -> None:
    house, hostile = ethereum_house, contract("test/HostileToken")
    good, token = house.deploy("test/StandardToken", "Good", "GOOD", 18), house.deploy("test/HostileToken")
    for each in (good, token):
        house.pay(each, house.forwarder(2, 0), 100)
    within = encode_sweep([SweepItem(2, 0, good), SweepItem(2, 1, good)])
    house.transact(token, hostile.call("set_callback", house.deployment.factory, within))
    house.transact(token, hostile.call("set_mode", CALLS_BACK))
    receipt = house.sweep(SweepItem(2, 0, token), SweepItem(2, 0, good))
    assert failed_items(receipt) == set()
    assert [house.balance(each, house.deployment.cold_safe) for each in (good, token)] == [100, 100]


def test_too_little_gas_fails_the_whole_chain_tx_and_never_one_item_silently(deployed_house: EthereumHouse) -> None:
    house = deployed_house
    with house.node.reverted():
        token = house.deploy("test/TetherToken", 6)
        items = [SweepItem(2, number, token) for number in range(3)]
        for item in items:
            house.pay(token, house.forwarder(item.branch, item.index), 10)

        @settings(deadline=None, max_examples=40)
        @given(st.integers(30_000, 800_000))
        def starve(gas: int) -> None:
            with house.node.reverted():
                receipt = house.transact(house.deployment.factory, encode_sweep(items), gas=gas)
                assert failed_items(receipt) == set()
                expected = 30 if succeeded(receipt) else 0
                assert house.balance(token, house.deployment.cold_safe) == expected

        starve()
        estimate = int(house.node.rpc("eth_estimateGas", _sweep_call(house, items)), 16)
        receipt = house.transact(house.deployment.factory, encode_sweep(items), gas=estimate)
        assert house.balance(token, house.deployment.cold_safe) == 30
        assert gas_used(receipt) + SWEEP_RESERVE_GAS // 2 < estimate < gas_used(receipt) + 2 * SWEEP_RESERVE_GAS


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    caller=addresses,
    calls=st.lists(
        st.tuples(
            st.sampled_from([b"forwarder", b"implementation", b"factory"]),
            st.sampled_from([b"", *SELECTORS]),
            st.lists(
                st.one_of(
                    st.sampled_from([b"token", b"hostile", b"forwarder", b"factory", b"treasury"]),
                    addresses,
                    st.integers(0, 4).map(lambda number: number.to_bytes(32, "big")),
                    st.binary(min_size=32, max_size=32),
                ),
                max_size=6,
            ),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_whatever_anyone_calls_only_the_treasury_is_paid(
    deployed_house: EthereumHouse, caller: bytes, calls: list[tuple[bytes, bytes, list[bytes], int]]
) -> None:
    house = deployed_house
    cold, forwarder = house.deployment.cold_safe, house.forwarder(2, 0)
    with house.node.reverted():
        token, hostile = house.deploy("test/StandardToken", "A", "A", 6), house.deploy("test/HostileToken")
        house.transact(hostile, contract("test/HostileToken").call("set_mode", CALLS_BACK))
        attack = contract("test/StandardToken").call("transfer", caller, 1)
        house.transact(hostile, contract("test/HostileToken").call("set_callback", token, attack))
        for each in (token, hostile, ZERO_ADDRESS):
            house.pay(each, forwarder, 1_000_000)
        house.sweep(SweepItem(2, 0, stranger(99)))  # deployed, and nothing has gone yet
        where = {
            b"forwarder": forwarder,
            b"implementation": implementation_address(house.deployment.factory, cold),
            b"factory": house.deployment.factory,
            b"token": token,
            b"hostile": hostile,
            b"treasury": cold,
        }
        sent = 0
        for target, selector, words, value in calls:
            data = selector + b"".join(where.get(word, word).rjust(32, b"\0") for word in words)
            receipt = house.transact(where[target], data, sender=caller, value=value, gas=1_000_000)
            sent += value if succeeded(receipt) and target == b"forwarder" else 0
        for each in (token, hostile):
            assert house.balance(each, forwarder) + house.balance(each, cold) == 1_000_000
        ether = house.balance(ZERO_ADDRESS, forwarder) + house.balance(ZERO_ADDRESS, cold)
        assert 1_000_000 + sent <= ether <= 1_000_000 + sum(call[3] for call in calls)


def _sweep_call(house: EthereumHouse, items: list[SweepItem]) -> dict[str, str]:
    return {
        "from": house.node.dev_accounts()[0],
        "to": text(house.deployment.factory),
        "data": "0x" + encode_sweep(items).hex(),
    }
