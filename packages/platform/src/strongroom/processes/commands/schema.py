"""`migrate`: bring an external PostgreSQL up to this release; the demonstration's own is brought by `up`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.demo.environment import DEFAULT_FOLDER
from strongroom.infra import schema
from strongroom.processes.commands.context import AsJson, Config, Folder, out, print_json, run, settings_of


def migrate(
    *,
    owner: Annotated[str, typer.Option(help="The login that owns the database; it makes missing roles too.")],
    new_passwords: Annotated[
        bool, typer.Option("--new-passwords", help="New ones for all roles of ours that no file here has one of.")
    ] = False,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Apply what is new to the database that the settings name; again changes nothing.

    The owner's password is read from the file of its name in the settings' `passwords` folder, as the roles' are, or
    else where libpq looks. Roles that are made get a password each, in a file there.
    """

    async def body() -> None:
        database = settings_of(config, directory).database
        dsn = schema.owner_dsn(database, owner)
        made = await schema.create_roles(dsn)
        wanted = [role for role in schema.without_password(database) if new_passwords or role in made]
        await schema.give_passwords(dsn, database, wanted)
        applied = await schema.migrate(dsn)
        told = {
            "applied": applied,
            "in_place": len(schema.migrations()) - len(applied),
            "roles_made": made,
            "passwords_made": wanted,
            "passwords_missing": schema.without_password(database),
        }
        if as_json:
            print_json(told)
        else:
            _print(told, database.passwords)

    run(body())


def _print(told: dict[str, Any], passwords: Path) -> None:
    lines = [f"applied {name}" for name in told["applied"]]
    lines += [f"{role} has a new password, in {passwords}" for role in told["passwords_made"]]
    lines += [
        f"{role} has no password in {passwords}: copy its file there, or use --new-passwords"
        for role in told["passwords_missing"]
    ]
    for line in (*lines, f"{len(told['applied'])} migrations applied now, {told['in_place']} were in place."):
        out.print(line, highlight=False, soft_wrap=True)
