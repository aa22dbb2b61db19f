"""From a wish to withdraw a payout to its hold released: one signer that has not signed it promises never to.

Two signatures of the two online signers are needed, so one such promise is enough. A signer that has signed says so
(`intent-signed`); where all have, the payout is on its way and is not released.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.loops import each
from strongroom.infra.settings import ChainSettings
from strongroom.outbound import books, moves, rules, store
from strongroom.outbound.errors import SignerAnswerError, SignerUnreachableError
from strongroom.outbound.model import SlotState, Void
from strongroom.outbound.signers import Signer
from strongroom_core.messages import Refused, Voided

_log = structlog.get_logger(__name__)
BATCH: Final = 50


@dataclass(frozen=True, slots=True)
class Voiding:
    """Gets the wanted voids of one chain."""

    pool: Pool
    settings: ChainSettings
    signers: tuple[Signer, ...]

    async def step(self) -> int:
        """Ask for every void that is due; the count of them."""
        async with transaction(self.pool) as connection:
            due = await store.holds_to_void(connection, self.settings.id, BATCH)
        return await each(due, self.void, self._postpone)

    async def void(self, hold: str) -> None:
        """Ask the signers in turn until one has voided a hold's payout; else try again later, with the reason kept."""
        async with transaction(self.pool) as connection:
            found = await store.void(connection, hold)
            signed = await store.signed_by(connection, hold)
        if found is None or not found[2]:
            return
        wish = found[0]
        reasons: list[str] = []
        for name in rules.void_order([signer.name for signer in self.signers], wish.signer, signed):
            answer = await self._ask(name, wish)
            if isinstance(answer, Voided):
                await self.record_voided(hold, name, answer)
                return
            reasons.append(answer)
        detail = "; ".join(reasons) or "every signer has signed it: it is on its way"
        await self._postpone(hold, detail)

    async def record_voided(self, hold: str, signer: str, answer: Voided) -> None:
        """Keep the promise, release the hold, and end the slot once all its payouts are taken back; one transaction."""
        async with transaction(self.pool) as connection:
            found = await store.void(connection, hold)
            if found is None:
                return
            wish = found[0]
            # The slot before its voids, as everywhere.
            state = await store.load(connection, wish.slot_id, lock=True) if wish.slot_id else None
            found = await store.void(connection, hold, lock=True)
            if found is None or not found[2]:
                return
            if state is not None and state.slot.state is not SlotState.PLANNED:
                _log.error("voided by a signer, and signed for all that", **_place(wish), signer=signer)
                await store.run(connection, "moot_void", hold=hold, detail=f"{signer} voided it, but it was sent")
                return
            await store.run(connection, "voided", hold=hold, signer=signer, row=answer.row)
            await books.release(connection, wish.payment)
            await moves.tell_released(connection, wish.payment, wish.outcome, wish.tag, wish.reason)
            await _end_slot(connection, wish)

    async def _postpone(self, hold: str, detail: str) -> None:
        async with transaction(self.pool) as connection:
            found = await store.void(connection, hold)
            if found is None:
                return
            wish, attempts, _ = found
            seconds = rules.backoff_seconds(attempts)
            await store.run(connection, "postpone_void", hold=hold, detail=detail, seconds=seconds)
        if rules.is_alarm_due(attempts + 1):
            _log.error("no signer voids: its hold stays", **_place(wish), attempts=attempts + 1, reason=detail)

    async def _ask(self, name: str, wish: Void) -> Voided | str:
        signer = next(item for item in self.signers if item.name == name)
        try:
            answer = await signer.void(wish.payment.evidence)
        except (SignerUnreachableError, SignerAnswerError) as error:
            return error.message
        if isinstance(answer, Refused):
            return f"{name} ({answer.tag}): {answer.reason}"
        if answer.intent_hash != wish.payment.intent.hash:
            return f"{name} voided another intent than asked"
        return answer


def _place(wish: Void) -> dict[str, str]:
    """Name a payout to whoever reads the log: its id alone may be several merchants'."""
    payment = wish.payment
    return {"payout_id": payment.payout_id, "merchant_id": payment.merchant_id, "hold_id": payment.hold_id}


async def _end_slot(connection: Connection, wish: Void) -> None:
    if wish.slot_id is None:
        return
    state = await store.load(connection, wish.slot_id, lock=True)
    left = await store.number(connection, "open_voids_of_slot", "count", slot=wish.slot_id)
    if not left and state.slot.state is SlotState.PLANNED:
        await moves.abandon(connection, state, f"every payout of it was voided: {wish.reason}")
