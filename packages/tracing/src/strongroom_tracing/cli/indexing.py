"""`index` and `status`: building the index of a chain, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from strongroom_tracing.cli.context import INDEX_DEFAULT, AsJson, IndexFolder, emit, progress, say
from strongroom_tracing.cli.errors import UsageError
from strongroom_tracing.index import builder
from strongroom_tracing.index.model import BlockSource, IndexStatus
from strongroom_tracing.index.service import check_folder, folder_status
from strongroom_tracing.index.sources.blk_files import BlkFiles
from strongroom_tracing.index.sources.node import NodeSource
from strongroom_tracing.index.sources.parquet import ParquetSource

Node = Annotated[str, typer.Option("--node", help="URL of a node's RPC, as http://127.0.0.1:8332.")]
Cookie = Annotated[
    Path | None,
    typer.Option("--credentials", help="File with the node's credentials: its .cookie, or a file of user:password."),
]
FirstHeight = Annotated[
    int,
    typer.Option("--first-height", min=0, help="Begin at this height, not at the first block; fixed by the first run."),
]


def index(
    folder: IndexFolder = INDEX_DEFAULT,
    node: Node = "",
    credentials: Cookie = None,
    blocks: Annotated[Path | None, typer.Option(help="A node's folder of blk*.dat files, instead of --node.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="The Parquet files of another index, instead of --node.")] = None,
    chain: Annotated[str, typer.Option(help="CAIP-2 id, only for --blocks that begin after the first block.")] = "",
    first_height: FirstHeight = 0,
    until: Annotated[int | None, typer.Option(min=0, help="Stop at this height.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build the index of a chain, or bring it up to the tip; stopped at any moment, the same command goes on."""
    with (
        source_of(node, credentials, blocks, parquet, chain, first_height) as source,
        progress("blocks", quiet=as_json) as told,
    ):
        status = builder.build(folder, source, progress=told, until=until)
    _show(status, as_json=as_json)


def status(
    folder: IndexFolder = INDEX_DEFAULT,
    check: Annotated[
        bool, typer.Option("--check", help="Also read every column, and say whether it is whole.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say how far the index is and what is in it."""
    _show(check_folder(folder) if check else folder_status(folder), as_json=as_json)


@contextmanager
def source_of(
    node: str, credentials: Path | None, blocks: Path | None, parquet: Path | None, chain: str, first_height: int
) -> Iterator[BlockSource]:
    """Open the one source that was named. Raises ``UsageError``, ``SourceError``."""
    if sum(map(bool, (node, blocks, parquet))) != 1:
        message = "name one source of blocks: --node with --credentials, --blocks, or --parquet"
        raise UsageError(message)
    if node:
        with node_of(node, credentials, first_height) as source:
            yield source
    elif blocks is not None:
        yield BlkFiles(blocks, chain=chain or None, first_height=first_height)
    elif parquet is not None:
        yield ParquetSource(parquet)


def node_of(node: str, credentials: Path | None, first_height: int = 0) -> NodeSource:
    """Reach a node. Raises ``UsageError``, ``SourceError``."""
    if credentials is None:
        message = "--node needs --credentials: the node's .cookie file, or a file that holds user:password"
        raise UsageError(message)
    return NodeSource(node, credentials, first_height=first_height)


def _show(found: IndexStatus, *, as_json: bool) -> None:
    if as_json:
        data = asdict(found)
        data["tip"] = found.tip._asdict() if found.tip else None
        emit(data)
        return
    tip = f"height {found.tip.height}, block {found.tip.hash}" if found.tip else "empty"
    say(f"{found.chain}: {tip}")
    say(
        f"{found.blocks} blocks from height {found.first_height}, {found.txs} chain txs, {found.inputs} inputs, "
        f"{found.outputs} outputs, {found.addresses} addresses; {found.stored_bytes} bytes on disk"
    )
