"""What an operator who is awake would see, and when: signers' journals, reconciliation, stops, what merchants are told.

It stands outside the platform. A refusal is in the signer's own journal before the thief has the answer; what a thief
signs with stolen keys shows as a difference between books, chain and journals.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg

from strongroom.demo.merchant import read_received
from strongroom.infra import stops
from strongroom.infra.database import make_pool
from strongroom.outbound.signers import SignerClient
from strongroom.reconciliation import service as reconciliation
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import RequestId
from strongroom_core.messages import JournalRequest, JournalRows

if TYPE_CHECKING:
    from drills.world import World

JOURNAL_SECONDS: Final = 0.5
RECONCILE_SECONDS: Final = 3.0
_ROWS: Final = 500
_ALARMING: Final = frozenset({"refused", "halted"})
# How things are while blocks are being handled; the next comparison knows better.
_PASSING: Final = frozenset({"books-behind", "chain-unavailable"})


@dataclass(slots=True)
class Watch:
    """Watches one environment during one attack; the first sighting counts."""

    world: World
    probe: Callable[[World], Awaitable[str]] | None = None
    began: float = 0.0
    seconds: float | None = None
    by: str = ""
    _rows: dict[str, int] = field(default_factory=dict)
    _webhooks: int = 0
    _known: set[str] = field(default_factory=set)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        """Learn what was there before, and begin."""
        for signer in self.world.signers:
            self._rows[signer.name] = (await signer.status()).rows
        self._webhooks = len(read_received(self.world.scene.merchant_folder))
        settings = self.world.scene.settings
        pool = await self._stack.enter_async_context(make_pool(settings.dsn("auditor"), size=2, name="drill-watch"))
        nodes = reconciliation.connect_nodes(settings)
        for node in nodes.values():
            self._stack.push_async_callback(node.close)

        async def differences() -> set[str]:
            report = await reconciliation.compare(settings, pool, nodes, self.world.signers)
            return {f"{item.name} of {item.found - item.expected}" for item in report.unexplained}

        self._known = await differences() | await self._stopped()
        if self.probe is not None:
            await self.probe(self.world)  # what it says now is how things are
        self.began = time.monotonic()
        looks = [(self._journals, JOURNAL_SECONDS), (self._stops, 1.0), (self._merchant, 0.5)]
        if self.probe is not None:
            looks.append((self._probe, 0.5))
        self._tasks = [asyncio.create_task(self._again(look, pause)) for look, pause in looks]
        self._tasks.append(asyncio.create_task(self._again(lambda: self._compare(differences), RECONCILE_SECONDS)))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop looking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def until_seen(self, seconds: float) -> None:
        """Wait until something was seen, but not for ever."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.world.alarm.wait(), seconds)

    def _see(self, what: str) -> None:
        if self.seconds is None:
            self.seconds, self.by = time.monotonic() - self.began, what
            if not self.world.conventional:
                self.world.alarm.set()

    async def _again(self, look: Callable[[], Awaitable[str]], pause: float) -> None:
        while self.seconds is None:
            try:
                seen = await look()
            except (StrongroomError, OSError, psycopg.Error):
                seen = ""  # what it looks at is being attacked; the others see that
            if seen:
                self._see(seen)
            await asyncio.sleep(pause)

    async def _journals(self) -> str:
        for signer in self.world.signers:
            seen = await self._journal(signer)
            if seen:
                return seen
        return ""

    async def _journal(self, signer: SignerClient) -> str:
        answer = await signer.ask(JournalRequest(RequestId.new(), self._rows[signer.name] + 1, _ROWS))
        for row in answer.rows if isinstance(answer, JournalRows) else ():
            self._rows[signer.name] = row.number
            body: dict[str, Any] = json.loads(row.body)
            if body["kind"] in _ALARMING:
                return f"journal of signer {signer.name}: {body['kind']} {body.get('tag', '')}".strip()
        return ""

    async def _stops(self) -> str:
        new = await self._stopped() - self._known
        return min(new, default="")

    async def _stopped(self) -> set[str]:
        found = set()
        async with self.world.scene.database("auditor") as connection:
            for stop in stops.Stop:
                for scope in ("*", *(chain.id for chain in self.world.scene.settings.chains)):
                    why = await stops.stopped(connection, stop, scope)
                    if why is not None:
                        found.add(f"stop of {stop.value}: {why}")
        return found

    async def _merchant(self) -> str:
        for row in read_received(self.world.scene.merchant_folder)[self._webhooks :]:
            event: Any = row["event"]
            if event["type"].startswith("payout.") and event["data"]["id"] not in self.world.own_payouts:
                return f"webhook at the merchant: {event['type']} that it did not ask for"
        return ""

    async def _compare(self, differences: Callable[[], Awaitable[set[str]]]) -> str:
        new = {item for item in await differences() - self._known if item.split()[0] not in _PASSING}
        if not new:
            return ""
        # Blocks may have come in between: what is still there at a second look is real.
        await asyncio.sleep(1.0)
        again = new & await differences()
        return f"reconciliation: {min(again)}" if again else ""

    async def _probe(self) -> str:
        return await self.probe(self.world) if self.probe is not None else ""
