"""What others ask about attestations: those of addresses that are shown, and what is lacking."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.attestations import store
from strongroom.attestations.model import Attestation, Lacking
from strongroom.infra.database import Connection
from strongroom_core.ids import AddressId


async def of_addresses(connection: Connection, ids: Sequence[AddressId]) -> dict[AddressId, list[Attestation]]:
    """Give the signers' words for addresses, in the order of the signers' names; none yet: an empty list."""
    found: dict[AddressId, list[Attestation]] = {address_id: [] for address_id in ids}
    for word in await store.of_addresses(connection, ids):
        found[word.address_id].append(word)
    return found


async def lacking(connection: Connection, signers: Sequence[str]) -> list[Lacking]:
    """Count, for each signer, what it did not attest yet, and the branches whose addresses it derives otherwise."""
    return await store.lacking(connection, signers)
