"""Asking one signer for its word on what was derived: a branch at a time, in the order in which pools are handed out.

Nothing waits for it: an address is handed out with the signatures that are there, and has the others as soon as the
signer answers. Hand-out takes the lowest index first, and so do we, so attested addresses come first by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from strongroom.attestations import rules, store
from strongroom.attestations.model import Attester, Dispute, Due
from strongroom.infra.clock import Clock
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import Settings
from strongroom.outbound.errors import SignerAnswerError, SignerUnreachableError
from strongroom.wallets import service as wallets
from strongroom.wallets.model import WalletAddress
from strongroom_core.assets import chain_by_id
from strongroom_core.ids import RequestId
from strongroom_core.messages import Refused
from strongroom_core.proof_messages import Attested, AttestRequest

_log = structlog.get_logger(__name__)
BRANCHES_MAX: Final = 50
MAX_REASON: Final = 500
#: How often the signer is asked whether its merchants changed, so that one just enrolled has its addresses soon.
LOOK: Final = timedelta(seconds=2)
DISPUTED: Final = "address-disputed"
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Attesting:
    """Asks ``signer`` for what it did not attest yet, on every chain of the settings."""

    pool: Pool
    settings: Settings
    signer: Attester
    clock: Clock
    _enrolment: bytes | None = None
    _look_at: datetime = _LONG_AGO
    _absent_until: datetime = _LONG_AGO
    _absences: int = 0

    async def step(self) -> int:
        """Ask for what is due; the count of addresses attested, 0 while there is nothing or the signer is away."""
        if self.clock.now() < self._absent_until:
            return 0
        done = 0
        try:
            await self._look()
            for due in await self._due():
                done += await self._ask(due)
        except (SignerUnreachableError, SignerAnswerError) as error:
            self._absent_until = self.clock.now() + rules.pause(self._absences, rules.LONGEST_ABSENCE)
            self._absences += 1
            _log.warning("signer attests nothing", signer=self.signer.name, reason=error.message)
            return done
        self._absences = 0
        return done

    async def _look(self) -> None:
        """Have it asked again at once where its merchants changed, or we are new here."""
        now = self.clock.now()
        if now < self._look_at:
            return
        self._look_at = now + LOOK
        status = await self.signer.status()
        if status.enrolment_hash != self._enrolment:
            self._enrolment = status.enrolment_hash
            async with transaction(self.pool) as connection:
                await store.run(connection, "retry", signer=self.signer.name, now=now)

    async def _due(self) -> list[Due]:
        chains = [chain.id for chain in self.settings.chains]
        async with transaction(self.pool) as connection:
            return await store.due(
                connection, self.signer.name, chains, self.clock.now(), batch=rules.BATCH, limit=BRANCHES_MAX
            )

    async def _ask(self, due: Due) -> int:
        as_set = rules.key_set(due, evm=chain_by_id(due.chain).is_evm)
        count = due.end - due.first
        answer = await self.signer.attest(
            AttestRequest(RequestId.new(), due.chain, rules.holder(due), as_set, due.first, count)
        )
        if isinstance(answer, Refused):
            async with transaction(self.pool) as connection:
                await self._note(connection, due, (answer.tag, answer.reason), disputed=due.disputed)
            return 0
        wrong = rules.unsigned(self.settings.deployment, due, answer, as_set)
        if wrong is not None:
            message = f"{self.signer.name}: its signature for index {wrong} of branch {due.branch} is not good"
            raise SignerAnswerError(message)
        if due.identity not in (None, answer.identity):
            # Another identity: what the old one signed is worth nothing to who pins the new one.
            async with transaction(self.pool) as connection:
                await self._note(connection, due, next_index=0, identity=answer.identity, disputed=due.disputed)
            return 1
        return await self._keep(due, answer, as_set)

    async def _keep(self, due: Due, answer: Attested, as_set: str) -> int:
        async with transaction(self.pool) as connection:
            ours = await wallets.derived(connection, due.chain, due.kind, due.branch, range(due.first, due.end))
            words, dispute = rules.judge(ours, answer, self.signer.name, as_set)
            await store.keep(connection, words)
            why = ("", "") if dispute is None else (DISPUTED, f"it derives {dispute.derived}, we {dispute.ours}")
            await self._note(
                connection,
                due,
                why,
                next_index=due.first + len(words),
                identity=answer.identity,
                disputed=dispute.derived if dispute else None,
            )
            if dispute is not None or due.disputed is not None:
                index = await store.first_disputed(connection, due)
                await wallets.dispute(connection, due.chain, due.kind, due.branch, index)
        if dispute is not None:
            self._alarm(due, dispute, ours)
        return len(words)

    async def _note(
        self,
        connection: Connection,
        due: Due,
        why: tuple[str, str] = ("", ""),
        *,
        next_index: int | None = None,
        identity: bytes | None = None,
        disputed: str | None = None,
    ) -> None:
        now, (tag, reason) = self.clock.now(), why
        await store.run(
            connection,
            "note",
            signer=self.signer.name,
            chain=due.chain,
            kind=due.kind,
            branch=due.branch,
            identity=identity or due.identity,
            next_index=due.first if next_index is None else next_index,
            disputed=disputed,
            tag=tag,
            reason=reason[:MAX_REASON],
            attempts=due.attempts + 1 if tag else 0,
            retry_at=now + rules.pause(due.attempts) if tag else now,
            now=now,
        )

    def _alarm(self, due: Due, dispute: Dispute, ours: Sequence[WalletAddress]) -> None:
        """Loudly: one of us derives with other keys, or for another branch, and nobody knows which."""
        _log.critical(
            "a signer derives another address than we do; from this index on the branch hands out nothing",
            signer=self.signer.name,
            chain=due.chain,
            key_set=due.kind.value,
            branch=due.branch,
            index=dispute.index,
            ours=dispute.ours,
            derived=dispute.derived,
            handed_out=sum(1 for item in ours if item.index >= dispute.index and item.handed_out_at is not None),
        )
