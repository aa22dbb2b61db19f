"""Nonces that are lost, taken, too cheap or wanted twice: later ones go on, and nothing happens twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.outbound.ethereum import jobs
from strongroom.outbound.ethereum.model import Alarm, RelayState
from tests.fixtures.ethereum import EthereumNodeFactory
from tests.fixtures.postgres import Database
from tests.integration.outbound.ethereum.world import ETH, GWEI, HORIZON, RelayWorld, foreign_raw, make_world


@pytest.mark.parametrize("dropped", [1, 2, 3])
async def test_a_chain_tx_that_the_node_dropped_is_sent_again_and_later_ones_go_on(
    world: RelayWorld, dropped: int
) -> None:
    for number in (1, 2, 3):
        await world.submit(number)
    await world.turn()
    txid = (await world.found(dropped)).txid
    world.node.rpc("anvil_dropTransaction", txid)
    world.node.mine()
    assert [world.effects(number) for number in (1, 2, 3)] == [1] * (dropped - 1) + [0] * (4 - dropped)
    await world.turn()
    await world.mine(HORIZON)
    assert [world.effects(number) for number in (1, 2, 3)] == [1, 1, 1]
    assert (await world.found(dropped)).txid == txid, "the same bytes"
    assert (await world.found(3)).state is RelayState.FINAL


async def test_everything_that_the_node_forgot_is_sent_again(world: RelayWorld) -> None:
    for number in (1, 2, 3):
        await world.submit(number)
    await world.turn()
    world.node.rpc("anvil_dropAllTransactions")
    await world.turn()
    await world.mine(HORIZON)
    assert [world.effects(number) for number in (1, 2, 3)] == [1, 1, 1]


async def test_a_nonce_that_waits_while_gas_gets_dearer_is_replaced_at_the_same_nonce(world: RelayWorld) -> None:
    await world.submit(1)
    await world.turn()
    first = (await world.found(1)).txid
    for _ in range(2):
        world.base_fee(50 * GWEI)
        await world.mine()
    assert world.effects(1) == 0
    versions = world.versions()
    assert [(nonce, number, kind) for nonce, number, kind, *_ in versions] == [(0, 1, "call"), (0, 2, "call")]
    old, new = (int(str(row[4])) for row in versions)
    assert new * 8 >= old * 9
    assert new >= 2 * 50 * GWEI
    world.base_fee(50 * GWEI)
    await world.mine(HORIZON)
    found = await world.found(1)
    assert (found.state, world.effects(1)) == (RelayState.FINAL, 1)
    assert found.txid != first


async def test_a_nonce_behind_a_stuck_one_is_not_made_dearer(world: RelayWorld) -> None:
    await world.submit(1)
    await world.submit(2)
    await world.turn()
    for _ in range(2):
        world.base_fee(50 * GWEI)
        await world.mine()
    assert [(nonce, number) for nonce, number, *_ in world.versions()] == [(0, 1), (0, 2), (1, 1)]


async def test_nothing_is_paid_above_the_ceiling_and_an_alarm_says_so(world: RelayWorld) -> None:
    await world.submit(1)
    await world.turn()
    for _ in range(4):
        world.base_fee(600 * GWEI)
        await world.mine()
    assert max(int(str(row[4])) for row in world.versions()) <= 500 * GWEI
    for _ in range(3):
        world.base_fee(600 * GWEI)
        await world.mine()
    assert Alarm.FEE_CEILING in (await world.states())[0].alarms
    world.pass_time(minutes=20)
    assert Alarm.STUCK in (await world.states())[0].alarms
    await world.submit(2)
    await world.turn()
    assert (await world.found(2)).reason.startswith(Alarm.FEE_CEILING)
    world.base_fee(GWEI)
    world.node.mine()
    world.base_fee(GWEI)
    await world.mine(HORIZON + 1)
    assert [world.effects(1), world.effects(2)] == [1, 1]


async def test_a_chain_that_makes_no_blocks_is_not_offered_more(world: RelayWorld) -> None:
    await world.submit(1)
    await world.turn()
    world.pass_time(minutes=30)
    await world.turn(5)
    assert len(world.versions()) == 1


async def test_a_nonce_taken_by_somebody_else_costs_the_call_another_nonce_only_beyond_the_horizon(
    world: RelayWorld,
) -> None:
    await world.submit(1)
    await world.run(jobs.assign)
    world.node.rpc("eth_sendRawTransaction", foreign_raw(world, 0))
    world.node.mine()
    await world.mine(HORIZON - 1)
    assert world.effects(1) == 0
    assert (await world.found(1)).state is RelayState.SIGNED
    await world.mine(1 + 2 * HORIZON)
    found = await world.found(1)
    assert (found.state, world.effects(1)) == (RelayState.FINAL, 1)
    rows = world.pg.execute("SELECT nonce, state, released FROM outbound_relay_nonce ORDER BY nonce")
    assert rows == [(0, "foreign", True), (1, "final", False)]
    assert Alarm.NONCE_FOREIGN in (await world.states())[0].alarms


async def test_a_reorg_gives_a_taken_nonce_back(world: RelayWorld) -> None:
    await world.submit(1)
    await world.run(jobs.assign)
    world.node.rpc("eth_sendRawTransaction", foreign_raw(world, 0))
    await world.mine(2)
    world.node.reorganise(2)
    world.node.rpc("anvil_dropAllTransactions")
    await world.turn()
    await world.mine(HORIZON)
    assert ((await world.found(1)).state, world.effects(1)) == (RelayState.FINAL, 1)
    assert [row[0] for row in world.versions()] == [0], "the same nonce as before"


async def test_what_a_lost_database_had_sent_is_not_collided_with_and_its_gap_is_filled(world: RelayWorld) -> None:
    """The relayer starts after what the mempool has of it; if that vanishes, empty self-calls take its nonces."""
    for nonce in (0, 1):
        world.node.rpc("eth_sendRawTransaction", foreign_raw(world, nonce))
    await world.submit(1)
    await world.turn()
    assert [row[0] for row in world.versions()] == [2]
    world.node.rpc("anvil_dropAllTransactions")
    await world.turn(2)
    await world.mine(HORIZON)
    assert ((await world.found(1)).state, world.effects(1)) == (RelayState.FINAL, 1)
    kinds = [(nonce, kind) for nonce, _, kind, *_ in world.versions()]
    assert kinds == [(0, "empty"), (1, "empty"), (2, "call")]


async def test_nonces_that_blocks_have_already_are_left_out_and_told(world: RelayWorld) -> None:
    await world.states()
    for nonce in (0, 1):
        world.node.rpc("eth_sendRawTransaction", foreign_raw(world, nonce))
    world.node.mine()
    await world.submit(1)
    await world.turn()
    await world.mine(HORIZON)
    assert world.effects(1) == 1
    assert Alarm.NONCE_FOREIGN in (await world.states())[0].alarms


async def test_a_relayer_without_gas_or_key_gives_way_to_the_spare(world: RelayWorld) -> None:
    world.node.rpc("anvil_setBalance", world.relayers[0], hex(10**9))
    await world.submit(1)
    await world.turn()
    await world.mine(HORIZON)
    assert world.effects(1) == 1
    assert world.node.rpc("eth_getTransactionCount", world.relayers[1], "latest") == "0x1"
    first, spare = await world.states()
    assert (first.active, spare.active) == (False, True)
    assert Alarm.GAS_LOW in first.alarms
    assert spare.alarms == ()
    world.node.rpc("anvil_setBalance", world.relayers[0], hex(ETH))
    await world.submit(2)
    await world.turn()
    await world.mine(HORIZON)
    assert world.node.rpc("eth_getTransactionCount", world.relayers[0], "latest") == "0x1"


async def test_without_gas_anywhere_calls_wait_and_say_what_to_do(world: RelayWorld) -> None:
    for relayer in world.relayers:
        world.node.rpc("anvil_setBalance", relayer, hex(10**9))
    await world.submit(1)
    await world.turn(3)
    found = await world.found(1)
    assert found.state is RelayState.PLANNED
    assert found.reason.startswith(Alarm.GAS_LOW)
    assert [state.active for state in await world.states()] == [False, False]
    world.node.rpc("anvil_setBalance", world.relayers[0], hex(ETH))
    await world.turn()
    await world.mine()
    assert world.effects(1) == 1


async def test_a_key_that_cannot_be_read_leaves_sent_calls_where_they_are_and_moves_unsigned_ones(
    world: RelayWorld,
) -> None:
    assert world.chain.ethereum is not None
    await world.submit(1)
    await world.turn()  # sent by the first
    await world.submit(2)
    await world.run(jobs.assign)  # given to the first, not signed
    world.chain.ethereum.relayer_key_files[0].chmod(0o644)
    world.keys = jobs.load_keys(world.chain)
    assert len(world.keys.loaded) == 1
    await world.turn(2)
    rows = world.pg.execute("SELECT nonce, released FROM outbound_relay_nonce WHERE relay_id IS NOT NULL ORDER BY id")
    assert rows == [(0, False), (1, True), (0, False)]
    assert Alarm.KEY_MISSING in (await world.states())[0].alarms
    await world.mine(HORIZON)
    assert [world.effects(1), world.effects(2)] == [1, 1], "the first one's bytes are in the mempool still"
    assert (await world.found(1)).state is RelayState.FINAL
    world.chain.ethereum.relayer_key_files[0].chmod(0o600)
    world.keys = jobs.load_keys(world.chain)
    await world.turn(2)
    await world.mine(HORIZON)
    first = world.relayers[0]
    assert world.node.rpc("eth_getTransactionCount", first, "latest") == "0x2", "the nonce given out is taken empty"
    assert [world.effects(1), world.effects(2)] == [1, 1]


async def test_the_budget_of_a_day_is_never_exceeded_and_opens_again(
    pg: Database, make_ethereum_node: EthereumNodeFactory, tmp_path: Path
) -> None:
    node = make_ethereum_node(automine=False)
    budget = 2 * 100_000 * 3 * GWEI + 10  # two calls at their worst, at twice the base fee of 1 gwei and a tip of 1
    async with make_world(pg, node, tmp_path, gas_budget_per_day=budget) as world:
        for number in range(1, 6):
            world.base_fee(GWEI)
            node.mine()
            await world.submit(number)
        for _ in range(12):
            world.base_fee(GWEI)
            await world.mine()
            spent = sum(ETH - node.balance_wei(relayer) for relayer in world.relayers)
            assert spent <= budget
        done = [world.effects(number) for number in range(1, 6)]
        waiting = done.index(0) + 1
        assert 2 <= sum(done) < 5
        assert (await world.found(waiting)).reason.startswith(Alarm.BUDGET_SPENT)
        state = (await world.states())[0]
        assert Alarm.BUDGET_SPENT in state.alarms
        assert (state.budget, state.spent) == (budget, sum(ETH - node.balance_wei(item) for item in world.relayers))
        world.pass_time(hours=24, minutes=1)
        world.base_fee(GWEI)
        await world.turn()
        world.base_fee(GWEI)
        await world.mine()
        assert world.effects(waiting) == 1


async def test_what_a_rollup_may_take_beside_gas_counts_in_budget_and_balance_whatever_is_raised(
    pg: Database, make_ethereum_node: EthereumNodeFactory, tmp_path: Path
) -> None:
    node, margin = make_ethereum_node(automine=False), ETH // 10
    async with make_world(pg, node, tmp_path, l1_fee_margin=margin, gas_budget_per_day=2 * margin) as world:
        for number in (1, 2):
            await world.submit(number)
        await world.turn()
        dearest = "(SELECT max(gas_limit * max_fee) FROM outbound_relay_version WHERE nonce_id = id)"
        beside = f"SELECT worst - {dearest}, worst FROM outbound_relay_nonce"
        ((margin_kept, first),) = world.pg.execute(beside)
        assert margin_kept == margin
        assert (await world.found(2)).reason.startswith(Alarm.BUDGET_SPENT)
        world.pg.execute("UPDATE outbound_relay_nonce SET underpriced = true")
        await world.turn()
        ((margin_kept, raised),) = world.pg.execute(beside)
        assert margin_kept == margin
        assert raised != first, "it was replaced"
        assert (await world.states())[0].spent == raised


async def test_a_nonce_taken_in_a_younger_block_than_it_was_seen_in_waits_anew(world: RelayWorld) -> None:
    """Its block is orphaned and it is taken again, unseen: only blocks on the active chain count for the horizon."""
    await world.submit(1)
    await world.run(jobs.assign)
    raw = foreign_raw(world, 0)
    world.node.rpc("eth_sendRawTransaction", raw)
    await world.mine(1)
    world.node.reorganise(1)
    world.node.mine(HORIZON)
    world.node.rpc("eth_sendRawTransaction", raw)
    world.node.mine()
    await world.turn()
    assert world.pg.execute("SELECT state FROM outbound_relay_nonce") == [("open",)]
    world.node.reorganise(1)
    await world.turn(2)
    await world.mine(HORIZON)
    assert ((await world.found(1)).state, world.effects(1)) == (RelayState.FINAL, 1)
    assert [row[0] for row in world.versions()] == [0], "the same nonce as before"


async def test_a_nonce_that_a_reorg_gives_back_after_it_was_passed_over_is_taken_by_an_empty_call(
    world: RelayWorld,
) -> None:
    """Passed over because a block had it; that block is gone, and everything after it would wait for ever."""
    await world.states()
    world.node.rpc("eth_sendRawTransaction", foreign_raw(world, 0))
    world.node.mine()
    await world.submit(1)
    await world.turn()
    assert [row[0] for row in world.versions()] == [1], "after the one that a block has"
    world.node.reorganise(1)
    world.node.rpc("anvil_dropAllTransactions")
    await world.turn(2)
    await world.mine(HORIZON)
    assert ((await world.found(1)).state, world.effects(1)) == (RelayState.FINAL, 1)
    assert [(nonce, kind) for nonce, _, kind, *_ in world.versions()] == [(0, "empty"), (1, "call")]
