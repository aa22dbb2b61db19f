"""From a version to the network: signed, on disk, then sent; sent again where a node has lost it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from strongroom.chains.errors import BroadcastRejectedError, NodeError
from strongroom.infra.database import Connection, transaction
from strongroom.infra.loops import each
from strongroom.outbound.ethereum import moves, rules, store, transactions
from strongroom.outbound.ethereum.errors import RelayerKeyError
from strongroom.outbound.ethereum.keys import RelayerKey
from strongroom.outbound.ethereum.model import (
    Alarm,
    NonceState,
    Relayed,
    RelayNonce,
    RelayState,
    RelayVersion,
    VersionKind,
    VersionState,
)
from strongroom.outbound.ethereum.relaying import Relaying

_log = structlog.get_logger(__name__)
BATCH: Final = 20


@dataclass(frozen=True, slots=True)
class Sending:
    """Signs and sends versions."""

    relaying: Relaying

    async def sign_all(self) -> int:
        """Sign every newest version that is planned; the count of them."""
        return await each(await self._due("due_to_sign"), self.sign, self._wait)

    async def sign(self, nonce_id: int) -> None:
        """Sign the newest version of a nonce, which is on disk, and keep its raw bytes."""
        async with transaction(self.relaying.pool) as connection:
            nonce, relay = await store.lock_nonce(connection, nonce_id)
            version = nonce.newest
            if not _may_sign(nonce, relay):
                return
            try:
                raw, txid = transactions.sign(self._key(nonce), nonce, version)
            except RelayerKeyError as error:
                await _cannot_sign(connection, nonce, relay, error.message)
                return
            await store.run(connection, "set_signed", nonce=nonce_id, number=version.number, raw=raw, txid=txid)
            if relay is not None and relay.state is RelayState.PLANNED:
                await moves.move(connection, relay, RelayState.SIGNED, "", nonce)

    def _key(self, nonce: RelayNonce) -> RelayerKey:
        key = self.relaying.keys.key(nonce.relayer)
        if key is None:
            message = f"the key of 0x{nonce.relayer.hex()} could not be read"
            raise RelayerKeyError(message)
        return key

    async def send_all(self) -> int:
        """Send every newest version that is signed and not sent yet; the count of them."""
        return await each(await self._due("due_to_send"), self.send, self._wait)

    async def send(self, nonce_id: int) -> None:
        """Send the newest version of a nonce; what the node makes of it is written down."""
        async with transaction(self.relaying.pool) as connection:
            nonce, _ = await store.lock_nonce(connection, nonce_id)
        version = nonce.newest
        if version.raw is None or nonce.state is not NonceState.OPEN:
            return
        try:
            await self.relaying.node.send_raw(version.raw)
        except NodeError as error:
            # Also one that did not answer may have taken it: the same bytes are offered again.
            await self._refused(nonce, error)
            return
        await self.record_sent(nonce_id, version)

    async def record_sent(self, nonce_id: int, version: RelayVersion) -> None:
        """Write down that the network has a version."""
        height = (await self.relaying.node.tip()).height
        async with transaction(self.relaying.pool) as connection:
            nonce, relay = await store.lock_nonce(connection, nonce_id)
            now = self.relaying.now()
            await store.run(connection, "set_broadcast", nonce=nonce_id, number=version.number, now=now)
            await store.run(connection, "set_sent", id=nonce_id, height=height, now=now)
            if relay is None or version.kind is VersionKind.EMPTY:
                return
            if relay.state is RelayState.SIGNED:
                await moves.move(connection, relay, RelayState.BROADCAST, "", nonce)
            if relay.state in (RelayState.SIGNED, RelayState.BROADCAST):
                await store.run(connection, "set_relay_txid", id=relay.id, txid=version.txid)

    async def offer_again(self, nonce: RelayNonce) -> None:
        """Send once more what the node no longer has in its mempool: it restarted, dropped it, or a reorg undid it."""
        version, now = nonce.newest, self.relaying.now()
        lately = version.offered_at is not None and now - version.offered_at < rules.OFFER_AGAIN_AFTER
        if version.raw is None or version.state is not VersionState.BROADCAST or lately:
            return
        async with transaction(self.relaying.pool) as connection:
            await store.run(connection, "offered", nonce=nonce.id, number=version.number, now=now)
        try:
            await self.relaying.node.send_raw(version.raw)
        except NodeError as error:
            await self._refused(nonce, error)
        else:
            _log.info("chain tx sent again", txid=version.txid, nonce=nonce.nonce)

    async def _refused(self, nonce: RelayNonce, error: NodeError) -> None:
        said = error.reason if isinstance(error, BroadcastRejectedError) else error.message
        kind = rules.read_refusal(said)
        reason = f"the node did not take it: {said}"
        if kind is rules.Refusal.NO_GAS:
            reason = f"{Alarm.GAS_LOW}: 0x{nonce.relayer.hex()} cannot pay for nonce {nonce.nonce}: send gas to it"
        # One that was taken before is raised when it is stuck; that the node would not take it now says nothing new.
        underpriced = kind is rules.Refusal.UNDERPRICED and nonce.newest.state is VersionState.SIGNED
        is_news = kind is not rules.Refusal.USED and (underpriced or kind is not rules.Refusal.UNDERPRICED)
        async with transaction(self.relaying.pool) as connection:
            _, relay = await store.lock_nonce(connection, nonce.id)
            await store.run(connection, "wait_nonce", id=nonce.id, underpriced=underpriced)
            if rules.is_hopeless(nonce, kind):
                # Later nonces wait for this one. Its bytes may still be mined, so that they are competed with.
                await store.run(connection, "set_emptied", id=nonce.id)
            if relay is not None and is_news:
                await store.run(connection, "note_relay", id=relay.id, reason=reason)

    async def _due(self, query: str) -> list[int]:
        async with transaction(self.relaying.pool) as connection:
            return await store.ids(connection, query, chain=self.relaying.chain, limit=BATCH)

    async def _wait(self, nonce_id: int, reason: str) -> None:
        async with transaction(self.relaying.pool) as connection:
            _, relay = await store.lock_nonce(connection, nonce_id)
            await store.run(connection, "wait_nonce", id=nonce_id, underpriced=False)
            if relay is not None:
                await store.run(connection, "note_relay", id=relay.id, reason=reason)


def _may_sign(nonce: RelayNonce, relay: Relayed | None) -> bool:
    """Whether the newest version may be signed: a call only while its nonce carries it and nobody took it back."""
    version = nonce.newest
    if nonce.state is not NonceState.OPEN or version.state is not VersionState.PLANNED:
        return False
    return version.kind is VersionKind.EMPTY or (relay is not None and not nonce.emptied)


async def _cannot_sign(connection: Connection, nonce: RelayNonce, relay: Relayed | None, problem: str) -> None:
    """Let a call of which no signed bytes exist go to another relayer; with such bytes it stays where it is."""
    await store.run(connection, "wait_nonce", id=nonce.id, underpriced=False)
    reason = f"{Alarm.KEY_MISSING}: {problem}"
    if relay is None:
        return
    if relay.state is RelayState.PLANNED:
        await store.run(connection, "release_nonce", id=nonce.id)
        arrow = f"nonce {nonce.nonce} →"
        await store.run(connection, "insert_history", relay=relay.id, nonce=nonce.id, arrow=arrow, reason=reason)
    await store.run(connection, "note_relay", id=relay.id, reason=reason)
