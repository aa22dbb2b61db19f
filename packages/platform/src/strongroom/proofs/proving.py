"""Showing one signer what it lacks: read what is due, prove it from our node's blocks, ask, write down the answer.

Nothing has to be on the disk before the signer is asked: what it has in its journal it names again, so whoever dies at
any point just asks once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from strongroom.chains import service as chains
from strongroom.chains.errors import NodeError
from strongroom.infra.clock import Clock
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.outbound.errors import SignerAnswerError, SignerUnreachableError
from strongroom.proofs import rules, store
from strongroom.proofs.errors import UnprovableError
from strongroom.proofs.model import Answer, Place, Proof, ProofKind, ProofState, Prover, Shown, Wanted
from strongroom.wallets import service as wallets
from strongroom.wallets.model import WalletAddress
from strongroom_core.ids import AddressId
from strongroom_core.messages import Refused
from strongroom_core.proof_messages import ProofResult
from strongroom_core.refusals import RefusalTag

_log = structlog.get_logger(__name__)
BATCH: Final = 400
MAX_REASON: Final = 500
Pair = tuple[Wanted, Proof]
#: Blocks in a row that our node may fail to give before it counts as away: each may take as long as its timeout.
MAX_FAILED: Final = 8


@dataclass(frozen=True, slots=True)
class Proving:
    """Shows ``signer`` what it lacks of one chain; ``signers`` are the names of all of them."""

    pool: Pool
    settings: ChainSettings
    prover: Prover
    signer: Shown
    signers: tuple[str, ...]
    clock: Clock

    async def step(self) -> int:
        """Show what is due; the count of what was answered, 0 while there is nothing or the signer is away."""
        found = await self._due()
        if found is None or not found[0]:
            return 0
        wanted, place, addresses = found
        proofs, missing = await self._proofs(wanted, addresses, place)
        if missing:
            await self._record(missing)
        done = 0
        for kind in self.prover.kinds:
            for batch in rules.batches([pair for pair in proofs if pair[0].kind is kind]):
                if not await self._show(kind, batch, place):
                    return done
                done += len(batch)
        return done

    async def _due(self) -> tuple[list[Wanted], Place, dict[AddressId, WalletAddress]] | None:
        now = self.clock.now()
        async with transaction(self.pool) as connection:
            tip = await chains.tip(connection, self.settings.id)
            refused, until = await store.refusals(connection, self.settings.id, self.signer.name)
            if tip is None or tip.height is None or (refused and until is not None and until > now):
                return None
            if until is None:
                await store.run(connection, "welcome", chain=self.settings.id, signer=self.signer.name)
            place = Place(self.settings.id, tip.height, self.settings.horizon)
            wanted = await store.due(connection, place, self.signer.name, self.prover.kinds, now, BATCH)
            found = await wallets.addresses(connection, [item.address_id for item in wanted if item.address_id])
        return wanted, place, found

    async def _proofs(
        self, wanted: Sequence[Wanted], addresses: dict[AddressId, WalletAddress], place: Place
    ) -> tuple[list[Pair], list[Answer]]:
        """Prove what our node can prove; what it cannot, since the block has just left its chain, waits.

        A block that the node never gives must not keep the others back: it waits too, where they can be proven. Raises
        ``NodeError`` where none can.
        """
        proofs, missing, failed = list[Pair](), list[Answer](), dict[str, NodeError]()
        for item in wanted:
            address = addresses[item.address_id] if item.address_id else None
            try:
                if item.block_hash in failed:
                    raise failed[item.block_hash]
                proofs.append((item, await self.prover.proof(item, address)))
            except (UnprovableError, NodeError) as error:
                missing.append(rules.unprovable(item, self.signer.name, error.message, place, self.clock.now()))
                if isinstance(error, NodeError):
                    failed[item.block_hash] = error
                    _check_alive(failed, proofs)
        if failed and not proofs:
            raise next(iter(failed.values()))
        return proofs, missing

    async def _show(self, kind: ProofKind, batch: list[Pair], place: Place) -> bool:
        """Ask for one batch and keep the answers; False where the signer did not look at it."""
        request = self.prover.request(kind, self.settings.id, [proof for _, proof in batch])
        try:
            answer = await self.signer.prove(request)
        except (SignerUnreachableError, SignerAnswerError) as error:
            answer = Refused("", "", error.message, "")
        if isinstance(answer, Refused):
            return await self._refused(kind, batch, place, answer)
        now = self.clock.now()
        pairs = zip(batch, answer.results, strict=True)
        await self._keep([rules.answer_of(item, self.signer.name, result, place, now) for (item, _), result in pairs])
        return True

    async def _refused(self, kind: ProofKind, batch: list[Pair], place: Place, answer: Refused) -> bool:
        """Leave a signer alone that refused a whole request; one that is malformed is looked for in halves."""
        if answer.tag == RefusalTag.REQUEST_MALFORMED:
            middle = len(batch) // 2
            if middle:
                return await self._show(kind, batch[:middle], place) and await self._show(kind, batch[middle:], place)
            result = ProofResult(0, answer.tag, answer.reason)
            await self._keep([rules.answer_of(batch[0][0], self.signer.name, result, place, self.clock.now())])
            return True
        async with transaction(self.pool) as connection:
            attempts, _ = await store.refusals(connection, self.settings.id, self.signer.name)
            await self._note(connection, answer.tag, answer.reason, attempts + 1)
        _log.warning("signer looks at no proofs", signer=self.signer.name, tag=answer.tag, reason=answer.reason)
        return False

    async def _keep(self, answers: Sequence[Answer]) -> None:
        await self._record(answers)
        async with transaction(self.pool) as connection:
            await self._note(connection, "", "", 0)

    async def _record(self, answers: Sequence[Answer]) -> None:
        async with transaction(self.pool) as connection:
            await store.record(connection, self.signer.name, answers)
            subjects = [item.wanted.subject for item in answers]
            await store.run(connection, "finish", subjects=subjects, signers=list(self.signers))
        for item in answers:
            if item.state is not ProofState.PROVEN:
                _log.warning(
                    "proof not taken",
                    subject=item.wanted.subject,
                    signer=self.signer.name,
                    tag=item.tag,
                    reason=item.reason,
                    attempts=item.wanted.attempts + 1,
                )

    async def _note(self, connection: Connection, tag: str, reason: str, attempts: int) -> None:
        now = self.clock.now()
        retry_at = now + rules.pause_of(attempts) if attempts else now
        values = {"tag": tag, "reason": reason[:MAX_REASON], "attempts": attempts, "retry_at": retry_at, "now": now}
        await store.run(connection, "note_signer", signer=self.signer.name, chain=self.settings.id, **values)


def _check_alive(failed: dict[str, NodeError], proofs: Sequence[Pair]) -> None:
    if len(failed) >= MAX_FAILED and not proofs:
        raise next(iter(failed.values()))
