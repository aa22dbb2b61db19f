"""Reports of account chains: a flow for each asset that adds up, conversions in both of them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given

from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.evidence import provenance
from strongroom_tracing.accounts.model import Mark
from strongroom_tracing.accounts.service import trace
from strongroom_tracing.accounts.tables import tables
from strongroom_tracing.report.accounts import flows_of
from strongroom_tracing.report.page import page
from strongroom_tracing.report.service import report_of_accounts
from strongroom_tracing.taint.model import Direction, Policy
from tests.unit.tracing.accounts.support import (
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
