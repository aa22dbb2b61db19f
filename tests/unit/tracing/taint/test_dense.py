"""The passes over a whole chain say the same as following one case does."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from strongroom_tracing.taint import dense
from strongroom_tracing.taint.model import Direction, Fees, Mark, Policy, Question
from strongroom_tracing.taint.service import trace
from tests.unit.tracing import kit
from tests.unit.tracing.taint import chains


@pytest.mark.parametrize("seed", range(30))
def test_a_pass_over_the_chain_agrees_with_following(seed: int) -> None:
    pick = random.Random(seed).randint
    columns = chains.columns(pick, blocks=12, txs=6)
    marks = tuple(Mark("one", mark.output, mark.amount) for mark in chains.marks(pick, columns))
    amounts = np.zeros(columns.outputs, dtype=np.int64)
    for mark in marks:
        amount = int(columns.output_value[mark.output]) if mark.amount is None else mark.amount
        amounts[mark.output] = max(amounts[mark.output], amount)
    followed = trace(columns, Question(Policy.HAIRCUT, Fees.ABSORBED, Direction.FORWARD, marks))
    arrived = Counter({row.output: row.asked - row.again for row in followed.marked})
    for move in followed.moves:
        arrived[move.sink] += move.value if move.sink >= 0 else 0
    found = dense.haircut_all(columns, amounts)
    assert {output: int(found[output]) for output in np.flatnonzero(found)} == dict(+arrived)

    flags = np.zeros(columns.outputs, dtype=np.bool_)
    flags[[mark.output for mark in marks]] = True
    followed = trace(columns, Question(Policy.POISON, Fees.ABSORBED, Direction.FORWARD, marks))
    reached = {move.sink for move in followed.moves} | {row.output for row in followed.marked if row.asked}
    assert set(np.flatnonzero(dense.poison_all(columns, flags)).tolist()) == reached - {-1}


def test_of_two_equal_remainders_the_first_output_is_rounded_up() -> None:
    columns = kit.columns_of([[kit.coinbase(10)], [kit.coinbase(1), kit.Tx([0], [(5, 0), (5, 0)])]])
    assert dense.haircut_all(columns, np.array([5, 0, 0, 0])).tolist() == [5, 0, 3, 2]
