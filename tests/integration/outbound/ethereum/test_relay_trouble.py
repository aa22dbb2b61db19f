"""A real node that answers late, twice, not at all, or with an error for what it took: nothing happens twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from strongroom.chains.errors import BroadcastRejectedError, NodeDownError, NodeError
from strongroom.chains.ethereum.model import Receipt
from strongroom.ledger.model import AccountType
from strongroom.outbound.ethereum import jobs
from strongroom.outbound.ethereum.model import Alarm, RelayState
from strongroom.outbound.ethereum.rules import NONCE_JUMP_MAX, REFUSALS_MAX
from tests.integration.outbound.ethereum.world import HORIZON, RelayWorld


@dataclass
class OddNode:
    """A real node whose answers are changed on their way; counts what it was sent."""

    inner: Any
    send: Callable[[Any, bytes], Any] | None = None
    hides_receipts: bool = False
    claims_nonce: int | None = None
    forge: Callable[[Receipt], Receipt] | None = None
    sent: list[bytes] = field(default_factory=list)
    on_disk: Callable[[bytes], bool] = lambda _: True

    async def send_raw(self, raw: bytes) -> str:
        assert self.on_disk(raw), "sent before it was on disk"
        self.sent.append(raw)
        answer = await (self.send or type(self.inner).send_raw)(self.inner, raw)
        return str(answer)

    async def receipt(self, txid: str) -> Any:
        found = None if self.hides_receipts else await self.inner.receipt(txid)
        return self.forge(found) if found and self.forge else found

    async def nonce(self, address: bytes, *, pending: bool = False) -> int:
        count: int = await self.inner.nonce(address, pending=pending)
        return self.claims_nonce if self.claims_nonce is not None and not pending else count

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def takes_it_and_hangs_up(inner: Any, raw: bytes) -> str:
    await inner.send_raw(raw)
    message = "the connection was closed"
    raise NodeDownError(message)


async def takes_it_and_calls_it_wrong(inner: Any, raw: bytes) -> str:
    await inner.send_raw(raw)
    message = "internal error"
    raise BroadcastRejectedError(message)


async def takes_it_twice(inner: Any, raw: bytes) -> str:
    await inner.send_raw(raw)
    return str(await inner.send_raw(raw))


async def answers_late(inner: Any, raw: bytes) -> str:
    await asyncio.sleep(0.3)
    return str(await inner.send_raw(raw))


async def answers_nothing(inner: Any, raw: bytes) -> str:
    message = "no answer"
    raise NodeDownError(message)


def is_on_disk(world: RelayWorld) -> Callable[[bytes], bool]:
    statement = "SELECT count(*) FROM outbound_relay_version WHERE raw = %s AND state <> 'planned'"
    return lambda raw: world.pg.execute(statement, raw) == [(1,)]


@pytest.mark.parametrize(
    "odd", [takes_it_and_hangs_up, takes_it_and_calls_it_wrong, takes_it_twice, answers_late, answers_nothing]
)
async def test_however_the_node_answers_the_call_happens_once(world: RelayWorld, odd: Any) -> None:
    node = OddNode(world.rpc, odd, on_disk=is_on_disk(world))
    world.rpc = node
    for number in (1, 2):
        await world.submit(number)
    await world.turn(2)
    if odd is not answers_nothing:
        world.node.mine()
        assert [world.effects(1), world.effects(2)] == [1, 1]
    node.send = None
    await world.turn(2)
    await world.mine(HORIZON)
    assert [world.effects(1), world.effects(2)] == [1, 1]
    assert {(await world.found(number)).state for number in (1, 2)} == {RelayState.FINAL}
    assert len(set(node.sent)) == 2, "the same bytes each time"


async def refuses_for_good(inner: Any, raw: bytes) -> str:
    if read_nonce(raw) == 0 and read_gas(raw) > 21_000:
        message = "exceeds block gas limit"
        raise BroadcastRejectedError(message)
    return str(await inner.send_raw(raw))


def read_nonce(raw: bytes) -> int:
    return int(TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["nonce"])


def read_gas(raw: bytes) -> int:
    return int(TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["gas"])


async def test_a_call_that_no_node_ever_takes_does_not_keep_later_ones_waiting(world: RelayWorld) -> None:
    world.rpc = OddNode(world.rpc, refuses_for_good)
    await world.submit(1)
    await world.submit(2)
    await world.turn()
    world.pg.execute("UPDATE outbound_relay_nonce SET attempts = %s WHERE nonce = 0", REFUSALS_MAX)
    await world.turn(2)
    await world.mine(HORIZON)
    assert (world.effects(1), world.effects(2)) == (0, 1)
    assert (await world.found(1)).state is RelayState.DROPPED
    assert (await world.found(2)).state is RelayState.FINAL


async def test_a_node_without_receipts_for_a_while_does_not_make_a_call_happen_again(world: RelayWorld) -> None:
    await world.submit(1)
    await world.turn()
    node = OddNode(world.rpc, hides_receipts=True)
    world.rpc = node
    await world.mine(HORIZON - 1)
    assert (await world.found(1)).state is RelayState.BROADCAST
    assert Alarm.NONCE_FOREIGN in (await world.states())[0].alarms
    node.hides_receipts = False
    await world.mine(HORIZON)
    assert ((await world.found(1)).state, world.effects(1)) == (RelayState.FINAL, 1)
    assert len(world.versions()) == 1


async def test_receipts_that_a_node_no_longer_keeps_do_not_make_a_call_happen_again(world: RelayWorld) -> None:
    """Away for weeks, with a node that forgets: nothing is concluded from receipts that are not there."""
    await world.submit(1)
    await world.turn()
    world.node.mine(2)
    world.pass_time(days=8)
    world.rpc = OddNode(world.rpc, hides_receipts=True)
    await world.mine(3 * HORIZON)
    assert world.effects(1) == 1
    assert len(world.versions()) == 1
    found = await world.found(1)
    assert (found.state, "too long ago" in found.reason) == (RelayState.DROPPED, True)
    state = (await world.states())[0]
    assert Alarm.NONCE_FOREIGN in state.alarms
    assert state.open_nonces == 0, "it takes neither room nor budget for ever"
    world.pass_time(days=1)
    assert (await world.states())[0].spent == 0


async def test_a_node_that_tells_of_nonces_that_cannot_be_is_not_followed(world: RelayWorld) -> None:
    await world.states()
    world.rpc = OddNode(world.rpc, claims_nonce=NONCE_JUMP_MAX + 1)
    await world.submit(1)
    await world.turn(2)
    assert world.versions() == []
    assert (await world.found(1)).reason.startswith(Alarm.NONCE_FOREIGN)
    assert Alarm.NONCE_FOREIGN in (await world.states())[0].alarms


async def test_a_node_that_is_down_costs_nothing_but_time(world: RelayWorld) -> None:
    await world.submit(1)
    world.node.stop()
    for step in (jobs.assign, jobs.check):
        with pytest.raises(NodeDownError):
            await world.run(step)
    assert await world.run(jobs.follow) == 0
    assert (await world.found(1)).state is RelayState.PLANNED


async def test_a_final_nonce_that_the_chain_has_forgotten_raises_an_alarm(world: RelayWorld) -> None:
    await world.submit(1)
    await world.turn()
    await world.mine(HORIZON)
    assert (await world.found(1)).state is RelayState.FINAL
    assert (await world.states())[0].alarms == ()
    world.node.reorganise(HORIZON)
    assert Alarm.NONCE_BEHIND in (await world.states())[0].alarms


async def test_a_node_that_once_told_of_nonces_that_no_block_has_does_not_stop_a_relayer_for_ever(
    world: RelayWorld,
) -> None:
    await world.states()
    node = OddNode(world.rpc, claims_nonce=2)
    world.rpc = node
    await world.submit(1)
    await world.turn()
    assert [row[0] for row in world.versions()] == [2]
    node.claims_nonce = None
    await world.turn(2)
    await world.mine(HORIZON)
    assert ((await world.found(1)).state, world.effects(1)) == (RelayState.FINAL, 1)
    assert [(nonce, kind) for nonce, _, kind, *_ in world.versions()] == [(0, "empty"), (1, "empty"), (2, "call")]


@pytest.mark.parametrize(
    "forge",
    [
        lambda receipt: replace(receipt, gas_price=10**30),
        lambda receipt: replace(receipt, gas_used=10**12),
        lambda receipt: replace(receipt, sender=b"\x99" * 20),
        lambda receipt: replace(receipt, txid="0x" + "ab" * 32),
    ],
)
async def test_a_receipt_that_cannot_be_true_is_not_booked_and_gives_no_nonce_up(world: RelayWorld, forge: Any) -> None:
    await world.submit(1)
    await world.turn()
    node = OddNode(world.rpc, forge=forge)
    world.rpc = node
    world.node.mine(3 * HORIZON)
    for _ in range(2):
        with pytest.raises(NodeError, match="contradicts"):
            await world.run(jobs.follow)
    assert (await world.found(1)).state is RelayState.BROADCAST
    assert await world.balance(AccountType.NETWORK_FEES) == 0
    node.forge = None
    await world.turn()
    found = await world.found(1)
    assert (found.state, await world.balance(AccountType.NETWORK_FEES)) == (RelayState.FINAL, -(found.fee or 0))
    assert (world.effects(1), len(world.versions())) == (1, 1)
