"""Values that a source makes up: their sums stay within bounds, or the source is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_tracing.index.builder import build
from strongroom_tracing.index.errors import BadBlockError, SourceError
from strongroom_tracing.index.model import RawBlock
from strongroom_tracing.index.reading import LARGEST_VALUE
from strongroom_tracing.index.service import Index, folder_status, in_memory
from strongroom_tracing.index.sources import node
from strongroom_tracing.index.sources.parquet import ParquetSource
from strongroom_tracing.index.sources.raw import BlockFile, RawFiles
from tests.unit.tracing.index.making import NO_HASH, Made, hash_of, made_block, made_coinbase, made_tx

HEIGHT = 500
COIN = (50, b"\x51")


def undo_of(*values: int) -> bytes:
    return b"".join(value.to_bytes(8, "little") + b"\0" for value in values)


def outside(*counts: int, paid: int = 0) -> tuple[list[Made], bytes]:
    """Chain txs of so many inputs each, which spend outputs from before the index; and the block of them."""
    txs = [
        made_tx([(bytes([number + 1]) * 32, vout) for vout in range(count)], [(paid, b"\x52")])
        for number, count in enumerate(counts)
    ]
    return txs, made_block(b"\x09" * 32, [made_coinbase(HEIGHT, COIN), *txs])


def index_of(raw: bytes, *values: int) -> Index:
    return in_memory([RawBlock(HEIGHT, "", raw, undo_of(*values))], BITCOIN_REGTEST)


@pytest.mark.parametrize(
    "values",
    [
        [LARGEST_VALUE, 1],
        [LARGEST_VALUE // 2, LARGEST_VALUE // 2 + 1],
        [LARGEST_VALUE] * 93,  # just above 2^63
        [LARGEST_VALUE] * 185,  # just above 2^64, which in 64 bits is little again
        [2**32 - 1] * 300 + [LARGEST_VALUE],
    ],
)
def test_undo_data_of_impossible_sums_is_refused(values: list[int]):
    (_, tx), raw = outside(1, len(values))
    with pytest.raises(BadBlockError) as caught:
        index_of(raw, 7, *values)

    assert f"chain tx {tx.txid[::-1].hex()} at height {HEIGHT} spends more" in caught.value.message


def test_the_largest_sum_is_let_through():
    _, raw = outside(1, 3, paid=7)
    values = [7, LARGEST_VALUE // 2, LARGEST_VALUE // 2 - 2**32, 2**32]

    assert index_of(raw, *values).columns.external_value.tolist() == values


def test_outputs_within_the_index_are_summed_up_too():
    coinbases = [made_coinbase(height, (LARGEST_VALUE, b"\x51")) for height in range(2)]
    tx = made_tx([(coinbase.txid, 0) for coinbase in coinbases], [(1, b"")])
    blocks, previous = [], NO_HASH
    for height, txs in enumerate([[coinbases[0]], [coinbases[1]], [made_coinbase(2, COIN), tx]]):
        raw = made_block(previous, txs)
        previous = hash_of(raw)
        blocks.append(RawBlock(height, "", raw))
    with pytest.raises(BadBlockError, match=f"chain tx {tx.txid[::-1].hex()} at height 2 spends more"):
        in_memory(blocks, BITCOIN_REGTEST)


@pytest.mark.parametrize(("more", "refused"), [(0, False), (1, True)])
def test_fees_of_a_block_stay_within_bounds(more: int, *, refused: bool):
    _, raw = outside(1, 1, paid=9)
    values = (LARGEST_VALUE // 2 + 9, LARGEST_VALUE // 2 + 9 + more)
    if refused:
        with pytest.raises(BadBlockError, match=f"at height {HEIGHT} leave more than {LARGEST_VALUE} base units"):
            index_of(raw, *values)
    else:
        assert index_of(raw, *values).columns.txs == 3


def test_undo_data_may_not_say_another_value_than_the_output_has():
    coinbase = made_coinbase(HEIGHT, COIN)
    tx = made_tx([(coinbase.txid, 0)], [(1, b"")])
    raws = [made_block(b"\x09" * 32, [coinbase])]
    raws.append(made_block(hash_of(raws[0]), [made_coinbase(HEIGHT + 1, COIN), tx]))
    blocks = [RawBlock(HEIGHT, "", raws[0]), RawBlock(HEIGHT + 1, "", raws[1], undo_of(50))]

    assert in_memory(blocks, BITCOIN_REGTEST).columns.txs == 3
    with pytest.raises(BadBlockError, match=f"at height {HEIGHT + 1} spends, by the undo data, 51 base units"):
        in_memory([blocks[0], RawBlock(HEIGHT + 1, "", raws[1], undo_of(51))], BITCOIN_REGTEST)


@pytest.mark.parametrize(("more", "refused"), [(0, False), (1, True)])
def test_parquet_of_impossible_sums_is_refused(place: Path, more: int, *, refused: bool):
    (tx,), raw = outside(2)
    (place / "raw").write_bytes(raw)
    build(place / "index", RawFiles(BITCOIN_REGTEST.id, [BlockFile(HEIGHT, place / "raw")]))
    root = place / "index" / "parquet"
    (path,) = (root / "inputs").glob("*/part.parquet")
    rows = pq.ParquetFile(path).read()
    at = rows.schema.get_field_index("value")
    values = pa.array([None, LARGEST_VALUE - 1, 1 + more], pa.int64())
    pq.write_table(rows.set_column(at, rows.schema.field(at), values), path)
    if refused:
        with pytest.raises(BadBlockError, match=f"chain tx {tx.txid[::-1].hex()} at height {HEIGHT} spends more"):
            build(place / "other", ParquetSource(root))
    else:
        build(place / "other", ParquetSource(root))
    assert folder_status(place / "other").blocks == int(not refused)


@pytest.mark.parametrize(
    "value", [Decimal("1000000000.00000001"), Decimal(-1), Decimal("0.000000001"), 10**20, "1", None]
)
def test_a_node_that_gives_an_impossible_value_is_not_believed(value: Any):
    with pytest.raises(SourceError, match="that block 00ab spends"):
        node._output("00ab", {"value": value, "scriptPubKey": {"hex": ""}})
    right = node._output("00ab", {"value": Decimal("1000000000.00000000"), "scriptPubKey": {"hex": "51"}})
    assert right == LARGEST_VALUE.to_bytes(8, "little") + b"\x01\x51"
