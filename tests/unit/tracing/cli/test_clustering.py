"""`cluster` on a chain where two strangers spend coins that anybody may spend."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_tracing.index.builder import build
from strongroom_tracing.index.service import Index
from strongroom_tracing.index.sources.raw import BlockFile, RawFiles
from tests.unit.tracing.cli.commands import Typing
from tests.unit.tracing.index.making import NO_HASH, hash_of, made_block, made_coinbase, made_tx

STRANGERS = ("0014" + "01" * 20, "0014" + "02" * 20)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Index a chain on which two strangers each spend a coin of their own with one of a script of an odd form."""
    scripts = [STRANGERS[0], "5202aabb", STRANGERS[1], "5202aabb"]
    minted = made_coinbase(0, *((1_000, bytes.fromhex(script)) for script in scripts))
    blocks = [made_block(NO_HASH, [minted])]
    spends = [
        made_tx([(minted.txid, first), (minted.txid, first + 1)], [(1_900, bytes.fromhex(f"0014{first:040x}"))])
        for first in (0, 2)
    ]
    blocks.append(made_block(hash_of(blocks[0]), [made_coinbase(1, (50, b"\x6a")), *spends]))
    files = [tmp_path / f"block{height}" for height in range(len(blocks))]
    for file, block in zip(files, blocks, strict=True):
        file.write_bytes(block)
    build(
        tmp_path / "index",
        RawFiles(str(BITCOIN_REGTEST), [BlockFile(height, file, None) for height, file in enumerate(files)]),
    )
    return tmp_path / "index"


def test_coins_of_nobody_join_no_strangers(
    index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("STRONGROOM_TRACE_INDEX", str(index))
    with Index.open(index) as opened:
        addresses = [
            opened.address_text(opened.addresses_of([f"script:{script}"])[f"script:{script}"]) for script in STRANGERS
        ]
    run = Typing(monkeypatch, capsys)
    said = run("cluster", addresses[0], "--why", addresses[1], "--json")
    assert not said.json["one"]
    assert run("cluster", addresses[0], "--json").json["members"] == [addresses[0]]
    assert "not one" in run("cluster", addresses[0], "--why", addresses[1]).out
