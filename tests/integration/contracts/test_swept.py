"""A forwarder's Swept says what the treasury got from it: never more, never twice, and nothing where nothing came."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.chains.ethereum.contracts import Contract, SweepItem, contract, encode_sweep
from strongroom.infra.components.errors import NodeRpcError
from strongroom_core.evm import ZERO_ADDRESS, encode_transfer
from tests.fixtures.ethereum_house import ETHER, EthereumHouse, gas_used, stranger, succeeded, text

ANSWERS_TWO, CALLS_BACK, CALLS_BACK_IN_VAIN = 5, 4, 8
SWEPT_TOPIC = "0x" + contract("Forwarder").topic("Swept").hex()
HOSTILE = contract("test/HostileToken")
STANDARD = contract("test/StandardToken")
# What the log and the three more balances that are read cost at most, of a token that is no proxy.
LOG_GAS_MAX = 12_000


def swept(receipt: dict[str, Any]) -> list[tuple[bytes, bytes, int]]:
    """Forwarder, token and amount of every Swept, in order."""
    logs = [log for log in receipt["logs"] if log["topics"][0] == SWEPT_TOPIC]
    return [
        (bytes.fromhex(log["address"][2:]), bytes.fromhex(log["topics"][1][26:]), int(log["data"], 16)) for log in logs
    ]


def test_every_kind_of_money_is_told_from_its_forwarder(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    tether, dollar = house.deploy("test/TetherToken", 6), house.deploy("test/StandardToken", "D", "D", 6)
    for token, amount in ((tether, 7), (dollar, 8), (ZERO_ADDRESS, 9)):
        house.pay(token, house.forwarder(2, 0), amount)
        house.pay(token, house.forwarder(1, 0), 10 * amount)
    items = [SweepItem(branch, 0, token) for branch in (2, 1) for token in (tether, dollar, ZERO_ADDRESS)]
    receipt = house.sweep(*items)
    first, second = house.forwarder(2, 0), house.forwarder(1, 0)
    amounts = [(tether, 7), (dollar, 8), (ZERO_ADDRESS, 9)]
    assert swept(receipt) == [(first, *each) for each in amounts] + [(second, t, 10 * a) for t, a in amounts]
    assert swept(house.sweep(*items)) == [], "nothing moved, nothing is told"


@pytest.mark.parametrize("logs_gross", [True, False])
def test_a_fee_on_the_way_is_not_told_as_received(ethereum_house: EthereumHouse, logs_gross: bool) -> None:
    house = ethereum_house
    token = house.deploy("test/FeeToken", 250, logs_gross)
    house.pay(token, house.forwarder(2, 0), 10_000)
    assert swept(house.sweep(SweepItem(2, 0, token))) == [(house.forwarder(2, 0), token, 9_750)]
    assert house.balance(token, house.deployment.cold_safe) == 9_750


def test_a_token_that_takes_all_of_it_as_a_fee_leaves_nothing_to_tell(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    token = house.deploy("test/FeeToken", 10_000, True)
    house.pay(token, house.forwarder(2, 0), 10_000)
    receipt = house.sweep(SweepItem(2, 0, token))
    assert (succeeded(receipt), swept(receipt)) == (True, [])


def test_a_token_that_says_no_and_writes_a_transfer_log_proves_nothing(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    token = house.deploy("test/FalseToken", True)
    house.transact(token, contract("test/FalseToken").call("setBalance", house.forwarder(2, 0), 1_000))
    assert swept(house.sweep(SweepItem(2, 0, token))) == []


def test_what_moved_is_told_whatever_the_token_answers(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    token = house.deploy("test/HostileToken")
    house.pay(token, house.forwarder(2, 0), 1_000)
    house.transact(token, HOSTILE.call("set_mode", ANSWERS_TWO))
    assert swept(house.sweep(SweepItem(2, 0, token))) == [(house.forwarder(2, 0), token, 1_000)]


def test_a_treasury_that_refuses_ether_is_told_nothing(ethereum_house: EthereumHouse) -> None:
    house, refuser = ethereum_house, ethereum_house.deploy("test/Refuser")
    factory = house.deploy("ForwarderFactory", refuser, contract("Forwarder").creation_code)
    forwarder = house.call(factory, contract("ForwarderFactory").call("forwarder_address", 2, 0))[-20:]
    house.pay(ZERO_ADDRESS, forwarder, ETHER)
    assert swept(house.transact(factory, encode_sweep([SweepItem(2, 0)]))) == []
    house.transact(refuser, contract("test/Refuser").call("set_taking", True))
    assert swept(house.transact(factory, encode_sweep([SweepItem(2, 0)]))) == [(forwarder, ZERO_ADDRESS, ETHER)]


def test_only_the_factory_makes_a_forwarder_sweep(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    house.pay(ZERO_ADDRESS, house.forwarder(2, 0), ETHER)
    house.sweep(SweepItem(2, 0, stranger(1)))  # deployed, and nothing has gone
    call = contract("Forwarder").call("sweep", ZERO_ADDRESS)
    with pytest.raises(NodeRpcError):
        house.call(house.forwarder(2, 0), call, sender=house.deployment.cold_safe)
    assert not succeeded(house.transact(house.forwarder(2, 0), call))
    assert house.balance(ZERO_ADDRESS, house.forwarder(2, 0)) == ETHER


Callback = Callable[[EthereumHouse, bytes], tuple[bytes, bytes]]


def _sweep_again(house: EthereumHouse, token: bytes) -> tuple[bytes, bytes]:
    return house.deployment.factory, encode_sweep([SweepItem(2, 0, token), SweepItem(2, 1, token)])


def _sweep_forwarder(house: EthereumHouse, token: bytes) -> tuple[bytes, bytes]:
    return house.forwarder(2, 1), contract("Forwarder").call("sweep", token)


def _pay_treasury(house: EthereumHouse, token: bytes) -> tuple[bytes, bytes]:
    return token, STANDARD.call("mint", house.deployment.cold_safe, 500)


def _take_from_treasury(house: EthereumHouse, token: bytes) -> tuple[bytes, bytes]:
    return token, HOSTILE.call("move", house.deployment.cold_safe, stranger(5), 30)


@pytest.mark.parametrize("mode", [CALLS_BACK, CALLS_BACK_IN_VAIN])
@pytest.mark.parametrize("callback", [_sweep_again, _sweep_forwarder, _pay_treasury, _take_from_treasury])
def test_no_call_back_makes_two_logs_or_one_measure_the_same_money(
    ethereum_house: EthereumHouse, callback: Callback, mode: int
) -> None:
    """Of two forwarders with 100 each, swept one after the other while the token calls back in each transfer."""
    house, cold = ethereum_house, ethereum_house.deployment.cold_safe
    token = house.deploy("test/HostileToken")
    first, second = house.forwarder(2, 0), house.forwarder(2, 1)
    for forwarder in (first, second):
        house.pay(token, forwarder, 100)
    house.pay(token, cold, 1_000)
    house.sweep(SweepItem(2, 0, stranger(1)), SweepItem(2, 1, stranger(1)))
    house.transact(token, HOSTILE.call("set_callback", *callback(house, token)))
    house.transact(token, HOSTILE.call("set_mode", mode))
    told = swept(house.sweep(SweepItem(2, 0, token), SweepItem(2, 1, token)))
    lost = {forwarder: 100 - house.balance(token, forwarder) for forwarder in (first, second)}
    assert len(told) == len({forwarder for forwarder, _, _ in told})
    for forwarder, of, amount in told:
        assert (of, 0 < amount <= lost[forwarder]) == (token, True)
    assert lost == dict.fromkeys((first, second), 100 if mode == CALLS_BACK else 0)
    less = 30 if callback is _take_from_treasury else 0
    expected = [(each, token, 100 - less) for each in (first, second)]
    assert told == (expected if mode == CALLS_BACK else [])


def test_no_sweep_runs_within_a_sweep_and_any_number_after_each_other(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    token = house.deploy("test/HostileToken")
    house.transact(token, HOSTILE.call("set_callback", *_sweep_again(house, token)))
    house.transact(token, HOSTILE.call("set_mode", CALLS_BACK))
    for amount in (5, 6):
        house.pay(token, house.forwarder(2, 0), amount)
        assert swept(house.sweep(SweepItem(2, 0, token))) == [(house.forwarder(2, 0), token, amount)]
        assert int.from_bytes(house.call(token, HOSTILE.call("called_back")), "big") == 0, "the call back was refused"


def test_what_a_log_costs(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    token = house.deploy("test/TetherToken", 6)
    empty = gas_used(house.sweep(SweepItem(2, 0, token)))
    later = gas_used(house.sweep(SweepItem(2, 0, token)))
    house.pay(token, house.deployment.cold_safe, 1)
    house.pay(token, house.forwarder(2, 0), 1_000)
    transfer = gas_used(house.transact(token, encode_transfer(stranger(3), 1), sender=_holder(house, token)))
    full = gas_used(house.sweep(SweepItem(2, 0, token)))
    assert empty > later
    assert full - later < transfer + LOG_GAS_MAX


def _holder(house: EthereumHouse, token: bytes) -> bytes:
    house.pay(token, stranger(3), 1)
    house.pay(token, stranger(4), 2)
    return stranger(4)


def test_all_that_is_ever_told_is_what_the_treasury_has(deployed_house: EthereumHouse) -> None:
    house = deployed_house
    tokens: list[tuple[Contract, tuple[object, ...]]] = [
        (contract("test/FeeToken"), (333, True)),
        (contract("test/RebasingToken"), ()),
        (contract("test/TetherToken"), (6,)),
    ]
    with house.node.reverted():
        made = [house.deploy(f"test/{token.name}", *arguments) for token, arguments in tokens]
        told = dict.fromkeys(made, 0)

        @settings(deadline=None, max_examples=25)
        @given(
            st.lists(
                st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 2), st.integers(0, 10**9)),
                min_size=1,
                max_size=4,
            )
        )
        def pay_and_sweep(payments: list[tuple[int, int, int, int]]) -> None:
            for number, branch, index, amount in payments:
                house.pay(made[number], house.forwarder(branch, index), amount)
            items = [SweepItem(branch, index, made[number]) for number, branch, index, _ in payments]
            for _, token, amount in swept(house.sweep(*items, items[0])):
                told[token] += amount
            assert told == {token: house.balance(token, house.deployment.cold_safe) for token in made}

        pay_and_sweep()


def test_a_forwarder_says_its_address_and_not_the_implementations(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    house.pay(ZERO_ADDRESS, house.forwarder(2, 5), 1)
    receipt = house.sweep(SweepItem(2, 5))
    assert [log["address"] for log in receipt["logs"] if log["topics"][0] == SWEPT_TOPIC] == [
        text(house.forwarder(2, 5))
    ]
