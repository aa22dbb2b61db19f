"""STIX bundles of an answer: valid, the same every time, read back by our own import, never of a service."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import stix2

from strongroom_tracing.export import ExportError, Format, export
from strongroom_tracing.index.service import Index
from strongroom_tracing.investigation import Method, Result, investigate
from strongroom_tracing.marks.model import CaseMark, Place
from strongroom_tracing.tags.imports import stix
from strongroom_tracing.tags.model import Category, Problem
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.taint.model import Fees, Limits, Policy
from tests.unit.tracing import kit
from tests.unit.tracing.tags.made import put, tag

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def traced(shared_data: Path, method: Method, tags: TagStore | None = None) -> tuple[Index, Result]:
    index, names = kit.blocksci(shared_data)
    where, asset = f"{names['taint-split-tx-1']}:0", f"{index.chain}/slip44:1"
    marks = [
        CaseMark(claim, index.chain, Place.OUTPUT, where, asset, amount, None, "Ada", "", date(2026, 1, 2))
        for claim, amount in (("theft-1", 5_000), ("mixer", None))
    ]
    return index, investigate(index, marks, method, tags)


def written(folder: Path, result: Result) -> dict[str, Any]:
    path, basis = export(folder, result.tables, result.provenance, Format.STIX, at=AT)
    assert path.name in json.loads(basis.read_bytes())["files"]
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


@pytest.mark.parametrize("policy", list(Policy))
def test_what_is_exported_is_valid_and_is_read_back_address_for_address(
    tmp_path: Path, shared_data: Path, policy: Policy
):
    index, result = traced(shared_data, Method(policy, fees=Fees.CARRIED, limits=Limits(hops=3)))
    bundle = written(tmp_path, result)
    for said in bundle["objects"]:
        stix2.parse(said, allow_custom=False, version="2.1")
    problems: list[Problem] = []
    tags = stix.read(tmp_path / "indicators.stix.json", problems=problems)
    assert problems == []
    ends = [(row.output, row.claim) for row in result.answer.held]
    ends += [(row.output, row.claim) for row in result.answer.left]
    places = [output for output, _ in ends if output < index.columns.outputs]
    holding = {index.address_text(int(index.columns.output_address[output])) for output in places}
    assert {one.address for one in tags} == holding
    assert {(one.chain, one.category, one.source, one.source_date) for one in tags} == {
        (index.chain, Category.THEFT, "strongroom-trace", AT.date())
    }
    assert {one.label for one in tags} == {f"Marked money of claim {claim}" for _, claim in ends}
    assert written(tmp_path, result) == bundle


def test_a_service_is_nobodys_indicator_and_every_value_is_exact(tmp_path: Path, shared_data: Path):
    index, result = traced(shared_data, Method())
    service, *others = sorted(
        {index.address_text(int(index.columns.output_address[row.output])) for row in result.answer.held}
    )
    store = TagStore.open(tmp_path / "tags")
    put(store, "mine", [tag(service, chain=index.chain)])
    _, stopped = traced(shared_data, Method(), store)
    text = json.dumps(written(tmp_path, stopped))
    assert stopped.answer.services
    assert service not in text
    for address in others:
        assert address in text
    for row in stopped.answer.held:
        assert f"{row.value // 10**8}.{row.value % 10**8:08}".rstrip("0").rstrip(".") in text


def test_without_a_time_there_is_no_bundle(tmp_path: Path, shared_data: Path):
    _, result = traced(shared_data, Method())
    with pytest.raises(ExportError):
        export(tmp_path / "none", result.tables, result.provenance, Format.STIX)
    assert not (tmp_path / "none").exists()


def test_an_answer_that_holds_nothing_is_a_bundle_all_the_same(tmp_path: Path, shared_data: Path):
    index, result = traced(shared_data, Method())
    addresses = {index.address_text(int(index.columns.output_address[row.output])) for row in result.answer.held}
    store = TagStore.open(tmp_path / "tags")
    put(store, "mine", [tag(address, chain=index.chain) for address in addresses])
    bundle = written(tmp_path, traced(shared_data, Method(), store)[1])
    assert [said["type"] for said in bundle["objects"]] == ["identity", "report"]
    stix2.parse(bundle, version="2.1")
