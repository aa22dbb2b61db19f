"""`merchant`, `invoice`, `payout` and `keys`: what an operator does for merchants, and shows of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.demo.environment import DEFAULT_FOLDER
from strongroom.infra.clock import SystemClock
from strongroom.infra.database import make_pool, transaction
from strongroom.invoices import service as invoices
from strongroom.invoices.model import Status
from strongroom.merchants import service as merchants
from strongroom.merchants.model import Merchant
from strongroom.payouts import service as payouts
from strongroom.payouts.model import Payout
from strongroom.processes.commands.context import (
    AsJson,
    Config,
    Folder,
    MerchantName,
    folder_option,
    out,
    print_json,
    print_object,
    print_rows,
    print_table,
    run,
    settings_of,
    transaction_as,
)
from strongroom.rates.service import RateBook
from strongroom.wallets import service as wallets
from strongroom_client.keys import create_key_file
from strongroom_client.secrets_input import from_descriptor, from_prompt
from strongroom_core.amounts import Amount
from strongroom_core.assets import asset_by_id, network_name
from strongroom_core.ids import InvoiceId, MerchantId, PayoutId

LIMIT = 50
merchant = typer.Typer(no_args_is_help=True, help="Merchants and their API tokens.")
invoice = typer.Typer(no_args_is_help=True, help="Invoices of a merchant.")
payout = typer.Typer(no_args_is_help=True, help="Payouts of a merchant; only the merchant's own tool can make one.")
keys = typer.Typer(no_args_is_help=True, help="Keys that sign payouts; made on the merchant's side.")


@merchant.command("create")
def merchant_create(
    name: Annotated[str, typer.Argument(help="As payers see it.")],
    *,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Make a merchant, with its branch and first addresses on every chain."""

    async def body() -> None:
        settings = settings_of(config, directory)
        async with transaction_as(settings, "api") as connection:
            made = await merchants.create_merchant(connection, name)
            for chain in settings.chains:
                await wallets.prepare_merchant(connection, chain, made.id, made.branch)
        print_object(_merchant_row(made), as_json=as_json)
        if not as_json:
            command = f"strongroom merchant token {made.id} --file FILE{folder_option(directory)}"
            out.print(f"\nNext: {command}; and enrol its key on each signer's host.", soft_wrap=True)

    run(body())


@merchant.command("list")
def merchant_list(*, config: Config = None, directory: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Show all merchants."""

    async def body() -> None:
        async with transaction_as(settings_of(config, directory), "api") as connection:
            found = await merchants.list_merchants(connection)
        rows = [_merchant_row(item) for item in found]
        print_rows("Merchants", rows, ("id", "name", "branch", "created_at"), as_json=as_json)

    run(body())


@invoice.command("create")
def invoice_create(
    merchant_id: MerchantName,
    amount: Annotated[str, typer.Argument(help="Such as 12.50.")],
    currency: Annotated[str, typer.Argument(help="Such as EUR or BTC.")],
    *,
    asset: Annotated[str | None, typer.Option(help="The asset to be paid in: code or CAIP-19 id.")] = None,
    reference: Annotated[str | None, typer.Option(help="The merchant's own order number.")] = None,
    description: Annotated[str | None, typer.Option(help="Shown to the payer.")] = None,
    expires_in: Annotated[int | None, typer.Option(help="Seconds.")] = None,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Make an invoice in a merchant's name."""

    async def body() -> None:
        settings = settings_of(config, directory)
        request = invoices.read_request(
            settings,
            MerchantId.parse(merchant_id),
            amount=amount,
            currency=currency,
            asset=asset,
            reference=reference,
            description=description,
            expires_in_seconds=expires_in,
        )
        async with make_pool(settings.dsn("api"), size=1, name="cli") as pool:
            book = RateBook()
            async with transaction(pool) as connection:
                await book.refresh(connection)
            writer = invoices.InvoiceWriter(pool, invoices.InvoiceDesk(settings, book), SystemClock())
            made = await writer.create(request)
        print_object(dict(made.view), as_json=as_json)

    run(body())


@invoice.command("list")
def invoice_list(
    merchant_id: MerchantName,
    *,
    status: Annotated[Status | None, typer.Option(help="Only these.")] = None,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Show a merchant's newest invoices."""

    async def body() -> None:
        settings = settings_of(config, directory)
        async with transaction_as(settings, "api") as connection:
            found, _ = await invoices.list_invoices(
                connection, MerchantId.parse(merchant_id), limit=LIMIT, status=status
            )
        rows = [invoices.merchant_view(item, settings) for item in found]
        columns = ("id", "status", "exception", "amount", "currency", "amount_due", "amount_paid", "created_at")
        print_rows("Invoices", rows, columns, as_json=as_json)

    run(body())


@invoice.command("show")
def invoice_show(
    merchant_id: MerchantName,
    invoice_id: Annotated[str, typer.Argument(help="inv_…")],
    *,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Show one invoice."""

    async def body() -> None:
        settings = settings_of(config, directory)
        async with transaction_as(settings, "api") as connection:
            found = await invoices.get_invoice(connection, MerchantId.parse(merchant_id), InvoiceId.parse(invoice_id))
        print_object(invoices.merchant_view(found, settings), as_json=as_json)

    run(body())


@payout.command("list")
def payout_list(
    merchant_id: MerchantName, *, config: Config = None, directory: Folder = DEFAULT_FOLDER, as_json: AsJson = False
) -> None:
    """Show a merchant's newest payouts."""

    async def body() -> None:
        async with transaction_as(settings_of(config, directory), "api") as connection:
            found = await payouts.list_payouts(connection, MerchantId.parse(merchant_id), None, LIMIT)
        rows = [_payout_row(item) for item in found]
        columns = ("id", "status", "amount", "destination", "txid", "reason", "created_at")
        print_rows("Payouts", rows, columns, as_json=as_json)

    run(body())


@payout.command("show")
def payout_show(
    merchant_id: MerchantName,
    payout_id: Annotated[str, typer.Argument(help="pay_…")],
    *,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Show one payout with its life so far."""

    async def body() -> None:
        owner = MerchantId.parse(merchant_id)
        async with transaction_as(settings_of(config, directory), "api") as connection:
            found = await payouts.get_payout(connection, owner, PayoutId.parse(payout_id))
            life = await payouts.timeline(connection, owner, found.id)
        moments = [{"status": item.status, "at": item.at, "reason": item.reason} for item in life]
        if as_json:
            print_json(_payout_row(found) | {"timeline": moments})
            return
        print_object(_payout_row(found), as_json=False)
        print_table("Its life", ("at", "status", "reason"), [(m["at"], m["status"], m["reason"]) for m in moments])

    run(body())


@keys.command("new")
def keys_new(
    file: Annotated[Path, typer.Argument(help="Where to put it; nothing is ever overwritten.")],
    *,
    passphrase_fd: Annotated[int | None, typer.Option(help="Read the passphrase from this descriptor.")] = None,
    no_passphrase: Annotated[bool, typer.Option("--no-passphrase", help="Do not encrypt the file.")] = False,
) -> None:
    """Make an Ed25519 key that signs payouts; run it where the platform cannot reach. Prints the public half."""
    passphrase = None if no_passphrase else _new_passphrase(passphrase_fd)
    out.print(create_key_file(file, passphrase).hex(), highlight=False)


def _new_passphrase(descriptor: int | None) -> bytes:
    if descriptor is None:
        return from_prompt("passphrase of the new key", twice=True)
    return from_descriptor(descriptor, "passphrase")


def _merchant_row(item: Merchant) -> dict[str, Any]:
    return {"id": item.id, "name": item.name, "branch": item.branch, "created_at": item.created_at.isoformat()}


def _payout_row(item: Payout) -> dict[str, Any]:
    asset = asset_by_id(item.asset)
    return {
        "id": item.id,
        "status": item.state.value,
        "amount": Amount(asset, item.amount).format(),
        "fee": Amount(asset, item.fee).format(),
        "asset": asset.code,
        "network": network_name(asset),
        "destination": item.destination,
        "txid": item.txid,
        "reason": item.reason,
        "created_at": item.created_at.isoformat(),
    }
