"""Reading a signer's own books: what it says that it would pay of each merchant's money, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from strongroom.infra.clock import Clock
from strongroom.infra.database import Pool, transaction
from strongroom.outbound.errors import SignerAnswerError, SignerUnreachableError
from strongroom.proofs import store
from strongroom_core.messages import Refused
from strongroom_core.proof_messages import BooksAre

_log = structlog.get_logger(__name__)
PAGE: Final = 10_000


class Told(Protocol):
    """A signer, as far as it tells its books."""

    @property
    def name(self) -> str:
        """The name in our settings."""
        ...

    async def books(self, after: tuple[str, str], limit: int) -> BooksAre | Refused:
        """Ask for a page. Raises ``SignerUnreachableError``, ``SignerAnswerError``."""
        ...


@dataclass(frozen=True, slots=True)
class BooksReading:
    """Keeps a copy of one signer's books; balances there never leave, they only become zero."""

    pool: Pool
    signer: Told
    clock: Clock

    async def step(self) -> int:
        """Read the books where the journal has grown; 0, since nothing is left to do until it grows again."""
        try:
            await self._read()
        except (SignerUnreachableError, SignerAnswerError) as error:
            _log.info("a signer's books cannot be read now", signer=self.signer.name, error=error.message)
        return 0

    async def _read(self) -> None:
        page = first = await self._page(("", ""))
        async with transaction(self.pool) as connection:
            if await store.books_row(connection, self.signer.name) == (first.row, first.binding):
                return
        rows: list[tuple[str, str, int]] = []
        # How many a page holds is the signer's to say: only an empty one is the end. What its journal grows by
        # meanwhile is read with the next step, since the row of the first page is noted.
        while page.balances:
            rows += [(item.holder, item.asset, int(item.amount)) for item in page.balances]
            page = await self._page(rows[-1][:2])
        async with transaction(self.pool) as connection:
            note = {"signer": self.signer.name, "row": first.row, "binding": first.binding, "now": self.clock.now()}
            await store.run(connection, "note_books", **note)
            await store.note_balances(connection, self.signer.name, rows)

    async def _page(self, after: tuple[str, str]) -> BooksAre:
        answer = await self.signer.books(after, PAGE)
        if isinstance(answer, Refused):
            message = f"{self.signer.name}: {answer.reason}"
            raise SignerAnswerError(message)
        return answer
