"""One byte that the disk lost, in whichever file, is found where somebody asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_tracing.cli.app import app
from strongroom_tracing.index import verifying
from strongroom_tracing.index.builder import build
from strongroom_tracing.index.errors import IndexDamagedError
from strongroom_tracing.index.layout import FILES, column_path, read_manifest
from strongroom_tracing.index.service import check_folder, folder_status
from strongroom_tracing.index.sources.raw import BlockFile, RawFiles
from tests.unit.tracing.index.making import ChainMaker, ListSource
from tests.unit.tracing.index.test_content import late_blocks

MADE = sorted(set(FILES) - {"external_value"})  # a chain from its first block on has no values from before


@pytest.fixture
def index(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index in several steps, with a reorg in it; it is checked some blocks at a time."""
    monkeypatch.setattr(verifying, "BLOCKS", 7)
    maker = ChainMaker(4).extend(30)
    for known in (maker, maker.fork(24, seed=9).extend(12)):
        build(place, ListSource(known), batch_bytes=3000)
    return place


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_whole_index_agrees_with_itself(index: Path) -> None:
    assert check_folder(index) == folder_status(index)


@pytest.mark.parametrize("name", MADE)
def test_a_byte_of_any_column_that_was_lost_is_found(index: Path, name: str) -> None:
    path = column_path(index, name)
    size = path.stat().st_size
    for at in (0, size // 2, size - 1):
        _flip(path, at)
        with pytest.raises(IndexDamagedError, match=rf"{name}\.bin is missing or damaged|block \d+ than its digest"):
            check_folder(index)
        _flip(path, at)
    check_folder(index)


def test_values_from_before_the_index_are_compared_too(place: Path) -> None:
    files = []
    for block in late_blocks(5, 7):
        raw, undo = (place / f"{block.height}.{end}" for end in ("raw", "undo"))
        raw.write_bytes(block.raw)
        undo.write_bytes(block.undo or b"")
        files.append(BlockFile(block.height, raw, undo))
    folder = place / "index"
    build(folder, RawFiles(BITCOIN_REGTEST.id, files))
    check_folder(folder)
    _flip(column_path(folder, "external_value"), 8)
    with pytest.raises(IndexDamagedError, match=f"block {files[-1].height} than its digest"):
        check_folder(folder)


@pytest.mark.parametrize("part", ["key", "offset"])
@pytest.mark.parametrize("kind", ["tx_runs", "script_runs"])
def test_a_name_that_is_not_found_any_more_is_found_out(index: Path, kind: str, part: str) -> None:
    run = getattr(read_manifest(index), kind)[-1]
    path = index / "runs" / f"{run.number:08d}.run"
    _flip(path, 7 if part == "key" else 8 * run.count)
    with pytest.raises(IndexDamagedError, match=path.name):
        check_folder(index)


def test_a_column_that_was_harmed_names_its_first_block(index: Path) -> None:
    _flip(column_path(index, "block_hash"), 32 * 9)
    with pytest.raises(IndexDamagedError, match="block 9 than its digest") as refused:
        check_folder(index)
    assert refused.value.code == "index-damaged"


def test_an_investigator_asks_for_it_with_a_word_of_status(index: Path) -> None:
    asked = ["status", "--index", str(index), "--check"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    _flip(column_path(index, "output_value"), 0)
    assert CliRunner().invoke(app, asked[:-1]).exit_code == 0
    refused = CliRunner().invoke(app, asked)
    assert isinstance(refused.exception, IndexDamagedError)
