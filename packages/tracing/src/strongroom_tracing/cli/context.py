"""What all commands share: where they print, how they show progress, and their common options."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, chain_by_id, native_asset
from strongroom_tracing.cli.errors import UsageError

WIDE: Final = 200  # where nobody looks at a terminal: files, other programs
out = Console(width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True)
Told = Callable[[int, int], None]
#: What makes a terminal do or show something else than the text says: control characters, marks of writing direction,
#: what nobody sees, halves of surrogate pairs, tags. Labels come from other people's lists. Joiners stay: scripts and
#: signs need them.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\U000e0000-\U000e007f]"
)

INDEX_VARIABLE: Final = "STRONGROOM_TRACE_INDEX"
TAGS_VARIABLE: Final = "STRONGROOM_TRACE_TAGS"

IndexFolder = Annotated[
    Path,
    typer.Option(
        "--index", "-i", help="Folder of the chain's index (`strongroom-trace index` makes it).", envvar=INDEX_VARIABLE
    ),
]
TagsFolder = Annotated[
    Path, typer.Option("--tags", help="Folder of the lists of tags (`strongroom-trace tags`).", envvar=TAGS_VARIABLE)
]
CaseFolder = Annotated[Path, typer.Option("--case", "-c", help="Folder of the case, with its marks.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs; base units as text.")]
On = Annotated[
    str, typer.Option("--on", help="Day (YYYY-MM-DD) on which the ages of lists are told; today where left out.")
]

INDEX_DEFAULT: Final = Path("trace-index")
TAGS_DEFAULT: Final = Path("trace-tags")


def emit(data: Any) -> None:
    """Print JSON on one line, with escapes for what a terminal would obey; programs read the very same text."""
    text = json.dumps(data, ensure_ascii=False, sort_keys=True)
    sys.stdout.write(_UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], text) + "\n")
    sys.stdout.flush()


def plain(text: str, *, lines: bool = False) -> str:
    """Give a text as it may be printed: what a terminal would obey, or nobody would see, is U+FFFD.

    ``lines``: ends of lines stay.
    """
    return _UNSEEN.sub(lambda found: found[0] if lines and found[0] == "\n" else "\ufffd", text)


def say(text: str) -> None:
    """Print a line for people: no markup, and no control of the terminal, of whoever made the text."""
    out.print(Text(plain(text)), soft_wrap=True)


def note(text: str) -> None:
    """Print a line beside the answer, on standard error."""
    err.print(Text(plain(text), style="dim"), soft_wrap=True)


def show(
    title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, numeric: tuple[str, ...] = ()
) -> None:
    """Print a table for people."""
    table = Table(title=Text(plain(title)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in numeric else "left", no_wrap=name in numeric, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    out.print(table)
    out.print()


@contextmanager
def progress(words: str, *, quiet: bool = False) -> Iterator[Told]:
    """Show a bar on a terminal while something long is done; nothing elsewhere, or where told to be quiet."""
    if quiet or not err.is_terminal:
        yield lambda _done, _total: None
        return
    shown = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*shown, console=err, transient=True) as bar:
        task = bar.add_task(words, total=None)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield told


def coin_of(chain: str) -> Asset:
    """Give the coin that a chain's money is counted in. Raises ``UnknownChainError``."""
    return native_asset(chain_by_id(chain))


def money(asset: Asset, value: int) -> str:
    """Write base units as whole units with the asset's code."""
    return str(Amount(asset, value))


def day(text: str) -> date:
    """Read a day, today (UTC) where it is left out. Raises ``UsageError``."""
    try:
        return date.fromisoformat(text) if text else datetime.now(UTC).date()
    except ValueError:
        message = f"{text!r} is no day; write it as 2026-11-22"
        raise UsageError(message) from None
