"""Drill 5: the platform's node is cut off from all others and fed a chain of the thief's, with a deposit in it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from drills.asking import ends, hand_in
from drills.model import Drill
from strongroom.chains import service as chains
from strongroom.demo.configuration import ASSET, CHAIN, HORIZON
from strongroom.demo.scene import until
from strongroom.infra import stops
from strongroom.infra.components.bitcoin_rpc import BitcoinRpc, JsonValue
from strongroom.infra.components.errors import NodeRpcError

if TYPE_CHECKING:
    from drills.world import World

FORGED: Final = 20_000_000
LOOT: Final = 10_000_000
DEEP: Final = HORIZON + 2


async def attack(world: World) -> None:
    """Have a deposit credited that only the poisoned node has, and withdraw it from the real hot balance."""
    made = await world.mallory.api(lambda api: api.deposit_address(asset=ASSET.id, reference="a chain of its own"))
    raw = await _never_sent(world, made["address"])
    before = await world.available(world.mallory)
    await _node(world, "setnetworkactive", False)  # noqa: FBT003 -- the RPC's own parameter
    try:
        await _node(world, "sendrawtransaction", raw)
        await _node(world, "generatetoaddress", DEEP, await world.thief.address())

        async def credited() -> bool | None:
            return await world.available(world.mallory) >= before + FORGED or None

        await until("the forged deposit in the platform's books", credited, 40)
        world.thief.note("a deposit on the poisoned node", "credited by the platform")
        if world.judges("balance-merchant"):
            await _withdraw(world)
        await asyncio.sleep(3.0)
    finally:
        await world.outside.mine(2 * DEEP)
        await _node(world, "setnetworkactive", True)  # noqa: FBT003 -- as the node's RPC has it
        await _node(world, "addnode", f"127.0.0.1:{world.scene.environment.ports['outside_p2p']}", "onetry")
    await until("the platform's node back on everybody's chain", lambda: _joined(world), 60)
    await _go_on(world)


async def _withdraw(world: World) -> None:
    signed = world.sign(world.mallory, LOOT, await world.thief.address())
    payout = await hand_in(world, world.mallory, signed, "the forged deposit, withdrawn")
    await ends(world, world.mallory, payout)
    shown = await world.mallory.api(lambda api: api.payout(payout))
    if shown.get("txid"):
        raw = await _node(world, "getrawtransaction", shown["txid"])
        try:
            await world.outside.rpc("sendrawtransaction", raw)
        except NodeRpcError as error:
            world.thief.note("the payout on the real chain", str(error))


async def _never_sent(world: World, address: str) -> str:
    """A chain tx of the thief's own coins that only the poisoned node gets to see."""
    amount = Decimal(FORGED).scaleb(-ASSET.decimals)
    funded = await world.outside.rpc(
        "walletcreatefundedpsbt", [], [{address: amount}], 0, {"lockUnspents": False}, wallet="thief"
    )
    signed = await world.outside.rpc("walletprocesspsbt", funded["psbt"], wallet="thief")
    final = await world.outside.rpc("finalizepsbt", signed["psbt"])
    return str(final["hex"])


async def _node(world: World, method: str, *params: object) -> JsonValue:
    """Speak to the platform's node, which the thief owns."""
    node = world.scene.supervisor.node
    return await asyncio.to_thread(lambda: BitcoinRpc(node.rpc_port, node.cookie_file).call(method, *params))


async def _joined(world: World) -> bool | None:
    return await _node(world, "getbestblockhash") == await world.outside.rpc("getbestblockhash") or None


async def _go_on(world: World) -> None:
    """A reorganisation beyond the horizon stops all crediting; the operator has looked, and lets it go on."""

    async def stopped() -> str | None:
        async with world.scene.database("auditor") as connection:
            return await stops.stopped(connection, stops.Stop.CREDIT, CHAIN.id)

    world.thief.note("the platform, back among others", str(await until("crediting stopped", stopped, 30)))
    async with world.scene.database("worker") as connection:
        await stops.clear_stop(connection, stops.Stop.CREDIT, "the drill is over", "the operator", CHAIN.id)


async def two_chains(world: World) -> str:
    """What a second node of somebody else's says of the block that the platform stands on."""
    async with world.scene.database("auditor") as connection:
        tip = await chains.tip(connection, CHAIN.id)
    if tip is None or tip.height is None:
        return ""
    try:
        there = await world.outside.rpc("getblockhash", tip.height)
    except NodeRpcError:
        there = ""
    # A block that is only on its way is no alarm.
    await asyncio.sleep(0.0 if there == tip.block_hash else 3.0)
    async with world.scene.database("auditor") as connection:
        again = await chains.tip(connection, CHAIN.id)
    differs = there != tip.block_hash and again is not None and again.block_hash == tip.block_hash
    return f"another node does not know the platform's block {tip.height}" if differs else ""


DRILL = Drill(
    number=5,
    name="A node poisoned",
    owned="the platform's node and its network, and a merchant",
    tried="a deposit that only the poisoned node has, withdrawn",
    attack=attack,
    rules=("balance-merchant", "chain-view", "coin-unproven"),
    mutants=("balance-merchant",),
    believes_books=False,
    probe=two_chains,
)
