"""Limits of draws as real signers and a real chain tell them, side by side."""

from __future__ import annotations

from typing import Any

from strongroom.chains.ethereum.contracts import contract
from strongroom.processes.commands import evm, signers
from strongroom_core.evm import ZERO_ADDRESS, Call
from tests.integration.outbound.safe.world import ETH, ETHER, UNIT, SafeWorld

ALLOWANCE = contract("Allowance")


async def draws(world: SafeWorld) -> dict[str, Any]:
    rows = await evm.draw_rows(world.settings, signers.draws(await signers.ask(world.settings)))
    return {item.asset.code: row for item, row in zip(world.chain.held_assets, rows, strict=True)}


def limit(world: SafeWorld, per_day: dict[bytes, int]) -> None:
    made = world.place.house.deployment
    calls = [Call(made.allowance, 0, ALLOWANCE.call("set_limit", token, units)) for token, units in per_day.items()]
    world.place.house.execute(made.cold_safe, calls)


async def test_status_compares_the_chains_limit_with_what_both_policies_say(world: SafeWorld) -> None:
    policy = {name: limits[world.usdt] for name, limits in signers.draws(await signers.ask(world.settings)).items()}
    assert policy == {"A": 6_000 * UNIT, "B": 6_000 * UNIT}  # the kit's policy
    # A higher limit gives nothing at once: what is left now is still 100,000, and it is the limit that is compared.
    limit(world, {world.place.usdt: 200_000 * UNIT})
    usdt = (await draws(world))["USDT"]
    assert usdt["draws in 24 h"] == "200000.000000 USDT"
    assert usdt["differs"].count("wait, unsigned") == 2
    limit(world, {world.place.usdt: 6_000 * UNIT, world.place.usdc: 5_999 * UNIT, ZERO_ADDRESS: 6_000 * ETHER})
    found = await draws(world)
    assert found["USDT"]["differs"] is None
    assert found["USDC"]["differs"].count("the chain's limit holds") == 2


async def test_amounts_of_wei_arrive_whole(world: SafeWorld) -> None:
    told = signers.draws(await signers.ask(world.settings))
    assert told["A"][ETH] == 6_000 * ETHER > 2**63


async def test_a_signer_that_is_away_is_a_row_and_compares_nothing(world: SafeWorld) -> None:
    world.processes[1].kill()
    told = await signers.ask(world.settings)
    assert [row["state"] for row in signers.rows(told)] == ["ok", "unreachable"]
    assert set(signers.draws(told)) == {"A"}
