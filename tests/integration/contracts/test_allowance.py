"""The hot Safe draws what is left, to itself; nobody else draws, and no timing gives more than the limit says."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.chains.ethereum.contracts import contract
from strongroom.infra.components.errors import NodeRpcError
from strongroom_core.evm import ZERO_ADDRESS, Call, encode_draw, encode_transfer
from tests.fixtures.ethereum_house import ETHER, EthereumHouse, has_log, stranger, succeeded, text

ALLOWANCE = contract("Allowance")
SAFE = contract("safe/Safe")
DAY = 86_400
LIMIT = 86_400_000  # 1,000 flow back each second
CALLS_BACK = 4


@pytest.fixture
def allowed(ethereum_house: EthereumHouse) -> tuple[EthereumHouse, bytes]:
    """A house whose cold Safe holds a USDT-like token and ETH, and lets LIMIT of each be drawn a day."""
    house = ethereum_house
    token = house.deploy("test/TetherToken", 6)
    for each in (token, ZERO_ADDRESS):
        house.pay(each, house.deployment.cold_safe, 100 * LIMIT)
    house.allow({token: LIMIT, ZERO_ADDRESS: LIMIT})
    return house, token


def draw(house: EthereumHouse, token: bytes, amount: int, sender: bytes | None = None) -> dict[str, Any]:
    """Draw as the hot Safe (or as anyone); the receipt."""
    return house.transact(
        house.deployment.allowance, encode_draw(token, amount), sender=sender or house.deployment.hot_safe, gas=500_000
    )


def left(house: EthereumHouse, token: bytes) -> int:
    """Return what the contract says could be drawn now."""
    return int.from_bytes(house.call(house.deployment.allowance, ALLOWANCE.call("left", token)), "big")


def set_limit(house: EthereumHouse, token: bytes, per_day: int) -> dict[str, Any]:
    """Change a limit as the cold Safe's owners; the receipt."""
    data = ALLOWANCE.call("set_limit", token, per_day)
    return house.execute(house.deployment.cold_safe, [Call(house.deployment.allowance, 0, data)])


def now(house: EthereumHouse) -> int:
    """Return the latest block's time."""
    return int(house.node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


def at(house: EthereumHouse, timestamp: int) -> None:
    """Give the next block this time."""
    house.node.rpc("evm_setNextBlockTimestamp", timestamp)


@pytest.mark.parametrize("coin", [False, True])
def test_the_hot_safe_draws_to_itself_up_to_the_limit(allowed: tuple[EthereumHouse, bytes], coin: bool) -> None:
    house, usdt = allowed
    token = ZERO_ADDRESS if coin else usdt
    before = house.balance(token, house.deployment.hot_safe)
    draws = [Call(house.deployment.allowance, 0, encode_draw(token, LIMIT // 2)) for _ in range(2)]
    receipt = house.execute(house.deployment.hot_safe, draws)
    assert has_log(receipt, SAFE, "ExecutionSuccess")
    assert has_log(receipt, ALLOWANCE, "Drawn")
    assert house.balance(token, house.deployment.hot_safe) == before + LIMIT
    assert house.balance(token, house.deployment.cold_safe) == 99 * LIMIT


def test_one_more_than_is_left_is_refused_and_nothing_moves(allowed: tuple[EthereumHouse, bytes]) -> None:
    house, token = allowed
    start = now(house) + 10
    at(house, start)
    assert succeeded(draw(house, token, LIMIT))
    at(house, start + 1)
    assert not succeeded(draw(house, token, 1_001))
    at(house, start + 2)
    assert succeeded(draw(house, token, 2_000))
    assert house.balance(token, house.deployment.hot_safe) == LIMIT + 2_000


def test_no_midnight_doubles_the_limit(allowed: tuple[EthereumHouse, bytes]) -> None:
    house, token = allowed
    midnight = (now(house) // DAY + 2) * DAY
    at(house, midnight - 1)
    assert succeeded(draw(house, token, LIMIT))
    for second in (0, 1):
        at(house, midnight + second)
        assert not succeeded(draw(house, token, LIMIT))
    at(house, midnight - 1 + DAY - 1)
    assert not succeeded(draw(house, token, LIMIT))
    at(house, midnight - 1 + DAY)
    assert succeeded(draw(house, token, LIMIT))


def test_what_is_not_drawn_does_not_pile_up(allowed: tuple[EthereumHouse, bytes]) -> None:
    house, token = allowed
    at(house, now(house) + 1_000 * DAY)
    assert not succeeded(draw(house, token, LIMIT + 1))
    house.node.mine()
    assert left(house, token) == LIMIT


@pytest.mark.parametrize("who", ["cold Safe", "owner", "stranger", "allowance", "token"])
def test_nobody_else_draws(allowed: tuple[EthereumHouse, bytes], who: str) -> None:
    house, token = allowed
    sender = {
        "cold Safe": house.deployment.cold_safe,
        "owner": bytes.fromhex(house.node.dev_accounts()[0][2:]),
        "stranger": stranger(1),
        "allowance": house.deployment.allowance,
        "token": token,
    }[who]
    assert not succeeded(draw(house, token, 1, sender))
    assert left(house, token) == LIMIT


def test_only_the_cold_safe_sets_limits(allowed: tuple[EthereumHouse, bytes]) -> None:
    house, token = allowed
    for sender in (house.deployment.hot_safe, stranger(1), house.deployment.allowance):
        data = ALLOWANCE.call("set_limit", token, 2 * LIMIT)
        assert not succeeded(house.transact(house.deployment.allowance, data, sender=sender, gas=200_000))
    assert left(house, token) == LIMIT


def test_a_change_gives_nothing_at_once(allowed: tuple[EthereumHouse, bytes]) -> None:
    house, token = allowed
    assert succeeded(draw(house, token, LIMIT))
    assert has_log(set_limit(house, token, 1_000 * LIMIT), ALLOWANCE, "LimitSet")
    assert left(house, token) < LIMIT // 100
    set_limit(house, token, 10)
    assert left(house, token) <= 10
    set_limit(house, token, 0)
    assert not succeeded(draw(house, token, 1))
    set_limit(house, token, LIMIT)
    assert left(house, token) < LIMIT // 100


def test_a_token_without_a_limit_cannot_be_drawn(allowed: tuple[EthereumHouse, bytes]) -> None:
    house, _ = allowed
    other = house.deploy("test/StandardToken", "Other", "OTH", 18)
    house.pay(other, house.deployment.cold_safe, 100)
    assert not succeeded(draw(house, other, 1))


def test_a_limit_on_an_address_without_code_or_beyond_arithmetic_is_refused(
    allowed: tuple[EthereumHouse, bytes],
) -> None:
    house, token = allowed
    assert not has_log(set_limit(house, stranger(5), 1), SAFE, "ExecutionSuccess")
    assert not has_log(set_limit(house, token, 2**128), SAFE, "ExecutionSuccess")
    assert has_log(set_limit(house, token, 2**128 - 1), SAFE, "ExecutionSuccess")
    at(house, now(house) + 10_000 * DAY)
    assert succeeded(draw(house, token, 1))


@pytest.mark.parametrize("failure", ["says no", "paused", "too poor", "not enabled", "returns much"])
def test_a_draw_that_moves_nothing_fails_and_costs_no_allowance(
    allowed: tuple[EthereumHouse, bytes], failure: str
) -> None:
    house, token = allowed
    if failure == "says no":
        token = house.deploy("test/FalseToken", True)
        set_limit(house, token, LIMIT)
    elif failure == "paused":
        house.transact(token, contract("test/TetherToken").call("setPaused", True))
    elif failure == "too poor":
        token = house.deploy("test/StandardToken", "New", "NEW", 18)
        set_limit(house, token, LIMIT)
    elif failure == "returns much":
        token = house.deploy("test/HostileToken")
        house.mint(token, house.deployment.cold_safe, 10)
        house.transact(token, contract("test/HostileToken").call("set_mode", 2))
        set_limit(house, token, LIMIT)
    else:
        disable = SAFE.call("disableModule", (1).to_bytes(20, "big"), house.deployment.allowance)
        house.execute(house.deployment.cold_safe, [Call(house.deployment.cold_safe, 0, disable)])
    held = left(house, token)
    assert not succeeded(draw(house, token, 1))
    assert left(house, token) >= held > 0
    assert house.balance(token, house.deployment.hot_safe) == 0


def test_ether_that_the_cold_safe_lacks_is_not_drawn(allowed: tuple[EthereumHouse, bytes]) -> None:
    house, _ = allowed
    house.node.rpc("anvil_setBalance", text(house.deployment.cold_safe), "0x0")
    assert not succeeded(draw(house, ZERO_ADDRESS, 1))
    assert left(house, ZERO_ADDRESS) == LIMIT


def test_a_token_that_calls_back_finds_the_allowance_spent(allowed: tuple[EthereumHouse, bytes]) -> None:
    house, hostile = allowed[0], contract("test/HostileToken")
    token = house.deploy("test/HostileToken")
    house.mint(token, house.deployment.cold_safe, 10 * LIMIT)
    set_limit(house, token, LIMIT)
    # Worse than can be: the token itself is the hot Safe's owner, module and all, and draws again from inside.
    within = SAFE.call("execTransactionFromModule", house.deployment.allowance, 0, encode_draw(token, LIMIT), 0)
    enable = SAFE.call("enableModule", token)
    house.execute(house.deployment.hot_safe, [Call(house.deployment.hot_safe, 0, enable)])
    house.transact(token, hostile.call("set_callback", house.deployment.hot_safe, within))
    house.transact(token, hostile.call("set_mode", CALLS_BACK))
    assert succeeded(draw(house, token, LIMIT))
    assert house.balance(token, house.deployment.hot_safe) == LIMIT


def test_the_hot_safe_pays_from_what_it_draws_in_the_same_chain_tx(allowed: tuple[EthereumHouse, bytes]) -> None:
    house, token = allowed
    batch = [Call(house.deployment.allowance, 0, encode_draw(token, 700))]
    batch += [Call(token, 0, encode_transfer(stranger(n), 100)) for n in range(7)]
    assert has_log(house.execute(house.deployment.hot_safe, batch), SAFE, "ExecutionSuccess")
    assert [house.balance(token, stranger(n)) for n in range(7)] == [100] * 7


def test_any_draws_at_any_times_stay_within_the_limit(deployed_house: EthereumHouse) -> None:
    house = deployed_house
    with house.node.reverted():
        token = house.deploy("test/TetherToken", 6)
        house.pay(token, house.deployment.cold_safe, 10**30)
        house.allow({token: LIMIT})
        steps = st.tuples(st.integers(1, 2 * DAY), st.integers(0, 2 * LIMIT))

        @settings(deadline=None, max_examples=30)
        @given(st.lists(steps, min_size=1, max_size=8))
        def stays(draws: list[tuple[int, int]]) -> None:
            with house.node.reverted():
                taken = _draws_taken(house, token, draws)
                for start in range(len(taken)):
                    for end in range(start, len(taken)):
                        window = taken[end][0] - taken[start][0]
                        drawn = sum(amount for _, amount in taken[start : end + 1])
                        assert drawn <= LIMIT + LIMIT * window // DAY
                assert house.balance(token, house.deployment.hot_safe) == sum(amount for _, amount in taken)

        stays()


def _draws_taken(house: EthereumHouse, token: bytes, draws: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Draw after each pause; times and amounts of those that succeeded, which are all that the rule allows."""
    taken, time, most = [], now(house), LIMIT
    for pause, amount in draws:
        time += pause
        most = min(LIMIT, most + LIMIT * pause // DAY)
        at(house, time)
        done = succeeded(draw(house, token, amount))
        assert done == (amount <= most)
        if done:
            taken.append((time, amount))
            most -= amount
        else:
            most = min(LIMIT, most)
    return taken


def test_the_contract_names_its_two_safes(deployed_house: EthereumHouse) -> None:
    house, where = deployed_house, deployed_house.deployment.allowance
    assert house.call(where, ALLOWANCE.call("COLD"))[-20:] == house.deployment.cold_safe
    assert house.call(where, ALLOWANCE.call("HOT"))[-20:] == house.deployment.hot_safe
    with pytest.raises(NodeRpcError):
        house.node.rpc(
            "eth_call", {"to": text(where), "value": hex(ETHER), "from": house.node.dev_accounts()[0]}, "latest"
        )
