"""What docs/wrong-network.md promises support: money on a forwarder's address of another EVM chain can be had back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strongroom.chains.ethereum.contracts import DEPLOYER, forwarder_address
from strongroom.chains.ethereum.deployment import plan_deployment
from strongroom.chains.ethereum.owners import owner_address
from strongroom_core.evm import TRANSFER, ZERO_ADDRESS, Call
from tests.fixtures.ethereum import DevNode
from tests.fixtures.ethereum_house import ETHER, EthereumHouse, stranger, succeeded

GUIDE = Path(__file__).parents[3] / "docs" / "wrong-network.md"
BNB_CHAIN = 56
Recovery = Callable[..., list[tuple[bytes, bytes, bytes | None]]]


@pytest.fixture(scope="module")
def recovery() -> Recovery:
    """The code of the guide itself."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(GUIDE), "exec"), names)  # noqa: S102 - what the guide tells support to run
    made: Recovery = names["recovery"]
    return made


@pytest.mark.parametrize("coin", [False, True], ids=["token", "coin"])
def test_money_sent_on_an_empty_chain_comes_to_the_cold_safe_there_and_back_to_its_payer(
    recovery: Recovery, make_ethereum_node: Callable[..., DevNode], coin: bool
):
    other = EthereumHouse(make_ethereum_node(chain_id=BNB_CHAIN))
    owners = tuple(map(owner_address, other.cold_keys))
    home = plan_deployment(owners, tuple(map(owner_address, other.hot_keys)))
    address = forwarder_address(home.factory, home.cold_safe, 5, 7)
    token = ZERO_ADDRESS if coin else other.deploy("test/TetherToken", 18)
    amount, payer = 3 * ETHER, stranger(1)
    other.pay(token, address, amount)
    assert other.code(home.factory) == other.code(home.cold_safe) == b"", "nothing of ours is there"

    for to, data, makes in recovery(owners, DEPLOYER, 5, 7, token):
        if makes is None or not other.code(makes):
            assert succeeded(other.transact(to, data))
        assert makes is None or other.code(makes)
    assert other.balance(token, home.cold_safe) == amount
    assert other.code(home.hot_safe) == other.code(home.allowance) == b"", "no more than needed"

    transfer = TRANSFER + payer.rjust(32, b"\0") + amount.to_bytes(32, "big")
    back = Call(payer, amount, b"") if coin else Call(token, 0, transfer)
    assert succeeded(other.execute(home.cold_safe, (back,)))
    assert other.balance(token, payer) == amount


def test_other_owners_have_other_addresses(recovery: Recovery):
    owners = tuple(stranger(number) for number in range(3))
    first, turned = (recovery(order, DEPLOYER, 5, 7, ZERO_ADDRESS)[-1][0] for order in (owners, owners[::-1]))
    assert first != turned
