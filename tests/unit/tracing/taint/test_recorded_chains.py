"""Taint on chains that others made.

BlockSci's regtest chain with known figures, real blocks of testnet3 with undo data.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from strongroom_tracing.columns import Columns
from strongroom_tracing.index.service import Index
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.model import Direction, Fees, Limits, Mark, Policy, Question
from strongroom_tracing.taint.service import trace
from strongroom_tracing.taint.tables import tables
from tests.unit.tracing import kit
from tests.unit.tracing.taint.reference import Reference

FORWARD = Direction.FORWARD
ONE_BLOCK = 195
MERGED = 299_970_000
SUBSIDY_AND_FEES = {195: 2_500_020_000, 196: 2_500_010_000}


@pytest.fixture(scope="module")
def regtest(shared_data: Path) -> tuple[Index, Mark, int]:
    index, names = kit.blocksci(shared_data)
    merged = index.find_output(f"{names['taint-merge-tx-1']}:0")
    return index, Mark("theft", index.find_output(f"{names['taint-split-tx-1']}:0")), merged


def test_without_fees_poison_of_the_regtest_chain_has_one_output_a_block_later(
    regtest: tuple[Index, Mark, int],
) -> None:
    index, mark, merged = regtest
    found = trace(
        index.columns, Question(Policy.POISON, Fees.ABSORBED, FORWARD, (mark,), limits=Limits(height=ONE_BLOCK))
    )
    assert [(row.output, row.value, row.reason) for row in found.left] == [(merged, MERGED, "height-limit")]
    assert found.held == ()


def test_without_fees_haircut_of_the_regtest_chain_rounds_for_the_fee(regtest: tuple[Index, Mark, int]) -> None:
    """99,990,000 of 299,980,000 base units go in; the fee's share of them is not less than 3,333.2."""
    index, mark, merged = regtest
    question = Question(Policy.HAIRCUT, Fees.ABSORBED, FORWARD, (mark,), limits=Limits(height=ONE_BLOCK))
    found = trace(index.columns, question)
    assert [(row.output, row.value) for row in found.left] == [(merged, 99_986_666)]
    assert [row.value for row in found.fees] == [3334]


def test_with_fees_poison_of_the_regtest_chain_reaches_two_coinbases(regtest: tuple[Index, Mark, int]) -> None:
    index, mark, _ = regtest
    found = trace(index.columns, Question(Policy.POISON, Fees.CARRIED, FORWARD, (mark,)))
    assert sorted(row.value for row in found.held) == sorted([1_499_940_000, *SUBSIDY_AND_FEES.values()])
    assert sum(row.value for row in found.held) == 6_499_970_000
    assert not found.left
    assert not found.fees


def test_with_fees_haircut_of_the_regtest_chain_keeps_every_base_unit(regtest: tuple[Index, Mark, int]) -> None:
    index, mark, _ = regtest
    found = trace(index.columns, Question(Policy.HAIRCUT, Fees.CARRIED, FORWARD, (mark,)))
    assert sum(row.value for row in found.held) == 99_990_000
    assert len(found.held) == 3


def test_tables_name_places_as_people_do(regtest: tuple[Index, Mark, int]) -> None:
    index, mark, merged = regtest
    found = trace(index.columns, Question(Policy.HAIRCUT, Fees.CARRIED, FORWARD, (mark,)))
    made = tables(index.columns, found, index.address_text)
    assert made["held"].column("value").to_pylist() == [row.value for row in found.held]
    assert made["held"].column("height").to_pylist() == [195, 196, 196]
    assert all(address.startswith(("m", "n", "2", "bcrt1")) for address in made["held"].column("address").to_pylist())
    sources = made["moves"].column("source").to_pylist()
    assert index.columns.outpoint_text(merged) in sources
    assert sum(source.startswith("fee of ") for source in sources) == 2
    assert made["marked"].to_pylist()[0]["output"] == index.columns.outpoint_text(mark.output)


@pytest.fixture(scope="module")
def testnet(shared_data: Path) -> Columns:
    return kit.testnet(shared_data).columns


testnet.__test__ = False  # type: ignore[attr-defined]


def marks_on(columns: Columns) -> tuple[Mark, ...]:
    spent = np.flatnonzero((columns.output_spending >= 0) & (columns.output_value > 1000))
    picked = random.Random(5).sample(spent.tolist(), 60)
    return tuple(Mark(f"report {n % 3}", output) for n, output in enumerate(picked))


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("fees", Fees)
def test_real_blocks_conserve_what_is_marked(testnet: Columns, policy: Policy, fees: Fees) -> None:
    """``trace`` checks each answer itself; here it is made sure that there was something to follow."""
    marks = marks_on(testnet)
    forward = trace(testnet, Question(policy, fees, FORWARD, marks))
    assert forward.visited_txs >= 50
    assert not forward.assumed  # the undo data has every value
    backward = trace(testnet, Question(policy, fees, Direction.BACKWARD, marks))
    assert {row.spent < -1 for row in backward.origins} == {True}  # nothing of it was mined in these blocks
    if policy is not Policy.POISON:
        marked = sum(row.asked - row.again for row in backward.marked)
        found = sum(row.value for row in backward.origins) + sum(row.value for row in backward.contested)
        assert found == marked


@pytest.mark.parametrize("policy", [Policy.POISON, Policy.HAIRCUT])
@pytest.mark.parametrize("direction", Direction)
def test_real_blocks_are_traced_as_the_reference_does(testnet: Columns, policy: Policy, direction: Direction) -> None:
    question = Question(policy, Fees.CARRIED, direction, marks_on(testnet))
    answer, reference = trace(testnet, question), Reference(testnet, question)
    assert {(row.output, row.claim): row.value for row in answer.held} == +reference.held
    assert _contested(answer) == +reference.contested
    assert {(row.tx, row.spent, row.claim): row.value for row in answer.origins} == +reference.origins
    assert answer.visited_txs == reference.visited


def _contested(answer: Answer) -> dict[tuple[int, str, str, str], int]:
    return {(row.output, row.claim, row.winner, row.service): row.value for row in answer.contested}
