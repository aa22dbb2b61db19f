"""The canonical tables of account chains, and how rows become them. Values are 32 bytes, big-endian (uint256)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa

from strongroom_tracing.accounts.model import ADDRESS_BYTES, NOBODY, WORD_BYTES, Block, Transfer

TRANSFERS: Final = pa.schema(
    [
        pa.field("block", pa.int64(), nullable=False),
        pa.field("tx_index", pa.int32(), nullable=False),
        pa.field("kind", pa.uint8(), nullable=False),
        pa.field("place", pa.int32(), nullable=False),
        pa.field("txid", pa.binary(WORD_BYTES), nullable=False),
        pa.field("sender", pa.binary(ADDRESS_BYTES), nullable=False),
        pa.field("recipient", pa.binary(ADDRESS_BYTES), nullable=False),
        pa.field("contract", pa.binary(ADDRESS_BYTES), nullable=False),  # zeros: the chain's coin
        pa.field("value", pa.binary(WORD_BYTES), nullable=False),
    ]
)
BLOCKS: Final = pa.schema(
    [
        pa.field("block", pa.int64(), nullable=False),  # not "height": Spark reads that from the folder
        pa.field("hash", pa.binary(WORD_BYTES), nullable=False),
        pa.field("parent_hash", pa.binary(WORD_BYTES), nullable=False),
        pa.field("unix_time", pa.int64(), nullable=False),
    ]
)


def word(value: int) -> bytes:
    """Write an amount as it stands in the files."""
    return value.to_bytes(WORD_BYTES, "big")


def transfers_table(transfers: Iterable[Transfer]) -> Any:
    """Make the table of transfers, as a pyarrow.Table, sorted in chain order."""
    rows = sorted(transfers, key=lambda transfer: transfer.order)
    columns: Sequence[Sequence[object]] = (
        [row.block for row in rows],
        [row.tx_index for row in rows],
        [int(row.kind) for row in rows],
        [row.place for row in rows],
        [row.txid for row in rows],
        [row.sender for row in rows],
        [row.recipient for row in rows],
        [row.contract or NOBODY for row in rows],
        [word(row.value) for row in rows],
    )
    arrays = [pa.array(column, field.type) for column, field in zip(columns, TRANSFERS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=TRANSFERS)


def blocks_table(blocks: Sequence[Block]) -> Any:
    """Make the table of blocks, as a pyarrow.Table."""
    columns: Sequence[Sequence[object]] = (
        [block.height for block in blocks],
        [block.block_hash for block in blocks],
        [block.parent_hash for block in blocks],
        [block.unix_time for block in blocks],
    )
    arrays = [pa.array(column, field.type) for column, field in zip(columns, BLOCKS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=BLOCKS)


def blocks_of(table: Any) -> list[Block]:
    """Read the blocks of such a table."""
    return [Block(row["block"], row["hash"], row["parent_hash"], row["unix_time"]) for row in table.to_pylist()]
