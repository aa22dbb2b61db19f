"""What the API process serves: REST, checkout and console. Each server worker builds it once."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from types import FrameType

from litestar import Litestar

from strongroom.api.app import create_app
from strongroom.api.limits import RateLimiter
from strongroom.api.state import Services, Tokens
from strongroom.checkout import pages as checkout_pages
from strongroom.checkout.live import LivePages
from strongroom.checkout.service import Checkout
from strongroom.console import pages as console_pages
from strongroom.console.rules import Throttle
from strongroom.console.service import LOGINS_PER_MINUTE, Console
from strongroom.infra.clock import SystemClock
from strongroom.infra.database import make_pool, transaction
from strongroom.infra.loops import Loop, run_loops
from strongroom.infra.settings import Settings, load_settings
from strongroom.infra.telemetry import configure_logging
from strongroom.invoices.service import InvoiceDesk, InvoiceWriter
from strongroom.rates.jobs import refresh_book
from strongroom.rates.service import RateBook
from strongroom.webhooks.service import WebhookSecrets


class Faces:
    """All that the requests of one server worker stand on: one pool and one clock for API, checkout and console."""

    def __init__(self, settings: Settings) -> None:
        """Make it, still closed: nothing connects before ``open``."""
        self.settings = settings
        self.clock = SystemClock()
        self.book = RateBook()
        self.live = LivePages()
        self.pool = make_pool(settings.dsn("api"), size=settings.database.pool_size, name="api")
        self.checkout = Checkout(settings, self.pool, self.clock, self.live)
        self.console = Console(settings, self.pool, self.clock, Throttle(LOGINS_PER_MINUTE, time.monotonic))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Services]:
        """Open the pool, and keep the rate book fresh and open pages live meanwhile."""
        settings, dsn = self.settings, self.settings.dsn("api")
        async with self.pool:
            async with transaction(self.pool) as connection:
                await self.book.refresh(connection)
            loop = Loop("rate-book", partial(refresh_book, self.pool, self.book), 5.0, ("rates",))
            tasks = [asyncio.create_task(run_loops(dsn, [loop])), asyncio.create_task(self.live.listen(dsn))]
            _when_told_to_stop(self.live.close)
            try:
                yield Services(
                    settings=settings,
                    pool=self.pool,
                    clock=self.clock,
                    book=self.book,
                    invoices=InvoiceWriter(self.pool, InvoiceDesk(settings, self.book), self.clock),
                    secrets=WebhookSecrets.load(settings.webhooks.key_file),
                    tokens=Tokens(self.pool),
                    limiter=RateLimiter(settings.api.rate_limit_per_minute),
                )
            finally:
                self.live.close()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def _when_told_to_stop(act: Callable[[], None]) -> None:
    """Act as soon as this server worker is told to stop: the server waits for open answers before it ends the lifespan.

    The event loop hears of signals by a file descriptor, which goes on beside this handler.
    """
    loop = asyncio.get_running_loop()

    def handle(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def build() -> Litestar:
    """Make the application from the settings that the environment names; each server worker calls this."""
    configure_logging("api")
    faces = Faces(load_settings())
    pages = (checkout_pages.router, checkout_pages.assets, console_pages.router, console_pages.assets)
    app = create_app(faces.open, pages)
    app.state.checkout = faces.checkout
    app.state.console = faces.console
    return app
