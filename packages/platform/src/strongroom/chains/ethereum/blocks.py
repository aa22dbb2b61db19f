"""Following the endpoints' blocks: back to the fork where there was a reorg, then forward, as facts.

One commit holds the way back and the first blocks of the way forward, so that a reader of facts never stops between
them. Every block on both ways is one that enough endpoints agree on, with all that is recorded of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import structlog

from strongroom.chains.errors import EndpointsDisagreeError
from strongroom.chains.ethereum.balances import Readings
from strongroom.chains.ethereum.endpoint import Endpoint, TraceKind, Trouble
from strongroom.chains.ethereum.endpoints import Endpoints, Survey, ethereum_of
from strongroom.chains.ethereum.memory import Memory
from strongroom.chains.ethereum.parameters import chain_number
from strongroom.chains.ethereum.rebasing import Rebasing
from strongroom.chains.ethereum.refusals import Release
from strongroom.chains.ethereum.view import BlockView, Lens
from strongroom.chains.ethereum.views import detect_traces, read_views
from strongroom.chains.facts import BlockRef, Fact, SeenTx
from strongroom.chains.model import EventKind, ObservedOutput, RemovalReason
from strongroom.chains.recording import store
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings

_log = structlog.get_logger(__name__)
FULL_PER_COMMIT: Final = 100
HEADERS_PER_COMMIT: Final = 500
NEAR_PER_COMMIT: Final = 20


@dataclass(slots=True)
class Stretch:
    """What one commit records: facts in order, how deep a reorg went, tokens refused, balances that were read.

    ``held`` is what arrived of refused tokens, ``released`` what is told of now, each with the place of its fact;
    ``untraced`` the highest block that was recorded without traces.
    """

    facts: list[Fact] = field(default_factory=list)
    orphaned: int = 0
    depth: int = 0
    lowest: int | None = None
    refused: dict[str, tuple[str, int]] = field(default_factory=dict)
    readings: Readings | None = None
    held: list[tuple[int, str, ObservedOutput]] = field(default_factory=list)
    released: tuple[int, Release] | None = None
    untraced: int | None = None


class BlockFollower:
    """Walks the recorded chain to where the endpoints' is."""

    def __init__(self, endpoints: Endpoints, memory: Memory, settings: ChainSettings) -> None:
        """Share the watcher's endpoints and memory."""
        evm = ethereum_of(settings)
        self._endpoints = endpoints
        self._memory = memory
        self._settings = settings
        self._evm = evm
        self._tokens = {
            bytes.fromhex(item.asset.contract[2:]): item.id for item in settings.assets if item.asset.contract
        }
        self._coin = settings.asset.id if any(item.id == settings.asset.id for item in settings.assets) else None
        self._safes = frozenset({evm.address("cold_safe"), evm.address("hot_safe")})
        self.rebasing = Rebasing(endpoints)
        self.readings: Readings | None = None  # found, to be recorded with the next block
        self.release: Release | None = None  # the same
        self.traced = False

    @property
    def tokens(self) -> Mapping[bytes, str]:
        """The allowed tokens that are not refused, by address."""
        return {token: asset for token, asset in self._tokens.items() if asset not in self._memory.refused}

    @property
    def coin(self) -> str | None:
        """The chain's coin, where it is held."""
        return self._coin

    @property
    def lens(self) -> Lens:
        """What is looked for."""
        return Lens(chain_number(self._memory.chain), self._memory.scripts, self._tokens, self._safes, self._coin)

    async def choose_traces(self) -> None:
        """Find out whether enough endpoints offer traces now. Raises ``EndpointsDisagreeError`` where they have to."""
        if self._coin is None:
            return
        if any(endpoint.traces is None for endpoint in self._endpoints.all):
            await self._endpoints.gather(lambda endpoint: detect_traces(endpoint, self._evm.traces))
        able = len(self._tracers())
        self.traced = able >= self._endpoints.agree_min
        if not self.traced and self._evm.traces in (TraceKind.TRACE, TraceKind.DEBUG):
            message = f"{able} endpoints offer {self._evm.traces} traces, {self._endpoints.agree_min} have to"
            raise EndpointsDisagreeError(message)

    def _tracers(self) -> list[Endpoint]:
        return [one for one in self._endpoints.all if one.traces not in (None, TraceKind.NONE)]

    async def next_stretch(self, connection: Connection, survey: Survey) -> Stretch:
        """Work out the next facts, none where we are there. Changes memory, not the database."""
        stretch = Stretch()
        await self._walk_back(connection, survey, stretch)
        await self._walk_forward(survey, stretch)
        return stretch

    async def _walk_back(self, connection: Connection, survey: Survey, stretch: Stretch) -> None:
        memory = self._memory
        fork = await self._fork(connection, survey)
        while memory.tip is not None and fork is not None and memory.tip.height > fork:
            block = memory.tip
            stretch.facts.append(Fact(EventKind.DISCONNECTED, block, undoes=block.event_id))
            stretch.orphaned += 1
            stretch.lowest = block.height
            peak = await store.load_peak(connection, memory.chain, block.event_id)
            stretch.depth = max(stretch.depth, peak - block.height + 1)
            for row in await store.load_txs(connection, memory.chain, block.event_id):
                memory.add_open(row)
            memory.tip = await store.load_block(connection, memory.chain, block.height - 1)
        for reading in list(memory.readings.values()):
            if fork is not None and reading.height > fork:  # even its final block is orphaned
                memory.drop_open(reading.seen.observed.txid)
                stretch.facts.append(removal(reading.seen.observed.txid, RemovalReason.EVICTED, reading.source))

    async def _fork(self, connection: Connection, survey: Survey) -> int | None:
        """Give the height above which recorded blocks are orphaned; None where none is."""
        tip = self._memory.tip
        if tip is None:
            return None
        height = min(tip.height, survey.height)
        while True:
            recorded = await store.load_block(connection, self._memory.chain, height)
            if recorded is None:
                return height
            if (await self._endpoints.agreed_block(height)).block_hash == recorded.block_hash:
                return None if height == min(tip.height, survey.height) else height
            height -= 1

    async def _walk_forward(self, survey: Survey, stretch: Stretch) -> None:
        heights, ranged = self._next_heights(survey)
        if not heights:
            return
        said = await self._views(heights, ranged=ranged)
        for height in heights:
            view = self._vote(said, heights, height, first=not stretch.facts)
            if view is None or not self._follows(view):
                break  # they changed their minds while we read: the next round walks back
            stretch.facts.append(await self._connect(view, stretch))
            if self._coin is not None and not self.traced:
                stretch.untraced = height

    def _next_heights(self, survey: Survey) -> tuple[range, bool]:
        """Choose the next blocks, and whether their logs may be read in ranges: only beyond the horizon."""
        tip = self._memory.tip
        first = tip.height + 1 if tip else self._start(survey)
        far = survey.height - self._settings.horizon
        ranged = first < far
        last, most = (
            (far, FULL_PER_COMMIT if self._coin else HEADERS_PER_COMMIT) if ranged else (survey.height, NEAR_PER_COMMIT)
        )
        return range(first, min(last, first + most - 1) + 1), ranged

    def _start(self, survey: Survey) -> int:
        """A chain that is no test begins where it is now, unless the settings name a block."""
        return self._settings.start_height or (0 if self._settings.chain.test else survey.height)

    async def _views(self, heights: range, *, ranged: bool) -> dict[Endpoint, list[BlockView]]:
        lens = self.lens

        async def read(endpoint: Endpoint) -> list[BlockView]:
            return await read_views(
                endpoint, lens, heights, ranged=ranged, range_max=self._evm.logs_range_max, traced=self.traced
            )

        return await self._endpoints.gather(read, self._tracers() if self.traced else None)

    def _vote(
        self, said: Mapping[Endpoint, list[BlockView]], heights: range, height: int, *, first: bool
    ) -> BlockView | None:
        place = height - heights.start
        there = {endpoint: views[place] for endpoint, views in said.items() if place < len(views)}
        try:
            return self._endpoints.vote(there, f"block {height} or what is in it", Trouble.OTHER_CONTENT)
        except EndpointsDisagreeError:
            if first and place == 0:
                raise
            return None

    def _follows(self, view: BlockView) -> bool:
        return self._memory.tip is None or view.block.parent_hash == self._memory.tip.block_hash

    async def _connect(self, view: BlockView, stretch: Stretch) -> Fact:
        await self._refuse_tokens(view, stretch)
        block = view.block
        ref = BlockRef(block.height, block.block_hash, block.parent_hash, datetime.fromtimestamp(block.unix_time, UTC))
        txs = [kept for tx in view.txs if (kept := self._without_refused(tx, stretch)) is not None]
        txs += [reading.seen for reading in self._memory.readings.values()]
        if self.readings is not None:
            stretch.readings, self.readings = self.readings, None
            if stretch.readings.seen is not None:
                txs.append(stretch.readings.seen)
        if self.release is not None:
            stretch.released, self.release = (len(stretch.facts), self.release), None
            txs.append(stretch.released[1].seen)
        for tx in txs:
            self._memory.drop_open(tx.observed.txid)
        self._memory.tip = ref
        return Fact(EventKind.CONNECTED, ref, txs=tuple(txs))

    async def _refuse_tokens(self, view: BlockView, stretch: Stretch) -> None:
        """Stop believing tokens that do not behave as such, before what this block says of them is recorded."""
        for oddity in view.oddities:
            self._refuse(oddity.asset, str(oddity.fault), view, stretch)
        for token in sorted({key[0] for key, _ in view.balances}):
            asset = self._tokens[token]
            if asset not in self._memory.refused and await self.rebasing.grew_alone(token, view):
                self._refuse(asset, "a balance grew without a transfer", view, stretch)
        self.rebasing.note(view)

    def _refuse(self, asset: str, reason: str, view: BlockView, stretch: Stretch) -> None:
        if asset not in self._memory.refused:
            self._memory.refused[asset] = reason
            stretch.refused[asset] = (reason, view.block.height)
            _log.error("a token is refused", chain=self._memory.chain, asset=asset, reason=reason)

    def _without_refused(self, tx: SeenTx, stretch: Stretch) -> SeenTx | None:
        """Leave out what a chain tx pays of refused tokens, and keep it beside the facts."""
        kept = tuple(output for output in tx.observed.outputs if output.asset not in self._memory.refused)
        if len(kept) == len(tx.observed.outputs):
            return tx
        place, txid = len(stretch.facts), tx.observed.txid
        stretch.held += [(place, txid, output) for output in tx.observed.outputs if output not in kept]
        return replace(tx, observed=replace(tx.observed, outputs=kept)) if kept or tx.observed.spends else None

    def recorded(self, facts: Sequence[Fact], ids: Sequence[int]) -> None:
        """Take over the event id of the tip, once it is known."""
        tip = self._memory.tip
        for fact, event_id in zip(facts, ids, strict=True):
            if fact.kind == EventKind.CONNECTED and fact.block is tip and tip is not None:
                self._memory.tip = replace(tip, event_id=event_id)


def removal(txid: str, reason: RemovalReason, source: int, by: str | None = None) -> Fact:
    """Make the fact that an open chain tx is gone; ``by`` has its place, where that is known."""
    return Fact(EventKind.MEMPOOL_REMOVED, txid=txid, reason=reason, replaced_by=by, undoes=source)
