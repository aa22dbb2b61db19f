"""What the chain says about our nonces: mined, undone by a reorg, final, or taken by somebody else.

Asked of the node by receipt: a relayer's chain txs concern no address that the watcher looks for.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from strongroom.chains.errors import NodeError
from strongroom.chains.ethereum.model import Receipt
from strongroom.chains.model import NodeTip
from strongroom.infra.database import Connection, transaction
from strongroom.outbound.ethereum import moves, rules, store
from strongroom.outbound.ethereum.model import NonceState, Relayed, RelayNonce, RelayState, VersionKind
from strongroom.outbound.ethereum.relaying import Relaying
from strongroom.outbound.ethereum.sending import Sending

_log = structlog.get_logger(__name__)
_FOREIGN = "its nonce went to a chain tx that is not ours"
_UNTOLD = "its nonce was taken too long ago for receipts to tell by what: see whether it has happened, then retry it"


@dataclass(frozen=True, slots=True)
class Following:
    """Follows the nonces of one chain's relayers, those without key too."""

    relaying: Relaying

    async def step(self) -> int:
        """Follow every nonce that is not final; 0, since there is nothing more to find before the chain moves."""
        async with transaction(self.relaying.pool) as connection:
            accounts, _ = await store.accounts(connection, self.relaying.chain)
        for account in accounts:
            await self._follow(account.address)
        return 0

    async def _follow(self, relayer: bytes) -> None:
        relaying = self.relaying
        async with transaction(relaying.pool) as connection:
            nonces = await store.live_nonces(connection, relaying.chain, relayer)
        if not nonces:
            return
        tip = await relaying.node.tip()
        taken = await relaying.node.nonce(relayer, pending=False)
        pending = await relaying.node.nonce(relayer, pending=True)
        steady = await relaying.node.tip() == tip
        for nonce in nonces:
            if nonce.nonce < taken or nonce.state is NonceState.MINED:
                is_ours = await self._look(nonce, tip)
                if steady and not is_ours and nonce.nonce < taken:
                    await self._foreign(nonce, tip)
            elif nonce.missed_height is not None:
                await self._missed(nonce, None)
            if nonce.nonce >= max(pending, taken) and nonce.state is NonceState.OPEN:
                await Sending(relaying).offer_again(nonce)

    async def _look(self, nonce: RelayNonce, tip: NodeTip) -> bool:
        """Write down what a block did with one of our versions; False where no block has any."""
        receipt = await self._receipt(nonce)
        if receipt is not None:
            await self.record_mined(nonce.id, receipt, tip)
        elif nonce.state is NonceState.MINED:
            await self.record_undone(nonce.id)
        return receipt is not None

    async def _receipt(self, nonce: RelayNonce) -> Receipt | None:
        """Find which of our versions a block of the active chain has; the newest is the likeliest."""
        for version in reversed(nonce.versions):
            receipt = await self.relaying.node.receipt(version.txid) if version.txid else None
            if receipt and (lie := rules.contradiction(nonce, version, receipt)):
                # Nothing is concluded from it, not even that there is no receipt.
                message = f"the node's receipt of {version.txid} contradicts what was signed: {lie}"
                raise NodeError(message)
            block = await self.relaying.node.block(receipt.height) if receipt else None
            if receipt and block and block.block_hash == receipt.block_hash:
                return receipt
        return None

    async def record_mined(self, nonce_id: int, receipt: Receipt, tip: NodeTip) -> None:
        """Write down which version a block has; beyond the horizon, that it is final."""
        async with transaction(self.relaying.pool) as connection:
            nonce, relay = await store.lock_nonce(connection, nonce_id)
            version = nonce.version_of(receipt.txid)
            if version is None or nonce.state not in (NonceState.OPEN, NonceState.MINED):
                return
            if (nonce.mined_number, nonce.mined_hash) != (version.number, receipt.block_hash):
                await self._set_mined(connection, nonce, version.number, receipt)
                relay = await _tell_mined(connection, relay, nonce, receipt)
            if tip.height - receipt.height + 1 >= self.relaying.settings.horizon:
                await moves.finalise_nonce(connection, nonce, receipt)
                await _end(connection, relay, nonce, receipt)

    async def _set_mined(self, connection: Connection, nonce: RelayNonce, number: int, receipt: Receipt) -> None:
        await store.run(
            connection,
            "set_mined",
            id=nonce.id,
            number=number,
            height=receipt.height,
            hash=receipt.block_hash,
            fee=receipt.fee,
            now=self.relaying.now(),
        )

    async def record_undone(self, nonce_id: int) -> None:
        """Write down that a reorg undid the block of a nonce: its versions may be mined again, or another of them."""
        async with transaction(self.relaying.pool) as connection:
            nonce, relay = await store.lock_nonce(connection, nonce_id)
            if nonce.state is not NonceState.MINED:
                return
            await store.run(connection, "set_unmined", id=nonce_id)
            if relay is not None and relay.state is RelayState.MINED:
                await moves.move(connection, relay, RelayState.BROADCAST, "its block was orphaned", nonce)

    async def _missed(self, nonce: RelayNonce, tip: NodeTip | None) -> None:
        now = self.relaying.now() if tip else None
        place = {"height": tip.height if tip else None, "hash": tip.block_hash if tip else None}
        async with transaction(self.relaying.pool) as connection:
            await store.run(connection, "set_missed", id=nonce.id, now=now, **place)

    async def _foreign(self, nonce: RelayNonce, tip: NodeTip) -> None:
        """Give up a nonce that was taken by none of our versions, once the block that shows it is beyond the horizon.

        That block has to be on the active chain still: after a reorg the wait begins anew.
        """
        missed = await self.relaying.node.block(nonce.missed_height) if nonce.missed_height is not None else None
        if missed is None or missed.block_hash != nonce.missed_hash:
            _log.error("a relayer's nonce was taken by a chain tx that is not ours", nonce=nonce.nonce)
            await self._missed(nonce, tip)
        elif tip.height - missed.height < self.relaying.settings.horizon:
            return
        else:
            untold = self.relaying.now() - nonce.newest.created_at > rules.RECEIPTS_KEPT
            await self.record_foreign(nonce.id, untold=untold)

    async def record_foreign(self, nonce_id: int, *, untold: bool = False) -> None:
        """Write down that a nonce is lost to us for good, and let its relay have another one.

        ``untold``: nodes may have forgotten what took it, so that its relay is not sent again unless somebody says so.
        """
        async with transaction(self.relaying.pool) as connection:
            nonce, relay = await store.lock_nonce(connection, nonce_id)
            if nonce.state is not NonceState.OPEN:
                return
            await store.run(connection, "set_foreign", id=nonce_id)
            if relay is not None and relay.state in (RelayState.SIGNED, RelayState.BROADCAST):
                to = RelayState.DROPPED if nonce.emptied or untold else RelayState.PLANNED
                await moves.move(connection, relay, to, _UNTOLD if untold else _FOREIGN, nonce)


async def _tell_mined(
    connection: Connection, relay: Relayed | None, nonce: RelayNonce, receipt: Receipt
) -> Relayed | None:
    if relay is None:
        return None
    version = nonce.version_of(receipt.txid)
    if version is not None and version.kind is VersionKind.CALL:
        await moves.mined(connection, relay, nonce, receipt)
    elif relay.state is RelayState.MINED:
        await moves.move(connection, relay, RelayState.BROADCAST, "a reorg mined its cancellation instead", nonce)
    return (await store.lock_relay(connection, relay.id))[0]


async def _end(connection: Connection, relay: Relayed | None, nonce: RelayNonce, receipt: Receipt) -> None:
    if relay is None:
        return
    if relay.state is RelayState.MINED:
        await moves.finalise(connection, relay, nonce, receipt)
        return
    await store.run(connection, "release_nonce", id=nonce.id)
    await moves.move(connection, relay, RelayState.DROPPED, "cancelled", nonce)
