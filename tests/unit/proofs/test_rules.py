"""When a signer is asked again: soon for what a block heals, late for what a hand heals, never too often."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.proofs import rules
from strongroom.proofs.model import Place, ProofKind, ProofState, Wanted
from strongroom_core.proof_messages import ProofResult, ReceiptProof, TxProof
from strongroom_core.refusals import RefusalTag
from strongroom_signer.evm_view import MAX_ASKED

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PLACE = Place("bip122:x", tip=110, horizon=6)
WANTED = Wanted("dep_1", ProofKind.DEPOSIT, "aa", 0, None, 105, "bb", 0)


def test_proven_is_settled_only_beyond_the_horizon():
    result = ProofResult(7, "", "")
    above = rules.answer_of(replace(WANTED, height=106), "A", result, PLACE, NOW)
    beyond = rules.answer_of(replace(WANTED, height=105), "A", result, PLACE, NOW)
    assert (above.state, above.row, above.settled) == (ProofState.PROVEN, 7, False)
    assert (beyond.state, beyond.row, beyond.settled) == (ProofState.PROVEN, 7, True)


@pytest.mark.parametrize(
    ("tag", "state", "first", "most"),
    [
        (RefusalTag.PROOF_DEPTH, ProofState.WAITING, rules.SOON, rules.SOON_AT_MOST),
        (RefusalTag.PROOF_BLOCK, ProofState.WAITING, rules.SOON, rules.SOON_AT_MOST),
        (RefusalTag.CHAIN_VIEW, ProofState.WAITING, rules.SOON, rules.SOON_AT_MOST),
        (RefusalTag.PROOF_PLACE, ProofState.REFUSED, rules.LATE, rules.LATE_AT_MOST),
        (RefusalTag.PROOF_OWN, ProofState.REFUSED, rules.LATE, rules.LATE_AT_MOST),
        ("a-tag-of-tomorrow", ProofState.REFUSED, rules.LATE, rules.LATE_AT_MOST),
    ],
)
def test_pauses_double_up_to_their_limit(tag: str, state: ProofState, first: timedelta, most: timedelta):
    result = ProofResult(0, tag, "no")
    pauses = []
    for attempts in range(20):
        answer = rules.answer_of(replace(WANTED, attempts=attempts), "A", result, PLACE, NOW)
        assert (answer.state, answer.row, answer.settled, answer.tag) == (state, None, False, tag)
        pauses.append(answer.retry_at - NOW)
    assert pauses[:3] == [first, 2 * first, 4 * first]
    assert pauses[-1] == most
    assert pauses == sorted(pauses)


def test_what_our_node_cannot_prove_waits_without_an_answer():
    answer = rules.unprovable(WANTED, "A", "no such block", PLACE, NOW)
    assert (answer.state, answer.tag, answer.reason) == (ProofState.WAITING, "", "no such block")
    assert answer.retry_at > NOW


@given(st.lists(st.integers(1, 2 * rules.MAX_BYTES), max_size=12), st.integers(0, 450))
def test_batches_hold_everything_in_order_and_none_is_too_much(sizes: list[int], many: int):
    whole = [*sizes, *([100] * many)]
    tx = bytes(2 * rules.MAX_BYTES)
    items = [(at, TxProof(memoryview(tx)[:size], b"", 0, 0, b"", 0, "", 0, 0)) for at, size in enumerate(whole)]  # type: ignore[arg-type] # only its length counts
    found = list(rules.batches(items))
    assert [at for batch in found for at, _ in batch] == list(range(len(whole)))
    for batch in found:
        assert 0 < len(batch) <= rules.MAX_PROOFS
        assert len(batch) == 1 or sum(rules._size(proof) for _, proof in batch) <= rules.MAX_BYTES


def test_a_request_asks_a_signers_nodes_about_few_blocks():
    proofs = [ReceiptProof(b"%d" % (at // 2), 0, b"", 0, 0, 0) for at in range(2 * rules.MAX_BLOCKS + 6)]
    found = [[proof for _, proof in batch] for batch in rules.batches(list(enumerate(proofs)))]
    assert [proof for batch in found for proof in batch] == proofs
    assert [len(set().union(*map(rules._headers, batch))) for batch in found] == [rules.MAX_BLOCKS, 3]
    assert rules.MAX_BLOCKS == MAX_ASKED
