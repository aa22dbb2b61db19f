"""What commands tell is there as Arrow tables too, with the same words and exact values."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa

from strongroom_core.assets import REGTEST_BTC
from strongroom_tracing.accounts.model import Status
from strongroom_tracing.index.service import in_memory
from strongroom_tracing.marks.model import CaseMark, Place
from strongroom_tracing.tables import lists_table, marks_table, moves_table, status_table, tags_table
from strongroom_tracing.tags import snapshots
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.watching import Line

CHAIN = REGTEST_BTC.chain_id
MOVE = {
    "chain": "eip155:1",
    "height": 7,
    "block": "b" * 64,
    "txid": "0x1",
    "transfer": "0x1:coin0",
    "from": "0xa",
    "to": "0xb",
    "asset": "eip155:1/slip44:60",
    "service": None,
    "claim": "theft-1",
    "value": str(2**255),
}


def test_the_status_of_an_index_of_coins_and_of_accounts_is_a_row():
    (row,) = status_table(in_memory([], CHAIN).status()).to_pylist()
    assert (row["chain"], row["txs"], row["height"], row["hash"]) == (CHAIN, 0, None, None)
    (row,) = status_table(Status("eip155:1", 10, 33, "ab", 24, traced=True)).to_pylist()
    assert row == {
        "chain": "eip155:1",
        "first_height": 10,
        "height": 33,
        "block_hash": "ab",
        "transfers": 24,
        "traced": True,
    }


def test_marks_stand_in_the_order_of_report():
    where = f"{'1' * 64}:0"
    day = date(2026, 1, 2)
    marks = [
        CaseMark(claim, CHAIN, Place.OUTPUT, where, REGTEST_BTC.id, amount, None, "Ada", "file 7", day)
        for claim, amount in (("b", 10**17 + 1), ("a", None))
    ]
    table = marks_table(marks)
    assert table.schema.field("reported").type == pa.date32()
    assert [(row["number"], row["claim"], row["amount"]) for row in table.to_pylist()] == [
        (1, "b", "100000000000000001"),
        (2, "a", None),
    ]
    assert table.column("reporter").to_pylist() == ["Ada", "Ada"]
    assert marks_table([]).schema == table.schema


def test_watched_moves_keep_their_numbers_exact_values_and_what_was_told_before():
    was = {"value": "5", "service": "An exchange"}
    lines = [Line(3, "moved", "x", MOVE), Line(4, "revised", "x", {**MOVE, "value": None, "was": was})]
    first, second = moves_table(lines).to_pylist()
    assert {name: first[name] for name in MOVE} == MOVE
    assert (first["number"], first["event"], first["was_value"]) == (3, "moved", None)
    assert (second["value"], second["was_value"], second["was_service"]) == (None, "5", "An exchange")


def test_tags_and_the_lists_that_were_asked_with_their_ages(tmp_path: Path):
    store = TagStore.open(tmp_path)
    snapshots.install(store)
    answered = store.answered("eip155:1", "0x098B716B8Aaf21512996dC57EB0615e2383E2f96", date(2025, 12, 1))
    (tag,) = tags_table(answered).to_pylist()
    assert (tag["list"], tag["category"], tag["label"]) == ("ofac-sdn", "sanctioned", "Lazarus Group")
    assert tag["source_date"] == date(2025, 11, 19)
    asked = lists_table(answered.lists).to_pylist()
    assert [(row["name"], row["tags"], row["days"]) for row in asked] == [("fbi-bybit", 51, 278), ("ofac-sdn", 760, 12)]
