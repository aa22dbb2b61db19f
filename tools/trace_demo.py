"""`make trace-demo`: play a theft on a regtest chain, follow the money under all five policies, say where it is.

With `--drill 7` the money is what was taken in that drill of the demonstration platform (bitcoins, tokens, gas; any of
its drills), in the conventional configuration, or with `--strongroom` as the platform is, where most drills take
nothing. The last line of `--json` is JSON; the exit code is 0 only if everything agreed, money and node.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from trace_follow import CoinMark, Followed, follow, watch_once, where
from trace_play import Play, Theft

from strongroom.demo.progress import Progress
from strongroom.infra.components.bitcoind import BitcoinNode
from strongroom.infra.components.hosting import free_port
from strongroom.processes.commands.display import Lines, LiveSteps
from strongroom_core.errors import StrongroomError

CHECKOUT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = CHECKOUT / "var" / "trace-demo"
MARKER: Final = ".trace-demo"
INTERRUPTED: Final = 130
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- a folder of our own is made in it


def main(argv: list[str] | None = None) -> int:
    """Play, follow, tell; 0 where all agreed."""
    parser = _arguments()
    given = parser.parse_args(argv)
    if given.strongroom and given.drill is None:
        parser.error("--strongroom says how a drill is played: name one with --drill")
    console = Console(stderr=given.json)
    with ExitStack() as stack:
        live = console.is_terminal and not given.json
        audience = stack.enter_context(LiveSteps(console)) if live else Lines(console)
        progress, failure, told = Progress(audience), "", {}
        start = time.monotonic()
        try:
            told = _run(given, progress)
        except StrongroomError as error:
            failure = f"{error.code}: {error.message}"
        except (KeyboardInterrupt, asyncio.CancelledError):  # the platform's own way of stopping in order
            failure = "interrupted"
        progress.figure("seconds", time.monotonic() - start)
    report = {"ok": not failure, "steps": progress.steps, "figures": progress.figures, **told}
    if failure:
        report["error"] = failure
    _print(report, as_json=given.json)
    return 0 if not failure else INTERRUPTED if failure == "interrupted" else 1


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make trace-demo", description=__doc__)
    parser.add_argument("--json", action="store_true", help="steps as lines on stderr; the last line is JSON")
    parser.add_argument("--drill", type=int, help="follow the take of this drill, on the platform's own chains")
    parser.add_argument("--strongroom", action="store_true", help="play the drill with all of the platform's rules on")
    parser.add_argument("--dir", type=Path, default=FOLDER, help="where reports, index and case go; made anew")
    return parser


def _run(given: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    if given.drill is not None:
        drills = importlib.import_module("trace_drill")  # only here: it brings the whole platform with it
        drill = drills.find(given.drill)
        told: dict[str, Any] = drills.run(drill, _fresh(given.dir), progress, strongroom=given.strongroom)
        return told
    folder = _fresh(given.dir)
    with _node() as node:
        return _theft(node, folder, progress)


def _theft(node: BitcoinNode, folder: Path, progress: Progress) -> dict[str, Any]:
    play = Play(node.rpc)
    theft = Theft(play)
    acts = (
        ("begin", "A chain begins, and people have money", theft.begin),
        ("steal", "A wallet is emptied, and a shop's a day later", theft.steal),
        ("split", "The thief adds money of its own and splits it", theft.split),
        ("peel", "One part is peeled off, payment by payment", theft.peel),
        ("mix", "One part goes through a CoinJoin with strangers", theft.mix_it),
        ("cash", "Parts are cashed at an exchange", theft.cash),
    )
    for name, title, act in acts:
        with progress.step(name, title) as outcome:
            outcome.detail = act()
    stolen = [("theft-1", theft.stolen, "the victim"), ("theft-2", theft.stolen_later, "the shop")]
    followed = Followed(
        folder=folder,
        url=node.rpc_url,
        credentials=node.cookie_file,
        rpc=node.rpc,
        marks=[CoinMark(claim, coin.outpoint, by) for claim, coin, by in stolen if coin is not None],
        exchange=play.deposits,
    )
    told = follow(followed, progress)
    with progress.step("watch", "A day later: the thief moves, and the watch tells it") as outcome:
        watch_once(followed)
        theft.move_on()
        outcome.detail = "; ".join(
            f"{line.move['value']} satoshi to {line.move['service'] or line.move['to']}"
            for line in watch_once(followed)
        )
    return {**told, "mix": theft.mix}


def _fresh(folder: Path) -> Path:
    """Make the folder anew; one that is not ours is left alone."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        message = f"{folder} holds other things; name another folder with --dir"
        raise SystemExit(message)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARKER).touch()
    return folder


@contextlib.contextmanager
def _node() -> Iterator[BitcoinNode]:
    base = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="trace-demo-", dir=base) as scratch:
        node = BitcoinNode(Path(scratch) / "node", free_port(), free_port(), free_port(), options=("-keypool=10",))
        with node:
            yield node


def _print(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, sort_keys=True))
        return
    if report["ok"]:
        print(where(report))
    else:
        print(f"trace-demo: {report['error']}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
