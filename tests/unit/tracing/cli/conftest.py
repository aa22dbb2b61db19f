"""BlockSci's own regtest chain, indexed once, and a case on it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from strongroom_tracing.cli.app import main
from tests.unit.tracing.cli.commands import MARK, Typing


@pytest.fixture(scope="session")
def names(shared_data: Path) -> dict[str, str]:
    return dict(json.loads((shared_data / "btc_blocks" / "blocksci_regtest_btc.output.json").read_text()))


@pytest.fixture(scope="session")
def indexed(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("indexed")
    blocks = folder / "blk"
    blocks.mkdir()
    shutil.copy(shared_data / "btc_blocks" / "blocksci_regtest_btc.blk00000.dat", blocks / "blk00000.dat")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["strongroom-trace", "index", "-i", str(folder / "index"), "--blocks", str(blocks), "--json"]
        )
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    return folder / "index"


@pytest.fixture
def run(indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typing:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRONGROOM_TRACE_INDEX", str(indexed))
    return Typing(monkeypatch, capsys)


@pytest.fixture
def case(run: Typing, names: dict[str, str]) -> str:
    assert run("tags", "install").code == 0
    assert run("mark", f"{names['taint-split-tx-1']}:0", "-c", "case", *MARK).code == 0
    return "case"
