"""The one place where a relay's state changes: the move is checked, recorded in the history, and told by an event."""

from __future__ import annotations

from typing import Any

from strongroom.chains.ethereum.model import Receipt
from strongroom.infra import outbox
from strongroom.infra.database import Connection
from strongroom.outbound.ethereum import books, store
from strongroom.outbound.ethereum.errors import RelayMoveError
from strongroom.outbound.ethereum.model import RELAY_MOVES, Relayed, RelayNonce, RelayState


async def move(
    connection: Connection, relay: Relayed, to: RelayState, reason: str = "", nonce: RelayNonce | None = None
) -> None:
    """Move a locked relay that no block has. Raises ``RelayMoveError``. Publishes `outbound.relay_dropped`."""
    await _check_and_record(connection, relay, to, reason, nonce)
    query = "set_relay_unmined" if relay.state is RelayState.MINED else "set_relay_state"
    await store.run(connection, query, id=relay.id, state=to, reason=reason)
    if to is RelayState.DROPPED:
        await outbox.publish(connection, "outbound.relay_dropped", _key(relay), _view(relay) | {"reason": reason})


async def mined(connection: Connection, relay: Relayed, nonce: RelayNonce, receipt: Receipt) -> None:
    """Record that a block has a locked relay, or that another block has it now."""
    if relay.state is not RelayState.MINED:
        await _check_and_record(connection, relay, RelayState.MINED, f"{receipt.txid} at {receipt.height}", nonce)
    await store.run(
        connection,
        "set_relay_mined",
        id=relay.id,
        txid=receipt.txid,
        height=receipt.height,
        hash=receipt.block_hash,
        success=receipt.success,
        gas_used=receipt.gas_used,
        fee=receipt.fee,
    )


async def finalise(connection: Connection, relay: Relayed, nonce: RelayNonce, receipt: Receipt) -> None:
    """End a locked relay whose block is beyond the horizon, and publish `outbound.relayed`."""
    await _check_and_record(connection, relay, RelayState.FINAL, "", nonce)
    await store.run(connection, "set_relay_state", id=relay.id, state=RelayState.FINAL, reason="")
    outcome = {"txid": receipt.txid, "success": receipt.success, "fee": str(receipt.fee)}
    await outbox.publish(connection, "outbound.relayed", _key(relay), _view(relay) | outcome)


async def finalise_nonce(connection: Connection, nonce: RelayNonce, receipt: Receipt) -> None:
    """End a locked nonce whose block is beyond the horizon: its gas is posted, whatever it carried."""
    await store.run(connection, "set_final", id=nonce.id)
    await books.post_gas(connection, nonce, receipt)


async def _check_and_record(
    connection: Connection, relay: Relayed, to: RelayState, reason: str, nonce: RelayNonce | None
) -> None:
    if to not in RELAY_MOVES[relay.state]:
        message = f"the relay of {relay.purpose} {relay.reference} cannot go from {relay.state} to {to}"
        raise RelayMoveError(message)
    arrow = f"{relay.state} → {to}"
    await store.run(
        connection, "insert_history", relay=relay.id, nonce=nonce.id if nonce else None, arrow=arrow, reason=reason
    )


def _key(relay: Relayed) -> str:
    return f"{relay.chain}:{relay.purpose}:{relay.reference}"


def _view(relay: Relayed) -> dict[str, Any]:
    return {"chain": relay.chain, "purpose": relay.purpose, "reference": relay.reference}
