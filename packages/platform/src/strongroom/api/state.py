"""What every request of this process shares."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from strongroom.api.limits import RateLimiter
from strongroom.infra.clock import Clock
from strongroom.infra.database import Pool, transaction
from strongroom.infra.settings import Settings
from strongroom.invoices.service import InvoiceWriter
from strongroom.merchants.model import Principal
from strongroom.merchants.service import authenticate
from strongroom.rates.service import RateBook
from strongroom.webhooks.service import WebhookSecrets

# A revoked token works for at most this long in a process that has just seen it; the price of no look-up per request.
TOKEN_MEMORY_SECONDS: Final = 2.0
TOKENS_MAX: Final = 10_000


class Tokens:
    """Authenticates tokens, and remembers for a moment those that were good."""

    def __init__(self, pool: Pool) -> None:
        """Look tokens up through ``pool``."""
        self._pool = pool
        self._known: OrderedDict[str, tuple[float, Principal]] = OrderedDict()

    async def principal(self, text: str) -> Principal:
        """Say who is asking. Raises ``TokenInvalidError``."""
        now = time.monotonic()
        known = self._known.get(text)
        if known is not None and known[0] > now:
            return known[1]
        async with transaction(self._pool) as connection:
            principal = await authenticate(connection, text)
        self._known[text] = (now + TOKEN_MEMORY_SECONDS, principal)
        while len(self._known) > TOKENS_MAX:
            self._known.popitem(last=False)
        return principal


@dataclass(slots=True)
class Services:
    """The process's pool, settings and helpers, given to every handler."""

    settings: Settings
    pool: Pool
    clock: Clock
    book: RateBook
    invoices: InvoiceWriter
    secrets: WebhookSecrets
    tokens: Tokens
    limiter: RateLimiter

    def now(self) -> datetime:
        """Give the time, in UTC."""
        return self.clock.now()
