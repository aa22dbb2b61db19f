"""`up`, `down`, `demo` and `demo-pay`: the demonstration as a whole."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from strongroom.demo import run as demonstration
from strongroom.demo.bills import BitcoinBill, open_checkout
from strongroom.demo.environment import API_PORT, DEFAULT_FOLDER, Environment
from strongroom.demo.errors import EnvironmentUnusableError
from strongroom.demo.progress import Audience, Progress
from strongroom.demo.shopper import Wallets, pay
from strongroom.demo.story import is_told, tell
from strongroom.processes.commands.context import Folder, err, folder_option, out, print_json
from strongroom.processes.commands.display import Lines, LiveSteps
from strongroom_core.errors import StrongroomError

STOPPED_BY_SIGNAL: Final = 130
LOOK_AROUND: Final = ("status", "reconcile", "halt REASON")
NOTICE: Final = "A demonstration on a private chain, with every secret in one folder: not for production."


def up(directory: Folder = DEFAULT_FOLDER) -> None:
    """Set up what is missing, start everything, show the main job live the first time, stay up until Ctrl-C."""
    audience, drawing = _audience(out)
    out.print(f"[bold]Strongroom[/bold]  {NOTICE}", style="yellow")
    try:
        with drawing:
            asyncio.run(_stay_up(directory, audience, drawing))
    except asyncio.CancelledError:
        out.print("Everything is stopped; `strongroom up` goes on from here.")


def down(directory: Folder = DEFAULT_FOLDER) -> None:
    """Stop a running `up`, and whatever a killed one left behind."""
    environment = Environment.read(directory)
    stopped = demonstration.bring_down(environment, Lines(out))
    out.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing runs")


def demo(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Steps as lines on stderr; the last line is JSON.")] = False,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Use this empty folder, and keep it; else a temporary one.")
    ] = None,
) -> None:
    """Do the main job once in an environment of its own; exit 0 only if every step happened and all agrees."""
    folder = directory or _temporary_folder()
    if Environment.read(folder).done:
        message = f"{folder} has told its story already; name another folder"
        raise EnvironmentUnusableError(message)
    progress = Progress(Lines(err if as_json else out))
    failure = ""
    try:
        asyncio.run(_tell_once(folder, progress))
    except asyncio.CancelledError:
        failure = "stopped by a signal"
    except StrongroomError as error:
        failure = f"{error.code}: {error.message}"
    report: dict[str, Any] = {"ok": not failure, "steps": progress.steps, "figures": progress.figures}
    if failure:
        report |= {"error": failure, "folder": str(folder)}
    elif directory is None:
        shutil.rmtree(folder.parent)
    print_json(report)
    if failure:
        raise typer.Exit(STOPPED_BY_SIGNAL if failure == "stopped by a signal" else 1)


def demo_pay(
    checkout: Annotated[str, typer.Argument(help="The address of a checkout page, as `up` prints it.")],
    directory: Folder = DEFAULT_FOLDER,
) -> None:
    """Be the shopper: open a checkout page and pay it from the demonstration's wallet outside."""
    environment = Environment.read(directory)
    if not environment.exists:
        message = f"there is no demonstration in {environment.root}; `strongroom up` makes one"
        raise EnvironmentUnusableError(message)
    bill = open_checkout(checkout)
    paid = pay(Wallets.of(environment), bill)
    amount = str(bill.amount) if isinstance(bill, BitcoinBill) else f"{paid.units} base units"
    out.print(f"paid {amount} to {paid.address}\n{paid.txid}", soft_wrap=True)
    out.print("Blocks follow by themselves, every one or two seconds.")


async def _stay_up(directory: Path, audience: Audience, drawing: AbstractContextManager[object]) -> None:
    progress = Progress(audience)
    start = time.monotonic()
    async with demonstration.running(directory, progress, {"api": API_PORT}) as scene:
        environment = scene.environment
        if not is_told(environment.done):
            await tell(scene)
        checkout = await demonstration.refresh(scene)
        if isinstance(drawing, LiveSteps):
            drawing.pause()
        _print_addresses(environment, checkout, time.monotonic() - start)
        await demonstration.serve(scene)


async def _tell_once(folder: Path, progress: Progress) -> None:
    start = time.monotonic()
    async with demonstration.running(folder, progress, {}) as scene:
        await tell(scene)
        progress.figure("told_seconds", time.monotonic() - start)
        progress.figure("memory_mib", demonstration.memory_mib(scene.environment))
        stop = time.monotonic()
    progress.figure("stop_seconds", time.monotonic() - stop)


def _audience(console: Console) -> tuple[Audience, AbstractContextManager[object]]:
    if console.is_terminal:
        live = LiveSteps(console)
        return live, live
    return Lines(console), nullcontext()


def _temporary_folder() -> Path:
    base = Path("var")
    base.mkdir(exist_ok=True)
    # The lock lies beside the folder, so both have a folder to themselves.
    return Path(tempfile.mkdtemp(prefix="demo-", dir=base)) / "demo"


def _print_addresses(environment: Environment, checkout: str, seconds: float) -> None:
    directory = folder_option(environment.root)
    for name, value in (
        ("Checkout page", checkout),
        ("Console", f"{environment.api_url}/console"),
        ("API and its docs", f"{environment.api_url}/docs"),
        ("Merchant's API token", str(environment.token_file)),
        ("Pay as the shopper", f"strongroom demo-pay {checkout}{directory}"),
        ("Look around", " · ".join(f"strongroom {word}{directory}" for word in LOOK_AROUND)),
        ("Logs", str(environment.root / "log")),
    ):
        # Whole lines, unframed: they are there to be copied.
        out.print(f"  [bold]{name:<22}[/bold] {value}", highlight=False, soft_wrap=True)
    out.print(f"\n[green]Up after {seconds:.1f} s.[/green] Ctrl-C stops everything.\n")
