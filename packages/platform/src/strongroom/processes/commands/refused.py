"""`asset refused` and `asset accept`: tokens that do not behave as tokens, and an operator's word that they do."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from strongroom.chains import service as chains
from strongroom.demo.environment import DEFAULT_FOLDER
from strongroom.infra.settings import Settings
from strongroom.processes.commands.context import (
    AsJson,
    Config,
    Folder,
    print_object,
    print_rows,
    run,
    settings_of,
    transaction_as,
)
from strongroom_core.assets import asset_by_id
from strongroom_core.errors import StrongroomError

asset = typer.Typer(no_args_is_help=True, help="What we hold, and tokens that are not believed for now.")
_COLUMNS = ("chain", "token", "asset", "reason")


class NotRefusedError(StrongroomError):
    """The token is not refused, so there is nothing to accept."""

    code = "token-not-refused"


@asset.command("refused")
def refused(*, config: Config = None, directory: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Show the tokens whose deposits are not credited, and why."""

    async def body() -> None:
        print_rows("Refused tokens", await _rows(settings_of(config, directory)), _COLUMNS, as_json=as_json)

    run(body())


@asset.command("accept")
def accept(
    name: Annotated[str, typer.Argument(help="The CAIP-19 id, as `asset refused` shows it.", metavar="ASSET")],
    *,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Believe a refused token again; what arrived meanwhile is credited once its blocks are final."""

    async def body() -> None:
        settings = settings_of(config, directory)
        token = asset_by_id(name)
        async with transaction_as(settings, "worker") as connection:
            if not await chains.accept_token(connection, token.chain_id, token.id):
                message = f"{token.code} is not refused; `strongroom asset refused` lists what is"
                raise NotRefusedError(message)
        print_object({"asset": token.id, "token": token.code, "state": "accepted"}, as_json=as_json)

    run(body())


async def _rows(settings: Settings) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async with transaction_as(settings, "worker") as connection:
        for chain in settings.chains:
            found = await chains.refused_tokens(connection, chain.id)
            rows += [
                {"chain": chain.chain.name, "token": asset_by_id(name).code, "asset": name, "reason": reason}
                for name, reason in found.items()
            ]
    return rows
