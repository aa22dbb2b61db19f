"""The log of a watch: each move once, in order; whatever reorgs take and give, what stands is what the chain says."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_core.assets import BITCOIN_REGTEST, BITCOIN_TESTNET
from strongroom_tracing.cli import watch
from strongroom_tracing.columns import Columns
from strongroom_tracing.investigation import Method
from strongroom_tracing.marks.errors import BadMarkError, CaseBusyError
from strongroom_tracing.marks.model import CaseMark, Place
from strongroom_tracing.tags import snapshots
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.model import Direction, Fees, Mark, Policy, Question
from strongroom_tracing.taint.service import trace
from strongroom_tracing.watching import MOVED, REVISED, UNDONE, Log, blocks_of, log_name, moves_of
from tests.unit.tracing import kit


def move(height: int, name: str) -> dict[str, Any]:
    return {"height": height, "txid": name, "to": "x", "value": "1", "service": None, "block": f"b{height}"}


def nothing(_block: str, _height: int) -> bool:
    """A chain that a reorg has taken away whole."""
    return False


MOVES: Final = {f"id{number}": move(number // 3, f"tx{number}") for number in range(12)}


@settings(deadline=None, max_examples=40)  # it waits for the disk
@given(st.lists(st.sets(st.sampled_from(sorted(MOVES))), max_size=6), st.integers(0, 6))
def test_what_stands_is_what_was_last_seen_and_each_change_is_told_once(seen: list[set[str]], crash: int):
    with tempfile.TemporaryDirectory() as folder:
        told = []
        for number, keys in enumerate(seen):
            log = Log(Path(folder), "fifo")  # a new process each time
            log.see({key: MOVES[key] for key in keys}, nothing)
            assert set(log.standing()) == keys
            if number != crash:  # else it dies before it tells
                for line in log.untold():
                    told.append(line)
                    log.note_told(line)
        rest = Log(Path(folder), "fifo").untold()
        assert [line.number for line in (*told, *rest)] == list(range(1, len(told) + len(rest) + 1))
        for key in MOVES:
            changes = [line.event for line in (*told, *rest) if line.id == key]
            assert changes == [MOVED, UNDONE] * (len(changes) // 2) + [MOVED] * (len(changes) % 2)


def test_what_is_gone_is_told_before_what_is_new_and_the_latest_first(tmp_path: Path):
    log = Log(tmp_path, "fifo")
    log.see({key: MOVES[key] for key in ("id0", "id4", "id8")}, nothing)
    log.see({key: MOVES[key] for key in ("id0", "id5", "id11")}, nothing)
    assert [(line.event, line.id) for line in log.lines()] == [
        (MOVED, "id0"),
        (MOVED, "id4"),
        (MOVED, "id8"),
        (UNDONE, "id8"),
        (UNDONE, "id4"),
        (MOVED, "id5"),
        (MOVED, "id11"),
    ]


def test_a_log_has_one_watcher(tmp_path: Path):
    with Log(tmp_path, "fifo").held(), pytest.raises(CaseBusyError), Log(tmp_path, "fifo").held():
        pass
    with Log(tmp_path, "fifo").held():
        pass


def test_without_a_reorg_nothing_is_undone_whatever_lists_and_marks_say(tmp_path: Path, shared_data: Path):
    index, names = kit.blocksci(shared_data)
    output = index.find_output(f"{names['taint-split-tx-1']}:0")

    def moves(stops: dict[int, str], *marks: Mark) -> dict[str, Any]:
        asked = Question(Policy.HAIRCUT, Fees.ABSORBED, Direction.FORWARD, marks, stops)
        return moves_of(index, trace(index.columns, asked))

    whole, half = Mark("a", output), Mark("a", output, 5_000_000)
    sink = trace(index.columns, Question(Policy.HAIRCUT, Fees.ABSORBED, Direction.FORWARD, (whole,))).held[0].output
    address = int(index.columns.output_address[sink])
    log, has = Log(tmp_path, "haircut"), blocks_of(index)
    first = log.see(moves({}, whole), has)
    assert first > 1
    assert {line.event for line in log.lines()} == {MOVED}
    for seen in (moves({address: "Kraken"}, whole), moves({address: "Kraken.com"}, whole), moves({}, half), {}):
        told = len(log.lines())
        assert log.see(seen, has)
        assert {line.event for line in log.lines()[told:]} == {REVISED}
        assert log.standing() == seen
        assert log.see(seen, has) == 0
    last = log.lines()[-1].move
    assert last["value"] is None
    assert last["was"]["value"] is not None
    assert last["chain"] == BITCOIN_REGTEST.id
    log.see(moves({}, whole), has)
    log.see({}, nothing)
    assert {line.event for line in log.lines()[-first:]} == {UNDONE}


def test_a_block_is_in_the_chain_only_at_its_height(shared_data: Path):
    index, _ = kit.blocksci(shared_data)
    has, tip = blocks_of(index), index.tip
    assert has(tip.hash, tip.height)
    assert not has(tip.hash, tip.height - 1)
    assert not has(tip.hash, tip.height + 1)
    assert not has(tip.hash, -1)


def test_chains_and_ways_to_follow_have_logs_of_their_own():
    names = {
        log_name(chain, method, through=through)
        for chain in (BITCOIN_REGTEST.id, BITCOIN_TESTNET.id)
        for method in (Method(), Method(Policy.LIFO), Method(confidence=50))
        for through in (True, False)
    }
    assert len(names) == 12
    assert not any(":" in name or "/" in name for name in names)


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b"5", b"{}", b'{"through":"1"}', b'{"through":99}', b"\xff"])
def test_a_note_that_says_nothing_means_that_nothing_was_told(tmp_path: Path, note: bytes):
    log = Log(tmp_path, "fifo")
    log.see({"id0": MOVES["id0"], "id5": MOVES["id5"]}, nothing)
    log.note_told(log.lines()[0])
    assert [line.id for line in log.untold()] == ["id5"]
    (tmp_path / "watch-fifo.told").write_bytes(note)
    assert [line.id for line in Log(tmp_path, "fifo").untold()] == ["id0", "id5"]


def test_what_no_file_can_hold_is_refused_before_there_is_one(tmp_path: Path):
    with pytest.raises(BadMarkError):
        Log(tmp_path, "fifo").see({"id0": {**MOVES["id0"], "service": "\udcff"}}, nothing)
    assert list(tmp_path.iterdir()) == []


def test_a_look_at_the_same_asks_nothing_again_and_a_new_mark_is_seen(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
):
    index, names = kit.blocksci(shared_data)
    where, asset = f"{names['taint-split-tx-1']}:0", f"{BITCOIN_REGTEST.id}/slip44:1"
    one = CaseMark("a", index.chain, Place.OUTPUT, where, asset, None, None, "Ada", "", date(2026, 1, 2))
    asked: list[Question] = []

    def ask(columns: Columns, question: Question) -> Answer:
        asked.append(question)
        return trace(columns, question)

    monkeypatch.setattr(watch, "trace", ask)
    log, looked = Log(tmp_path, "fifo"), watch._Looked(TagStore.open(tmp_path / "tags"))
    for marks, asks in (((one,), 1), ((one,), 1), ((one, replace(one, claim="b")), 2), ((one,), 3)):
        watch._see(index, marks, log, Method(), looked)
        assert len(asked) == asks
    seen = len(log.lines())
    snapshots.install(TagStore.open(tmp_path / "tags"))  # another process brings lists
    watch._see(index, (one,), log, Method(), looked)
    assert (len(asked), len(log.lines())) == (4, seen)
    watch._see(index, (one,), log, Method(), looked)
    assert len(asked) == 4
