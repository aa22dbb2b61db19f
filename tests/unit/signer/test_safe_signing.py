"""What a signer does with honest Safe transactions, and what it remembers of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom_core.evm import SafeTx
from strongroom_core.messages import HaltRequest, Refused, SafeSigned
from strongroom_signer.policy import parse_policy
from tests.unit.signer.kit import CHAIN as BITCOIN_CHAIN
from tests.unit.signer.kit import EXPIRES, MERCHANT, NOW, OTHER_MERCHANT, Bench, policy_text, sign, void
from tests.unit.signer.kit import intent as bitcoin_intent
from tests.unit.signer.kit import merchants as bitcoin_merchants
from tests.unit.signer.kit import payout as bitcoin_payout
from tests.unit.signer.safe_kit import (
    CHAIN,
    COIN,
    DAY,
    ETHER,
    HOUSE,
    LISTED,
    UNITS,
    USDC,
    USDT,
    SafeDraft,
    cancel,
    draw,
    intent,
    owner,
    payout,
    safe_bench,
    send,
    signed_by,
    text_of,
    transfer,
)
from tests.unit.signer.safe_kit import merchants as safe_merchants
from tests.unit.signer.safe_kit import policy_text as safe_policy_text


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = safe_bench(tmp_path)
    yield made
    made.close()


def bodies(bench: Bench, kind: str) -> list[dict[str, object]]:
    rows = [json.loads(row.body) for row in bench.signer.journal.rows()]
    return [row for row in rows if row["kind"] == kind]


def test_an_honest_batch_is_signed_by_this_owner_over_the_hash_that_others_compute(bench: Bench):
    draft = payout(intent(), intent(asset=COIN, amount=3 * ETHER), more=(draw(HOUSE.usdt, 10 * UNITS),))
    answer = bench.ask(draft.request("req-1"))
    assert isinstance(answer, SafeSigned)
    assert answer.request_id == "req-1"
    assert signed_by(answer, draft.hash) == owner("A")
    (row,) = bodies(bench, "safe-signed")
    assert row["txid"] == "0x" + draft.hash.hex()
    assert (row["safe"], row["nonce"], row["cancel"]) == ("0x" + HOUSE.hot_safe.hex(), 0, False)
    assert row["draws"] == [{"asset": USDT, "amount": 10 * UNITS}]


def test_a_single_payment_needs_no_multisend(bench: Bench):
    for nonce, draft in enumerate((payout(intent()), payout(intent(asset=COIN, amount=ETHER), nonce=1))):
        assert draft.values["operation"] == 0
        answer = bench.ask(draft.request())
        assert isinstance(answer, SafeSigned), nonce
        assert signed_by(answer, draft.hash) == owner("A")


def test_the_products_own_writer_makes_the_bytes_that_the_tests_write():
    batch = payout(intent(), intent(asset=COIN, amount=3 * ETHER), nonce=700, more=(draw(HOUSE.usdt, 2**255),))
    for draft in (batch, payout(intent()), cancel(9)):
        safe_tx = SafeTx(**draft.values)
        assert safe_tx.encode() == draft.encode()
        assert SafeTx.decode(draft.encode()) == safe_tx


def test_the_same_bytes_get_the_same_answer_and_are_counted_once(bench: Bench):
    draft = payout(intent())
    first, again = bench.ask(draft.request()), bench.ask(draft.request())
    rows = bench.signer.journal.count
    bench.restart()
    bench.clock.now = EXPIRES + 1
    assert first == again == bench.ask(draft.request())
    assert bench.signer.journal.count == rows
    assert [spend.amount for spend in bench.signer.books.spent(USDT, 0)] == [250 * UNITS]


def test_two_signers_sign_the_same_hash_with_two_keys(bench: Bench, tmp_path: Path):
    folder = tmp_path / "b"
    folder.mkdir()
    other = safe_bench(folder, "B")
    draft = payout(intent())
    first, second = bench.ask(draft.request()), other.ask(draft.request())
    other.close()
    assert isinstance(first, SafeSigned)
    assert isinstance(second, SafeSigned)
    assert (signed_by(first, draft.hash), signed_by(second, draft.hash)) == (owner("A"), owner("B"))


def test_a_nonce_may_be_used_for_other_payments_and_each_intent_stays_at_it(bench: Bench):
    # The other signer voided the first: what was planned at the nonce cannot happen any more, and the Safe waits.
    first, second, third = (intent(amount=amount) for amount in (1, 2, 3))
    assert bench.tag(payout(first, second).request()) == "safe-signed"
    assert bench.tag(payout(second, third).request()) == "safe-signed"
    assert bench.tag(cancel().request()) == "safe-signed"
    assert len(bench.signer.books.nonces) == 1
    assert len(list(bench.signer.books.spent(USDT, 0))) == 3
    for one in (first, second, third):
        assert bench.tag(payout(one, nonce=1).request()) == "intent-bound"
    bench.restart()
    assert bench.tag(payout(third, nonce=1).request()) == "intent-bound"
    assert bench.tag(payout(third, first).request()) == "safe-signed"
    assert len(list(bench.signer.books.spent(USDT, 0))) == 3


def test_a_cancellation_is_signed_and_pays_nothing(bench: Bench):
    draft = cancel()
    answer = bench.ask(draft.request())
    assert isinstance(answer, SafeSigned)
    assert signed_by(answer, draft.hash) == owner("A")
    (row,) = bodies(bench, "safe-signed")
    assert (row["cancel"], row["payments"], row["draws"], row["sweeps"]) == (True, [], [], [])


def test_a_sweep_to_the_cold_safe_needs_no_intent(bench: Bench):
    sweep = SafeDraft((transfer(HOUSE.usdt, HOUSE.cold_safe, 7), send(HOUSE.cold_safe, 9)))
    assert bench.tag(sweep.request()) == "safe-signed"
    (row,) = bodies(bench, "safe-signed")
    assert row["sweeps"] == [{"asset": USDT, "amount": 7}, {"asset": COIN, "amount": 9}]
    assert bench.tag(SafeDraft((transfer(HOUSE.usdc, HOUSE.cold_safe, 1),), nonce=1).request()) == "safe-signed"


def test_a_nonces_draws_count_by_the_largest_and_a_day_later_no_more(bench: Bench):
    tomorrow = NOW + DAY + 3_600
    paid = [
        intent(asset=USDC, amount=3_000 * UNITS, destination=text_of(LISTED), expires_at=tomorrow, merchant=merchant)
        for merchant in (MERCHANT, OTHER_MERCHANT) * 3
    ]

    def drawing(amount: int, nonce: int) -> str:
        """Two payments at every nonce, which the draw never exceeds."""
        batch = paid[2 * nonce : 2 * nonce + 2]
        return bench.tag(payout(*batch, nonce=nonce, more=(draw(HOUSE.usdc, amount),)).request())

    assert drawing(4_000 * UNITS, 0) == "safe-signed"
    assert drawing(5_000 * UNITS, 0) == "safe-signed"
    assert drawing(4_500 * UNITS, 0) == "safe-signed"
    assert bench.signer.books.drawn(CHAIN, USDC, 0, None) == 5_000 * UNITS
    assert drawing(1_000 * UNITS + 1, 1) == "allowance-daily"
    assert drawing(1_000 * UNITS, 1) == "safe-signed"
    bench.restart()
    assert drawing(1, 2) == "allowance-daily"
    bench.clock.now = NOW + DAY
    assert drawing(6_000 * UNITS, 2) == "safe-signed"


def test_a_draw_is_signed_up_to_what_the_same_transaction_pays_of_its_asset(bench: Bench):
    payments = (intent(), intent(amount=70 * UNITS), intent(asset=COIN, amount=ETHER))
    whole = (draw(HOUSE.usdt, 320 * UNITS), draw(bytes(20), ETHER))
    assert bench.tag(payout(*payments, more=whole).request()) == "safe-signed"
    for excess in (draw(HOUSE.usdt, 320 * UNITS + 1), draw(bytes(20), ETHER + 1), draw(HOUSE.usdc, 1)):
        assert bench.tag(payout(*payments, more=(excess,)).request()) == "allowance-excess"
    assert bench.tag(SafeDraft((draw(HOUSE.usdt, 1),)).request()) == "allowance-excess"
    swept = (draw(HOUSE.usdt, 250 * UNITS), transfer(HOUSE.usdt, HOUSE.cold_safe, 9))
    assert bench.tag(payout(intent(), nonce=1, more=swept).request()) == "safe-signed"


def test_new_nonces_have_a_limit_of_a_day_and_used_ones_are_signed_again(tmp_path: Path):
    bench = safe_bench(tmp_path, new_nonces_per_day=3)
    try:
        for nonce in range(3):
            bench.clock.now = NOW + nonce
            assert bench.tag(cancel(nonce).request()) == "safe-signed"
        assert bench.tag(cancel(3).request()) == "nonce-daily"
        assert bench.tag(payout(intent(), nonce=3).request()) == "nonce-daily"
        assert bench.tag(payout(intent(), nonce=2).request()) == "safe-signed"
        bench.restart()
        assert bench.tag(cancel(3).request()) == "nonce-daily"
        bench.clock.now = NOW + DAY
        assert bench.tag(cancel(3).request()) == "safe-signed"
        assert bench.tag(cancel(4).request()) == "nonce-daily"
        assert bench.tag(cancel(5).request()) == "nonce-ahead"
    finally:
        bench.close()


def test_after_a_refusal_of_one_signer_the_nonce_is_used_again_and_both_go_on(bench: Bench, tmp_path: Path):
    folder = tmp_path / "b"
    folder.mkdir()
    other = safe_bench(folder, "B")
    try:
        dead, later = intent(), intent(amount=1)
        assert other.tag(void(sign(dead))) == "voided"
        assert (bench.tag(payout(dead).request()), other.tag(payout(dead).request())) == ("safe-signed", "intent-void")
        # The next nonce waits at the one that has not signed this one; it can be executed no sooner anyway.
        ahead = payout(later, nonce=1)
        assert (bench.tag(ahead.request()), other.tag(ahead.request())) == ("safe-signed", "nonce-ahead")
        for draft in (cancel(), ahead, payout(intent(amount=2), nonce=2)):
            assert (bench.tag(draft.request()), other.tag(draft.request())) == ("safe-signed", "safe-signed")
    finally:
        other.close()


def test_void_and_signature_exclude_each_other(bench: Bench):
    payment, other = intent(), intent(amount=1)
    assert bench.tag(void(sign(payment))) == "voided"
    assert bench.tag(payout(payment).request()) == "intent-void"
    assert bench.tag(payout(other).request()) == "safe-signed"
    answer = bench.ask(void(sign(other)))
    assert isinstance(answer, Refused)
    assert (answer.tag, answer.payout) == ("intent-signed", other.payout)
    bench.restart()
    assert bench.tag(payout(payment).request()) == "intent-void"
    assert bench.tag(void(sign(other))) == "intent-signed"


def test_a_halt_and_a_clock_that_went_back_stop_it(bench: Bench):
    draft = payout(intent())
    assert bench.tag(draft.request()) == "safe-signed"
    bench.clock.now -= 1
    assert bench.tag(draft.request()) == "clock"
    bench.clock.now += 1
    bench.ask(HaltRequest("req", "drill"))
    assert bench.tag(draft.request()) == "halted"


def test_amounts_beyond_64_bits_are_limited_as_any(bench: Bench):
    whole = 4_000 * ETHER
    assert whole > 2**63
    assert bench.tag(payout(intent(asset=COIN, amount=whole + 1)).request()) == "limit-payout"
    assert bench.tag(payout(intent(asset=COIN, amount=whole)).request()) == "safe-signed"
    bench.restart()
    assert bench.signer.books.spends[COIN][0].amount == whole


def test_an_address_in_lower_case_is_taken_and_a_wrong_checksum_is_not(bench: Bench):
    text = intent().destination
    assert bench.tag(payout(intent(destination=text.lower())).request()) == "safe-signed"
    capitals = payout(intent(destination="0x" + text[2:].upper(), amount=1))
    assert bench.tag(capitals.request()) == "destination-invalid"


def test_one_signer_signs_for_both_kinds_of_chain_and_counts_them_apart(tmp_path: Path):
    bitcoin, safe = policy_text().decode(), safe_policy_text().decode()
    text = (bitcoin + safe[safe.index("[chains") :]).encode()
    tokens = safe_merchants()
    enrolment = {name: replace(row, caps=row.caps | tokens[name].caps) for name, row in bitcoin_merchants().items()}
    bench = Bench(tmp_path, parse_policy(text), enrolment=enrolment, text=text)
    try:
        assert bench.tag(payout(intent()).request()) == "safe-signed"
        assert bench.tag(bitcoin_payout(bitcoin_intent()).request()) == "signed"
        assert bench.tag(bitcoin_payout(bitcoin_intent()).request(chain=CHAIN)) == "chain-unknown"
        assert bench.tag(payout(intent()).request(chain=BITCOIN_CHAIN)) == "chain-unknown"
        assert (len(bench.signer.books.slots), len(bench.signer.books.nonces)) == (1, 1)
        bench.restart()
        assert (len(bench.signer.books.slots), len(bench.signer.books.nonces)) == (1, 1)
    finally:
        bench.close()
