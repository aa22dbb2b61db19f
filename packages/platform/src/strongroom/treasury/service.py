"""What payouts ask of the treasury: take a payable in, or back."""

from __future__ import annotations

from strongroom.infra.database import Connection
from strongroom.outbound import service as outbound
from strongroom.outbound.model import Outcome
from strongroom.treasury import store
from strongroom.treasury.errors import PayableBoundError, UnknownPayableError
from strongroom.treasury.model import BandStatus, Payable, PayableState
from strongroom_core.ids import HoldId


async def enqueue(connection: Connection, payable: Payable) -> None:
    """Queue a payable whose hold stands; it is planned oldest first. The same again changes nothing."""
    await store.insert(connection, payable)


async def band_status(connection: Connection, chain: str | None = None) -> list[BandStatus]:
    """Give size and age of what hot holds above its band, for each asset of ``chain`` (or of all), as last measured."""
    return await store.bands(connection, chain)


async def withdraw(connection: Connection, hold_id: HoldId, outcome: Outcome, tag: str, reason: str) -> bool:
    """Take a waiting payable back. True: its hold is released already; False: once a signer has voided it.

    Raises ``PayableBoundError`` where it is in a chain tx or was paid, ``UnknownPayableError``.
    """
    queued = await store.locked(connection, hold_id)
    if queued is None:
        message = f"no payable of the hold {hold_id}"
        raise UnknownPayableError(message)
    if queued.state is not PayableState.QUEUED:
        message = "the payout is in a chain tx already, or was taken back before"
        raise PayableBoundError(message)
    await store.run(connection, "set_state", hold=hold_id, state=PayableState.WITHDRAWN)
    return await outbound.withdraw(connection, queued.payable.chain, queued.payment, outcome, tag, reason)
