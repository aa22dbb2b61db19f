"""Exports: every row, harmless in a spreadsheet, nothing half written."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from strongroom_tracing.export import ExportError, Format, as_json, export
from tests.unit.tracing.report.flows import provenance

LABELS = ["=HYPERLINK(1)", "+1", "-1", "@x", "plain", "a=b", "\ttab"]
TABLES = {"services": pa.table({"service": LABELS, "value": pa.array(range(7), pa.int64())})}


def test_a_label_is_never_a_formula_and_stays_readable(tmp_path: Path):
    export(tmp_path, TABLES, provenance(), Format.CSV)
    with (tmp_path / "services.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["service"] for row in rows] == ["'=HYPERLINK(1)", "'+1", "'-1", "'@x", "plain", "a=b", "'\ttab"]
    assert [row["value"] for row in rows] == [str(number) for number in range(7)]


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
