"""The page: self-contained, harmless whatever the texts say, the same bytes every time, every figure exact."""

from __future__ import annotations

import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from strongroom_tracing.investigation import Method, Result, investigate
from strongroom_tracing.marks.model import CaseMark, Place
from strongroom_tracing.report import service
from strongroom_tracing.report.coins import flow_of
from strongroom_tracing.report.definitions import DEFINITIONS
from strongroom_tracing.report.model import Kind
from strongroom_tracing.report.page import page
from strongroom_tracing.taint.model import Direction, Fees, Limits, Mark, Policy, Question
from strongroom_tracing.taint.service import trace
from strongroom_tracing.taint.tables import tables
from tests.unit.tracing import kit
from tests.unit.tracing.report.flows import HOSTILE, flow, provenance, report

Traced = dict[tuple[Policy, Direction], Result]
DAY = date(2026, 1, 2)
VOID = {"meta", "link", "path", "circle", "rect", "br"}


class Reading(HTMLParser):
    """Reads a page: its tags, its attributes, whether they are closed in order."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(data.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID or (tag == "path" and not str(self.get_starttag_text()).endswith("/>")):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str):
        if tag == "rect":
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_texts_of_others_stay_texts():
    data = page(report(flow(label=HOSTILE)))
    read = Reading(data)
    assert not read.wrong
    assert not read.open
    names = {name for name, _ in read.tags}
    assert not names & {"script", "img", "iframe", "object", "form", "a", "base"}
    assert not [key for _, attributes in read.tags for key in attributes if key.startswith("on")]
    assert b"\x00" not in data
    assert "\u202e" not in data.decode()


def test_the_page_asks_nobody_for_anything():
    read = Reading(page(report(flow())))
    links = [
        value
        for _, attributes in read.tags
        for key, value in attributes.items()
        if key in {"href", "src", "xlink:href"}
    ]
    assert links == ["data:,"]
    policy = next(str(a["content"]) for _, a in read.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "script" not in policy


def test_a_page_is_the_same_bytes_every_time():
    assert page(report(flow())) == page(report(flow()))


def test_a_page_says_what_is_not_on_it():
    text = page(report(flow())).decode()
    assert "3 more rows are not shown" in text
    assert "44 days" in text
    assert "not thereby clean" in text
    assert report(flow()).provenance.sha256 in text


@pytest.fixture(scope="module")
def traced(shared_data: Path) -> Traced:
    index, names = kit.blocksci(shared_data)
    asset = f"{index.chain}/slip44:1"
    where = f"{names['taint-split-tx-1']}:0"
    marks = [
        CaseMark(claim, index.chain, Place.OUTPUT, where, asset, amount, None, "Ada", "", DAY)
        for claim, amount in (("theft-1", None), ("theft-2", 5_000))
    ]
    return {
        (policy, direction): investigate(index, marks, Method(policy, direction, Fees.CARRIED))
        for policy in Policy
        for direction in Direction
    }


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("direction", Direction)
def test_every_figure_of_an_answer_stands_on_its_page_in_whole(traced: Traced, policy: Policy, direction: Direction):
    result = traced[policy, direction]
    made = service.report_of_coins(
        result.index, result.answer, result.tables, result.provenance, title="A case", on=DAY
    )
    text = page(made).decode()
    assert not Reading(text.encode()).wrong
    values = [
        row.value
        for rows in (result.answer.held, result.answer.left, result.answer.fees, result.answer.origins)
        for row in rows
    ]
    assert values
    for value in values:
        assert f"{value // 10**8}.{value % 10**8:08}" in text
    for row in result.answer.held:
        assert result.index.columns.outpoint_text(row.output) in text
    assert DEFINITIONS[policy][1].split(",")[0] in text


@pytest.mark.parametrize("policy", [policy for policy in Policy if policy is not Policy.POISON])
@pytest.mark.parametrize("direction", Direction)
def test_the_ends_of_a_flow_are_all_that_was_marked(traced: Traced, policy: Policy, direction: Direction):
    result = traced[policy, direction]
    made = service.report_of_coins(
        result.index, result.answer, result.tables, result.provenance, title="A case", on=DAY
    ).flows[0]
    for claim, marked in made.marked.items():
        assert sum(end.value for end in made.ends if end.claim == claim) == marked


@pytest.mark.parametrize("policy", [policy for policy in Policy if policy is not Policy.POISON])
@pytest.mark.parametrize("direction", Direction)
def test_no_money_is_lost_or_made_in_the_graph(traced: Traced, policy: Policy, direction: Direction):
    result = traced[policy, direction]
    made = service.report_of_coins(
        result.index, result.answer, result.tables, result.provenance, title="A case", on=DAY
    ).flows[0]
    came: dict[str, int] = {}
    went: dict[str, int] = {}
    for edge in made.graph.edges:
        went[edge.source] = went.get(edge.source, 0) + edge.value
        came[edge.target] = came.get(edge.target, 0) + edge.value
    steps = [node.key for node in made.graph.nodes if node.key.startswith("t:")]
    assert steps
    for key in steps:
        assert came.get(key, 0) == went.get(key, 0), key


@pytest.mark.parametrize("policy", [policy for policy in Policy if policy is not Policy.POISON])
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("limits", [Limits(hops=1), Limits(hops=2), Limits(smallest=3_000_000), Limits(height=102)])
def test_what_a_limit_left_stands_in_the_picture_fees_that_would_be_carried_too(
    shared_data: Path, policy: Policy, direction: Direction, limits: Limits
):
    index, names = kit.blocksci(shared_data)
    output = index.find_output(f"{names['taint-split-tx-1']}:0")
    first = trace(index.columns, Question(policy, Fees.CARRIED, Direction.FORWARD, (Mark("a", output),)))
    marks = (Mark("a", output, 5_000), Mark("b", output), *(Mark("a", row.output) for row in first.held[:2]))
    answer = trace(index.columns, Question(policy, Fees.CARRIED, direction, marks, {}, limits))
    made = flow_of(index, answer)
    for claim, marked in made.marked.items():
        assert sum(end.value for end in made.ends if end.claim == claim) == marked
    came: dict[str, int] = {}
    went: dict[str, int] = {}
    for edge in made.graph.edges:
        went[edge.source] = went.get(edge.source, 0) + edge.value
        came[edge.target] = came.get(edge.target, 0) + edge.value
    for key in [node.key for node in made.graph.nodes if node.key.startswith("t:")]:
        assert came.get(key, 0) == went.get(key, 0), key
    left = tables(index.columns, answer, index.address_text)["left"].to_pylist()
    for row, said in zip(answer.left, left, strict=True):
        if row.output >= index.columns.outputs:
            assert said["output"] == f"fee of {index.columns.txid_text(row.output - index.columns.outputs)}"
            assert said["address"] is None
        else:
            assert said["output"] == index.columns.outpoint_text(row.output)


def test_the_service_of_a_claim_that_came_later_stands_in_the_report(shared_data: Path):
    """Poison follows both claims: the later one's way ends at an exchange, which somebody has to be asked."""
    index, names = kit.blocksci(shared_data)
    output = index.find_output(f"{names['taint-split-tx-1']}:0")
    asked = (Policy.POISON, Fees.ABSORBED, Direction.FORWARD)
    sink = trace(index.columns, Question(*asked, (Mark("late", output),))).moves[-1].source
    stops = {int(index.columns.output_address[sink]): "Kraken & Co"}
    answer = trace(index.columns, Question(*asked, (Mark("early", sink), Mark("late", output)), stops))
    (lost,) = answer.contested
    assert (lost.claim, lost.winner, lost.service) == ("late", "early", "Kraken & Co")
    made = service.report_of_coins(
        index, answer, tables(index.columns, answer, index.address_text), provenance(), title="A case", on=DAY
    )
    assert ("Kraken & Co", "late, after early") in [row[:2] for row in made.tables[0].rows]
    assert page(made).decode().count("its own way ends at service Kraken &amp; Co") >= 2
    assert not any(end.kind is Kind.SERVICE for end in made.flows[0].ends)


def test_a_report_is_written_whole_and_has_no_other_numbers_than_exact_ones(tmp_path: Path, traced: Traced):
    result = traced[Policy.HAIRCUT, Direction.FORWARD]
    made = service.report_of_coins(
        result.index, result.answer, result.tables, result.provenance, title="A case", on=DAY
    )
    service.write(made, tmp_path / "deep" / "report.html")
    text = (tmp_path / "deep" / "report.html").read_text()
    assert list((tmp_path / "deep").iterdir()) == [tmp_path / "deep" / "report.html"]
    assert not re.search(r"\d+\.\d{9,}|\de[-+]?\d+ BTC", text)
