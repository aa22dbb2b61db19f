"""From planned to signed: both signers are asked, and every step is on disk before the next one is taken.

Nobody is asked while another signer is known to be away or halted: a signature that stays alone binds its intents to
this slot. Who refused last is asked first, so that a policy that differs between signers refuses before it binds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.loops import each
from strongroom.infra.settings import ChainSettings
from strongroom.infra.telemetry import on_behalf_of
from strongroom.outbound import books, moves, rules, store
from strongroom.outbound.errors import SignerAnswerError, SignerUnreachableError
from strongroom.outbound.model import (
    Answer,
    AnswerState,
    OpenSlot,
    Outcome,
    Payment,
    SlotState,
    Version,
    VersionState,
    Void,
)
from strongroom.outbound.schemes import Part, PsbtScheme, Scheme
from strongroom.outbound.signers import Signer
from strongroom_core.ids import SlotId
from strongroom_core.messages import Refused

_log = structlog.get_logger(__name__)
BATCH: Final = 20


@dataclass(frozen=True, slots=True)
class Signing:
    """Has the planned versions of one chain signed by all ``signers``."""

    pool: Pool
    settings: ChainSettings
    signers: tuple[Signer, ...]
    scheme: Scheme = PsbtScheme()  # noqa: RUF009 - it has no state

    async def step(self) -> int:
        """Take every version that is due as far as it goes; the count of them."""
        async with transaction(self.pool) as connection:
            due = await store.ids(connection, "due_to_sign", chain=self.settings.id, limit=BATCH)
        if not due:
            return 0
        away = await self.check_signers()
        return await each(due, lambda slot_id: self._sign_for(slot_id, away), self._wait)

    async def _sign_for(self, slot_id: SlotId, away: dict[str, str]) -> None:
        async with transaction(self.pool) as connection:
            request_id = await store.request_of(connection, slot_id)
        with on_behalf_of(request_id):
            await self.sign_slot(slot_id, away)

    async def check_signers(self) -> dict[str, str]:
        """Ask every signer how it is; those that cannot sign now, with the reason."""
        away: dict[str, str] = {}
        for signer in self.signers:
            reason = await self._check(signer)
            if reason:
                away[signer.name] = reason
        return away

    async def sign_slot(self, slot_id: SlotId, away: dict[str, str]) -> None:
        """Ask who has not signed the newest version yet, and complete it once all have."""
        async with transaction(self.pool) as connection:
            state = await store.load(connection, slot_id)
            answers = await store.answers(connection, slot_id)
            doubts = await store.signers(connection)
        version = state.newest
        if version.state is not VersionState.PLANNED:
            return
        signed, maybe = (
            _who(answers, version.number, AnswerState.SIGNED),
            _who(answers, version.number, AnswerState.ASKED),
        )
        missing = [name for name in rules.sceptics_first([s.name for s in self.signers], doubts) if name not in signed]
        # Whoever may have signed already is asked before anyone whose refusal would then leave it alone.
        missing.sort(key=lambda name: name not in maybe)
        reasons = [away[name] for name in missing if name in away]
        if reasons:
            await self._wait(slot_id, "; ".join(reasons))
            return
        for name in missing:
            if not await self._ask(state, version, name):
                return
        try:
            await self.complete(slot_id, version.number)
        except SignerAnswerError as error:
            await self._wait(slot_id, error.message)

    async def mark_asked(self, slot_id: SlotId, number: int, signer: str) -> None:
        """Write down that a signer is about to be asked: from now on it may have signed."""
        async with transaction(self.pool) as connection:
            await store.run(connection, "asked", slot=slot_id, number=number, signer=signer)

    async def record_signed(self, slot_id: SlotId, number: int, signer: str, part: Part) -> None:
        """Keep a signer's signatures."""
        async with transaction(self.pool) as connection:
            await store.run(
                connection,
                "answered",
                slot=slot_id,
                number=number,
                signer=signer,
                state=AnswerState.SIGNED,
                psbt=part.data,
                tag="",
                reason="",
                payout="",
                row=part.row,
            )

    async def record_refused(self, slot_id: SlotId, number: int, signer: str, answer: Refused) -> None:
        """Keep a refusal and do what it means for the slot and its payouts, in one transaction."""
        refusal = rules.Refusal(signer, answer.tag, answer.reason, answer.payout)
        async with transaction(self.pool) as connection:
            state = await store.load(connection, slot_id, lock=True)
            await store.run(
                connection,
                "answered",
                slot=slot_id,
                number=number,
                signer=signer,
                state=AnswerState.REFUSED,
                psbt=None,
                tag=answer.tag,
                reason=answer.reason,
                payout=answer.payout,
                row=None,
            )
            verdict = self.scheme.judge(refusal, state, number, await store.answers(connection, slot_id))
            if verdict is not rules.Verdict.WAIT:
                await store.run(connection, "note_refusal", name=signer)
            if verdict is rules.Verdict.DROP_VERSION:
                await self._drop(connection, state, number, refusal)
            else:
                await _act(connection, state, refusal, verdict)
        _log.warning("signer refused", slot_id=slot_id, signer=signer, tag=answer.tag, verdict=verdict)

    async def complete(self, slot_id: SlotId, number: int) -> None:
        """Join the signatures, and keep the signed chain tx together with the capture of its holds."""
        async with transaction(self.pool) as connection:
            state = await store.load(connection, slot_id, lock=True)
            version = state.versions[number - 1]
            if version.state is not VersionState.PLANNED:
                return
            parts = [
                answer.psbt
                for answer in await store.answers(connection, slot_id)
                if answer.number == number and answer.psbt is not None
            ]
            raw = self.scheme.combine(version, parts)
            await store.run(connection, "set_raw", slot=slot_id, number=number, raw=raw)
            if state.slot.state is SlotState.PLANNED:
                await books.capture(connection, state)
                await moves.move(connection, state, SlotState.SIGNED)

    async def _ask(self, state: OpenSlot, version: Version, name: str) -> bool:
        signer = next(item for item in self.signers if item.name == name)
        await self.mark_asked(state.slot.id, version.number, name)
        try:
            answer = await self.scheme.ask(signer, state, version)
        except (SignerUnreachableError, SignerAnswerError) as error:
            await self._wait(state.slot.id, error.message)
            return False
        if isinstance(answer, Refused):
            await self.record_refused(state.slot.id, version.number, name, answer)
            return False
        await self.record_signed(state.slot.id, version.number, name, answer)
        return True

    async def _drop(self, connection: Connection, state: OpenSlot, number: int, refusal: rules.Refusal) -> None:
        """Give a refused replacement up: what was sent stands, and the next try waits as long as a stuck slot does."""
        slot, blocks = state.slot.id, self.settings.fees.stuck_after_blocks
        await store.run(connection, "set_version_state", slot=slot, number=number, state=VersionState.ABANDONED)
        reason = f"replacement {number}: {refusal.sentence}"
        until = await store.number(connection, "bump_refused", "bump_height", slot=slot, reason=reason, blocks=blocks)
        _log.error("a replacement was refused", slot_id=slot, version=number, tag=refusal.tag, next_height=until)
        await moves.tell_bump_refused(connection, state, number, refusal.tag, until)

    async def _check(self, signer: Signer) -> str:
        state, detail, rows = "ok", "", 0
        try:
            status = await signer.status()
            rows = status.rows
            if status.halted:
                state, detail = "halted", f"{signer.name} is halted: {status.halt_reason or 'no reason given'}"
        except (SignerUnreachableError, SignerAnswerError) as error:
            state, detail = "unreachable", error.message
        async with transaction(self.pool) as connection:
            await store.run(connection, "note_signer", name=signer.name, state=state, detail=detail, rows=rows)
        return detail

    async def _wait(self, slot_id: SlotId, reason: str) -> None:
        async with transaction(self.pool) as connection:
            await store.wait(connection, slot_id, reason)


async def _act(connection: Connection, state: OpenSlot, refusal: rules.Refusal, verdict: rules.Verdict) -> None:
    slot = state.slot
    reason = refusal.sentence
    if verdict is rules.Verdict.WAIT:
        await store.wait(connection, slot.id, reason)
    elif verdict is rules.Verdict.LATER:
        await moves.abandon(connection, state, reason, refusal.tag)
    elif verdict is rules.Verdict.PLAN_AGAIN or not state.payments:
        await _void(
            connection, state, [item for item in state.payments if item.payout_id == refusal.payout], refusal, None
        )
        await moves.abandon(connection, state, reason, refusal.tag)
    else:
        await _void(connection, state, state.payments, refusal, slot.id)
        await store.run(connection, "wait", slot=slot.id, reason=f"{reason}; taking its payouts back", seconds=1)


async def _void(
    connection: Connection, state: OpenSlot, payments: Sequence[Payment], refusal: rules.Refusal, slot: SlotId | None
) -> None:
    """Ask the refusing signer to void payments: the one at fault, and those that shared its slot."""
    named = any(item.payout_id == refusal.payout for item in state.payments)
    for payment in payments:
        innocent = named and payment.payout_id != refusal.payout
        tag = rules.BATCH_REFUSED if innocent else refusal.tag
        reason = rules.readable(tag, "" if innocent else refusal.reason)
        wish = Void(payment, state.slot.chain, Outcome.REFUSED, tag, reason, refusal.signer, slot)
        await moves.want_void(connection, wish)


def _who(answers: Sequence[Answer], number: int, state: AnswerState) -> set[str]:
    return {answer.signer for answer in answers if answer.number == number and answer.state is state}
