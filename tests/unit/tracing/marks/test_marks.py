"""A case's marks: kept in the order of report, never changed, and what they mean in an index."""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from strongroom_core.assets import BTC, REGTEST_BTC
from strongroom_tracing.index.errors import UnknownOutputError
from strongroom_tracing.investigation import Method, investigate
from strongroom_tracing.marks import service
from strongroom_tracing.marks.errors import (
    BadMarkError,
    CaseBusyError,
    CaseDamagedError,
    CaseMissingError,
    MarkConflictError,
    NothingMarkedError,
)
from strongroom_tracing.marks.model import CaseMark, Place
from strongroom_tracing.marks.service import Case, check_in, resolve
from strongroom_tracing.taint.model import Mark
from tests.unit.tracing import kit

CHAIN = REGTEST_BTC.chain_id
MARK = CaseMark(
    "theft-1", CHAIN, Place.OUTPUT, f"{'ab' * 32}:0", REGTEST_BTC.id, 5, None, "Ada", "file 1", date(2026, 1, 2)
)
OTHER = replace(MARK, where=f"{'cd' * 32}:1", amount=None)


def test_marks_stand_in_the_order_of_report_and_are_read_back(tmp_path: Path):
    case = Case.create(tmp_path / "case")
    assert [case.report(MARK), case.report(OTHER)] == [True, True]
    assert Case.open(tmp_path / "case").marks() == (MARK, OTHER)


def test_the_same_report_twice_changes_nothing(tmp_path: Path):
    case = Case.create(tmp_path)
    case.report(MARK)
    before = (tmp_path / "marks.jsonl").read_bytes()
    assert not case.report(MARK)
    assert (tmp_path / "marks.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "other", [{"amount": 6}, {"amount": None}, {"reporter": "Ben"}, {"reference": ""}, {"reported": date(2026, 1, 3)}]
)
def test_a_mark_is_never_changed_by_another_report_of_its_claim(tmp_path: Path, other: dict[str, Any]):
    case = Case.create(tmp_path)
    case.report(MARK)
    with pytest.raises(MarkConflictError) as refused:
        case.report(replace(MARK, **other))
    assert refused.value.code == "mark-conflict"
    assert case.marks() == (MARK,)


def test_two_claims_may_mark_the_same_money(tmp_path: Path):
    case = Case.create(tmp_path)
    assert case.report(MARK)
    assert case.report(replace(MARK, claim="theft-2"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"claim": ""},
        {"claim": "a b"},
        {"claim": "x" * 65},
        {"reporter": " "},
        {"reporter": "a\nb"},
        {"reference": "\u202eabc"},
        {"reference": "x" * 501},
        {"reporter": "a\udcff"},
        {"reference": "a\u200fb"},
        {"where": "\ufeff"},
        {"where": "abc"},
        {"where": f"{'AB' * 32}:0"},
        {"where": f"{'ab' * 32}:01"},
        {"through": 5},
        {"amount": 0},
        {"amount": -1},
        {"asset": BTC.id},
        {"asset": "nonsense"},
        {"place": Place.ADDRESS, "where": "bcrt1q", "through": None, "amount": None},
        {"place": Place.ADDRESS, "where": "bcrt1q", "through": 5},
        {"place": Place.ADDRESS, "where": "", "through": 5, "amount": None},
    ],
)
def test_what_says_too_little_or_cannot_be_is_no_mark(wrong: dict[str, Any]):
    with pytest.raises(BadMarkError) as refused:
        replace(MARK, **wrong)
    assert refused.value.code == "mark-invalid"


def test_a_line_that_a_crash_left_half_written_does_not_count_and_is_cut_off(tmp_path: Path):
    case = Case.create(tmp_path)
    case.report(MARK)
    with (tmp_path / "marks.jsonl").open("ab") as file:
        file.write(b'{"claim":"half')
    assert case.marks() == (MARK,)
    case.report(OTHER)
    assert case.marks() == (MARK, OTHER)


@pytest.mark.parametrize("line", [b"nonsense\n", b"{}\n", b"[]\n", b'{"amount": "x"}\n', b"5\n"])
def test_a_line_that_is_no_mark_is_named(tmp_path: Path, line: bytes):
    case = Case.create(tmp_path)
    case.report(MARK)
    with (tmp_path / "marks.jsonl").open("ab") as file:
        file.write(line)
    with pytest.raises(CaseDamagedError, match="line 2"):
        case.marks()


def test_two_at_once_do_not_write_to_a_case(tmp_path: Path):
    case = Case.create(tmp_path)
    case.report(MARK)
    descriptor = os.open(tmp_path / ".lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with pytest.raises(CaseBusyError):
            case.report(OTHER)
    finally:
        os.close(descriptor)
    assert case.report(OTHER)


def test_a_folder_without_marks_is_no_case(tmp_path: Path):
    with pytest.raises(CaseMissingError):
        Case.open(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(CaseMissingError):
        Case.create(tmp_path / "file")


def test_marks_are_found_in_an_index(shared_data: Path):
    index, names = kit.blocksci(shared_data)
    split = replace(MARK, where=f"{names['taint-split-tx-1']}:0", amount=5000)
    assert check_in(index, split) == 5000
    assert check_in(index, replace(split, amount=None)) == 99990000
    output = index.find_output(split.where)
    address = index.address_text(int(index.columns.output_address[output]))
    whole = replace(split, place=Place.ADDRESS, where=address, amount=None, through=201)
    # The claim marks the output twice, once in part: each mark stands at its own place, and is counted once.
    assert resolve(index, [split, whole]).marks[:2] == (Mark("theft-1", output, 5000), Mark("theft-1", output, None))
    for marks in ([split, whole], [whole, split], [split, replace(split, claim="b"), whole]):
        totals = investigate(index, marks, Method()).answer.totals()
        assert totals["theft-1"]["marked"] == check_in(index, whole)


def test_an_address_means_what_it_received_through_its_height(shared_data: Path):
    index, names = kit.blocksci(shared_data)
    output = index.find_output(f"{names['taint-split-tx-1']}:0")
    height = index.columns.height_of_tx(index.columns.tx_of_output(output))
    address = index.address_text(int(index.columns.output_address[output]))
    whole = replace(MARK, place=Place.ADDRESS, where=address, amount=None, through=height)
    assert Mark("theft-1", output, None) in resolve(index, [whole]).marks
    assert resolve(index, [replace(whole, through=height - 1)]).absent == (replace(whole, through=height - 1),)
    with pytest.raises(BadMarkError):
        check_in(index, replace(whole, through=height - 1))


def test_an_address_is_not_marked_for_money_that_is_still_to_come(shared_data: Path):
    """Else whoever marks an exchange's address for all times has the older mark on every theft that goes there."""
    index, names = kit.blocksci(shared_data)
    output = index.find_output(f"{names['taint-split-tx-1']}:0")
    address = index.address_text(int(index.columns.output_address[output]))
    whole = replace(MARK, place=Place.ADDRESS, where=address, amount=None, through=index.tip.height)
    assert check_in(index, whole) > 0
    with pytest.raises(BadMarkError, match="still to come"):
        check_in(index, replace(whole, through=index.tip.height + 1))


def test_many_addresses_are_found_in_one_pass(shared_data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service, "_CHUNK", 7)
    index, _ = kit.blocksci(shared_data)
    columns = index.columns
    marks = [
        replace(
            MARK, place=Place.ADDRESS, where=index.address_text(number), amount=None, through=150, claim=f"c{number}"
        )
        for number in range(0, columns.addresses, 3)
    ]
    found = resolve(index, marks)
    assert {mark.where for mark in found.absent} | {
        index.address_text(int(columns.output_address[mark.output])) for mark in found.marks
    } == {mark.where for mark in marks}
    end = int(columns.tx_first_output[columns.block_first_tx[151]])
    assert [mark.output for mark in found.marks] == [
        output
        for number in range(0, columns.addresses, 3)
        for output in range(end)
        if columns.output_address[output] == number
    ]


def test_what_is_not_in_the_index_is_refused(shared_data: Path):
    index, names = kit.blocksci(shared_data)
    with pytest.raises(UnknownOutputError):
        check_in(index, MARK)
    with pytest.raises(BadMarkError, match="cannot be stolen"):
        check_in(index, replace(MARK, where=f"{names['taint-split-tx-1']}:0", amount=99990001))
    with pytest.raises(NothingMarkedError):
        resolve(index, [])


def test_a_mark_that_a_reorg_took_away_is_absent_and_the_others_are_followed(shared_data: Path):
    index, names = kit.blocksci(shared_data)
    there = replace(MARK, where=f"{names['taint-split-tx-1']}:0", amount=5000)
    found = resolve(index, [MARK, there, OTHER])
    assert found.marks == (Mark("theft-1", index.find_output(there.where), 5000),)
    assert found.absent == (MARK, OTHER)
    result = investigate(index, [MARK, there, OTHER], Method())
    assert result.answer.totals()["theft-1"]["held"] == 5000
    assert result.tables["absent"].column("where").to_pylist() == [MARK.where, OTHER.where]
    assert result.tables["absent"].column("amount").to_pylist() == [5, None]
    assert [mark.get("absent") for mark in result.provenance.marks] == [True, None, True]
    assert investigate(index, [MARK], Method()).answer.moves == ()


@pytest.mark.parametrize("amount", [1.9, True, 5, "1_000", " 7 ", "\uff11\uff12", "05", "0", "-1", "", "9" * 100])
def test_an_amount_in_the_file_is_text_of_base_units_alone(amount: Any):
    with pytest.raises(BadMarkError):
        CaseMark.from_json(MARK.as_json() | {"amount": amount})
    assert CaseMark.from_json(MARK.as_json()) == MARK
