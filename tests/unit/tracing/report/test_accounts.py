"""Reports of account chains: a flow for each asset that adds up, conversions in both of them."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest
from hypothesis import given

from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.evidence import provenance
from strongroom_tracing.accounts.model import Mark
from strongroom_tracing.accounts.service import trace
from strongroom_tracing.accounts.tables import tables
from strongroom_tracing.report.accounts import flows_of, summary_of
from strongroom_tracing.report.definitions import DEFINITIONS
from strongroom_tracing.report.model import Kind
from strongroom_tracing.report.page import page
from strongroom_tracing.report.service import report_of_accounts
from strongroom_tracing.taint.model import Direction, Policy
from tests.unit.tracing.accounts.support import (
    CHAIN,
    ETH,
    GENUINE,
    HISTORIES,
    WETH_ASSET,
    History,
    Ledger,
    played,
    question,
    text,
)
from tests.unit.tracing.report.account_flows import laundered

ETHER = 10**18


def washed(direction: Direction = Direction.FORWARD) -> tuple[AccountAnswer, bytes]:
    """Ann's ether goes to Bob, who wraps half of it, pays Cy and an exchange; a fake token comes along."""
    ledger = Ledger()
    ledger.issue("ann", 10 * ETHER)
    ledger.tx()
    stolen = ledger.coin("ann", "bob", 10 * ETHER)
    ledger.tx()
    ledger.wrap("bob", 5 * ETHER)
    ledger.tx()
    ledger.coin("bob", "cy", 2 * ETHER)
    ledger.token("bob", "dee", 7, contract=b"\x99" * 20)
    ledger.tx()
    last = ledger.coin("bob", "dee", ETHER)
    index = ledger.index()
    mark = Mark("theft-1", stolen if direction is Direction.FORWARD else last)
    answer = trace(index, question(Policy.FIFO, mark, direction=direction, stops={text("dee"): "Example Exchange"}))
    made = report_of_accounts(
        answer, GENUINE, tables(answer), provenance(index, answer), title="Washed", on=date(2026, 1, 2)
    )
    assert page(made) == page(made)
    return answer, page(made)


def test_each_asset_has_its_own_pictures_and_every_figure_stands_in_whole_units():
    answer, data = washed()
    text_of_page = data.decode()
    assert {flow.asset.id for flow in flows_of(answer, GENUINE)} == {ETH, WETH_ASSET}
    assert "Where the money is (ETH)" in text_of_page
    assert "5.000000000000000000 WETH" in text_of_page
    assert "Example Exchange" in text_of_page
    assert "contract-not-on-the-list" in text_of_page


def test_backward_shows_where_it_came_from():
    _, data = washed(Direction.BACKWARD)
    assert "Where it came from" in data.decode()
    assert "issued" in data.decode()


@pytest.mark.parametrize("direction", Direction)
@given(history=HISTORIES)
def test_the_ends_of_each_flow_are_all_that_was_marked_or_converted_into_it(direction: Direction, history: History):
    index, events = played(history)
    coins = [event.name for event in events if event.payer and event.payee and event.payer != event.payee]
    if not coins:
        return
    answer = trace(
        index, question(Policy.HAIRCUT, Mark("theft-1", coins[0]), Mark("theft-2", coins[-1]), direction=direction)
    )
    for flow in flows_of(answer, GENUINE):
        for claim in answer.claims:
            assert sum(end.value for end in flow.ends if end.claim == claim) == flow.marked.get(claim, 0)


def test_the_summary_and_cards_part_what_was_stolen_from_what_was_another_asset_before():
    answer, made = laundered()
    assert [flow.asset.code for flow in made.flows] == ["ETH", "WETH", "TOK"]  # first what was stolen
    ether, wrapped, token = made.flows
    assert (ether.came, wrapped.came, token.came) == ({}, {"theft-1": 5 * ETHER}, {"theft-1": 4000 * ETHER})
    assert made.summary.startswith("By FIFO, through height 6 of eip155:1: 11 ETH marked; came to services:")
    assert "5 WETH that was another asset; still held: 5 WETH." in made.summary
    shown = page(made).decode()
    assert "Was another asset<b>5.000000000000000000 WETH</b>" in shown
    assert "Marked as stolen<b>0.000000000000000000 WETH</b>" in shown
    assert "Spent on gas" in shown
    assert "chain txs, drawn as one" not in shown
    assert answer.contested


def test_what_is_unknown_stands_beside_the_claims_and_is_not_called_clean():
    answer, made = laundered()
    unknown = sum(row.value for row in answer.unknown if row.asset == ETH)
    assert unknown == made.flows[0].unknown > 6 * ETHER
    shown = page(made).decode()
    assert f"Paid besides, of unknown origin<b>{made.flows[0].text(unknown)}</b>" in shown
    assert "1 payment of 1 address brought more than is known to have come in" in shown
    assert sum(end.value for end in made.flows[0].ends) == sum(made.flows[0].marked.values())


def test_conversions_say_into_what_on_what_evidence_and_marks_and_lost_claims_are_drawn():
    answer, made = laundered()
    ends = {(end.kind, end.label, end.detail, end.value) for end in made.flows[0].ends}
    assert (Kind.CONVERTED, "swap to TOK", "within one chain tx, 100 % sure", 2 * ETHER) in ends
    assert (Kind.CONVERTED, "wrap to WETH", "within one chain tx, 100 % sure", 5 * ETHER) in ends
    nodes = {node.kind: node for node in made.flows[0].graph.nodes}
    assert nodes[Kind.MARK].detail == f"marked by theft-1: {answer.question.marks[0].transfer}"
    assert nodes[Kind.CONTESTED].label == "theft-2 to theft-1"
    targets = {edge.target for edge in made.flows[0].graph.edges}
    assert nodes[Kind.MARK].key not in targets  # following begins there: not with the victim
    assert text("ann") not in {node.label for node in made.flows[0].graph.nodes}


@pytest.mark.parametrize("policy", Policy)
def test_each_policy_is_defined_for_accounts_with_its_source(policy: Policy):
    _, made = laundered(policy)
    words, source = made.definition
    assert "lots" in words
    assert "unknown, not clean" in words
    assert "output" not in words
    assert source != DEFINITIONS[policy][1]
    assert DEFINITIONS[policy][1] in source
    assert (policy is Policy.POISON) == ("whole payments" in words)


def test_an_index_without_traces_says_so_in_the_first_lines():
    answer, made = laundered()
    blind = dataclasses.replace(answer, untraced=(CHAIN,))
    assert "not known of eip155:1" in summary_of(blind, made.flows, made.provenance)
    assert "not known of" not in made.summary


def test_backward_ends_with_the_mark():
    _, made = laundered(direction=Direction.BACKWARD)
    (mark,) = {node.key for node in made.flows[0].graph.nodes if node.kind is Kind.MARK and "theft-1" in node.label}
    assert mark in {edge.target for edge in made.flows[0].graph.edges}
    assert mark not in {edge.source for edge in made.flows[0].graph.edges}
