"""What others ask of an EVM chain's treasury: size and age of what waits on forwarders."""

from __future__ import annotations

from strongroom.infra.database import Connection
from strongroom.treasury.ethereum import store
from strongroom.treasury.ethereum.model import Ungathered


async def ungathered(connection: Connection, chain: str | None = None) -> list[Ungathered]:
    """Give what forwarders hold and nobody has gathered yet, of one chain or of all, as last counted."""
    return await store.waiting(connection, chain)
