"""The watcher of one EVM chain: the only writer of its facts.

It decides nothing. What it has recorded is its state: killed at any point, it goes on from the event log. While too few
endpoints answer or agree it records nothing, says so, and goes on by itself when that has passed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog

from strongroom.chains import store as chain_store
from strongroom.chains.errors import ChainError, EndpointsDisagreeError, NodeWarmingUpError, WrongNetworkError
from strongroom.chains.ethereum import orphans, refusals, store
from strongroom.chains.ethereum.balances import Balances
from strongroom.chains.ethereum.blocks import BlockFollower, Stretch
from strongroom.chains.ethereum.endpoints import Endpoints, Survey, ethereum_of
from strongroom.chains.ethereum.memory import Memory
from strongroom.chains.ethereum.pending import PendingFollower
from strongroom.chains.model import ChainStatus
from strongroom.chains.recording import store as log
from strongroom.chains.recording.announcing import Announcer, Reach, too_deep
from strongroom.chains.recording.keeping import ProgressCallback, keep_recording
from strongroom.infra.database import Connection, Pool
from strongroom.infra.settings import ChainSettings

_log = structlog.get_logger(__name__)
LAG_BLOCKS: Final = 3  # so far behind is still live
PENDING_SECONDS: Final = 1.0  # what waits to be mined is looked at so often, between polls too
POLLS_PER_READING: Final = 15  # balances are read that seldom: they are many questions


class EthereumWatcher:
    """Follows the endpoints of one chain. ``progress`` is told (recorded height, agreed height) after every commit."""

    def __init__(self, settings: ChainSettings, pool: Pool, progress: ProgressCallback | None = None) -> None:
        """Name the chain, its endpoints and the database; ``pool`` connects as ``strongroom_watcher``."""
        self._settings = settings
        self._pool = pool
        self._progress = progress
        self._endpoints = Endpoints(settings)

    async def run(self) -> None:
        """Go on until cancelled; losing the database or the lock only starts over from the event log."""
        try:
            await keep_recording(self._pool, self._settings.id, self._run_session)
        finally:
            await self._endpoints.close()

    async def _run_session(self, connection: Connection) -> None:
        await Session(self._settings, self._endpoints, connection, self._progress).run()


class Session:
    """One stretch of work with the chain's lock held; its memory lives as long."""

    def __init__(
        self,
        settings: ChainSettings,
        endpoints: Endpoints,
        connection: Connection,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Start with an empty memory; ``run`` or ``load`` fills it."""
        self._settings = settings
        self._endpoints = endpoints
        self._connection = connection
        self._progress = progress
        self.memory = Memory(settings.id)
        self._status = Announcer(settings, connection)
        self._blocks = BlockFollower(endpoints, self.memory, settings)
        self._pending = PendingFollower(endpoints, self.memory)
        self._live = False  # the last step caught up
        treasury = ethereum_of(settings).address("cold_safe")
        self._balances = Balances(endpoints, settings.id, settings.asset.id, treasury)
        self._read_at = 0.0
        self._read_height = -1
        self._untraced: int | None = None  # the highest block recorded without traces that balances do not explain yet
        self._trouble = ""  # with reading balances
        self._ahead = False  # the memory holds facts that are not recorded
        self._holdings_loaded = False
        self._final = -1  # the highest block that was ever called final

    async def load(self) -> None:
        """Rebuild the memory from the event log."""
        await self.memory.load_state(self._connection)
        await self.memory.load_scripts(self._connection)
        await self._status.load()
        self._untraced = await store.load_untraced(self._connection, self._settings.id)
        said = await chain_store.tip(self._connection, self._settings.id)
        if said is not None and said.finalized_height is not None:
            self._final = said.finalized_height
        tip = self.memory.tip
        _log.info("watching", chain=self._settings.id, height=tip and tip.height, scripts=len(self.memory.scripts))

    async def run(self) -> None:
        """Step until cancelled or until the database fails."""
        await self.load()
        while True:
            await self.step()
            await self._rest()

    async def _rest(self) -> None:
        """Wait for the next poll, and look meanwhile at what waits to be mined."""
        end = time.monotonic() + self._settings.poll_seconds
        while (left := end - time.monotonic()) > PENDING_SECONDS:
            await asyncio.sleep(min(left, PENDING_SECONDS))
            if self._live:
                await self._look_at_pending()
        await asyncio.sleep(max(0.0, left))

    async def step(self) -> None:
        """Catch up with what the endpoints agree on, or say why that cannot be."""
        self._live = False
        try:
            if self._ahead:
                await self.memory.load_state(self._connection)
                self._ahead = False
            await self._follow()
        except ChainError as error:
            await self._status.say(_status_of(error), error.message, Reach(self.memory.tip))

    async def _follow(self) -> None:
        survey = await self._endpoints.survey()
        self.memory.refused = await store.load_refused(self._connection, self._settings.id)
        await self._blocks.choose_traces()
        await self._load_holdings()
        await self._load_release(survey)
        await self._catch_up(survey)
        tip = self.memory.tip
        if tip is not None and survey.height < tip.height:
            behind = f"enough endpoints are at block {survey.height} only, of the {tip.height} recorded"
            await self._status.say(ChainStatus.SYNCING, behind, self._reach(survey))
            return
        self._live = True
        await self._look_at_pending()
        await self._look_for_orphans()
        await self._read_balances(survey)
        await self._status.say_ok(self._detail(survey), self._reach(survey))

    async def _load_holdings(self) -> None:
        """Begin to watch the balances of allowed tokens, once, as of the recorded tip."""
        if self._holdings_loaded or self.memory.tip is None:
            return
        block = None
        for token, asset in self._blocks.tokens.items():
            receivers = await store.load_receivers(self._connection, self._settings.id, asset)
            if receivers:
                block = block or await self._endpoints.agreed_block(self.memory.tip.height)
                await self._blocks.rebasing.load(token, receivers, block)
        self._holdings_loaded = True

    async def _load_release(self, survey: Survey) -> None:
        """Find what the next block is to tell of, held while its token was refused."""
        tip, final = self.memory.tip, survey.finalized
        if tip is not None and final is not None:
            height = min(final, tip.height)
            self._blocks.release = await refusals.load_release(self._connection, self._settings.id, height)

    async def _catch_up(self, survey: Survey) -> None:
        while True:
            await self.memory.load_scripts(self._connection)
            self._ahead = True
            stretch = await self._blocks.next_stretch(self._connection, survey)
            if stretch.facts:
                await self._commit(stretch, survey)
            self._ahead = False
            if not stretch.facts:
                return

    async def _commit(self, stretch: Stretch, survey: Survey) -> None:
        chain = self._settings.id
        async with self._connection.transaction():
            ids = await log.record(self._connection, chain, stretch.facts)
            await self._record_beside(stretch, ids)
            await self._stop_if_deep(stretch)
            height = self.memory.tip.height if self.memory.tip else 0
            behind = survey.height - height > LAG_BLOCKS
            status = ChainStatus.SYNCING if behind else ChainStatus.OK
            detail = f"block {height} of {survey.height}" if behind else self._detail(survey)
            await self._status.say_with(status, detail, self._reach(survey))
        self._blocks.recorded(stretch.facts, ids)
        if stretch.orphaned:
            _log.warning("reorg", chain=chain, orphaned=stretch.orphaned, depth=stretch.depth)
        if self._progress:
            self._progress(height, survey.height)

    async def _record_beside(self, stretch: Stretch, ids: Sequence[int]) -> None:
        """Record what goes with a stretch's facts: refusals, what is held and released, balances."""
        chain = self._settings.id
        for asset, (reason, height) in stretch.refused.items():
            await refusals.refuse(self._connection, chain, asset, reason, height)
        await refusals.hold(self._connection, [(ids[place], txid, output) for place, txid, output in stretch.held])
        if stretch.released is not None:
            place, release = stretch.released
            await refusals.released(self._connection, release, ids[place])
        if stretch.untraced is not None:
            await store.note_untraced(self._connection, chain, stretch.untraced)
            self._untraced = max(stretch.untraced, self._untraced or 0)
        if stretch.readings is not None:
            await store.save_balances(self._connection, chain, stretch.readings.height, stretch.readings.balances)
            await self._explained(stretch.readings.height)

    async def _stop_if_deep(self, stretch: Stretch) -> None:
        if stretch.depth > self._settings.horizon:
            await self._status.stop_crediting(too_deep(stretch.depth, self._settings.horizon))
        by_finality = ethereum_of(self._settings).confirm_by == "finalized"
        if by_finality and stretch.lowest is not None and stretch.lowest <= self._final:
            await self._status.stop_crediting(f"block {stretch.lowest} was orphaned, which had been called final")

    async def _look_at_pending(self) -> None:
        """Record what appeared among what waits to be mined; nobody relies on it, so no failure of it is told."""
        if ethereum_of(self._settings).pending == "none":
            return
        await self.memory.load_scripts(self._connection)
        facts = await self._pending.look(self._blocks.lens)
        if facts:
            async with self._connection.transaction():
                ids = await log.record(self._connection, self._settings.id, facts)
            self._pending.recorded(facts, ids)

    async def _look_for_orphans(self) -> None:
        self._ahead = True
        facts = await orphans.look_for(self._endpoints, self.memory)
        if facts:
            async with self._connection.transaction():
                await log.record(self._connection, self._settings.id, facts)
        self._ahead = False

    async def _read_balances(self, survey: Survey) -> None:
        """Read what the next block is to record of balances, now and then, where blocks were recorded without traces.

        A failure is told and stops nothing else: endpoints without old state are no reason to record no blocks.
        """
        final, tip = survey.finalized, self.memory.tip
        if self._untraced is None or final is None or tip is None or self._blocks.readings is not None:
            return
        if time.monotonic() < self._read_at:
            return
        self._read_at = time.monotonic() + POLLS_PER_READING * self._settings.poll_seconds
        height = min(final, tip.height)
        if height == self._read_height:
            return
        try:
            self._blocks.readings = await self._balances.read(self._connection, height)
        except ChainError as error:
            self._note_trouble(f"coin inside of calls is not looked for: {error.message}")
            return
        self._read_height = height
        self._note_trouble(self._balances.trouble)
        if self._blocks.readings is None:
            await self._explained(height)

    def _note_trouble(self, trouble: str) -> None:
        if trouble and not self._trouble:
            _log.error("balances cannot be read", chain=self._settings.id, reason=trouble)
        self._trouble = trouble

    async def _explained(self, height: int) -> None:
        """Once traces tell of all later blocks, and balances of all earlier ones, balances are not read any more."""
        if self._blocks.traced and not self._trouble and self._untraced is not None and height >= self._untraced:
            await store.all_traced(self._connection, self._settings.id)
            self._untraced = None

    def _reach(self, survey: Survey) -> Reach:
        tip = self.memory.tip
        final = None if tip is None or survey.finalized is None else min(survey.finalized, tip.height)
        self._final = max(self._final, -1 if final is None else final)
        return Reach(tip, survey.height, final)

    def _detail(self, survey: Survey) -> str:
        """Say what people should know though facts can be relied on."""
        if self.memory.tip is None:
            return f"waiting for block {self._settings.start_height}, the first to record"
        refused = [f"{asset} is refused: {reason}" for asset, reason in sorted(self.memory.refused.items())]
        return "; ".join(filter(None, [self._endpoints.troubles, self._trouble, *refused]))


def _status_of(error: ChainError) -> ChainStatus:
    if isinstance(error, WrongNetworkError):
        return ChainStatus.WRONG_NETWORK
    if isinstance(error, EndpointsDisagreeError):
        return ChainStatus.DISAGREE
    return ChainStatus.SYNCING if isinstance(error, NodeWarmingUpError) else ChainStatus.DOWN
