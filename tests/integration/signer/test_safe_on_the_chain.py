"""Two real signers and a real Safe on a real node: together their signatures move money; alone they move nothing.

The Safe is the audited contract: it computes the hash itself, recovers the owners and executes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.ethereum.owners import owner_address
from strongroom_core.evm import SafeTx, encode_exec_transaction
from strongroom_core.messages import SafeSigned
from tests.fixtures.ethereum import DevNode
from tests.fixtures.ethereum_house import EthereumHouse, has_log, succeeded
from tests.integration.signer.processes import SignerProcess, make_safe_folder, running
from tests.unit.signer.kit import KEYS
from tests.unit.signer.safe_kit import (
    CHAIN,
    COIN,
    ETHER,
    LISTED,
    SHOP,
    UNITS,
    House,
    SafeDraft,
    cancel,
    draw,
    intent,
    owner,
    payout,
    send,
    signed_by,
    text_of,
    transfer,
)

SAFE = contract("safe/Safe")


class World:
    """A house whose hot Safe belongs to the kit's keys, with money in both Safes, and two signers that know it."""

    def __init__(self, node: DevNode, root: Path, stack: ExitStack) -> None:
        self.chain = EthereumHouse(node, hot_keys=tuple(_secret(name) for name in ("A", "B", "R")))
        self.chain.deploy_all()
        places = self.chain.deployment
        usdt, usdc = (self.chain.deploy("test/TetherToken", 6) for _ in range(2))
        self.house = House(
            places.hot_safe, places.cold_safe, places.multisend, places.allowance, places.factory, usdt, usdc
        )
        self.chain.allow({usdt: 6_000 * UNITS})
        self.chain.pay(usdt, places.cold_safe, 10_000 * UNITS)
        self.chain.pay(usdt, places.hot_safe, 100 * UNITS)
        self.chain.pay(bytes(20), places.hot_safe, 10 * ETHER)
        self.signers: tuple[SignerProcess, ...] = tuple(
            stack.enter_context(running(make_safe_folder(root, name, self.house))) for name in ("A", "B")
        )

    def signatures(self, draft: SafeDraft) -> dict[bytes, bytes]:
        """Both signatures by owner; each is of the hash that the Safe itself computes."""
        digest = self.hash_by_the_safe(draft)
        assert digest == draft.hash
        answers = [signer.ask(draft.request()) for signer in self.signers]
        assert all(isinstance(answer, SafeSigned) for answer in answers), answers
        return {signed_by(answer, digest): answer.signature for answer in answers if isinstance(answer, SafeSigned)}

    def hash_by_the_safe(self, draft: SafeDraft) -> bytes:
        values = list(draft.values.values())
        data = SAFE.call("getTransactionHash", *values[2:], values[1])
        return self.chain.call(self.house.hot_safe, data)

    def execute(self, draft: SafeDraft, signatures: bytes) -> dict[str, Any]:
        return self.chain.transact(
            self.house.hot_safe, encode_exec_transaction(SafeTx(**draft.values), signatures), gas=2_000_000
        )

    def both(self, draft: SafeDraft) -> dict[str, Any]:
        signed = self.signatures(draft)
        assert set(signed) == {owner("A"), owner("B")}
        return self.execute(draft, b"".join(signed[key] for key in sorted(signed)))

    def pay(self, **changes: Any) -> Any:
        values = {"asset": self.house.asset(self.house.usdt), "expires_at": int(time.time()) + 3_600}
        return intent(**(values | changes))


def _secret(name: str) -> bytes:
    secret = bytes(KEYS[name].owner(CHAIN)._node.key.secret)
    assert owner_address(secret) == owner(name)
    return secret


@pytest.fixture
def world(fresh_ethereum_node: DevNode, root: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(fresh_ethereum_node, root, stack)


def test_a_batch_with_a_draw_is_executed_by_two_signatures_and_by_no_less(world: World):
    first, second = world.pay(), world.pay(asset=COIN, amount=2 * ETHER, destination=text_of(LISTED))
    more = (draw(world.house.usdt, 150 * UNITS, world.house),)
    draft = payout(first, second, house=world.house, more=more)
    signed = world.signatures(draft)
    (one, two) = sorted(signed)
    for too_few in (signed[one], signed[two], signed[one] * 2, signed[two] + signed[one]):
        assert not succeeded(world.execute(draft, too_few))
    receipt = world.execute(draft, signed[one] + signed[two])
    assert succeeded(receipt)
    assert has_log(receipt, SAFE, "ExecutionSuccess")
    assert any("0x" + draft.hash.hex() in log["topics"] for log in receipt["logs"])
    assert world.chain.balance(world.house.usdt, SHOP) == 250 * UNITS
    assert world.chain.balance(bytes(20), LISTED) == 2 * ETHER
    assert world.chain.balance(world.house.usdt, world.house.hot_safe) == 0
    assert world.chain.balance(world.house.usdt, world.house.cold_safe) == 9_850 * UNITS


def test_of_all_that_is_signed_at_a_nonce_only_one_happens(world: World):
    paid, dead = world.pay(amount=30 * UNITS), world.pay(amount=40 * UNITS)
    first = payout(paid, dead, house=world.house)
    other = payout(paid, house=world.house)
    signatures = [world.signatures(draft) for draft in (first, other, cancel(0, world.house))]
    assert has_log(world.both(other), SAFE, "ExecutionSuccess")
    for draft, signed in zip((first, cancel(0, world.house)), (signatures[0], signatures[2]), strict=True):
        assert not succeeded(world.execute(draft, b"".join(signed[key] for key in sorted(signed))))
    assert world.chain.balance(world.house.usdt, SHOP) == 30 * UNITS
    assert [signer.tag(payout(dead, nonce=1, house=world.house).request()) for signer in world.signers] == [
        "intent-bound",
        "intent-bound",
    ]


def test_a_cancellation_uses_its_nonce_up_and_a_sweep_goes_to_the_cold_safe(world: World):
    empty = cancel(0, world.house)
    assert has_log(world.both(empty), SAFE, "ExecutionSuccess")
    assert world.chain.safe_nonce(world.house.hot_safe) == 1
    parts = (transfer(world.house.usdt, world.house.cold_safe, 60 * UNITS), send(world.house.cold_safe, 4 * ETHER))
    sweep = SafeDraft(parts, nonce=1, house=world.house)
    assert has_log(world.both(sweep), SAFE, "ExecutionSuccess")
    assert world.chain.balance(world.house.usdt, world.house.cold_safe) == 10_060 * UNITS
    assert world.chain.balance(bytes(20), world.house.cold_safe) == 4 * ETHER
    single = payout(world.pay(amount=UNITS), nonce=2, house=world.house)
    assert has_log(world.both(single), SAFE, "ExecutionSuccess")
    assert world.chain.balance(world.house.usdt, SHOP) == UNITS
