"""Stops, limits, claims of several, unknown openings, fakes: what a question can ask for, on small histories."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import pytest

from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.errors import NotConservedError, QuestionError, UnknownTransferError
from strongroom_tracing.accounts.lots import shares
from strongroom_tracing.accounts.model import END_OF_BLOCK, Ignored, Kind, Limits, Mark, Transfer
from strongroom_tracing.accounts.service import marks_into, trace
from strongroom_tracing.accounts.tables import ROWS, tables
from strongroom_tracing.taint.model import Direction, Policy
from tests.unit.tracing.accounts.support import (
    ETH,
    TOKEN_ASSET,
    Ledger,
    address,
    every,
    named,
    question,
    text,
    txid,
)


def _chain(*names: str, value: int = 100) -> tuple[Ledger, list[str]]:
    ledger, made = Ledger(), []
    for payer, payee in pairwise(names):
        ledger.tx()
        made.append(ledger.coin(payer, payee, value))
    return ledger, made


def _held(answer: AccountAnswer) -> dict[tuple[str, str], int]:
    return {(row.address, row.claim): row.value for row in answer.held}


def test_money_stops_at_a_service_and_is_added_up_there() -> None:
    ledger, made = _chain("victim", "thief", "exchange", "customer")
    ledger.tx()
    ledger.coin("thief", "exchange", 5)
    asked = question(Policy.FIFO, Mark("p", made[0]), stops={text("exchange").upper().replace("0X", "0x"): "Exchange"})
    answer = trace(ledger.index(), asked)
    assert answer.totals() == [("Exchange", ETH, "p", 100)]
    assert _held(answer) == {}
    assert text("customer") not in {row.recipient for row in answer.moves}


def test_limits_end_a_trace_and_say_where_and_why() -> None:
    ledger, made = _chain("victim", "thief", "one", "two", "three")
    index = ledger.index()

    def left(**limits: Any) -> list[tuple[str, str, int]]:
        answer = trace(index, question(Policy.FIFO, Mark("p", made[0]), limits=Limits(**limits)))
        return [(row.address, row.reason, row.value) for row in answer.left]

    assert left(hops=1) == [(text("two"), "hop-limit", 100)]
    assert left(smallest={ETH: 101}) == [(text("thief"), "below-threshold", 100)]
    assert left(smallest={ETH: 100}) == []
    assert left(transfers=1) == [(text("thief"), "too-many-transfers", 100)]
    assert left(transfers=2) == []
    until = trace(index, question(Policy.FIFO, Mark("p", made[0]), limits=Limits(block=2)))
    assert _held(until) == {(text("one"), "p"): 100}
    back = trace(index, question(Policy.FIFO, Mark("p", made[3]), direction=Direction.BACKWARD, limits=Limits(block=3)))
    assert [(row.address, row.reason) for row in back.left] == [(text("one"), "block-limit")]
    back = trace(index, question(Policy.FIFO, Mark("p", made[3]), direction=Direction.BACKWARD, limits=Limits(hops=1)))
    assert [(row.address, row.reason) for row in back.left] == [(text("one"), "hop-limit")]


def test_backward_ends_at_services_and_at_what_a_block_pays() -> None:
    ledger = Ledger()
    reward = ledger.issue("miner", 30)
    ledger.tx()
    ledger.coin("miner", "mix", 30)
    ledger.coin("exchange", "mix", 70)
    ledger.tx()
    paid = ledger.coin("mix", "end", 100)
    answer = trace(
        ledger.index(),
        question(Policy.FIFO, Mark("p", paid), direction=Direction.BACKWARD, stops={text("exchange"): "Exchange"}),
    )
    assert [(row.transfer, row.origin, row.value) for row in answer.sources] == [(reward, "issued", 30)]
    assert [(row.service, row.value) for row in answer.services] == [("Exchange", 70)]


def test_the_first_report_wins_and_the_other_is_shown() -> None:
    ledger, made = _chain("victim", "thief", "mule")
    asked = (Mark("first", made[1], 60), Mark("second", made[0]))
    answer = trace(ledger.index(), question(Policy.FIFO, *asked))
    assert _held(answer) == {(text("mule"), "first"): 60, (text("mule"), "second"): 40}
    assert [(row.claim, row.winner, row.value) for row in answer.contested] == [("second", "first", 60)]
    turned = trace(ledger.index(), question(Policy.FIFO, *reversed(asked)))
    assert _held(turned) == {(text("mule"), "second"): 100}
    assert [(row.claim, row.winner, row.value) for row in turned.contested] == [("first", "second", 60)]


def test_gas_paid_with_marked_coin_is_a_row_of_its_own() -> None:
    ledger, made = _chain("victim", "thief")
    ledger.tx()
    gas = ledger.gas("thief", 7)
    ledger.coin("thief", "mule", 93)
    answer = trace(ledger.index(), question(Policy.HAIRCUT, Mark("p", made[0])))
    assert [(row.transfer, row.value) for row in answer.gas] == [(gas, 7)]
    assert _held(answer) == {(text("mule"), "p"): 93}


def test_what_is_paid_beyond_the_known_is_unknown_and_never_clean() -> None:
    ledger, made = _chain("victim", "thief")
    ledger.tx()
    paid = ledger.coin("thief", "mule", 130)
    index = ledger.index()
    answer = trace(index, question(Policy.FIFO, Mark("p", made[0])))
    assert [(row.address, row.transfer, row.value) for row in answer.unknown] == [(text("thief"), paid, 30)]
    opened = trace(index, question(Policy.FIFO, Mark("p", made[0]), openings={(text("thief"), ETH): 50}))
    assert opened.unknown == ()
    assert _held(opened) == {(text("mule"), "p"): 80, (text("thief"), "p"): 20}  # what was there before goes first
    back = trace(
        index,
        question(Policy.FIFO, Mark("p", paid), direction=Direction.BACKWARD, openings={(text("thief"), ETH): 50}),
    )
    assert {(row.address, row.origin): row.value for row in back.sources} == {
        (text("thief"), "opening-balance"): 50,
        (text("victim"), "unknown"): 80,
    }


def test_tiho_gives_marked_money_to_the_highest_output_of_a_chain_tx() -> None:
    ledger = Ledger()
    ledger.issue("split", 100)
    ledger.tx()
    stolen = ledger.coin("victim", "split", 60)
    ledger.tx()
    ledger.coin("split", "low", 20)
    ledger.coin("split", "high", 50)
    ledger.coin("split", "middle", 40)  # 50 remain, which is as high, and comes last
    answer = trace(ledger.index(), question(Policy.TIHO, Mark("p", stolen)))
    assert _held(answer) == {(text("high"), "p"): 50, (text("split"), "p"): 10}


def test_fakes_and_transfers_of_nothing_move_nothing_and_are_listed() -> None:
    ledger = Ledger()
    ledger.tx()
    stolen = ledger.token("victim", "thief", 100)
    ledger.tx()
    fake = ledger.token("thief", "lookalike", 100, address("fake"))
    nothing = ledger.token("thief", "lookalike", 0)
    ledger.logs += 1
    row = Transfer(2, 0, Kind.NFT, ledger.logs, txid(2), address("thief"), address("art"), address("ape"), 9)
    ledger.rows.append(row)
    ledger.rows.append(Transfer(2, 0, Kind.WRAP, 9, txid(2), address("token"), address("thief"), address("token"), 40))
    answer = trace(ledger.index(), question(Policy.FIFO, Mark("p", stolen)))
    assert _held(answer) == {(text("thief"), "p"): 100}
    assert {row.transfer: row.reason for row in answer.ignored} == {
        fake: Ignored.NOT_GENUINE,
        nothing: Ignored.ZERO_VALUE,
        named(2, "log", 3): Ignored.NOT_FUNGIBLE,
        named(2, "log", 9): Ignored.NOT_WRAPPING,
    }
    with pytest.raises(QuestionError, match="contract-not-on-the-list"):
        trace(ledger.index(), question(Policy.FIFO, Mark("p", fake)))


def test_whatever_came_to_a_thief_can_be_marked_at_once() -> None:
    ledger = Ledger()
    ledger.issue("thief", 3)
    ledger.tx()
    ledger.coin("victim", "thief", 10)
    ledger.wrap("thief", 4)
    ledger.tx()
    ledger.token("victim", "thief", 8)
    index = ledger.index()
    assert [mark.transfer for mark in marks_into(index, "p", text("thief"), since=2)] == [
        named(2, "coin", 1),
        named(3, "log", 1),
    ]
    assert len(marks_into(index, "p", text("thief"), assets=[TOKEN_ASSET])) == 1
    assert len(marks_into(index, "p", text("thief"), until=1)) == 1
    assert marks_into(index, "p", text("nobody")) == ()


def test_a_question_that_makes_no_sense_is_refused_with_what_to_do() -> None:
    ledger, made = _chain("victim", "thief")
    index = ledger.index()
    for mark in (Mark("p", made[0], 101), Mark("p", made[0], 0)):
        with pytest.raises(QuestionError, match="cannot be marked"):
            trace(index, question(Policy.FIFO, mark))
    for name in ("0x12:coin0", "nonsense", "9:coin1", made[0].replace(":coin1", ":log1")):
        with pytest.raises(UnknownTransferError):
            index.find(name)
    with pytest.raises(QuestionError, match="no address"):
        trace(index, question(Policy.FIFO, Mark("p", made[0]), stops={"0x12": "x"}))
    assert index.find(f"eip155:1/{made[0]}") == 0
    assert index.find(made[0].upper().replace("0X", "0x").replace("COIN", "coin")) == 0


def test_an_answer_that_does_not_add_up_is_not_given() -> None:
    ledger, made = _chain("victim", "thief")
    answer = trace(ledger.index(), question(Policy.FIFO, Mark("p", made[0])))
    with pytest.raises(NotConservedError):
        dataclasses.replace(answer, held=()).check()


def test_answers_are_tables_too_and_hold_values_of_256_bits() -> None:
    ledger, made = _chain("victim", "thief", "mule", value=2**256 - 1)
    answer = trace(ledger.index(), question(Policy.FIFO, Mark("p", made[0])))
    found = tables(answer)
    assert set(found) == set(ROWS)
    (held,) = found["held"].to_pylist()
    assert held["value"] == b"\xff" * 32
    assert held["value_text"] == str(2**256 - 1)
    assert found["moves"].num_rows == 2
    assert found["gas"].num_rows == 0


def test_shares_are_exact() -> None:
    assert shares([1, 1, 1], 2) == [1, 1, 0]
    assert shares([5, 3, 2], 5) == [3, 1, 1]  # remainders 5, 5, 0 of 10: the earlier first
    assert shares([2**256 - 1, 1], 2**255) == [2**255, 0]
    assert shares([], 0) == []


def test_block_rewards_come_after_the_chain_txs_of_their_block() -> None:
    rows = [
        Transfer(1, END_OF_BLOCK, Kind.ISSUED, 0, bytes(32), bytes(20), address("val"), b"", 5),
        Transfer(1, 0, Kind.VALUE, 0, txid(1), address("victim"), address("val"), b"", 10),
    ]
    index = Ledger(rows).index()
    assert [index.name(row) for row in range(2)] == [named(1, "coin", 0), "1:coin0"]
    assert index.find("1:coin0") == 1
    assert {index.numbers.asset(row.asset) for row in every(index)} == {ETH}


@pytest.mark.parametrize("policy", list(Policy))
def test_backward_a_claim_may_mark_a_payment_and_what_it_was_made_of(policy: Policy) -> None:
    """Then it asks for the same money twice, and is told so twice: nothing of the question is lost."""
    ledger, made = _chain("victim", "thief", "mule", "end")
    index = ledger.index()
    asked = question(policy, *(Mark("p", name) for name in made[1:]), direction=Direction.BACKWARD)
    answer = trace(index, asked)
    assert sum(row.value for row in answer.marked) == 200
    if policy != Policy.POISON:
        assert {(row.address, row.origin) for row in answer.sources} == {(text("victim"), "unknown")}
        assert sum(row.value for row in answer.sources) == 200
