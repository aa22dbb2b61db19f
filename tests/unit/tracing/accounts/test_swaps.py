"""Wraps, swaps and bridges: both legs recorded, nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.chains import ChainTables
from strongroom_tracing.accounts.errors import QuestionError
from strongroom_tracing.accounts.model import Block, Bridge, Conversion, Mark
from strongroom_tracing.accounts.parquet import blocks_table, transfers_table
from strongroom_tracing.accounts.service import trace
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Direction, Policy
from tests.unit.tracing.accounts.support import (
    ETH,
    GENUINE,
    NAMES,
    TOKEN,
    TOKEN_ASSET,
    WETH,
    WETH_ASSET,
    Ledger,
    every,
    question,
    text,
    txid,
)

POOLS = {text("pool"): "Test pool"}


def _theft(ledger: Ledger, value: int = 100) -> str:
    ledger.tx()
    return ledger.coin("victim", "thief", value)


def _held(answer: AccountAnswer) -> dict[tuple[str, str], int]:
    return {(row.address, row.asset): row.value for row in answer.held}


def test_a_swap_turns_what_was_paid_into_what_was_got_in_proportion() -> None:
    ledger = Ledger()
    ledger.issue("thief", 100)
    stolen = _theft(ledger, 300)
    ledger.tx()
    ledger.coin("thief", "pool", 200)
    ledger.token("pool", "thief", 1000)
    answer = trace(ledger.index(), question(Policy.FIFO, Mark("p", stolen), pools=POOLS))
    # The oldest 100 are not stolen: half of what was swapped is, and half of what came of it.
    assert _held(answer) == {(text("thief"), ETH): 200, (text("thief"), TOKEN_ASSET): 500}
    (swap,) = answer.converted
    assert (swap.kind, swap.address, swap.paid, swap.got) == (Conversion.SWAP, text("pool"), 100, 500)


@pytest.mark.parametrize("policy", list(Policy))
def test_a_pool_that_pays_before_it_is_paid_is_followed_all_the_same(policy: Policy) -> None:
    ledger = Ledger()
    stolen = _theft(ledger)
    ledger.tx()
    ledger.token("pool", "router", 50)
    ledger.token("router", "mule", 50)
    ledger.wrap("thief", 100)
    ledger.token("thief", "pool", 100, WETH)
    answer = trace(ledger.index(), question(policy, Mark("p", stolen), pools=POOLS))
    assert _held(answer) == {(text("mule"), TOKEN_ASSET): 50}
    assert [(row.kind, row.paid, row.got) for row in answer.converted] == [("swap", 100, 50), ("wrap", 100, 100)]


def test_a_swap_through_a_router_and_two_pools_that_gives_something_back() -> None:
    ledger = Ledger()
    stolen = _theft(ledger)
    ledger.tx()
    ledger.coin("thief", "router", 100)
    ledger.wrap("router", 90)
    ledger.token("router", "pool", 90, WETH)
    ledger.token("pool", "router", 30, WETH)
    ledger.token("pool", "mule", 600)
    ledger.coin("router", "thief", 10)
    answer = trace(ledger.index(), question(Policy.LIFO, Mark("p", stolen), pools=POOLS))
    assert _held(answer) == {
        (text("mule"), TOKEN_ASSET): 600,
        (text("router"), WETH_ASSET): 30,
        (text("thief"), ETH): 10,
    }


def test_an_unnamed_pool_is_no_pool_unless_its_events_are_believed() -> None:
    ledger = Ledger()
    stolen = _theft(ledger)
    ledger.tx()
    ledger.coin("thief", "fake", 100)
    ledger.token("fake", "thief", 1)
    ledger.swap_event("fake")
    plain = trace(ledger.index(), question(Policy.FIFO, Mark("p", stolen)))
    assert _held(plain) == {(text("fake"), ETH): 100}
    trusting = trace(ledger.index(), question(Policy.FIFO, Mark("p", stolen), swap_events=True))
    assert _held(trusting) == {(text("thief"), TOKEN_ASSET): 1}


def test_money_that_stays_in_a_pool_stops_there() -> None:
    ledger = Ledger()
    stolen = _theft(ledger)
    ledger.tx()
    ledger.coin("thief", "pool", 60)
    ledger.tx()
    ledger.coin("thief", "pool", 40)
    ledger.token("thief", "pool", 7)
    ledger.token("pool", "thief", 1, WETH)
    answer = trace(ledger.index(), question(Policy.FIFO, Mark("p", stolen), pools=POOLS))
    assert answer.totals() == [("Test pool", ETH, "p", 100)]  # two assets gained: nobody can say which became what
    assert not answer.held


def test_pools_that_wait_for_each_other_are_not_followed_in_a_circle() -> None:
    ledger = Ledger()
    stolen = _theft(ledger)
    ledger.tx()
    ledger.token("pool", "thief", 50)  # lent before it is paid,
    ledger.token("thief", "other", 50)  # and paid with what the loan buys
    ledger.coin("other", "pool", 80)
    ledger.coin("thief", "other", 100)
    pools = POOLS | {text("other"): "Other pool"}
    answer = trace(ledger.index(), question(Policy.FIFO, Mark("p", stolen), pools=pools))
    assert sum(row.value for row in answer.services) + sum(row.value for row in answer.held) == 100


def test_a_token_that_a_named_pool_makes_is_followed_like_a_swap() -> None:
    ledger = Ledger()
    stolen = _theft(ledger)
    ledger.tx()
    ledger.coin("thief", "token", 100)
    ledger.token("", "thief", 90)
    ledger.tx()
    ledger.token("thief", "", 45)
    ledger.coin("token", "thief", 50)
    answer = trace(ledger.index(), question(Policy.FIFO, Mark("p", stolen), pools={text("token"): "Staking"}))
    assert _held(answer) == {(text("thief"), ETH): 50, (text("thief"), TOKEN_ASSET): 45}


def test_a_wrap_without_traces_is_known_by_its_event() -> None:
    ledger = Ledger()
    stolen = _theft(ledger)
    ledger.tx()
    ledger.wrap("thief", 100)
    index = ledger.index()
    untraced = Ledger([row for row in ledger.rows if (row.tx_index == 0 and row.contract) or row.block == 1]).index()
    asked = question(Policy.FIFO, Mark("p", stolen))
    assert trace(index, asked).held == trace(untraced, asked).held
    assert _held(trace(untraced, asked)) == {(text("thief"), WETH_ASSET): 100}


def test_an_unwrap_pays_whoever_it_is_passed_on_to_in_the_same_tx() -> None:
    ledger = Ledger()
    stolen = _theft(ledger)
    ledger.tx()
    ledger.wrap("thief", 100)
    ledger.token("thief", "router", 100, WETH)
    ledger.unwrap("router", 100)
    ledger.coin("router", "mule", 100)
    answer = trace(ledger.index(), question(Policy.FIFO, Mark("p", stolen)))
    assert _held(answer) == {(text("mule"), ETH): 100}
    assert not answer.unknown


History = list[list[tuple[str, str, str, int]]]
_SWAPPING = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(("coin", "token", "weth", "wrap", "unwrap")),
            st.sampled_from((*NAMES, "pool", "other")),
            st.sampled_from((*NAMES, "pool", "other")),
            st.integers(1, 20),
        ),
        min_size=1,
        max_size=6,
    ),
    min_size=2,
    max_size=6,
)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("policy", list(Policy))
@settings(max_examples=60, deadline=None)
@given(history=_SWAPPING, data=st.data())
def test_nothing_is_lost_in_any_swap(
    policy: Policy, direction: Direction, history: History, data: st.DataObject
) -> None:
    ledger = Ledger()
    payments = []
    for actions in history:
        ledger.tx()
        for what, one, other, value in actions:
            if what in ("wrap", "unwrap"):
                payments.append((ledger.wrap if what == "wrap" else ledger.unwrap)(one, value))
            elif what == "coin":
                payments.append(ledger.coin(one, other, value))
            else:
                payments.append(ledger.token(one, other, value, *([WETH] if what == "weth" else [])))
    marks = [Mark("p", data.draw(st.sampled_from(payments))), Mark("q", data.draw(st.sampled_from(payments)))]
    pools = POOLS | {text("other"): "Other pool"}
    answer = trace(ledger.index(), question(policy, *marks, direction=direction, pools=pools))  # which checks itself
    for row in answer.converted:
        assert row.paid > 0 or row.got > 0


def _two_chains() -> tuple[Transfers, str, str, str]:
    here, there = Ledger(), Ledger()
    stolen = _theft(here)
    here.tx()
    paid = here.coin("thief", "gate", 80)
    there.issue("gate", 500)
    there.tx()
    there.tx()
    there.tx()
    got = there.coin("gate", "mule", 76)
    there.tx()
    there.coin("mule", "friend", 70)
    chains = []
    for chain, ledger in (("eip155:1", here), ("eip155:10", there)):
        blocks = [Block(n, txid(n), txid(n - 1), 1000 + n) for n in range(1, ledger.number + 1)]
        chains.append(ChainTables(chain, transfers_table(ledger.rows), blocks_table(blocks)).part())
    names = (f"eip155:1/{stolen}", f"eip155:1/{paid}", f"eip155:10/{got}")
    return Transfers(chains, GENUINE), *names


def test_a_bridge_is_crossed_where_an_investigator_says_so_with_evidence() -> None:
    index, stolen, paid, got = _two_chains()
    bridge = Bridge(paid, got, "same amount less 5 %, four blocks later", 90)
    answer = trace(index, question(Policy.FIFO, Mark("p", stolen), bridges=(bridge,)))
    other_eth = "eip155:10/slip44:60"
    assert _held(answer) == {
        (text("thief"), ETH): 20,
        (text("mule"), other_eth): 6,
        (text("friend"), other_eth): 70,
    }
    (row,) = answer.converted
    assert (row.kind, row.paid, row.got, row.confidence) == ("bridge", 80, 76, 90)
    assert row.evidence == "same amount less 5 %, four blocks later"
    back = trace(index, question(Policy.FIFO, Mark("p", got), direction=Direction.BACKWARD, bridges=(bridge,)))
    assert [(source.address, source.asset, source.value) for source in back.sources] == [(text("victim"), ETH, 80)]


def test_a_bridge_without_a_match_is_a_stop_for_whoever_tags_it() -> None:
    index, stolen, _, _ = _two_chains()
    answer = trace(index, question(Policy.FIFO, Mark("p", stolen), stops={f"eip155:1:{text('gate')}": "Gate bridge"}))
    assert answer.totals() == [("Gate bridge", ETH, "p", 80)]


@pytest.mark.parametrize(
    ("turned", "evidence", "confidence"), [(True, "seen", 50), (False, " ", 50), (False, "seen", 101)]
)
def test_a_bridge_that_cannot_be_is_refused(turned: bool, evidence: str, confidence: int) -> None:
    index, stolen, paid, got = _two_chains()
    ends = (got, paid) if turned else (paid, got)
    with pytest.raises(QuestionError):
        trace(index, question(Policy.FIFO, Mark("p", stolen), bridges=(Bridge(*ends, evidence, confidence),)))


@pytest.mark.parametrize("met_first", [TOKEN, WETH])
def test_of_several_assets_that_a_swap_gave_the_first_by_name_has_what_was_paid(met_first: bytes) -> None:
    """Whatever the trace met before: the same question gives the same bytes."""
    ledger = Ledger()
    stolen = _theft(ledger)
    ledger.tx()
    ledger.token("friend", "thief", 1, met_first)
    ledger.tx()
    ledger.coin("thief", "pool", 100)
    for contract in (met_first, TOKEN if met_first == WETH else WETH):
        ledger.token("pool", "thief", 30, contract)
    index = ledger.index()
    assert index.find_address(text("thief")) >= 0
    assert [row.asset for row in index.rows_of_tx(1)] == [1]  # met first
    answer = trace(index, question(Policy.FIFO, Mark("p", stolen), pools=POOLS))
    assert {(row.asset_out, row.paid, row.got) for row in answer.converted} == {
        (min(TOKEN_ASSET, WETH_ASSET), 100, 30),
        (max(TOKEN_ASSET, WETH_ASSET), 0, 30),
    }


def test_rows_of_several_chains_stand_in_the_order_of_time_and_then_of_the_chains() -> None:
    index, *_ = _two_chains()
    rows = every(index)
    assert [row.number for row in rows] == list(range(index.rows))
    assert all(index.at(row.number) == row for row in rows)
    assert all(index.find(index.name(row.number)) == row.number for row in rows)
    order = [(index.height_of(row.number), row.chain) for row in rows]  # a height's time is the same on both
    assert order == sorted(order)
    assert index.tips() == [(2, txid(2).hex()), (5, txid(5).hex())]
    assert index.block_hash("eip155:10", 4) == txid(4).hex()
    assert index.block_hash("eip155:1", 4) == ""
