"""Live pages: one listener a process hears which invoices changed, and wakes the pages that show them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from strongroom.infra.database import UNREACHABLE, connect

CHANNEL: Final = "invoice"
PAGES_MAX: Final = 2_000
RECONNECT_SECONDS: Final = 1.0


class LivePages:
    """Knows which pages are open; ``changed`` wakes those of one invoice."""

    def __init__(self) -> None:
        """Start with no page open."""
        self._pages: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._count = 0
        self.closed = False

    @property
    def full(self) -> bool:
        """Whether no more pages can be kept live; they reload by themselves instead."""
        return self._count >= PAGES_MAX

    @asynccontextmanager
    async def page(self, invoice_id: str) -> AsyncIterator[asyncio.Event]:
        """Keep a page of an invoice live: the event is set whenever the invoice changed."""
        event = asyncio.Event()
        self._pages[invoice_id].add(event)
        self._count += 1
        try:
            yield event
        finally:
            self._count -= 1
            self._pages[invoice_id].discard(event)
            if not self._pages[invoice_id]:
                del self._pages[invoice_id]

    def changed(self, invoice_id: str) -> None:
        """Wake the pages of an invoice."""
        for event in self._pages.get(invoice_id, ()):
            event.set()

    def changed_all(self) -> None:
        """Wake every page: something may have been missed."""
        for invoice_id in list(self._pages):
            self.changed(invoice_id)

    def close(self) -> None:
        """End every stream: the process stops, and the pages connect again to the next one."""
        self.closed = True
        self.changed_all()

    async def listen(self, dsn: str) -> None:
        """Hear changes until cancelled; a lost connection is opened again and every page looks anew."""
        while True:
            with contextlib.suppress(*UNREACHABLE, OSError):
                async with await connect(dsn, name="checkout-listener") as connection:
                    await connection.set_autocommit(True)
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    self.changed_all()
                    async for notice in connection.notifies():
                        self.changed(notice.payload)
            await asyncio.sleep(RECONNECT_SECONDS)
