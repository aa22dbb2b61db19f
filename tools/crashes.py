"""Kills every process around every step (`kill -9`), thousands of times if asked, and counts the money after each.

A round is one life that ends badly; what happens in it comes from the seed and its number. Rounds share a world (a real
node, a real PostgreSQL, real signers) by the lot. Ctrl-C ends the lot at hand and says how to go on.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from crash_lots import VARIABLE, Order, orders
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

CHECKOUT: Final = Path(__file__).resolve().parent.parent
LOT_SECONDS: Final = 900
LAST_WORDS_SECONDS: Final = 60
POLL_SECONDS: Final = 0.2
TAIL_LINES: Final = 60
INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Do the rounds; 0 all went well, 1 one did not, 130 stopped by hand."""
    arguments = _parser().parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 150)
    done: Counter[str] = Counter()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="strongroom-crashes-") as folder:
        code, following = _run(console, arguments, Path(folder), done)
    words = ", ".join(f"{count} of the {name}" for name, count in sorted(done.items())) or "none"
    again = f"make crashes SEED={arguments.seed} FROM={following} ROUNDS="
    console.print(f"{done.total()} rounds in {time.monotonic() - begun:.0f} s with seed {arguments.seed}: {words}.")
    if code == INTERRUPTED:
        console.print(f"Stopped; to go on: {again}{arguments.start + arguments.rounds - following}", highlight=False)
    elif code:
        console.print(f"[bold red]Round {following} went wrong.[/bold red] To have it again: {again}1", highlight=False)
    return code


def _run(console: Console, arguments: argparse.Namespace, folder: Path, done: Counter[str]) -> tuple[int, int]:
    """Do the lots one after the other; the exit code, and the round to begin with the next time."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    following = arguments.start
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("", total=arguments.rounds)
        for order in orders(arguments.start, arguments.rounds):
            progress.update(task, description=f"kill -9 of the {order.subject.name}")
            told, log = folder / "told", folder / "log"
            told.write_bytes(b"")
            before = order.first - arguments.start

            def tell(finished: int, before: int = before) -> None:
                progress.update(task, completed=before + finished)

            code = _lot(order, arguments.seed, told, log, tell)
            finished = _finished(told)
            done[order.subject.name] += finished
            following = order.first + finished
            if code == INTERRUPTED:
                return code, following
            if code:
                progress.stop()
                words = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
                console.print(escape("\n".join(words)), highlight=False)
                return 1, min(following, order.first + order.count - 1)
            tell(finished)
            if not console.is_terminal:
                console.print(f"rounds {order.first} to {following - 1}: {order.subject.name}, all well")
    return 0, following


def _finished(told: Path) -> int:
    return len(told.read_text(encoding="ascii").splitlines())


def _lot(order: Order, seed: int, told: Path, log: Path, tell: Callable[[int], None]) -> int:
    """Run one test in a process of its own, which cleans up after itself also when it is told to stop."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", f"--timeout={LOT_SECONDS}", "-pno:cacheprovider"]
    environment = os.environ | {VARIABLE: order.text(seed, told)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, order.subject.test],
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                tell(_finished(told))
        except KeyboardInterrupt:
            return INTERRUPTED
        else:
            return process.returncode
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(LAST_WORDS_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make crashes", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, help="how many (ROUNDS=)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="what happens in them (SEED=)")
    parser.add_argument("--from", dest="start", type=int, default=0, help="the first round's number (FROM=)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
