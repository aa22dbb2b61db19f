"""Exports: every row, harmless in a spreadsheet, nothing half written."""

from __future__ import annotations

import csv
import hashlib
import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_tracing.export import ExportError, Format, as_json, export
from strongroom_tracing.spreadsheets import harmless
from tests.unit.tracing.report.flows import provenance

LABELS = {
    "=HYPERLINK(1)": "'=HYPERLINK(1)",
    "+1": "'+1",
    "-1": "'-1",
    "@x": "'@x",
    "plain": "plain",
    "a=b": "a=b",
    "\ttab": "\ufffdtab",
    "\t=1": "'\ufffd=1",
    "  =1": "'  =1",
    "\u00a0\u200b=1": "'\u00a0\u200b=1",
    "\uff1d1": "'\uff1d1",  # full-width
    "\uff0b1": "'\uff0b1",
    "\uff0d1": "'\uff0d1",
    "\uff20x": "'\uff20x",
    "\ufe661": "'\ufe661",  # small
    "harmless\n=HYPERLINK(1)": "harmless\ufffd=HYPERLINK(1)",
    "\r\n=1": "'\ufffd\ufffd=1",
    "\u2028=1": "'\ufffd=1",
    'says "a, b"': 'says "a, b"',
    "": "",
}
TABLES = {"services": pa.table({"service": list(LABELS), "value": pa.array(range(len(LABELS)), pa.int64())})}


def test_a_label_is_never_a_formula_and_stays_readable(tmp_path: Path):
    export(tmp_path, TABLES, provenance(), Format.CSV)
    with (tmp_path / "services.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert [row["service"] for row in rows] == list(LABELS.values())
    assert [row["value"] for row in rows] == [str(number) for number in range(len(LABELS))]


def test_csv_is_as_rfc_4180_has_it(tmp_path: Path):
    table = pa.table(
        {"service": ['a "b", c', None, "d"], "word": pa.array([b"\x01\xff", None, b""]), "value": [-1, None, 3]}
    )
    export(tmp_path, {"services": table}, provenance(), Format.CSV)
    assert (tmp_path / "services.csv").read_bytes() == (b'service,word,value\r\n"a ""b"", c",01ff,-1\r\n,,\r\nd,,3\r\n')


@given(st.text())
def test_no_text_begins_a_formula_or_a_line(text: str):
    cell = harmless(text)
    assert len(cell.splitlines()) <= 1
    assert unicodedata.normalize("NFKC", cell.lstrip())[:1] not in {"=", "+", "-", "@"}


def test_values_are_text_in_json_since_its_numbers_are_doubles():
    large = {"held": pa.table({"height": [5], "value": pa.array([2**60 + 1], pa.int64())})}
    assert as_json(large, provenance())["tables"]["held"] == [{"height": 5, "value": str(2**60 + 1)}]


def test_other_files_stay_and_nothing_half_written_does(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("precious")
    written = export(tmp_path, TABLES, provenance(), Format.PARQUET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", *sorted(path.name for path in written)]


@pytest.mark.parametrize("name", ["../x", "", "a/b", "A"])
def test_a_table_is_not_written_elsewhere(tmp_path: Path, name: str):
    with pytest.raises(ExportError) as refused:
        export(tmp_path, {name: TABLES["services"]}, provenance(), Format.ARROW)
    assert refused.value.code == "export-refused"


def test_tables_are_named_by_hash_in_the_basis_of_their_own_format(tmp_path: Path):
    csv_files = export(tmp_path, TABLES, provenance(), Format.CSV)
    other = replace(provenance(), height=10)
    for form in (Format.PARQUET, Format.ARROW, Format.JSON):
        export(tmp_path, TABLES, other, form)
    assert csv_files[-1].name == "provenance-csv.json"
    facts = json.loads(csv_files[-1].read_bytes())
    assert facts["provenance"] == provenance().as_json()
    assert facts["provenance_sha256"] == provenance().sha256
    assert facts["files"] == {"services.csv": hashlib.sha256((tmp_path / "services.csv").read_bytes()).hexdigest()}
    parquet = json.loads((tmp_path / "provenance-parquet.json").read_bytes())
    assert parquet["provenance"]["height"] == 10
    assert parquet["files"].keys() == {"services.parquet"}


def test_an_export_that_was_stopped_leaves_no_basis_beside_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    export(tmp_path, TABLES, provenance(), Format.PARQUET)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pa_parquet, "write_table", stop)
        with pytest.raises(KeyboardInterrupt):
            export(tmp_path, TABLES, replace(provenance(), height=10), Format.PARQUET)
    assert not (tmp_path / "provenance-parquet.json").exists()
