"""Whatever the platform sends: a Safe moves only what intents ask for, and otherwise only between our own two Safes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_core.evm import SafeTx, decode_multi_send
from strongroom_core.refusals import RefusalTag
from strongroom_signer.books import Books
from strongroom_signer.errors import RefusedError
from strongroom_signer.evidence import Terms, read_claim
from strongroom_signer.model import Refusal
from strongroom_signer.policy import parse_policy
from strongroom_signer.safe_decode import decode_safe_tx
from strongroom_signer.safe_rules import SafeCase, judge_safe
from tests.unit.signer.kit import DEPLOYMENT, EXPIRES, NOW, sign
from tests.unit.signer.safe_kit import (
    CHAIN,
    COIN,
    HOUSE,
    LISTED,
    SHOP,
    UNITS,
    USDC,
    USDT,
    Part,
    SafeDraft,
    draw,
    intent,
    merchants,
    pay,
    payout,
    place,
    policy_text,
    safe_bench,
    send,
    text_of,
    transfer,
)

POLICY = parse_policy(policy_text())
SAFE = POLICY.safes[CHAIN]
TERMS = Terms(DEPLOYMENT, SAFE.parameters, SAFE.tokens.values())
ENROLLED = merchants()
TOKENS = {USDT: HOUSE.usdt, USDC: HOUSE.usdc}

Wanted = tuple[str, bytes, int]
PAYMENTS: st.SearchStrategy[Wanted] = st.tuples(
    st.sampled_from([COIN, USDT, USDC]), st.sampled_from([SHOP, LISTED]), st.sampled_from([1, 2, 70_000])
)


def judged(draft: SafeDraft) -> Refusal | None:
    """The whole way from bytes to the decision, without the journal."""
    try:
        tx = decode_safe_tx(draft.encode(), SAFE)
        claims = tuple(read_claim(item, TERMS, ENROLLED) for item in draft.evidence)
    except RefusedError as error:
        return Refusal(error.tag, error.reason, error.payout)
    return judge_safe(SafeCase(NOW, POLICY.limits, Books(), claims, SAFE, tx, off=POLICY.trust.switched_off))


def part_of(wanted: Wanted) -> Part:
    asset, to, amount = wanted
    return send(to, amount) if asset == COIN else transfer(TOKENS[asset], to, amount)


@settings(max_examples=120, deadline=None)
@given(
    wanted=st.lists(PAYMENTS, max_size=4),
    paid=st.lists(PAYMENTS, max_size=5),
    drawn=st.lists(st.sampled_from([HOUSE.usdt, HOUSE.usdc]), max_size=2),
    swept=st.booleans(),
    honest=st.booleans(),
)
def test_signed_only_if_the_calls_are_the_intents_and_what_is_left_is_between_our_safes(
    wanted: list[Wanted], paid: list[Wanted], drawn: list[bytes], swept: bool, honest: bool
):
    paid = wanted if honest else paid
    evidence = tuple(sign(intent(asset=asset, destination=text_of(to), amount=amount)) for asset, to, amount in wanted)
    own = [draw(token, 5) for token in drawn] + [transfer(HOUSE.usdc, HOUSE.cold_safe, 3)] * swept
    draft = SafeDraft((*own, *map(part_of, paid)), evidence)
    covered = all(sum(amount for asset, _, amount in paid if TOKENS.get(asset) == token) >= 5 for token in drawn)
    allowed = Counter(wanted) == Counter(paid) and len(set(drawn)) == len(drawn) and covered and bool(draft.parts)
    assert (judged(draft) is None) == allowed


VALID = payout(intent(), intent(asset=COIN, amount=5), more=(draw(HOUSE.usdt, 10 * UNITS),))
BYTES = VALID.encode()


@settings(max_examples=400, deadline=None)
@given(at=st.integers(0, len(BYTES) - 1), bits=st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_the_nonce_or_a_draw_only(at: int, bits: int):
    bent = BYTES[:at] + bytes([BYTES[at] ^ bits]) + BYTES[at + 1 :]
    try:
        tx = decode_safe_tx(bent, SAFE)
    except RefusedError:
        return
    claims = tuple(read_claim(item, TERMS, ENROLLED) for item in VALID.evidence)
    if judge_safe(SafeCase(NOW, POLICY.limits, Books(), claims, SAFE, tx, off=POLICY.trust.switched_off)) is None:
        before, after = SafeTx.decode(BYTES), SafeTx.decode(bent)
        if after.nonce == before.nonce:
            assert decode_multi_send(after.data)[1:] == decode_multi_send(before.data)[1:]
            assert decode_multi_send(after.data)[0].to == HOUSE.allowance
        assert (after.safe, after.to, after.operation) == (before.safe, before.to, before.operation)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=400), cut=st.integers(0, len(BYTES) - 1))
def test_any_bytes_are_refused_and_never_an_accident(data: bytes, cut: int):
    for candidate in (data, BYTES[:cut] + data, b"strongroom safe-tx v1\x00" + data, BYTES + b"\x00" + data):
        if candidate == BYTES:
            continue
        with pytest.raises(RefusedError) as error:
            decode_safe_tx(candidate, SAFE)
        assert error.value.tag in RefusalTag


@settings(max_examples=150, deadline=None)
@given(inner=st.binary(max_size=200), to=st.sampled_from([HOUSE.usdt, HOUSE.allowance, HOUSE.hot_safe, place("x")]))
def test_a_call_with_calldata_of_chance_is_refused(inner: bytes, to: bytes):
    draft = VALID.but(parts=(*VALID.parts, Part(to, inner)))
    assert judged(draft) is not None


@pytest.mark.slow
def test_a_long_day_of_many_nonces_adds_up_after_a_restart(tmp_path: Path):
    bench = safe_bench(tmp_path)
    try:
        for nonce in range(60):
            payment = intent(amount=UNITS + nonce, destination=text_of(LISTED), expires_at=EXPIRES)
            draft = payout(payment, nonce=nonce, more=(draw(HOUSE.usdt, 1 + nonce),))
            assert bench.tag(draft.request()) == "safe-signed"
        before = bench.signer.books
        bench.restart()
        assert bench.signer.books == before
    finally:
        bench.close()


def test_the_honest_one_is_signed():
    assert judged(VALID) is None
    assert judged(VALID.but(parts=(*VALID.parts, pay(intent())))) is not None
