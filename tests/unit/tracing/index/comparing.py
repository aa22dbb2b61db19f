"""Comparing indexes on disk with each other and with those in memory."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np

from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_tracing.index.service import Index, in_memory
from tests.unit.tracing.index.making import ChainMaker


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def contents(folder: Path, *, runs: bool) -> dict[str, bytes]:
    """What an index's files hold. Runs depend on the steps in which an index was built, all else on the chain alone."""
    parts = ["columns", "parquet", *(["runs"] if runs else [])]
    found = {str(path.relative_to(folder)): path.read_bytes() for part in parts for path in files_of(folder / part)}
    return {**found, "manifest": (folder / "manifest.json").read_bytes()} if runs else found


def same_data(one: Path, other: Path, *, runs: bool = False) -> None:
    left, right = contents(one, runs=runs), contents(other, runs=runs)
    assert left.keys() == right.keys()
    assert [name for name, data in left.items() if data != right[name]] == []


def check_against_memory(folder: Path, maker: ChainMaker) -> None:
    """Compare all columns with an index made in memory of the same blocks, and look everything up."""
    blocks = maker.raw_blocks()
    with Index.open(folder) as index:
        memory = in_memory(blocks[: index.tip.height + 1], BITCOIN_REGTEST)
        for field in fields(memory.columns):
            left, right = getattr(memory.columns, field.name), getattr(index.columns, field.name)
            assert np.array_equal(left, right), field.name
        for tx in range(memory.columns.txs):
            assert index.find_tx(memory.columns.txid_text(tx)) == tx
        texts = [memory.address_text(number) for number in range(memory.columns.addresses)]
        assert index.addresses_of(texts) == {text: number for number, text in enumerate(texts)}
        for height in range(memory.columns.first_height, index.tip.height + 1):
            assert index.dataset_hash(height) == memory.dataset_hash(height), height
