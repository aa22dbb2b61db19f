"""`invoice accept` and `invoice refuse`: what becomes of an invoice whose stablecoin is not at its par."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strongroom.demo.environment import DEFAULT_FOLDER
from strongroom.infra.clock import SystemClock
from strongroom.invoices import service as invoices
from strongroom.processes.commands.context import (
    AsJson,
    Config,
    Folder,
    print_object,
    run,
    settings_of,
    transaction_as,
)
from strongroom_core.ids import InvoiceId

InvoiceName = Annotated[str, typer.Argument(help="inv_…", metavar="INVOICE")]


def accept(
    invoice: InvoiceName, *, config: Config = None, directory: Folder = DEFAULT_FOLDER, as_json: AsJson = False
) -> None:
    """Call an invoice paid that waits for its stablecoin's par: what came is taken for the price."""
    _decide(invoice, config, directory, paid=True, as_json=as_json)


def refuse(
    invoice: InvoiceName, *, config: Config = None, directory: Folder = DEFAULT_FOLDER, as_json: AsJson = False
) -> None:
    """End an invoice that waits for its stablecoin's par; what came stays the merchant's."""
    _decide(invoice, config, directory, paid=False, as_json=as_json)


def _decide(name: str, config: Path | None, directory: Path, *, paid: bool, as_json: bool) -> None:
    async def body() -> None:
        settings, invoice_id = settings_of(config, directory), InvoiceId.parse(name)
        async with transaction_as(settings, "worker") as connection:
            decided = await invoices.decide_held(connection, settings, invoice_id, SystemClock().now(), paid=paid)
        print_object(invoices.merchant_view(decided, settings), as_json=as_json)

    run(body())
