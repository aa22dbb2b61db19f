"""What a checkout page needs to know of an invoice, read in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strongroom.checkout import page
from strongroom.checkout.live import LivePages
from strongroom.deposits import service as deposits
from strongroom.infra.clock import Clock
from strongroom.infra.database import Pool, transaction
from strongroom.infra.settings import Settings
from strongroom.invoices import service as invoices
from strongroom.rates import service as rates
from strongroom_core.ids import InvoiceId


@dataclass(frozen=True, slots=True)
class Checkout:
    """What the pages of this process stand on."""

    settings: Settings
    pool: Pool
    clock: Clock
    live: LivePages

    async def state(self, invoice_id: str) -> dict[str, Any]:
        """Read an invoice as its payer may see it. Raises ``InvalidIdError``, ``InvoiceNotFoundError``."""
        wanted = InvoiceId.parse(invoice_id)
        async with transaction(self.pool) as connection:
            public = await invoices.public_invoice(connection, wanted)
            found = await deposits.on_address(connection, public.invoice.address_id)
            depegged = await rates.not_at_par(connection) if public.invoice.rate else ()
        minimum = self.settings.asset_settings(public.invoice.asset.id).minimum_deposit
        facts = page.Facts(
            view=invoices.public_view(public),
            deposits=found,
            minimum=minimum,
            now=self.clock.now(),
            depegged=public.invoice.asset.id in depegged,
        )
        return page.state(facts)
