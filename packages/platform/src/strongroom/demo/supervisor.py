"""Starts everything in the order of what needs what, keeps it running, and stops it in reverse.

What does not need each other starts side by side. A process that ends by itself is started again after a growing
delay, and `up` says so. A guard watches over `up` itself: where that is killed, nothing of it is left running.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from strongroom.demo.configuration import DATABASE
from strongroom.demo.environment import SIGNER_NODES, SIGNERS, WITNESS, Environment
from strongroom.demo.leftovers import ALL_IS_WELL, stop_leftovers
from strongroom.demo.processes import ComponentProcess, OwnProcess, Running
from strongroom.demo.progress import Audience
from strongroom.infra.components.anvil import EthereumNode
from strongroom.infra.components.bitcoind import BitcoinNode
from strongroom.infra.components.postgres import PostgresCluster
from strongroom.infra.schema import ROLES, create_roles, migrate
from strongroom_core.errors import StrongroomError

RESTART_SECONDS_MAX: Final = 30.0
# A node whose newest block is old believes itself to be catching up, and relays nothing; here nobody mines for days.
_TIP_AGE: Final = "-maxtipage=3153600000"
_NODE_OPTIONS: Final = (_TIP_AGE, "-whitelist=noban,in,out@127.0.0.1", "-fallbackfee=0.00005")
# People have wallets on the outside node. Signers ask theirs for block headers and nothing else.
_HEADERS_ONLY: Final = ("-disablewallet", "-blocksonly", "-dbcache=4", "-maxmempool=5", "-rpcthreads=2", "-par=1")
_USES: Final = {"outside": (), "node": ("-disablewallet",)}


class Supervisor:
    """The processes of one environment."""

    def __init__(self, environment: Environment, audience: Audience) -> None:
        """Describe them; nothing is started yet."""
        root, ports = environment.root, environment.ports
        self.environment = environment
        self.postgres = PostgresCluster(root / "postgres", ports["postgres"], options={"shared_buffers": "64MB"})
        self.node = _node(environment, root / "node", "node", connect=("outside",))
        self.outside = _node(environment, root / "shopper" / "node", "outside", connect=("node",))
        # Each hears of blocks from the street as well as from the platform's node: that one may be owned.
        self.signer_nodes = {
            name: _node(environment, environment.signer_node(signer, name), name, connect=("outside", "node"))
            for signer, names in SIGNER_NODES.items()
            for name in names
        }
        # Blocks come when the demonstration's miner makes them: at rest the chain rests too.
        self.ethereum = EthereumNode(root / "ethereum", ports["ethereum_rpc"], automine=False)
        self._audience = audience
        self._guard: subprocess.Popen[bytes] | None = None
        self._watching: dict[str, asyncio.Task[None]] = {}
        self._running: list[Running] = []
        self._ground = [
            ComponentProcess("postgres", root, self.postgres, 0, signal.SIGINT, self._prepare_database),
            ComponentProcess("node", root, self.node, 0),
            ComponentProcess("outside-node", root, self.outside, 0),
            ComponentProcess("anvil", root, self.ethereum, 0),
            *(ComponentProcess(f"node-{name}", root, node, 0) for name, node in self.signer_nodes.items()),
        ]

    def start_guard(self) -> None:
        """Clear away what a killed `up` left behind, and have ourselves watched."""
        left = stop_leftovers(self.environment.root)
        if left:
            self._audience.say(f"stopped what an earlier run left behind: {', '.join(left)}")
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "strongroom.demo.leftovers", str(self.environment.root)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    async def start_ground(self) -> None:
        """Start PostgreSQL and the nodes, side by side, and bring the database up to this release."""
        await self._start_all(self._ground)

    async def start_rest(self) -> None:
        """Start signers, the platform's processes and the merchant's server; each signer gets its own passphrase."""
        await self._start_all([*self._hosts(), *self._platform()])

    async def start_all(self) -> None:
        """Start everything of a set-up environment, side by side; only what needs the database waits for it."""
        postgres, *nodes = self._ground

        async def database_first() -> None:
            await self._start_all([postgres])
            await self._start_all(self._platform())

        await _together(database_first(), self._start_all([*nodes, *self._hosts()]))

    async def stop(self) -> None:
        """Stop everything, later started first, and let the guard go. What does not stop is killed."""
        watching = list(self._watching.values())
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        self._watching.clear()
        ground: list[Running] = [item for item in self._running if item in self._ground]
        others = [item for item in self._running if item not in self._ground]
        # Signers before the platform's processes would only make these complain; they stop in one go, the faces first.
        groups: list[list[Running]] = [*_groups(others), ground]
        for group in groups:
            outcomes = await asyncio.gather(*(item.stop() for item in group), return_exceptions=True)
            for item, outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    self._audience.say(f"{item.name} did not stop cleanly: {outcome}")
                    item.kill()
        self._running.clear()
        self._dismiss_guard()

    def stop_components(self) -> None:
        """Stop the nodes and the database that an earlier process left running in this folder."""
        for item in reversed(self._ground):
            item.component.stop()

    async def take_down(self, name: str) -> Running:
        """Stop one process, and do not start it again until ``bring_back``."""
        (item,) = [item for item in self._running if item.name == name]
        task = self._watching.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await item.stop()
        return item

    async def bring_back(self, item: Running) -> None:
        """Start a process that was taken down, and keep it running again."""
        await item.start()
        self._watching[item.name] = asyncio.create_task(self._keep(item))

    def kill(self) -> None:
        """End everything at once."""
        for item in reversed(self._running):
            item.kill()

    def processes(self) -> dict[str, int]:
        """Give the process ids of what runs, by name."""
        own = {item.name: item.process.pid for item in self._running if isinstance(item, OwnProcess) and item.process}
        ground = {item.name: item.component.server_pid() for item in self._ground}
        return own | {name: pid for name, pid in ground.items() if pid is not None}

    async def _start_all(self, items: Sequence[Running]) -> None:
        self._running += items
        await _together(*(item.start() for item in items))
        self._watching |= {item.name: asyncio.create_task(self._keep(item)) for item in items}

    async def _keep(self, item: Running) -> None:
        """Start a process again whenever it ends by itself."""
        delay = 1.0
        while True:
            why = await item.ended()
            self._audience.say(f"{item.name}: {why}; it is started again in {delay:g} s")
            await asyncio.sleep(delay)
            delay = min(RESTART_SECONDS_MAX, delay * 2)
            try:
                await item.start()
            except (StrongroomError, OSError) as error:
                self._audience.say(f"{item.name}: {error}")
            else:
                self._audience.say(f"{item.name} runs again")

    async def _prepare_database(self) -> None:
        """Make roles, passwords and the database where they are missing, and apply new migrations."""
        await create_roles(self.postgres.dsn())
        await asyncio.to_thread(self._make_database)
        await migrate(self.postgres.dsn(database=DATABASE))

    def _make_database(self) -> None:
        for role in ROLES:
            self.postgres.give_password(role)
        with self.postgres.superuser() as connection:
            known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(f'CREATE DATABASE "{DATABASE}"'.encode())

    def _signer(self, name: str) -> OwnProcess:
        environment = self.environment
        folder, socket = environment.key_folder(name), environment.socket(name)
        argv = (sys.executable, "-m", "strongroom_signer.cli", "run", "--dir", str(folder), "--socket", str(socket))
        secret = environment.passphrase_file(name)
        return OwnProcess(f"signer-{name}", environment.root, argv, 1, secret=secret)

    def _witness(self) -> OwnProcess:
        environment = self.environment
        where = ("--dir", str(environment.witness), "--socket", str(environment.socket(WITNESS)))
        argv = (sys.executable, "-m", "strongroom_signer.cli", "witness", *where)
        return OwnProcess("witness", environment.root, argv, 1)

    def _hosts(self) -> list[OwnProcess]:
        """Make what stands on hosts of its own in production: witness, signers, and the merchant's server."""
        return [self._witness(), *(self._signer(name) for name in SIGNERS), self._merchant()]

    def _platform(self) -> list[OwnProcess]:
        return [*(self._background(name) for name in ("watcher", "worker", "treasury")), self._api()]

    def _background(self, name: str) -> OwnProcess:
        argv = (sys.executable, "-m", f"strongroom.processes.{name}")
        return OwnProcess(name, self.environment.root, argv, 2, settings=self.environment.settings_file)

    def _api(self) -> OwnProcess:
        argv = (sys.executable, "-m", "strongroom.processes.api")
        environment = self.environment
        url = f"{environment.api_url}/readyz"
        return OwnProcess("api", environment.root, argv, 3, ready_url=url, settings=environment.settings_file)

    def _merchant(self) -> OwnProcess:
        folder, port = self.environment.root / "merchant", str(self.environment.ports["merchant"])
        argv = (sys.executable, "-m", "strongroom.demo.merchant", "--dir", str(folder), "--port", port)
        return OwnProcess("merchant", self.environment.root, argv, 3)

    def _dismiss_guard(self) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.write(ALL_IS_WELL)
                self._guard.stdin.close()
            self._guard.wait()
        self._guard = None


def _node(environment: Environment, folder: Path, ports: str, *, connect: Sequence[str]) -> BitcoinNode:
    chosen = environment.ports
    return BitcoinNode(
        folder,
        chosen[f"{ports}_rpc"],
        chosen[f"{ports}_p2p"],
        chosen[f"{ports}_zmq"],
        connect=tuple(chosen[f"{name}_p2p"] for name in connect),
        options=(*_NODE_OPTIONS, *_USES.get(ports, _HEADERS_ONLY)),
    )


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    """Do work side by side; the first error ends it all, and is raised as it was."""
    try:
        async with asyncio.TaskGroup() as group:
            for item in work:
                group.create_task(item)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None  # the first to fail is the cause; the others were cancelled


def _groups(items: Sequence[Running]) -> list[list[Running]]:
    """Group our own processes by their order, later started first."""
    own = [item for item in items if isinstance(item, OwnProcess)]
    return [
        [item for item in own if item.order == order] for order in sorted({item.order for item in own}, reverse=True)
    ]
