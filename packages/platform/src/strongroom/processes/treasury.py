"""The treasury: plans payouts, has both signers judge them, broadcasts, replaces, sweeps, and chooses the intake."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from strongroom.chains.model import ChainNode
from strongroom.chains.service import connect_node
from strongroom.infra.clock import Clock, SystemClock
from strongroom.infra.database import Pool, make_pool
from strongroom.infra.loops import Loop
from strongroom.infra.settings import ChainSettings, Settings
from strongroom.outbound import jobs as outbound
from strongroom.processes.runtime import run_loops_until_stopped, run_process
from strongroom.treasury import jobs as treasury

POOL_SIZE: Final = 4
Step = Callable[[], Awaitable[int]]


def planning_loops(pool: Pool, chain: ChainSettings, node: ChainNode, clock: Clock) -> list[Loop]:
    """Decide what is sent: payouts, sweeps, merged change, replacements; and where invoices are handed out from."""
    steps: list[tuple[str, Callable[[Pool, ChainSettings, ChainNode, Clock], Awaitable[int]], float, tuple[str, ...]]]
    steps = [
        ("plan", treasury.plan, 1.0, ("treasury", "chain")),
        ("expire", treasury.expire, 5.0, ()),
        ("sweep", treasury.sweep, 10.0, ("chain",)),
        ("consolidate", treasury.consolidate, 60.0, ()),
        ("bump", treasury.bump, 30.0, ("chain",)),
        ("intake", treasury.choose_intake, 5.0, ("chain",)),  # hot intake lapses after 60 s without it
    ]
    return [
        Loop(f"{name} {chain.asset.code}", partial(step, pool, chain, node, clock), seconds, channels)
        for name, step, seconds, channels in steps
    ]


def sending_loops(pool: Pool, chain: ChainSettings, node: ChainNode, settings: Settings) -> list[Loop]:
    """Carry out what is planned: signatures, broadcasts, what the chain says about them."""
    signers = outbound.connect_signers(settings.signers)
    steps: list[tuple[str, Step, float, tuple[str, ...]]] = [
        ("sign", partial(outbound.sign, pool, chain, signers), 1.0, ("outbound",)),
        ("void", partial(outbound.void, pool, chain, signers), 1.0, ("outbound",)),
        ("broadcast", partial(outbound.broadcast, pool, chain, node), 1.0, ("outbound",)),
        ("rebroadcast", partial(outbound.rebroadcast, pool, chain, node), 30.0, ()),
        ("follow", partial(outbound.follow, pool, chain), 1.0, ("chain",)),
        ("signers", partial(outbound.check_signers, pool, chain, signers), 10.0, ()),
    ]
    return [Loop(f"{name} {chain.asset.code}", step, seconds, channels) for name, step, seconds, channels in steps]


async def _run(settings: Settings) -> None:
    dsn = settings.dsn("treasury")
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(make_pool(dsn, size=POOL_SIZE, name="treasury"))
        loops: list[Loop] = []
        for chain in settings.chains:
            node = connect_node(chain)
            stack.push_async_callback(node.close)
            loops += planning_loops(pool, chain, node, clock)
            loops += sending_loops(pool, chain, node, settings)
        await run_loops_until_stopped(dsn, loops)


def main() -> None:
    """Run the treasury until told to stop."""
    run_process("treasury", _run)


if __name__ == "__main__":
    main()
