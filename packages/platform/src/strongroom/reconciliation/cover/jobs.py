"""The steps that a worker runs every few seconds, whatever the postings say of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import BreachKind
from strongroom.reconciliation import store as reconciled
from strongroom.reconciliation.cover import rules, store
from strongroom.reconciliation.cover.model import BookSums, ChainProof, Finding
from strongroom.wallets import service as wallets


@dataclass(slots=True)
class Looker:
    """Looks by itself: reads as the auditor, who can read all and write nothing, and reports as the worker.

    The parts that it compares are written one after the other (a block is read, then its deposits posted; a signer
    proves, then its books are read again): what is short counts once it was found by two looks in a row.
    """

    chains: Sequence[ChainSettings]
    auditor_pool: Pool
    worker_pool: Pool
    _found: set[tuple[str, BreachKind]] = field(default_factory=set)

    async def books(self) -> int:
        """Judge the books again, and compare their judgement with this one; 0."""
        async with transaction(self.worker_pool) as connection:
            await ledger.judge_all(connection)
        async with transaction(self.auditor_pool) as connection:
            await reconciled.begin_snapshot(connection)
            found = await store.books(connection)
        await self._report(found, [rules.check_books(item) for item in found])
        return 0

    async def proofs(self) -> int:
        """Compare what clients have with the chain and with the signers' own books; 0."""
        async with transaction(self.auditor_pool) as connection:
            await reconciled.begin_snapshot(connection)
            found = await store.books(connection)
            missing, told = await store.missing(connection), await store.signers(connection)
            recorded = await self._recorded(connection)
        findings = []
        for item in found:
            proof = ChainProof(recorded.get(item.asset), missing.get(item.asset, 0))
            findings += [rules.check_chain(item, proof), rules.check_signers(item, told.get(item.asset, ()))]
        await self._report(found, findings)
        return 0

    async def _recorded(self, connection: Connection) -> dict[str, int]:
        """Sum the coins that blocks have by our record; an account chain has none."""
        return {
            chain.asset.id: sum(held.confirmed for held in (await wallets.holdings(connection, chain.id)).values())
            for chain in self.chains
            if not chain.is_evm
        }

    async def _report(self, books: Sequence[BookSums], findings: Sequence[Finding]) -> None:
        """Begin, change or end what stands; only where that is news."""
        standing = {(item.asset, kind): size for item in books for kind, size in item.standing.items()}
        for item in findings:
            place = (item.asset, item.kind)
            twice = place in self._found
            (self._found.add if item.size else self._found.discard)(place)
            if item.size == standing.get(place, 0) or (item.size and not twice):
                continue
            async with transaction(self.worker_pool) as connection:
                await ledger.report_breach(connection, item.asset, item.kind, item.size, item.cause)
