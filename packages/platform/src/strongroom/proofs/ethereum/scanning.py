"""Finding what signers have to be shown: what forwarders swept, whoever had them do it, and what the hot Safe executed.

Anyone may call the factory, and a merchant's money is in it. A nonce of the hot Safe is of interest where something
else was signed at it: until signers see what was executed, they count all of it as paid.

Finalized blocks are read in ranges, once each: where the last range ended stands in the database, with what it held. A
node that answers late or dies costs a repetition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from strongroom.chains import service as chains
from strongroom.chains.errors import NodeRefusedError
from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.ethereum.decoding import SUCCESS_TOPIC
from strongroom.chains.ethereum.model import Log
from strongroom.chains.ethereum.ranges import AdaptiveRange
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.outbound.safe.model import token_of
from strongroom.proofs.ethereum import store
from strongroom.proofs.ethereum.model import Found
from strongroom.wallets import service as wallets
from strongroom_core.assets import asset_by_id
from strongroom_core.evm import ZERO_ADDRESS

SWEPT_TOPIC: Final = contract("Forwarder").topic("Swept")
_TOPICS: Final = 2
_ADDRESS_BYTES: Final = 20
_HASH_BYTES: Final = 32


class LogSource(Protocol):
    """Where logs come from."""

    async def logs(self, topic: bytes, heights: range, address: bytes | None = None) -> tuple[tuple[int, Log], ...]:
        """Give every log of a topic (and address), each with its height.

        Raises ``NodeError``, ``NodeRefusedError`` for a range too wide.
        """
        ...


@dataclass(slots=True)
class Scanner:
    """Reads the finalized blocks of one EVM chain."""

    pool: Pool
    settings: ChainSettings
    node: LogSource
    _width: AdaptiveRange = field(default_factory=AdaptiveRange)

    async def step(self) -> int:
        """Read the next range; how many blocks it had, 0 when all that is final has been read."""
        async with transaction(self.pool) as connection:
            heights = await self._next(connection)
        if not heights:
            return 0
        try:
            swept = await self.node.logs(SWEPT_TOPIC, heights)
            executed = await self.node.logs(SUCCESS_TOPIC, heights, self._hot_safe())
        except NodeRefusedError:
            if not self._width.refused(len(heights)):
                raise
            return 1
        self._width.accepted(self._most())
        async with transaction(self.pool) as connection:
            if await store.advance(connection, self.settings.id, heights):
                await store.want_sweeps(connection, self.settings.id, await self._ours(connection, swept))
                await store.want_executions(connection, self.settings.id, [_execution(*item) for item in executed])
        return len(heights)

    async def _next(self, connection: Connection) -> range:
        tip = await chains.tip(connection, self.settings.id)
        if tip is None or tip.height is None:
            return range(0)
        final = tip.finalized_height if tip.finalized_height is not None else tip.height - self.settings.horizon + 1
        first = await store.first_unread(connection, self.settings.id)
        return range(0) if first is None else range(first, min(final + 1, first + self._width.width))

    async def _ours(self, connection: Connection, found: Sequence[tuple[int, Log]]) -> list[Found]:
        """Choose what our own forwarders say of tokens that we hold: anyone may log, and sweep a token of his own."""
        held = {_contract(asset.id) for asset in self.settings.held_assets}
        logs = [(height, log) for height, log in found if _token(log) in held]
        owners = await wallets.find_by_scripts(connection, self.settings.id, [log.address for _, log in logs])
        return [
            Found(height, log.block_hash, log.txid, log.log_index, address_id=owners[log.address].id)
            for height, log in logs
            if log.address in owners
        ]

    def _hot_safe(self) -> bytes:
        return bytes.fromhex(self.settings.ethereum.hot_safe[2:]) if self.settings.ethereum else b""

    def _most(self) -> int:
        return self.settings.ethereum.logs_range_max if self.settings.ethereum else 1


def _token(log: Log) -> bytes | None:
    return log.topics[1][-_ADDRESS_BYTES:] if len(log.topics) == _TOPICS else None


def _execution(height: int, log: Log) -> Found:
    # Of Safe 1.4.1 and later the safeTxHash is a topic, before it was data.
    effect = (b"".join(log.topics[1:]) + log.data)[:_HASH_BYTES]
    return Found(height, log.block_hash, log.txid, log.log_index, effect="0x" + effect.hex())


def _contract(asset: str) -> bytes:
    return token_of(asset_by_id(asset)) or ZERO_ADDRESS
