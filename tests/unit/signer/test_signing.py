"""What a signer does with honest requests, and what it remembers."""

from __future__ import annotations

from strongroom_core.ids import PayoutId
from strongroom_core.messages import HaltRequest, JournalRequest, JournalRows, Refused, Signed, Status, Voided
from strongroom_signer.curve import verify
from strongroom_signer.psbt import ChainTx
from tests.unit.signer.kit import (
    CHAIN,
    COLD,
    EXPIRES,
    HOT,
    NOW,
    OTHER_MERCHANT,
    SATS,
    Bench,
    Draft,
    change,
    coin,
    intent,
    payout,
    sign,
    signatures,
    string,
    void,
)


def test_an_honest_payout_is_signed_with_a_signature_that_verifies(bench: Bench):
    draft = payout(intent())
    answer = bench.ask(draft.request("req-1"))
    assert isinstance(answer, Signed)
    assert answer.request_id == "req-1"
    ((public_key, signature),) = signatures(answer.psbt)[0].items()
    digest = ChainTx(draft.tx.serialize()).digest(0, HOT.witness_script(2, 0), 3 * SATS)
    assert signature[-1:] == b"\x01"
    assert verify(public_key, signature[:-1], digest)
    assert public_key == bench.signer.key.account_key(CHAIN).node.child(2).child(0).public_key


def test_the_same_bytes_get_the_same_answer_and_are_counted_once(bench: Bench):
    draft = payout(intent())
    first, again = bench.ask(draft.request()), bench.ask(draft.request())
    rows = bench.signer.journal.count
    bench.restart()
    after_restart = bench.ask(draft.request())
    assert first == again == after_restart
    assert bench.signer.journal.count == rows
    assert len(list(bench.signer.books.spent(draft_asset(draft), 0))) == 1


def draft_asset(draft: Draft) -> str:
    return next(iter({"bip122:0f9188f13cb7b2c71f2a335e3a4fc328/slip44:1" for _ in draft.coins}))


def test_the_other_signers_signature_stays_in_the_psbt_and_is_not_judged(bench: Bench):
    draft = payout(intent())
    foreign = b"\x02" + bytes.fromhex("02" + "11" * 32)
    answer = bench.ask(draft.but(input_changes={foreign: b"anything"}).request())
    assert isinstance(answer, Signed)
    assert signatures(answer.psbt)[0][foreign[1:]] == b"anything"


def test_a_later_version_with_a_higher_fee_and_an_added_coin_is_signed_after_expiry(bench: Bench):
    payment = intent()
    assert bench.tag(payout(payment).request()) == "signed"
    bench.clock.now = EXPIRES + 1
    later = payout(payment, coins=(coin(), coin(salt=1, place=7)), fee=9_000)
    assert bench.tag(later.request()) == "signed"
    assert len(bench.signer.books.slots) == 1
    assert bench.signer.books.fees(CHAIN, 0, None) == 9_000


def test_the_same_bytes_are_signed_again_after_expiry_and_after_a_later_version(bench: Bench):
    payment = intent()
    first = payout(payment)
    answer = bench.ask(first.request())
    bench.clock.now = EXPIRES + 1
    assert bench.tag(payout(payment, coins=(coin(), coin(salt=1))).request()) == "signed"
    assert bench.ask(first.request()) == answer


def test_a_batch_with_two_payments_of_one_amount_to_one_address_is_matched_as_a_multiset(bench: Bench):
    first, second = intent(), intent(merchant=OTHER_MERCHANT)
    draft = payout(first, second)
    assert bench.tag(draft.but(pays=draft.pays[1:]).request()) == "intent-unmatched"
    assert bench.tag(draft.request()) == "signed"


def test_a_sweep_to_cold_and_a_consolidation_need_no_intent(bench: Bench):
    sweep = Draft((coin(),), (change(3 * SATS - 2_000, key_set=COLD), change(1_000)))
    assert bench.tag(sweep.request()) == "signed"
    replaced = Draft((coin(),), (change(3 * SATS - 4_000, key_set=COLD), change(1_000)))
    assert bench.tag(replaced.request()) == "signed"
    assert bench.signer.books.fees(CHAIN, 0, None) == 3_000
    assert len(bench.signer.books.slots) == 1


def test_the_index_reach_grows_with_what_is_journalled(bench: Bench):
    assert bench.tag(Draft((coin(),), (change(SATS, 1000), change(2 * SATS - 900))).request()) == "change-index"
    assert bench.tag(Draft((coin(),), (change(3 * SATS - 900, 999),)).request()) == "signed"
    assert bench.tag(Draft((coin(salt=1),), (change(3 * SATS - 900, 2000),)).request()) == "change-index"
    assert bench.tag(Draft((coin(salt=1),), (change(3 * SATS - 900, 1999),)).request()) == "signed"
    cold = Draft((coin(salt=2),), (change(3 * SATS - 900, 1000, key_set=COLD),))
    assert bench.tag(cold.request()) == "change-index"


def test_a_void_is_kept_and_answered_again_with_its_row(bench: Bench):
    payment = intent()
    first = bench.ask(void(sign(payment)))
    assert isinstance(first, Voided)
    assert first.intent_hash == payment.hash
    bench.restart()
    assert bench.ask(void(sign(payment))) == first
    assert bench.tag(payout(payment).request()) == "intent-void"


def test_a_signed_intent_cannot_be_voided(bench: Bench):
    payment = intent()
    assert bench.tag(payout(payment).request()) == "signed"
    answer = bench.ask(void(sign(payment)))
    assert isinstance(answer, Refused)
    assert (answer.tag, answer.payout) == ("intent-signed", payment.payout)


def test_what_would_be_refused_anyway_can_be_voided_even_while_halted(bench: Bench):
    bench.ask(HaltRequest("req", "drill"))
    assert bench.tag(void(sign(intent(deployment="elsewhere")))) == "voided"


def test_a_second_intent_for_a_signed_payout_id_is_refused(bench: Bench):
    name = PayoutId.new()
    assert bench.tag(payout(intent(payout=name)).request()) == "signed"
    again = payout(intent(payout=name, expires_at=EXPIRES + 5), coins=(coin(salt=1),))
    assert bench.tag(again.request()) == "intent-bound"


def test_a_halt_stops_signing_across_restarts_until_a_hand_resumes(bench: Bench):
    draft = payout(intent())
    signed = bench.ask(draft.request())
    status = bench.ask(HaltRequest("req", "drill"))
    assert isinstance(status, Status)
    assert (status.halted, status.halt_reason) == (True, "drill")
    bench.restart()
    assert bench.tag(draft.request()) == "halted"
    assert bench.tag(payout(intent()).request()) == "halted"
    bench.signer.resume()
    bench.restart()
    assert bench.ask(draft.request()) == signed


def test_a_clock_before_the_last_row_is_refused(bench: Bench):
    assert bench.tag(payout(intent()).request()) == "signed"
    bench.clock.now = NOW - 1
    assert bench.tag(payout(intent(), coins=(coin(salt=1),)).request()) == "clock"
    assert bench.tag(void(sign(intent()))) == "clock"
    bench.clock.now = NOW
    assert bench.tag(payout(intent(), coins=(coin(salt=1),)).request()) == "signed"


def test_every_refusal_is_journalled_with_its_tag(bench: Bench):
    payment = intent(amount=6 * SATS)
    bench.ask(payout(payment, coins=(coin(7 * SATS),)).request("req-9"))
    answer = bench.ask(JournalRequest("req", bench.signer.journal.count, 10))
    assert isinstance(answer, JournalRows)
    (row,) = answer.rows
    assert b'"tag":"limit-payout"' in row.body
    assert payment.payout.encode() in row.body
    assert b'"request":"req-9"' in row.body


def test_the_journal_is_read_in_pages(bench: Bench):
    for salt in range(3):
        assert bench.tag(payout(intent(amount=SATS // 10), coins=(coin(salt=salt),)).request()) == "signed"
    answer = bench.ask(JournalRequest("req", 2, 2))
    assert isinstance(answer, JournalRows)
    assert [row.number for row in answer.rows] == [2, 3]
    beyond = bench.ask(JournalRequest("req", 99, 2))
    assert beyond == JournalRows("req", ())


def test_an_answer_is_no_request(bench: Bench):
    assert bench.tag(Voided("req", b"", 1)) == "request-malformed"
    assert bench.tag(HaltRequest("r" * 65, "too long")) == "request-malformed"


def test_the_kit_writes_compact_sizes() -> None:
    assert string(b"a" * 253)[:3] == b"\xfd\xfd\x00"
