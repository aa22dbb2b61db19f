"""Exports: every row, harmless in a spreadsheet, nothing half written."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
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
