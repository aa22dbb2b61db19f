"""What others ask of the relayer: send this call once, tell how it stands, take it back."""

from __future__ import annotations

from typing import Final

from strongroom.infra.database import Connection
from strongroom.infra.telemetry import current_request_id
from strongroom.outbound.ethereum import moves, store
from strongroom.outbound.ethereum.errors import RelayConflictError, UnknownRelayError
from strongroom.outbound.ethereum.model import Call, Relayed, RelayerState, RelayNonce, RelayPurpose, RelayState

_CANCELLED: Final = "cancelled"


async def submit(
    connection: Connection,
    chain: str,
    purpose: RelayPurpose | str,
    reference: str,
    to: bytes,
    data: bytes,
    gas_limit: int,
) -> None:
    """Have a call sent once, paid by a relayer, without value; the same submission again changes nothing.

    One reference has one effect at most. Raises ``RelayConflictError`` where it was submitted with another call.
    """
    purpose = RelayPurpose(purpose)
    made = await store.row(
        connection,
        "insert_relay",
        chain=chain,
        purpose=purpose,
        reference=reference,
        target=to,
        data=data,
        gas_limit=gas_limit,
        request=current_request_id(),
    )
    if made is not None:
        await store.run(
            connection, "insert_history", relay=made["id"], nonce=None, arrow=f"→ {RelayState.PLANNED}", reason=""
        )
        return
    found = await store.find(connection, chain, purpose, reference)
    if found is None or found[1] != Call(found[1].relay_id, to, data, gas_limit):
        message = f"{purpose} {reference} was submitted with another call: take another reference"
        raise RelayConflictError(message)


async def find(connection: Connection, chain: str, purpose: RelayPurpose | str, reference: str) -> Relayed | None:
    """Tell how a relay stands; None where it was never submitted."""
    found = await store.find(connection, chain, RelayPurpose(purpose), reference)
    return found[0] if found else None


async def cancel(connection: Connection, chain: str, purpose: RelayPurpose | str, reference: str) -> bool:
    """Take a call back. True: no signed bytes of it exist, and none will.

    False: it was signed. If no block has it yet, an empty self-call competes with it for its nonce; the relay ends
    `dropped` where that one wins, `final` otherwise. Raises ``UnknownRelayError``.
    """
    relay = await _locked(connection, chain, purpose, reference)
    nonce = await store.nonce_of(connection, relay.id)
    if relay.state is RelayState.PLANNED:
        if nonce is not None:
            await store.run(connection, "release_nonce", id=nonce.id)
        await moves.move(connection, relay, RelayState.DROPPED, _CANCELLED, nonce)
    elif nonce is not None and relay.state in (RelayState.SIGNED, RelayState.BROADCAST):
        await _compete(connection, relay, nonce)
    return relay.state in (RelayState.PLANNED, RelayState.DROPPED)


async def retry(connection: Connection, chain: str, purpose: RelayPurpose | str, reference: str) -> None:
    """Plan a dropped call again; it has not happened, and its earlier bytes cannot. Raises ``UnknownRelayError``."""
    relay = await _locked(connection, chain, purpose, reference)
    if relay.state is RelayState.DROPPED:
        await moves.move(connection, relay, RelayState.PLANNED, "tried again")


async def relayer_states(connection: Connection) -> list[RelayerState]:
    """Give every relayer with its gas, nonces and alarms, as last checked; for people, metrics and doctor."""
    return await store.states(connection)


async def _locked(connection: Connection, chain: str, purpose: RelayPurpose | str, reference: str) -> Relayed:
    found = await store.find(connection, chain, RelayPurpose(purpose), reference)
    if found is None:
        message = f"no relay of {purpose} {reference} on {chain}"
        raise UnknownRelayError(message)
    return (await store.lock_relay(connection, found[0].id))[0]


async def _compete(connection: Connection, relay: Relayed, nonce: RelayNonce) -> None:
    await store.run(connection, "set_emptied", id=nonce.id)
    await store.run(
        connection, "insert_history", relay=relay.id, nonce=nonce.id, arrow=f"{relay.state}", reason="cancelling"
    )
    await store.run(connection, "note_relay", id=relay.id, reason="an empty self-call competes for its nonce")
