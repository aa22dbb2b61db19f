"""The door to account chains: build an index, open it, ask where marked money went or came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from strongroom_tracing.accounts import building, store
from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.backward import Backward
from strongroom_tracing.accounts.building import BlockSource
from strongroom_tracing.accounts.chains import ChainPart, ChainTables
from strongroom_tracing.accounts.errors import BrokenIndexError
from strongroom_tracing.accounts.forward import Forward
from strongroom_tracing.accounts.genuine import Genuine
from strongroom_tracing.accounts.model import Block, Kind, Mark, Question, Status, Transfer
from strongroom_tracing.accounts.parquet import blocks_table, transfers_table
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Direction

Progress = Callable[[int, int], None]


def build(
    folder: Path, source: BlockSource, *, progress: Progress | None = None, until: int | None = None,
    batch: int = 200, first: int | None = None,
) -> Status:  # fmt: skip
    """Bring the index in ``folder`` to the source's newest block; see ``building.build``. It goes on where it stood."""
    return building.build(folder, source, progress=progress, until=until, batch=batch, first=first)


def status(folder: Path) -> Status | None:
    """Say how far an index is; None where there is none. Raises ``BrokenIndexError``."""
    manifest = store.load_manifest(folder)
    return None if manifest is None else manifest.status()


def open_indexes(*folders: Path, genuine: Genuine | None = None) -> Transfers:
    """Open the indexes of one or more chains to be asked together; ``genuine``: the contracts that are believed.

    Raises ``BrokenIndexError`` where there is none or its files are not what its manifest says, ``QuestionError``.
    """
    return Transfers([_part(folder) for folder in folders], genuine)


def _part(folder: Path) -> ChainPart:
    """Map an index's columns. A builder may commit meanwhile, and remove what the manifest before it named."""
    manifest = store.load_manifest(folder)
    while manifest is not None:
        try:
            ranges = tuple(store.map_columns(folder, one) for one in manifest.ranges)
        except BrokenIndexError:
            before, manifest = manifest, store.load_manifest(folder)
            if manifest == before:
                raise
        else:
            return ChainPart(manifest.chain, ranges, manifest.traced)
    message = f"there is no index in {folder}: build one first"
    raise BrokenIndexError(message)


def check(folder: Path) -> Status:
    """Read every file of an index and compare it with its name. Raises ``BrokenIndexError`` for the first damaged.

    No builder may be at work meanwhile (``IndexBusyError``).
    """
    with building.only_one(folder):
        manifest = store.load_manifest(folder)
        if manifest is None:
            message = f"there is no index in {folder}: build one first"
            raise BrokenIndexError(message)
        for one in manifest.ranges:
            for kind in store.TABLES:
                store.read(folder, kind, one)
            store.map_columns(folder, one).check()
        return manifest.status()


def in_memory(
    chain: str, transfers: Iterable[Transfer], blocks: Iterable[Block] = (), *, genuine: Genuine | None = None,
    traced: bool = True,
) -> Transfers:  # fmt: skip
    """Make transfers that can be asked without a folder, such as those of somebody's table."""
    tables = ChainTables(chain, transfers_table(transfers), blocks_table(list(blocks)), traced)
    return Transfers([tables.part()], genuine)


def trace(transfers: Transfers, question: Question, progress: Progress | None = None) -> AccountAnswer:
    """Follow marked money; the answer is proved to be complete before it is given (``AccountAnswer.check``).

    ``progress`` is told, now and then, up to which chain tx, of how many. Raises ``QuestionError``,
    ``UnknownTransferError``, ``NotConservedError``.
    """
    kind = Forward if question.direction == Direction.FORWARD else Backward
    return kind(transfers, question, progress).run()


def marks_into(
    transfers: Transfers, claim: str, address: str, *, assets: Iterable[str] | None = None, since: int = 0,
    until: int | None = None,
) -> tuple[Mark, ...]:  # fmt: skip
    """Mark whatever came to an address (a thief's) by others, in blocks ``since`` to ``until``, in chain order."""
    who = transfers.find_address(address)
    wanted = None if assets is None else frozenset(assets)
    found = []
    for side in transfers.sides(who, None).tolist():
        row = transfers.at(side // 2)
        if side % 2 == 0 or row.payer == who or row.kind == Kind.TIP:
            continue
        asset, block = transfers.numbers.asset(row.payee_asset), transfers.height_of(row.number)
        if block >= since and (until is None or block <= until) and (wanted is None or asset in wanted):
            found.append(Mark(claim, transfers.name(row.number)))
    return tuple(found)
