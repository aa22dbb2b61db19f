"""`merchant token`, `tokens` and `revoke`: what a merchant's programs show to the API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strongroom.demo.environment import DEFAULT_FOLDER
from strongroom.infra.components.hosting import write_private
from strongroom.merchants import service as merchants
from strongroom.merchants.model import Scope
from strongroom.processes.commands.context import (
    AsJson,
    Config,
    Folder,
    MerchantName,
    out,
    print_object,
    print_rows,
    run,
    settings_of,
    transaction_as,
)
from strongroom_client.errors import SecretInputError
from strongroom_core.ids import MerchantId, TokenId


def make(
    merchant_id: MerchantName,
    *,
    file: Annotated[Path, typer.Option(help="Where to put the token; nothing is overwritten, and it is not printed.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; everything unless named.")] = None,
    label: Annotated[str, typer.Option(help="What it is for.")] = "made by the operator",
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Make an API token; its text goes to a file of mode 0600 and nowhere else."""

    async def body() -> None:
        if file.exists():
            message = f"{file} exists; name a file that does not"
            raise SecretInputError(message)
        async with transaction_as(settings_of(config, directory), "api") as connection:
            scopes = scope or list(Scope)
            token, text = await merchants.create_token(connection, MerchantId.parse(merchant_id), scopes, label)
            # Before the commit: a token that nobody was given must not exist, a file without a token is harmless.
            write_private(file, text + "\n")
        told = {
            "id": token.id,
            "merchant": merchant_id,
            "scopes": sorted(item.value for item in token.scopes),
            "file": str(file),
        }
        print_object(told, as_json=as_json)

    run(body())


def show(
    merchant_id: MerchantName, *, config: Config = None, directory: Folder = DEFAULT_FOLDER, as_json: AsJson = False
) -> None:
    """Show a merchant's API tokens, revoked ones too; their text is kept nowhere."""

    async def body() -> None:
        async with transaction_as(settings_of(config, directory), "api") as connection:
            found = await merchants.list_tokens(connection, MerchantId.parse(merchant_id))
        rows = [
            {
                "id": item.id,
                "label": item.label,
                "scopes": ", ".join(sorted(item.scopes)),
                "created_at": item.created_at.isoformat(),
                "revoked_at": item.revoked_at.isoformat() if item.revoked_at else None,
            }
            for item in found
        ]
        print_rows("API tokens", rows, ("id", "label", "scopes", "created_at", "revoked_at"), as_json=as_json)

    run(body())


def revoke(
    merchant_id: MerchantName,
    token_id: Annotated[str, typer.Argument(help="tok_…, as `merchant tokens` shows it.", metavar="TOKEN")],
    *,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
) -> None:
    """End an API token; again is harmless."""

    async def body() -> None:
        async with transaction_as(settings_of(config, directory), "api") as connection:
            await merchants.revoke_token(connection, MerchantId.parse(merchant_id), TokenId.parse(token_id))
        out.print(f"{token_id} is revoked; every API process refuses it within seconds.", highlight=False)

    run(body())
