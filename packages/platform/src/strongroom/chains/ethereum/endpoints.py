"""Several endpoints of one chain that have to agree before anything is believed.

Every question goes to all of them; an answer counts when ``agree_min`` say the same, and nothing else is as frequent.
One that says something else, lags or fails is blamed (an alarm in the log, a line in the status) and goes on being
asked, so that it recovers by itself. Fewer than ``agree_min`` that agree raise ``EndpointsDisagreeError``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from strongroom.chains.errors import (
    EndpointsDisagreeError,
    NodeDownError,
    NodeError,
    NodeRefusedError,
    WrongNetworkError,
)
from strongroom.chains.ethereum.endpoint import Endpoint, Trouble
from strongroom.chains.ethereum.model import Block, Place
from strongroom.chains.ethereum.parameters import parameters_of
from strongroom.chains.ethereum.reading import HASH_LENGTH, AnswerError, block_of, place_text
from strongroom.chains.jsonrpc import Call, call_of
from strongroom.infra.settings import ChainSettings, EthereumSettings

GRACE_SECONDS: Final = 2.0  # how long the slower ones are waited for when enough have answered
LAG_BLOCKS: Final = 3
LAG_SECONDS: Final = 30.0
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Head:
    """How far one endpoint is."""

    latest: Block
    finalized: int | None


@dataclass(frozen=True, slots=True)
class Agreed:
    """A block that enough endpoints agree on, and those of them that do, in the order of the settings."""

    block: Block
    among: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """How far enough endpoints are: no higher than ``agree_min`` of them say, finality too."""

    height: int
    finalized: int | None


def ethereum_of(settings: ChainSettings) -> EthereumSettings:
    """Give the EVM part of a chain's settings. Raises ``ValueError`` for a bitcoin-like."""
    if settings.ethereum is None:
        message = f"{settings.id} is no EVM chain"
        raise ValueError(message)
    return settings.ethereum


class Endpoints:
    """The endpoints that the settings name."""

    def __init__(self, settings: ChainSettings) -> None:
        """Name them; nothing is opened yet."""
        evm = ethereum_of(settings)
        self.all = tuple(Endpoint(number, url, settings.id) for number, url in enumerate(evm.rpc_urls, 1))
        self.agree_min = evm.agree_min
        self._lag_max = max(LAG_BLOCKS, int(LAG_SECONDS / parameters_of(settings.id).spacing_seconds))

    async def close(self) -> None:
        """Close their connections."""
        for endpoint in self.all:
            await endpoint.close()

    @property
    def troubles(self) -> str:
        """What is the matter with some, for people; empty where all is well."""
        return "; ".join(endpoint.trouble for endpoint in self.all if endpoint.trouble)

    async def gather(
        self, work: Callable[[Endpoint], Awaitable[_T]], among: Sequence[Endpoint] | None = None
    ) -> dict[Endpoint, _T]:
        """Have the same done by all at once; the answers of those that could, ``agree_min`` of them at least.

        Raises ``NodeDownError`` where none could, ``WrongNetworkError`` where all serve another chain, and
        ``EndpointsDisagreeError`` where too few could.
        """
        chosen = self._to_ask(self.all if among is None else among)
        tasks = {asyncio.create_task(_checked(endpoint, work)): endpoint for endpoint in chosen}
        try:
            await self._wait(list(tasks))
            return self._answers(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _to_ask(self, among: Sequence[Endpoint]) -> Sequence[Endpoint]:
        rested = [endpoint for endpoint in among if not endpoint.resting]
        return rested if len(rested) >= self.agree_min else among

    async def _wait(self, tasks: list[asyncio.Task[_T]]) -> None:
        pending = set(tasks)
        while pending:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            good = sum(task.done() and task.exception() is None for task in tasks)
            if pending and good >= self.agree_min:
                await asyncio.wait(pending, timeout=GRACE_SECONDS)
                return

    def _answers(self, tasks: Mapping[asyncio.Task[_T], Endpoint]) -> dict[Endpoint, _T]:
        answers: dict[Endpoint, _T] = {}
        errors: list[NodeError] = []
        for task, endpoint in tasks.items():
            try:
                answers[endpoint] = task.result()
                endpoint.clear(Trouble.FAILS)
            except asyncio.InvalidStateError:
                endpoint.failed(NodeDownError("slower than the others"))
            except NodeError as error:
                endpoint.failed(error)
                errors.append(error)
        if not answers:
            wrong = bool(errors) and all(isinstance(error, WrongNetworkError) for error in errors)
            raise errors[0] if wrong else NodeDownError(self.troubles)
        if len(answers) < self.agree_min:
            message = f"{len(answers)} of {len(self.all)} endpoints answer, {self.agree_min} have to: {self.troubles}"
            raise EndpointsDisagreeError(message)
        return answers

    def vote(self, answers: Mapping[Endpoint, _T], what: str, kind: Trouble) -> _T:
        """Give the answer that enough of them gave, and blame the others. Raises ``EndpointsDisagreeError``."""
        groups: list[tuple[_T, list[Endpoint]]] = []
        for endpoint, answer in answers.items():
            group = next((members for said, members in groups if said == answer), None)
            if group is None:
                groups.append((answer, [endpoint]))
            else:
                group.append(endpoint)
        groups.sort(key=lambda item: -len(item[1]))
        believed = [item for item in groups if len(item[1]) >= self.agree_min]
        if len(believed) != 1:
            sides = " against ".join(", ".join(member.name for member in members) for _, members in groups)
            message = f"{self.agree_min} endpoints have to agree about {what}, and do not: {sides or 'none answers'}"
            raise EndpointsDisagreeError(message)
        answer, right = believed[0]
        for endpoint in answers:
            if endpoint in right:
                endpoint.clear(kind)
            else:
                endpoint.blame(kind, f"differs from {len(right)} others about {what}")
        return answer

    async def agreed(self, calls: Sequence[Call], what: str) -> list[Any]:
        """Make the same calls everywhere and give the answers that enough agree on."""
        return self.vote(await self.gather(lambda endpoint: endpoint.ask(calls)), what, Trouble.OTHER_STATE)

    async def survey(self) -> Survey:
        """Ask how far everyone is, and blame who lags."""
        heads = await self.gather(_head)
        height = self._backed([head.latest.height for head in heads.values()])
        for endpoint, head in heads.items():
            if head.latest.height < height - self._lag_max:
                endpoint.blame(Trouble.LAGS, "lags behind the others")
            else:
                endpoint.clear(Trouble.LAGS)
        finals = [head.finalized for head in heads.values() if head.finalized is not None]
        return Survey(height, self._backed(finals) if len(finals) >= self.agree_min else None)

    def _backed(self, heights: list[int]) -> int:
        """Give the highest height that ``agree_min`` of them have reached."""
        return sorted(heights, reverse=True)[self.agree_min - 1]

    async def agreed_block(self, height: int) -> Block:
        """Give the header of a height that enough agree on; those that do not reach it yet have no vote."""
        return self._agreed(await self.gather(lambda endpoint: _header(endpoint, height)), f"block {height}").block

    async def agreed_tip(self) -> Agreed:
        """Give the newest block that enough have reached."""
        heads = await self.gather(_head)
        height = self._backed([head.latest.height for head in heads.values()])
        blocks = {one: head.latest if head.latest.height == height else None for one, head in heads.items()}
        if any(head.latest.height > height for head in heads.values()):
            blocks = await self.gather(lambda endpoint: _header(endpoint, height), tuple(heads))
        return self._agreed(blocks, f"block {height}")

    async def find(self, place: Place) -> Agreed | None:
        """Give the block of a height, a hash or a tag; None where fewer than enough have it."""
        if place == "latest":
            return await self.agreed_tip()
        if isinstance(place, str) and len(place) != HASH_LENGTH:
            tag = place
            heights = await self.gather(lambda endpoint: _height(endpoint, tag))
            place = self._backed(list(heights.values()))
        blocks = await self.gather(lambda endpoint: _header(endpoint, place))
        there = sum(block is not None for block in blocks.values())
        return self._agreed(blocks, f"block {place}") if there >= self.agree_min else None

    def _agreed(self, blocks: Mapping[Endpoint, Block | None], what: str) -> Agreed:
        there = {endpoint: block for endpoint, block in blocks.items() if block is not None}
        believed = self.vote(there, what, Trouble.OTHER_BLOCK)
        return Agreed(believed, tuple(endpoint for endpoint in self.all if there.get(endpoint) == believed))


async def _checked(endpoint: Endpoint, work: Callable[[Endpoint], Awaitable[_T]]) -> _T:
    """Do it; whatever form an endpoint's answer has, it is no more than that endpoint's failure."""
    await endpoint.check_network()
    try:
        return await work(endpoint)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        message = f"{endpoint.name} answered in another form than the execution API's: {type(error).__name__}: {error}"
        raise AnswerError(message) from error


async def _head(endpoint: Endpoint) -> Head:
    """Ask how far it is, and once more whose chain it serves: what answers there may be another node by now."""
    latest, final, number = await endpoint.batch(
        [
            *(call_of("eth_getBlockByNumber", tag, False) for tag in ("latest", "finalized")),  # noqa: FBT003 - positional
            call_of("eth_chainId"),
        ]
    )
    for answer in (latest, number):
        if isinstance(answer, NodeRefusedError):
            raise answer
    endpoint.check_serves(number)
    known = isinstance(final, dict)  # null, or refused by a chain without the tag
    return Head(block_of(latest), block_of(final).height if known else None)


async def _header(endpoint: Endpoint, place: Place) -> Block | None:
    by_hash = isinstance(place, str) and place.startswith("0x")
    method = "eth_getBlockByHash" if by_hash else "eth_getBlockByNumber"
    answer = await endpoint.call(method, place_text(place), False)  # noqa: FBT003 - positional
    return None if answer is None else block_of(answer)


async def _height(endpoint: Endpoint, tag: str) -> int:
    return block_of(await endpoint.call("eth_getBlockByNumber", tag, False)).height  # noqa: FBT003 - positional
