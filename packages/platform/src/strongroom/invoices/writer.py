"""Group commit: many callers that each await their own durable invoice share one transaction.

While a transaction commits, the next callers gather, so that a batch grows with the load and a lone caller never waits
for company.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from strongroom.attestations import service as attestations
from strongroom.infra.clock import Clock
from strongroom.infra.database import Pool, transaction
from strongroom.invoices import store
from strongroom.invoices.creation import InvoiceDesk, create_invoices
from strongroom.invoices.model import Made, NewInvoice
from strongroom_core.errors import StrongroomError

# As many as one statement handles within some ten milliseconds; more would only make the first of them wait.
BATCH_MAX: Final = 128
BATCH_WORTH_SPLITTING: Final = 16
LANES: Final = 2
_Answer = Made | StrongroomError
_Waiting = tuple[NewInvoice, "asyncio.Future[Made]"]


class InvoiceWriter:
    """Creates invoices for concurrent callers; ``lanes`` is how many transactions may be under way at once."""

    def __init__(self, pool: Pool, desk: InvoiceDesk, clock: Clock, *, lanes: int = LANES) -> None:
        """Start idle; there is nothing to start or stop but ``aclose``."""
        self._pool, self._desk, self._clock, self._lanes = pool, desk, clock, lanes
        self._waiting: deque[_Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def create(self, request: NewInvoice) -> Made:
        """Create an invoice; it is durable when this returns, with what the signers say of its address by now.

        Raises what ``create_invoices`` answers: ``IdempotencyConflictError``, ``RateUnavailableError``,
        ``InvoiceAmountError``, ``InvoicesStoppedError``.
        """
        future: asyncio.Future[Made] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if len(self._running) < self._lanes:
            task = asyncio.create_task(self._drain())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def aclose(self) -> None:
        """Wait until everything that was asked for is answered."""
        while self._running:
            await asyncio.gather(*self._running)

    async def _drain(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # callers that are ready now share this batch
            batch = [self._waiting.popleft() for _ in range(self._batch_size())]
            if batch:
                await self._answer(batch)

    def _batch_size(self) -> int:
        """Share what waits among the lanes, so that one prepares while another commits; small loads go at once."""
        count = len(self._waiting)
        return min(BATCH_MAX, max(BATCH_WORTH_SPLITTING, -(-count // self._lanes)), count)

    async def _answer(self, batch: Sequence[_Waiting]) -> None:
        try:
            answers = await self._create([request for request, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever failed, each caller must hear of it
            await self._answer_failed(batch, error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            _settle(future, answer)

    async def _answer_failed(self, batch: Sequence[_Waiting], error: Exception) -> None:
        if len(batch) > 1 and store.blames_a_request(error):
            for one in batch:  # one bad request must not refuse its neighbours
                await self._answer([one])
            return
        for _, future in batch:
            _settle(future, error)

    async def _create(self, wanted: Sequence[NewInvoice]) -> list[_Answer]:
        async with transaction(self._pool) as connection:
            answers = await create_invoices(connection, self._desk, wanted, self._clock.now())
            # Here, not by each caller: a transaction of its own for these words would cost more than the invoice.
            shown = [answer.invoice.address_id for answer in answers if isinstance(answer, Made)]
            words = await attestations.of_addresses(connection, shown)
        return [
            replace(answer, words=tuple(words[answer.invoice.address_id])) if isinstance(answer, Made) else answer
            for answer in answers
        ]


def _settle(future: asyncio.Future[Made], answer: Made | Exception) -> None:
    if future.done():  # the caller has gone; its invoice is made all the same
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
