"""What commands share: the settings they work with, a connection under a role, and how they print."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from strongroom.demo.environment import DEFAULT_FOLDER, Environment
from strongroom.infra.database import Connection, connect
from strongroom.infra.settings import ENVIRONMENT_VARIABLE, Role, Settings, load_settings

Folder = Annotated[Path, typer.Option("--dir", help="The demonstration's folder.", show_default="var/demo")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", envvar=ENVIRONMENT_VARIABLE, help="The settings file; unless given, the demonstration's own."
    ),
]
WIDE: Final = 240
MerchantName = Annotated[str, typer.Argument(help="mer_…", metavar="MERCHANT")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
# Where no terminal has a width, lines are for programs and logs: nothing is folded.
out = Console(width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, width=None if sys.stderr.isatty() else WIDE)


def settings_of(config: Path | None, directory: Path) -> Settings:
    """Read the settings that were named, else those of the demonstration in ``directory``.

    Raises:
        SettingsError: there are none, or they are wrong (``settings-invalid``).

    """
    own = Environment.read(directory).settings_file
    # A folder that was named is never silently exchanged for another installation.
    nothing_named = config is None and directory == DEFAULT_FOLDER and not own.exists()
    return load_settings(None if nothing_named else config or own)


def folder_option(directory: Path) -> str:
    """Say how a command that is printed to be copied has to name the folder."""
    root = directory.absolute()
    return "" if root == DEFAULT_FOLDER.absolute() else f" --dir {root}"


@asynccontextmanager
async def transaction_as(settings: Settings, role: Role) -> AsyncIterator[Connection]:
    """Open one transaction under a role's own rights."""
    async with await connect(settings.dsn(role), name="cli") as connection, connection.transaction():
        yield connection


def run(body: Coroutine[Any, Any, int | None]) -> None:
    """Run a command's body to its end; what it returns is the exit code."""
    code = asyncio.run(body)
    if code:
        raise typer.Exit(code)


def print_json(value: object) -> None:
    """Print for programs: one JSON value, on standard output."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")


def print_table(title: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """Print for people."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) if cell is not None else "-" for cell in row))
    out.print(table if rows else f"[bold]{title}[/bold]: none")


def print_rows(title: str, rows: list[dict[str, Any]], columns: tuple[str, ...], *, as_json: bool) -> None:
    """Print rows for people or for programs."""
    if as_json:
        print_json(rows)
    else:
        print_table(title, columns, [tuple(row[name] for name in columns) for row in rows])


def print_object(row: dict[str, Any], *, as_json: bool) -> None:
    """Print one object for people or for programs."""
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        if value not in (None, "", [], {}) and not name.endswith("_base_units"):
            out.print(f"[dim]{name:>18}[/dim]  {value}", highlight=False, soft_wrap=True)


def operator_name() -> str:
    """Name who gives a command, for the record."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or f"user id {os.geteuid()}"
