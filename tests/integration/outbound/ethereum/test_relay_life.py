"""One relayed call, from the wish to beyond the horizon."""

from __future__ import annotations

import pytest

from strongroom.infra.database import transaction
from strongroom.ledger.model import AccountType
from strongroom.outbound.ethereum import jobs, relay
from strongroom.outbound.ethereum.errors import RelayConflictError, UnknownRelayError
from strongroom.outbound.ethereum.model import RelayState
from tests.integration.outbound.ethereum.world import CHAIN, ETH, HORIZON, RelayWorld


async def test_a_call_happens_once_and_its_gas_is_posted_once_it_is_final(world: RelayWorld) -> None:
    await world.submit(1)
    await world.turn()
    assert (await world.found(1)).state is RelayState.BROADCAST
    await world.mine()
    mined = await world.found(1)
    assert (mined.state, mined.success, world.effects(1)) == (RelayState.MINED, True, 1)
    assert await world.balance(AccountType.NETWORK_FEES) == 0, "not before it is final"
    await world.mine(HORIZON - 1)
    final = await world.found(1)
    spent = ETH - world.node.balance_wei(world.relayers[0])
    assert (final.state, final.fee) == (RelayState.FINAL, spent)
    assert spent > 0
    await world.mine(2)
    assert await world.balance(AccountType.NETWORK_FEES) == -spent
    assert await world.balance(AccountType.HOUSE_CAPITAL) == spent
    payload = {"chain": CHAIN, "purpose": "gather", "reference": "1", "txid": final.txid, "success": True}
    assert world.topics() == [("outbound.relayed", payload | {"fee": str(spent)})]
    assert world.effects(1) == 1


async def test_the_same_submission_again_is_the_same_call_and_another_one_is_refused(world: RelayWorld) -> None:
    for _ in range(3):
        await world.submit(1)
    with pytest.raises(RelayConflictError):
        await world.submit(1, data=(2).to_bytes(32, "big"))
    await world.turn()
    await world.mine(HORIZON)
    await world.submit(1)
    await world.turn(2)
    assert world.effects(1) == 1
    assert (await world.found(1)).state is RelayState.FINAL


async def test_many_calls_go_out_in_turn_a_few_at_a_time(world: RelayWorld) -> None:
    for number in range(1, 14):
        await world.submit(number)
    await world.turn(3)
    assert world.waiting_txs() == 10, "five of each relayer"
    await world.mine(6)
    assert [world.effects(number) for number in range(1, 14)] == [1] * 13
    assert {(await world.found(number)).state for number in range(1, 14)} == {RelayState.FINAL}


async def test_a_call_that_fails_in_simulation_is_never_sent_and_its_submitter_told(world: RelayWorld) -> None:
    await world.submit(0)
    await world.turn(2)
    assert (await world.found(0)).state is RelayState.PLANNED, "a node may be a block behind"
    await world.turn(1)
    dropped = await world.found(0)
    assert dropped.state is RelayState.DROPPED
    assert dropped.reason.startswith("simulation-failed: ")
    assert world.topics()[0][0] == "outbound.relay_dropped"
    assert world.pg.execute("SELECT count(*) FROM outbound_relay_nonce") == [(0,)]

    async with transaction(world.pool) as connection:
        await relay.retry(connection, CHAIN, "gather", "0")
    assert (await world.found(0)).state is RelayState.PLANNED


async def test_a_call_that_needs_more_gas_than_it_may_have_is_not_sent(world: RelayWorld) -> None:
    await world.submit(1, gas_limit=22_000)
    await world.turn(3)
    found = await world.found(1)
    assert found.state is RelayState.DROPPED
    assert "22000" in found.reason


async def test_a_call_that_only_works_after_an_earlier_one_waits_for_it(world: RelayWorld) -> None:
    """A Safe takes its nonces in order: the second execution fails in simulation until the first is in a block."""
    await world.submit(1)
    await world.turn()
    await world.submit(0)
    await world.turn(6)
    assert (await world.found(0)).state is RelayState.PLANNED
    await world.mine()
    await world.turn(3)
    assert (await world.found(0)).state is RelayState.DROPPED, (
        "the earlier one is in a block, and it fails all the same"
    )


async def test_a_call_that_fails_in_its_block_says_so_and_costs_its_gas(world: RelayWorld) -> None:
    await world.submit(1)
    await world.turn()
    world.node.rpc("anvil_setCode", f"0x{world.counter.hex()}", "0x60006000fd")
    await world.mine(HORIZON)
    found = await world.found(1)
    assert (found.state, found.success) == (RelayState.FINAL, False)
    assert await world.balance(AccountType.NETWORK_FEES) == -(found.fee or 0) < 0
    assert world.topics()[0][1]["success"] is False  # type: ignore[index]


@pytest.mark.parametrize("depth", [1, 2])
async def test_a_reorg_takes_a_call_back_and_it_happens_again_once(world: RelayWorld, depth: int) -> None:
    await world.submit(1)
    await world.turn()
    await world.mine(depth)
    assert world.effects(1) == 1
    world.node.reorganise(depth)
    assert world.effects(1) == 0
    await world.run(jobs.follow)
    assert (await world.found(1)).state is RelayState.BROADCAST
    assert (await world.found(1)).success is None
    await world.turn()
    await world.mine(HORIZON)
    assert (await world.found(1)).state is RelayState.FINAL
    assert world.effects(1) == 1
    history = world.pg.execute("SELECT arrow FROM outbound_relay_history WHERE arrow LIKE '%mined%' ORDER BY id")
    arrows = ["broadcast → mined", "mined → broadcast", "broadcast → mined", "mined → final"]
    assert [row[0] for row in history] == arrows


async def test_a_call_without_signed_bytes_is_cancelled_for_good_and_its_nonce_taken(world: RelayWorld) -> None:
    await world.submit(1)
    await world.submit(2)
    await world.run(jobs.assign)
    assert await world.cancel(1)
    assert (await world.found(1)).state is RelayState.DROPPED
    await world.turn()
    await world.mine(HORIZON)
    assert (world.effects(1), world.effects(2)) == (0, 1)
    assert world.node.rpc("eth_getTransactionCount", world.relayers[0], "latest") == "0x2"
    spent = ETH - world.node.balance_wei(world.relayers[0])
    assert await world.balance(AccountType.NETWORK_FEES) == -spent, "the gas of the empty self-call as well"
    assert await world.cancel(1), "again"


async def test_a_call_that_waits_for_a_block_competes_with_its_cancellation(world: RelayWorld) -> None:
    await world.submit(1)
    await world.turn()
    assert not await world.cancel(1)
    await world.turn()
    await world.mine(1)
    assert (await world.found(1)).state is RelayState.BROADCAST, "not before the self-call is final"
    await world.mine(HORIZON - 1)
    assert ((await world.found(1)).state, world.effects(1)) == (RelayState.DROPPED, 0)
    async with transaction(world.pool) as connection:
        await relay.retry(connection, CHAIN, "gather", "1")
    await world.turn()
    await world.mine(HORIZON)
    assert ((await world.found(1)).state, world.effects(1)) == (RelayState.FINAL, 1)


async def test_what_was_mined_is_not_cancelled(world: RelayWorld) -> None:
    await world.submit(1)
    await world.turn()
    await world.mine()
    assert not await world.cancel(1)
    await world.mine(HORIZON)
    assert ((await world.found(1)).state, world.effects(1)) == (RelayState.FINAL, 1)
    with pytest.raises(UnknownRelayError):
        await world.cancel(9)
