"""Whatever the platform sends: signed is only what the intents ask for, to the base unit, and what stays ours."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_signer.books import Books
from strongroom_signer.decode import decode
from strongroom_signer.errors import RefusedError
from strongroom_signer.evidence import Terms, read_claim
from strongroom_signer.model import Refusal
from strongroom_signer.rules import Case, judge
from tests.unit.signer.kit import (
    ASSET,
    CHAIN,
    COLD,
    DEPLOYMENT,
    HOT,
    LISTED,
    NOW,
    PARAMS,
    POLICY,
    SHOP,
    Draft,
    Pay,
    change,
    coin,
    intent,
    merchants,
    payout,
    sign,
    to,
)

AMOUNTS = st.sampled_from([600, 601, 70_000])
ADDRESSES = st.sampled_from([SHOP, LISTED])
FEE = 2_000
ENROLLED = merchants()
TERMS = Terms(DEPLOYMENT, PARAMS, {ASSET})
PAYMENTS = st.builds(to, ADDRESSES, AMOUNTS)
OURS = st.builds(
    change, AMOUNTS, st.sampled_from([0, 999]), st.sampled_from([0, 0, 0, 1, 2]), st.sampled_from([HOT, COLD])
)


def judged(draft: Draft) -> Refusal | None:
    """The whole way from bytes to the decision, without the journal."""
    chain = POLICY.chains[CHAIN]
    try:
        _, tx = decode(draft.encode(), chain)
        claims = tuple(read_claim(item, TERMS, ENROLLED) for item in draft.evidence)
    except RefusedError as error:
        return Refusal(error.tag, error.reason, error.payout)
    return judge(Case(NOW, POLICY.limits, Books(), claims, chain, tx, off=POLICY.trust.switched_off))


@settings(max_examples=150, deadline=None)
@given(wanted=st.lists(PAYMENTS, max_size=4), pays=st.lists(st.one_of(PAYMENTS, OURS), min_size=1, max_size=6))
def test_signed_only_if_outputs_minus_intents_is_ours_on_branch_0(wanted: list[Pay], pays: list[Pay]):
    asked = [(item.script, item.amount) for item in wanted]
    paid = Counter((item.script, item.amount) for item in pays)
    by_script = {to(address, 1).script: address for address in (SHOP, LISTED)}
    evidence = tuple(sign(intent(amount=amount, destination=by_script[script])) for script, amount in asked)
    draft = Draft((coin(sum(item.amount for item in pays) + FEE),), tuple(pays), evidence)

    missing = Counter(asked) - paid
    rest = paid - Counter(asked)
    safe = {
        (key_set.script(0, index), amount)
        for key_set in (HOT, COLD)
        for index in (0, 999)
        for amount in (600, 601, 70_000)
    }
    allowed = not missing and all(item in safe for item in rest)
    assert (judged(draft) is None) == allowed


@settings(max_examples=150, deadline=None)
@given(wanted=st.lists(PAYMENTS, min_size=1, max_size=3), data=st.data())
def test_a_matching_request_is_refused_once_any_output_moves_by_one_unit(wanted: list[Pay], data: st.DataObject):
    by_script = {to(address, 1).script: address for address in (SHOP, LISTED)}
    draft = payout(*(intent(amount=item.amount, destination=by_script[item.script]) for item in wanted))
    assert judged(draft) is None
    at = data.draw(st.integers(0, len(wanted) - 1))
    step = data.draw(st.sampled_from([-1, 1, 50_000]))
    pays = list(draft.pays)
    pays[at] = Pay(pays[at].amount + step, pays[at].script, pays[at].at)
    moved = judged(draft.but(pays=tuple(pays)))
    same = Counter((item.script, item.amount) for item in pays) == Counter((i.script, i.amount) for i in draft.pays)
    assert (moved is None) == same


VALID = payout(intent(expires_at=NOW + 60))
VALID_BYTES = VALID.encode()


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(VALID_BYTES) - 1), flip=st.integers(1, 255), cut=st.booleans())
def test_a_bent_psbt_is_refused_or_still_means_the_same_chain_tx(at: int, flip: int, cut: bool):
    bent = VALID_BYTES[:at] if cut else VALID_BYTES[:at] + bytes([VALID_BYTES[at] ^ flip]) + VALID_BYTES[at + 1 :]
    try:
        psbt, tx = decode(bent, POLICY.chains[CHAIN])
    except RefusedError:
        return
    assert not cut
    claims = tuple(read_claim(item, TERMS, ENROLLED) for item in VALID.evidence)
    refusal = judge(Case(NOW, POLICY.limits, Books(), claims, POLICY.chains[CHAIN], tx, off=POLICY.trust.switched_off))
    if refusal is None:
        # The payment is untouched; what can still differ is a sequence, the place of a coin, or the change.
        assert psbt.tx.outputs[0].amount == VALID.pays[0].amount
        assert psbt.tx.outputs[0].script == VALID.pays[0].script
        assert sum(item.amount for item in tx.inputs) - sum(item.amount for item in tx.outputs) <= 200_000


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400))
def test_any_bytes_are_refused_and_never_an_accident(data: bytes):
    for candidate in (data, b"psbt\xff" + data):
        with pytest.raises(RefusedError) as error:
            decode(candidate, POLICY.chains[CHAIN])
        assert error.value.tag.value in {"tx-malformed", "input-foreign", "previous-tx-missing"}
