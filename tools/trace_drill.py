"""A drill is played on the demonstration platform in the conventional configuration, and the thief's take is followed.

The platform's own Bitcoin chain is indexed from the node outside, while it runs. What the thief's wallet received
during the drill is marked; then the thief does what thieves do: splits it, carries some on, and cashes some at an
exchange.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the drills stand beside the tools

from trace_follow import DemonstrationError, Followed, follow
from trace_play import EXCHANGE, FEE, MINER, THIEF, Coin, Play, coins_of

from drills import trial
from drills.catalogue import CONVENTIONAL, CONVENTIONAL_PLATFORM, DRILLS
from drills.model import Drill, Finding
from drills.world import World, prepare
from strongroom.demo import run as demonstration
from strongroom.demo.environment import Environment
from strongroom.demo.progress import Progress
from strongroom.infra.components.bitcoin_rpc import BitcoinRpc
from strongroom_core.refusals import RefusalTag

OFF: Final = CONVENTIONAL | CONVENTIONAL_PLATFORM
CLAIM: Final = "drill-{number}"
_MANY: Final = 3  # outputs of a split


def run(number: int, folder: Path, progress: Progress) -> dict[str, Any]:
    """Play a drill and follow what it took. Raises ``DemonstrationError`` where it took no coins."""
    drill = next((item for item in DRILLS if item.number == number), None)
    if drill is None:
        message = f"there is no drill {number}; there are {', '.join(str(item.number) for item in DRILLS)}"
        raise DemonstrationError(message)
    return asyncio.run(_run(drill, folder, progress))


async def _run(drill: Drill, folder: Path, progress: Progress) -> dict[str, Any]:
    environment = Environment.open(folder / "platform")
    environment.finish("drill", switched_off=sorted(OFF & {tag.value for tag in RefusalTag}))
    async with demonstration.running(folder / "platform", progress, {}) as scene:
        world = await prepare(scene, OFF, conventional=True)
        node = scene.supervisor.outside
        rpc = BitcoinRpc(node.rpc_port, node.cookie_file)
        before = set(coins_of(rpc.call, THIEF))
        with progress.step("drill", f"Drill {drill.number}: {drill.name}") as outcome:
            finding = await trial.run(drill, world)
            outcome.detail = f"take {finding.take} base units"
        take = _take(drill, finding, before, coins_of(rpc.call, THIEF))
        play = await asyncio.to_thread(
            _spend, Play(rpc.call), (take, sorted(before, key=lambda coin: coin.outpoint)), progress
        )
        await _settled(world)
        followed = Followed(
            folder=folder,
            url=node.rpc_url,
            credentials=node.cookie_file,
            rpc=rpc.call,
            marks=[(CLAIM.format(number=drill.number), coin.outpoint, "the house") for coin in take],
            exchange=play.deposits,
            title=f"The take of drill {drill.number}, {drill.name}",
        )
        told = await asyncio.to_thread(follow, followed, progress)
    shutil.rmtree(folder / "platform", ignore_errors=True)
    return {**told, "drill": drill.number, "take": str(finding.take), "marked": str(sum(coin.value for coin in take))}


def _take(drill: Drill, finding: Finding, before: set[Coin], after: list[Coin]) -> list[Coin]:
    if finding.trouble:
        raise DemonstrationError(finding.trouble)
    take = [coin for coin in after if coin not in before]
    if not take:
        message = f"drill {drill.number} ({drill.name}) took no bitcoins that could be followed; try 7"
        raise DemonstrationError(message)
    return take


def _spend(play: Play, coins: tuple[list[Coin], list[Coin]], progress: Progress) -> Play:
    """Have the thief go on: put its take together with its own money, split it, cash some."""
    take, own = coins
    with progress.step("thief", "The thief splits its take and cashes some of it") as outcome:
        play.open_wallets(MINER, EXCHANGE)
        parts = play.pay([*take, *own[:1]], *[(THIEF, sum(coin.value for coin in take) // 4)] * (_MANY - 1), (THIEF, 0))
        play.mine()
        change = (THIEF, play.address(THIEF), parts[0].value // 2)
        cashed = play.spend(
            [parts[0]], [(EXCHANGE, play.deposit(), parts[0].value - parts[0].value // 2 - FEE), change]
        )
        play.mine()
        cashed += play.spend([parts[1]], [(EXCHANGE, play.deposit(), parts[1].value - FEE)])
        play.mine()
        value = sum(coin.value for coin in cashed if coin.owner == EXCHANGE)
        outcome.detail = f"{_MANY} parts, {value} satoshi to {len(play.deposits)} addresses of an exchange"
    return play


async def _settled(world: World) -> None:
    """Let the platform's own watchers come along, so that everything stops in order."""
    await world.settle()
