"""The provers of a treasury process, what they have done, and what stands in the signers' journals of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from strongroom.infra.database import transaction
from strongroom.proofs import service
from strongroom.proofs.jobs import make_provers
from strongroom.proofs.model import Unproven
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind
from strongroom_core.messages import JournalRequest, JournalRows
from tests.integration.outbound.world import Shop, World, invoice_addresses
from tests.unit.signer.kit import CHAIN

PATIENCE_SECONDS = 90.0


async def wait_until(done: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not await done():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.1)


class Showing:
    """One prover for each signer."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.provers = make_provers(world.treasury, world.chain, world.rpc, world.signers, world.clock)

    async def address(self, shop: Shop) -> str:
        """One hot address of a merchant, to be paid again and again."""
        async with transaction(self.world.treasury) as connection:
            await wallets.set_intake(connection, CHAIN, KeySetKind.HOT)
        async with transaction(self.world.api) as connection:
            (found,) = await invoice_addresses(connection, shop.id, 1, KeySetKind.HOT)
        return found.address

    async def paid(self, shop: Shop, *amounts: int, kind: KeySetKind = KeySetKind.HOT) -> list[str]:
        """Have a payer pay a merchant, unconfirmed yet; the txids."""
        async with transaction(self.world.treasury) as connection:
            await wallets.set_intake(connection, CHAIN, kind)
        async with transaction(self.world.api) as connection:
            found = await invoice_addresses(connection, shop.id, len(amounts), kind)
        pairs = zip(found, amounts, strict=True)
        return [self.world.node.pay(address.address, amount) for address, amount in pairs]

    async def turn(self) -> int:
        """Show what is due, until nothing is."""
        total = 0
        for prover in self.provers:
            while handled := await prover.step():
                total += handled
        return total

    def answers(self) -> list[tuple[str, str, str]]:
        """Signer, state and tag of what they said last."""
        rows = self.world.pg.execute("SELECT signer, state, tag FROM proof_answer ORDER BY subject, signer")
        return [(str(signer), str(state), str(tag)) for signer, state, tag in rows]

    def subjects(self) -> list[str]:
        return [str(row[0]) for row in self.world.pg.execute("SELECT subject FROM proof_wanted ORDER BY subject")]

    def kinds(self) -> list[str]:
        return [str(row[0]) for row in self.world.pg.execute("SELECT kind FROM proof_wanted ORDER BY kind")]

    def blocks(self) -> list[str]:
        rows = self.world.pg.execute("SELECT block_hash FROM proof_answer ORDER BY subject, signer")
        return [str(row[0]) for row in rows]

    def open(self) -> int:
        return len(self.world.pg.execute("SELECT subject FROM proof_wanted WHERE live AND NOT done"))

    async def unproven(self) -> list[Unproven]:
        async with transaction(self.world.api) as connection:
            return await service.unproven(connection)

    async def until(self, states: set[tuple[str, str, str]], count: int | None = None) -> None:
        """Turn until the answers are these; the signers' own nodes and views need a moment."""

        async def reached() -> bool:
            self.world.clock.ahead += timedelta(seconds=2)
            await self.turn()
            found = self.answers()
            return set(found) == states and len(found) == (count or len(states))

        try:
            await wait_until(reached)
        except AssertionError:
            said = [process.log_file.read_text()[-3_000:] for process in self.world.processes]
            raise AssertionError(self.answers(), await self.unproven(), said) from None

    async def finished(self) -> bool:
        """Whether, after a turn, nothing is wanted any more."""
        await self.turn()
        return self.open() == 0

    async def settled_by_one(self) -> bool:
        """Whether, after a turn, a signer has everything beyond the horizon."""
        self.world.clock.ahead += timedelta(seconds=2)
        await self.turn()
        rows = self.world.pg.execute("SELECT signer FROM proof_answer GROUP BY signer HAVING bool_and(settled)")
        return len(rows) == 1

    async def shown_in(self, block: str) -> bool:
        """Whether, after a turn, everybody has everything from this block."""
        self.world.clock.ahead += timedelta(seconds=2)
        await self.turn()
        rows = self.world.pg.execute("SELECT state, block_hash FROM proof_answer")
        return set(rows) == {("proven", block)}

    def journalled(self, kind: str) -> list[list[Any]]:
        """The items of the rows of a kind in the journals of A and B."""
        found = []
        for process in self.world.processes:
            answer = process.ask(JournalRequest("journal", 1, 1_000))
            assert isinstance(answer, JournalRows)
            rows = [json.loads(row.body) for row in answer.rows]
            found.append([item for row in rows if row["kind"] == kind for item in row["items"]])
        return found
