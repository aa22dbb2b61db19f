"""The worker: turns facts into deposits, deposits into balances and invoices, and all of it into webhooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from strongroom.api.dialect import render
from strongroom.deposits.jobs import follow_deposits
from strongroom.infra.clock import Clock, SystemClock
from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.loops import Loop
from strongroom.infra.outbox import CHANNEL, Dispatcher
from strongroom.infra.settings import Settings
from strongroom.invoices import jobs as invoices
from strongroom.ledger import jobs as ledger
from strongroom.merchants import service as merchants
from strongroom.metrics.jobs import Exporter
from strongroom.outbound.jobs import connect_signers
from strongroom.payouts import jobs as payouts
from strongroom.processes.runtime import run_loops_until_stopped, run_process
from strongroom.rates import jobs as rates
from strongroom.reconciliation import jobs as reconciliation
from strongroom.reconciliation.cover.jobs import Looker
from strongroom.reconciliation.service import connect_nodes
from strongroom.treasury import jobs as treasury
from strongroom.wallets import jobs as wallets
from strongroom.wallets import service as wallet_service
from strongroom.webhooks import jobs as webhooks

# What the books judge of themselves at each posting is looked at again by other means; against proofs less often.
COVER_SECONDS: Final = 3.0
PROOF_SECONDS: Final = 15.0
# A scan of all our coins and every journal row: often enough to be news, seldom enough not to load the node.
RECONCILE_SECONDS: Final = 600.0


def make_dispatcher(settings: Settings, clock: Clock) -> Dispatcher:
    """Say which room listens to what; rooms do not know each other's handlers."""
    dispatcher = Dispatcher()
    for topic, handler in (*treasury.handlers(), *payouts.handlers(), *invoices.handlers(clock)):
        dispatcher.on(topic, handler)
    dispatcher.into(payouts.owing_sink())
    dispatcher.into(invoices.deposit_sink(settings, clock))
    dispatcher.into(webhooks.make_sink(render))
    return dispatcher


def chain_loops(settings: Settings, pool: Pool, clock: Clock) -> list[Loop]:
    """Follow each chain: our coins, and what came in."""
    loops = []
    for chain in settings.chains:
        steps: list[tuple[str, Callable[[], Awaitable[int]]]] = [
            ("coins", partial(wallets.follow_coins, pool, chain)),
            ("deposits", partial(follow_deposits, pool, chain, clock)),
        ]
        loops += [Loop(f"{name} {chain.label}", step, 1.0, ("chain",)) for name, step in steps]
    return loops


async def prepare(settings: Settings, pool: Pool) -> None:
    """Record key sets and assets at the first start, and give every merchant its branch on every chain."""
    async with transaction(pool) as connection:
        await wallet_service.sync_assets(connection, settings.chains)
        for chain in settings.chains:
            await wallet_service.sync_key_sets(connection, chain)
            for merchant in await merchants.list_merchants(connection):
                await wallet_service.prepare_merchant(connection, chain, merchant.id, merchant.branch)


async def _work(settings: Settings) -> None:
    clock = SystemClock()
    dsn = settings.dsn("worker")
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(make_pool(dsn, size=settings.database.pool_size, name="worker"))
        await prepare(settings, pool)
        deliverer = await stack.enter_async_context(webhooks.open_deliverer(settings.webhooks, pool))
        delivery = Loop("webhooks", deliverer.step, 1.0, ("webhooks",))
        deliverer.wake = delivery.wake.set
        auditor = await stack.enter_async_context(make_pool(settings.dsn("auditor"), size=4, name="auditor"))
        reconciling = _reconciling(stack, settings, auditor, pool)
        exporter = Exporter(settings, auditor, clock)
        stack.push_async_callback(exporter.close)
        metrics = Loop("metrics", exporter.step, float(settings.metrics.refresh_seconds))
        looks = _looks(settings, auditor, pool)
        await run_loops_until_stopped(dsn, [delivery, reconciling, metrics, *looks, *_loops(settings, pool, clock)])


def _looks(settings: Settings, auditor: Pool, pool: Pool) -> list[Loop]:
    """Look at whether client money is covered, independently of the postings that judge it."""
    looker = Looker(settings.chains, auditor, pool)
    return [
        Loop("cover of the books", looker.books, COVER_SECONDS, ("breach",)),
        Loop("cover by proofs", looker.proofs, PROOF_SECONDS),
    ]


def _reconciling(stack: AsyncExitStack, settings: Settings, auditor: Pool, pool: Pool) -> Loop:
    """Compare books, chain and journals now and then; it reads as the auditor, who can read all and write nothing."""
    nodes = connect_nodes(settings)
    for node in nodes.values():
        stack.push_async_callback(node.close)
    signers = connect_signers(settings.signers)

    async def step() -> int:
        await reconciliation.run(settings, auditor, pool, nodes, signers)
        return 0

    return Loop("reconciliation", step, RECONCILE_SECONDS)


def _loops(settings: Settings, pool: Pool, clock: Clock) -> Sequence[Loop]:
    dispatcher = make_dispatcher(settings, clock)
    sources = rates.sources_of(settings.rates)
    poll = partial(rates.poll_rates, pool, settings, sources, clock)
    return [
        *chain_loops(settings, pool, clock),
        Loop("outbox", partial(dispatcher.run_once, pool), 1.0, (CHANNEL,)),
        Loop("invoices", partial(invoices.expire_due, pool, settings, clock), 1.0),
        Loop("holds", partial(ledger.expire_holds, pool, clock), 5.0),
        Loop("addresses", partial(wallets.refill_pools, pool, settings), 5.0, ("watch",)),
        Loop("rates", poll, float(settings.rates.poll_seconds)),
    ]


def main() -> None:
    """Run the worker until told to stop."""
    run_process("worker", _work)


if __name__ == "__main__":
    main()
