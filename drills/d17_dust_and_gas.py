"""Drill 17: dust on Bitcoin, and the smallest deposits on the EVM chain, each of which the house pays gas to gather."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from drills.model import Drill, Moment, gas_spent
from strongroom.chains.ethereum.keccak import keccak
from strongroom.demo.configuration import ASSET
from strongroom.demo.ethereum_configuration import CHAIN, ETH, HOLDINGS, RELAYERS, USDT, Holding
from strongroom.demo.outside import SHOPPER
from strongroom.demo.scene import until
from strongroom.outbound.ethereum import service as relayers
from strongroom.treasury.ethereum.rules import GATHER_WORTH
from strongroom_core.abi import parse_address
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset

if TYPE_CHECKING:
    from drills.world import World

DUSTS: Final = 4
GATHERINGS: Final = 2
DUST: Final = 600
GATHERED_SECONDS: Final = 90.0
DAY: Final = 86_400
# The alarm: at this pace a day's budget would be gone before the day is over, and a thousandth of it is gone already.
NOTICEABLE: Final = 1_000


async def attack(world: World) -> None:
    """Pay dust, which nobody moves; then the least that is worth gathering, one after another."""
    holding = next(item for item in HOLDINGS if item.asset == USDT)
    bitcoin = await _address(world, ASSET, "dust")
    for number in range(DUSTS):
        await world.outside.pay(SHOPPER, bitcoin, Amount(ASSET, DUST))
        await _deposit(world, holding, f"dust {number}", holding.minimum)
    world.thief.note(f"{DUSTS} outputs of {DUST} satoshis", "below the minimum")
    world.thief.note(f"{DUSTS} deposits of {Amount(USDT, holding.minimum)}", "gathered once they are worth it")
    for number in range(GATHERINGS):
        forwarder = await _deposit(world, holding, f"bait {number}", holding.minimum * GATHER_WORTH)

        async def gathered(place: bytes = forwarder) -> bool | None:
            return not await world.ethereum.balance(holding.token, place) or None

        await until("the bait gathered", gathered, GATHERED_SECONDS)
    world.thief.note(f"{GATHERINGS} deposits of {Amount(USDT, holding.minimum * GATHER_WORTH)}", "gathered, each alone")


async def _deposit(world: World, holding: Holding, reference: str, units: int) -> bytes:
    """Pay the thief's own merchant at a forwarder of its own."""
    text = await _address(world, USDT, reference)
    world.forwarders.add(text)
    address = parse_address(text, keccak)
    await world.ethereum.pay(holding.token, address, units)
    await world.ethereum.mine()
    return address


async def _address(world: World, asset: Asset, reference: str) -> str:
    made = await world.mallory.api(lambda api: api.deposit_address(asset=asset.id, reference=reference))
    return made["address"]


async def draining(world: World) -> str:
    """Gas is spent faster than a day's budget allows."""
    async with world.scene.database("auditor") as connection:
        states = await relayers.relayer_states(connection)
    spent, budget = sum(state.spent for state in states), sum(state.budget for state in states)
    facts = world.scene.environment.facts
    before, since = facts.setdefault("drill_gas", (spent, time.time()))
    used, seconds = spent - before, max(1.0, time.time() - since)
    if used * NOTICEABLE > budget and used * DAY > budget * int(seconds):
        return f"gas: {used} wei in {seconds:.0f} s, and {budget} for a day"
    await asyncio.sleep(0)
    return ""


def bound(moment: Moment) -> int:
    """Give the gas that the relayers may spend in a day."""
    for chain in moment.world.scene.settings.chains:
        if chain.id == CHAIN.id and chain.ethereum is not None:
            return chain.ethereum.gas_budget_per_day * len(RELAYERS)
    return 0


DRILL = Drill(
    number=17,
    name="Dust and gas drain",
    owned="nothing but small change",
    tried="dust, and deposits that are just worth gathering",
    attack=attack,
    rules=(),
    asset=ETH,
    formula="gas budget of a day * relayers",
    bound=bound,
    measure=gas_spent,
    probe=draining,
)
