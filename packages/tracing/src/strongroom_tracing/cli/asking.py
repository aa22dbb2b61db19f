"""The options of a question, shared by `trace`, `export` and `watch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom_core.amounts import Amount
from strongroom_tracing.cli.context import coin_of, progress
from strongroom_tracing.cli.errors import ListsMissingError, UsageError
from strongroom_tracing.index.service import Index
from strongroom_tracing.investigation import Method, Result, investigate
from strongroom_tracing.marks.service import Case
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.taint.model import Direction, Fees, Limits, Policy

LARGEST: Final = 2**62  # limits are kept as 64-bit integers; no chain comes near

PolicyOption = Annotated[
    Policy,
    typer.Option(
        "--policy",
        "-p",
        help="fifo, lifo, tiho: each satoshi has one origin; haircut: in proportion; poison: all that touched it.",
    ),
]
DirectionOption = Annotated[
    Direction, typer.Option("--direction", help="forward: where did it go? backward: where did it come from?")
]
FeesOption = Annotated[
    Fees, typer.Option("--fees", help="absorbed: money in a fee ends there; carried: it goes on to the block's miner.")
]
Hops = Annotated[
    int | None, typer.Option("--hops", min=0, help="Follow through so many chain txs; no limit where left out.")
]
Smallest = Annotated[
    str, typer.Option("--smallest", help="Do not follow outputs with less marked money than this, in coins.")
]
Height = Annotated[
    int | None, typer.Option("--height", min=0, help="Look at no chain tx above this height (backward: below).")
]
Confidence = Annotated[
    int, typer.Option("--confidence", min=0, max=100, help="Tags of less confidence (per cent) stop nothing.")
]
Through = Annotated[bool, typer.Option("--through-services", help="Do not stop at tagged services.")]


def method_of(
    chain: str,
    policy: Policy,
    direction: Direction,
    fees: Fees,
    hops: int | None,
    smallest: str,
    height: int | None,
    confidence: int,
) -> Method:
    """Put options together; ``smallest`` is in whole coins of the chain.

    Raises ``InvalidAmountError``, or ``UsageError`` for limits beyond ``LARGEST``.
    """
    least = Amount.parse(smallest, coin_of(chain)).base_units if smallest else 0
    for name, limit in (("hops", hops), ("smallest", least), ("height", height)):
        if limit is not None and limit > LARGEST:
            message = f"--{name} is beyond what any chain has ({LARGEST}); leave it out where there is no limit"
            raise UsageError(message)
    return Method(policy, direction, fees, Limits(hops, least, height), confidence)


def store_of(folder: Path, *, through: bool) -> TagStore | None:
    """Open the lists, or none where services do not stop the trace. Raises ``ListsMissingError``."""
    if through:
        return None
    if not folder.is_dir():
        message = (
            f"there are no lists in {folder}, so no service would be known: `strongroom-trace tags install` puts those "
            "there that come with this program, `tags import` your own; or trace with --through-services"
        )
        raise ListsMissingError(message)
    return TagStore.open(folder)


def ask(index: Index, case: Path, method: Method, store: TagStore | None, *, quiet: bool) -> Result:
    """Ask a case's question."""
    with progress("chain txs", quiet=quiet) as told:
        return investigate(index, Case.open(case).marks(), method, store, told)
