"""The treasury: plans payouts, has both signers judge them, broadcasts, replaces, sweeps, and chooses the intake."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from strongroom.attestations import jobs as attestations
from strongroom.chains.ethereum.node import EthereumNode
from strongroom.chains.model import ChainNode
from strongroom.chains.service import connect_ethereum, connect_node
from strongroom.infra.clock import Clock, SystemClock
from strongroom.infra.database import Pool, make_pool
from strongroom.infra.loops import Loop
from strongroom.infra.settings import ChainSettings, Settings
from strongroom.outbound import jobs as outbound
from strongroom.outbound.ethereum import jobs as relay
from strongroom.outbound.safe import jobs as safe
from strongroom.processes.runtime import run_loops_until_stopped, run_process
from strongroom.proofs import jobs as proofs
from strongroom.treasury import jobs as treasury
from strongroom.treasury.ethereum import jobs as safe_treasury

# Planning, sweeping, guarding and gathering of a chain hold a connection each while its node answers. The other loops
# must not wait for that, nor one chain for another one's slow node.
POOL_SPARE: Final = 4
POOL_PER_CHAIN: Final = 5
Step = Callable[[], Awaitable[int]]
Wakes = tuple[str, ...]


def planning_loops(pool: Pool, chain: ChainSettings, node: ChainNode, clock: Clock) -> list[Loop]:
    """Decide what is sent: payouts, sweeps, merged change, replacements; and where invoices are handed out from."""
    steps: list[tuple[str, Callable[[Pool, ChainSettings, ChainNode, Clock], Awaitable[int]], float, tuple[str, ...]]]
    steps = [
        ("plan", treasury.plan, 1.0, ("treasury", "chain")),
        ("expire", treasury.expire, 5.0, ()),
        ("sweep", treasury.sweep, 10.0, ("chain", "breach")),
        ("consolidate", treasury.consolidate, 60.0, ()),
        ("bump", treasury.bump, 30.0, ("chain",)),
        ("intake", treasury.choose_intake, 5.0, ("chain", "breach")),  # hot intake lapses after 60 s without it
    ]
    return [
        Loop(f"{name} {chain.label}", partial(step, pool, chain, node, clock), seconds, channels)
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
    steps += [
        (f"prove to {prover.signer.name}", prover.step, 1.0, ("proofs", "chain"))
        for prover in proofs.make_provers(pool, chain, node, signers)
    ]
    return [Loop(f"{name} {chain.label}", step, seconds, channels) for name, step, seconds, channels in steps]


def evm_loops(pool: Pool, chain: ChainSettings, node: EthereumNode, clock: Clock, settings: Settings) -> list[Loop]:
    """Give all loops of an EVM chain: what is planned, signed and handed over, the relayer, what the chain says."""
    signers = outbound.connect_signers(settings.signers)
    planned: list[tuple[str, Callable[[Pool, ChainSettings, EthereumNode, Clock], Awaitable[int]], float, Wakes]] = [
        ("plan", safe_treasury.plan, 1.0, ("treasury", "chain")),
        ("sweep", safe_treasury.sweep, 30.0, ("breach",)),
        ("guard", safe_treasury.guard, 30.0, ("breach",)),
        ("gather", safe_treasury.gather, 10.0, ()),
    ]
    steps: list[tuple[str, Step, float, Wakes]] = [
        (name, partial(step, pool, chain, node, clock), seconds, channels) for name, step, seconds, channels in planned
    ]
    steps += [
        ("expire", partial(treasury.expire_waiting, pool, chain, clock), 5.0, ()),
        ("sign", partial(safe.sign, pool, chain, signers, node), 1.0, ("outbound",)),
        ("void", partial(outbound.void, pool, chain, signers), 1.0, ("outbound",)),
        ("hand over", partial(safe.hand_over, pool, chain, node), 1.0, ("outbound", "relay")),
        ("follow", partial(safe.follow, pool, chain), 1.0, ("chain",)),
        ("measure", partial(safe.measure, pool, chain, node), 1.0, ("outbound",)),
        ("settle", partial(safe.settle, pool, chain), 1.0, ("chain", "outbound")),
        ("end passed", partial(safe.end_passed, pool, chain, node), 15.0, ()),
        ("signers", partial(outbound.check_signers, pool, chain, signers), 10.0, ()),
        ("find sweeps", proofs.make_scanner(pool, chain, node).step, 1.0, ("chain",)),
        *relay.relay_steps(pool, chain, node, clock, relay.load_keys(chain)),
    ]
    steps += [
        (f"prove to {prover.signer.name}", prover.step, 1.0, ("proofs", "chain"))
        for prover in proofs.make_evm_provers(pool, chain, node, signers)
    ]
    return [Loop(f"{name} {chain.chain.name}", step, seconds, channels) for name, step, seconds, channels in steps]


def books_loops(pool: Pool, settings: Settings) -> list[Loop]:
    """Keep a copy of what each signer's own books hold: what they do not cover is not planned."""
    readings = proofs.make_books_readings(pool, outbound.connect_signers(settings.signers))
    loops = [Loop(f"books of {item.signer.name}", item.step, 2.0, ("proofs", "outbound")) for item in readings]
    return [*loops, Loop("compare books", proofs.make_comparison(pool).step, 5.0, ())]


def attesting_loops(pool: Pool, settings: Settings) -> list[Loop]:
    """Have every signer sign what is derived for merchants; one that is away delays no other."""
    signers = outbound.connect_signers(settings.signers)
    return [
        Loop(f"have {attesting.signer.name} attest", attesting.step, 1.0, ("attestations",))
        for attesting in attestations.make_attesting(pool, settings, signers)
    ]


async def _ethereum_node(stack: AsyncExitStack, chain: ChainSettings) -> EthereumNode:
    node = connect_ethereum(chain)
    stack.push_async_callback(node.close)
    return node


async def _run(settings: Settings) -> None:
    dsn = settings.dsn("treasury")
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        size = POOL_SPARE + POOL_PER_CHAIN * len(settings.chains)
        pool = await stack.enter_async_context(make_pool(dsn, size=size, name="treasury"))
        loops = attesting_loops(pool, settings)
        for chain in settings.chains:
            if chain.is_evm:
                loops += evm_loops(pool, chain, await _ethereum_node(stack, chain), clock, settings)
                continue
            node = connect_node(chain)
            stack.push_async_callback(node.close)
            loops += planning_loops(pool, chain, node, clock)
            loops += sending_loops(pool, chain, node, settings)
        loops += books_loops(pool, settings)
        await run_loops_until_stopped(dsn, loops)


def main() -> None:
    """Run the treasury until told to stop."""
    run_process("treasury", _run)


if __name__ == "__main__":
    main()
