"""An environment from nothing to running, told step by step, and back to nothing running."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from strongroom.chains import service as chains
from strongroom.chains.model import ChainStatus
from strongroom.demo import ethereum_configuration as evm
from strongroom.demo.configuration import ASSET, CHAIN, HORIZON, write_settings
from strongroom.demo.contracts import found_house
from strongroom.demo.environment import Environment
from strongroom.demo.ethereum import EthereumWorld
from strongroom.demo.leftovers import read_records, stop_leftovers
from strongroom.demo.links import write_links
from strongroom.demo.outside import Outside
from strongroom.demo.preparation import found_signers, make_keys
from strongroom.demo.progress import Audience, Progress
from strongroom.demo.scene import Scene, until
from strongroom.demo.supervisor import Supervisor
from strongroom.infra.components.hosting import wait_until
from strongroom.infra.database import Connection
from strongroom_client.api import Api
from strongroom_client.shapes import Invoice

SETUP: Final = ("keys", "genesis", "chain", "contracts")
DOWN_SECONDS: Final = 90.0
INVOICE_SECONDS: Final = 86_400
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, `down`, and a terminal that is closed
_SESSION: Final = 3  # field 6 of /proc/<pid>/stat (proc(5)), counted after the name's closing bracket


@asynccontextmanager
async def running(folder: Path, progress: Progress, ports: Mapping[str, int]) -> AsyncIterator[Scene]:
    """Start the environment in ``folder``, setting up what is missing; stop it at the end, whatever happened.

    ``ports`` are wished for, by name, where the environment has none yet.

    The first SIGINT or SIGTERM cancels the body and stops everything cleanly; the second kills what is left.
    """
    os.umask(0o077)
    lock = Environment.read(folder).lock()  # before anything is changed: another `up` may live there
    try:
        environment = Environment.open(folder, preferred=ports)
        supervisor = Supervisor(environment, progress.audience)
        with _signals(supervisor, progress.audience):
            try:
                supervisor.start_guard()
                start = time.monotonic()
                scene = await _start(environment, supervisor, progress)
                progress.figure("start_to_ready_seconds", time.monotonic() - start)
                async with _mining(scene.ethereum):
                    yield scene
            finally:
                await supervisor.stop()
    finally:
        lock.release()


async def serve(scene: Scene) -> None:
    """Stay up: mine when something waits for a block, until cancelled; the devnet's miner works all the time."""
    await scene.outside.mine_when_needed(HORIZON + 1)


async def refresh(scene: Scene) -> str:
    """See to it that the merchant's server is where its endpoint says, and that there is an open invoice to look at.

    Gives the address of that invoice's checkout page.
    """
    environment = scene.environment
    url = environment.merchant_url
    if environment.facts.get("endpoint_url") != url:
        endpoint = scene.fact("endpoint")
        await scene.api(lambda api: api.update_webhook_endpoint(endpoint, url=url))
        environment.finish("webhook-endpoint", endpoint_url=url)
    known = environment.facts.get("open_invoice")
    invoice = await scene.api(lambda api: api.invoice(known)) if known else None
    if invoice is not None and invoice["status"] == "new":
        return invoice["checkout_url"]
    fresh = await scene.api(_open_invoice)
    environment.finish("open-invoice", open_invoice=fresh["id"])
    return fresh["checkout_url"]


def bring_down(environment: Environment, audience: Audience) -> list[str]:
    """Stop a running `up`, and whatever a killed one left behind; the names of what was stopped."""
    stopped = []
    holder = environment.lock_holder()
    if holder is not None:
        audience.say(f"asking `strongroom up` (process {holder}) to stop")
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder, signal.SIGTERM)
        wait_until(lambda: environment.lock_holder() is None, DOWN_SECONDS)
        stopped.append("up")
    stopped += stop_leftovers(environment.root)
    if environment.ports:
        supervisor = Supervisor(environment, audience)
        supervisor.stop_components()
    return stopped


def memory_mib(environment: Environment) -> int:
    """Sum what all processes of an environment hold in memory, shared pages shared out (PSS), in MiB."""
    leaders = {record.pid for record in read_records(environment.root)}
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            session = int((folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[_SESSION])
            if session in leaders:
                rows = (folder / "smaps_rollup").read_text().splitlines()
                total += sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return total // 1024


async def _start(environment: Environment, supervisor: Supervisor, progress: Progress) -> Scene:
    if all(part in environment.done for part in SETUP):
        settings = write_settings(environment)
        write_links(environment)
        with progress.step("start", "Everything starts") as outcome:
            await supervisor.start_all()
            scene = Scene(
                environment,
                settings,
                Outside(supervisor.outside),
                EthereumWorld(supervisor.ethereum),
                progress,
                supervisor,
            )
            await _ready(scene)
            outcome.detail = f"{len(supervisor.processes())} processes"
        return scene
    return await _set_up(environment, supervisor, progress)


async def _set_up(environment: Environment, supervisor: Supervisor, progress: Progress) -> Scene:
    with progress.step("ground", "PostgreSQL, six Bitcoin nodes and anvil start") as outcome:
        await supervisor.start_ground()
        outcome.detail = "the platform's Bitcoin node, one outside, two of each signer's own; an Ethereum devnet"
    outside, ethereum = Outside(supervisor.outside), EthereumWorld(supervisor.ethereum)
    parts: tuple[tuple[str, str, Callable[[], Awaitable[str]]], ...] = (
        ("keys", "Six keys are made, each for one holder, and an operator's", lambda: make_keys(environment)),
        ("genesis", "Both signers get their policy", lambda: found_signers(environment)),
        ("chain", "A chain begins, and people get wallets", lambda: _begin_chain(environment, outside)),
        (
            "contracts",
            "Safes, allowance, forwarders and tokens are deployed",
            lambda: found_house(environment, ethereum),
        ),
    )
    for name, title, work in parts:
        if name not in environment.done:
            with progress.step(name, title) as outcome:
                outcome.detail = await work()
        elif name == "chain":
            await outside.open_wallets()
    with progress.step("processes", "Signers, platform and the merchant's server start") as outcome:
        settings = write_settings(environment)
        write_links(environment)
        await supervisor.start_rest()
        scene = Scene(environment, settings, outside, ethereum, progress, supervisor)
        await _ready(scene)
        outcome.detail = f"{len(supervisor.processes())} processes"
    return scene


async def _begin_chain(environment: Environment, outside: Outside) -> str:
    await outside.open_wallets()
    environment.finish("chain")
    return f"{await outside.height()} blocks, mined by the outside node"


def _open_invoice(api: Api) -> Invoice:
    words = "Try me: pay this from the shopper's wallet"
    return api.create_invoice(
        amount="25.00", currency="EUR", asset=ASSET.code, expires_in_seconds=INVOICE_SECONDS, description=words
    )


async def _ready(scene: Scene) -> None:
    """Wait until the watcher has caught up with the nodes, which makes the chains ones that may be relied on."""
    heights = {CHAIN.id: await scene.outside.height(), evm.CHAIN.id: await scene.ethereum.height()}

    async def caught_up() -> bool | None:
        async with scene.database("auditor") as connection:
            tips = {chain: await _tip(connection, chain) for chain in heights}
        return all(tip is not None and tip >= heights[chain] for chain, tip in tips.items()) or None

    await until("the watcher at the nodes' heights", caught_up, seconds=120)


async def _tip(connection: Connection, chain: str) -> int | None:
    tip = await chains.tip(connection, chain)
    return tip.height if tip is not None and tip.status is ChainStatus.OK else None


@asynccontextmanager
async def _mining(world: EthereumWorld) -> AsyncIterator[None]:
    """Have a miner on the devnet meanwhile, as a public chain has."""
    miner = asyncio.create_task(world.mine_when_needed(evm.HORIZON + 2))
    try:
        yield
    finally:
        miner.cancel()
        await asyncio.gather(miner, return_exceptions=True)


@contextmanager
def _signals(supervisor: Supervisor, audience: Audience) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    heard: list[int] = []

    def hear(number: int) -> None:
        heard.append(number)
        if len(heard) == 1 and task is not None:
            audience.say("stopping everything; once more to kill it")
            task.cancel()
        else:
            supervisor.kill()

    for number in _SIGNALS:
        loop.add_signal_handler(number, hear, number)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
