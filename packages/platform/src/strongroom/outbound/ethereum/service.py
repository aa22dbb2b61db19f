"""What other rooms and processes see of the relayer: its accounts for people, calls that stand still."""

from __future__ import annotations

from strongroom.infra.database import Connection
from strongroom.outbound.ethereum import relay
from strongroom.outbound.ethereum.model import Relayed, RelayerState, RelayPurpose


async def relayer_states(connection: Connection) -> list[RelayerState]:
    """Give every relayer with its gas in wei, nonces and alarms, as last checked; for status, metrics and doctor."""
    return await relay.relayer_states(connection)


async def find(connection: Connection, chain: str, purpose: RelayPurpose | str, reference: str) -> Relayed | None:
    """Tell how a relayed call stands; None where it was never submitted."""
    return await relay.find(connection, chain, purpose, reference)


async def retry(connection: Connection, chain: str, purpose: RelayPurpose | str, reference: str) -> None:
    """Plan a dropped call again. Raises ``UnknownRelayError``."""
    await relay.retry(connection, chain, purpose, reference)


async def cancel(connection: Connection, chain: str, purpose: RelayPurpose | str, reference: str) -> bool:
    """Take a call back; whether that is certain by now. Raises ``UnknownRelayError``."""
    return await relay.cancel(connection, chain, purpose, reference)
