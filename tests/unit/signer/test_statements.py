"""Signed changes, judged over a real journal: what is refused leaves everything as it was; what loosens waits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from strongroom_core.errors import StrongroomError
from strongroom_core.messages import Status, StatusRequest
from strongroom_core.statements import Cancellation, Document, InvalidStatementError, Statement
from strongroom_signer.enrolment import render
from strongroom_signer.errors import RefusedError
from strongroom_signer.policy import parse_policy
from strongroom_signer.statements import (
    NONCE_SECONDS,
    Proposal,
    Signed,
    judge_cancellation,
    judge_challenge,
    judge_proposal,
    read_signed,
)
from tests.unit.signer.kit import (
    ALONE,
    DEPLOYMENT,
    SATS,
    Bench,
    coin,
    intent,
    merchants,
    payout,
    policy_text,
)

OPERATORS = [SigningKey(bytes([number]) * 32) for number in (1, 2, 3)]
STRANGER = SigningKey(b"s" * 32)
LOCK = 3_600


def governed(quorum: int = 2, lock: int = LOCK, operators: int = 3, **changes: Any) -> bytes:
    """A policy whose changes operators sign."""
    keys = ", ".join(f'"{bytes(key.verify_key).hex()}"' for key in OPERATORS[:operators])
    head = ALONE.replace("time_lock_seconds = 0", f"time_lock_seconds = {lock}")
    head = head.replace("operator_quorum = 0", f"operator_quorum = {quorum}")
    head = head.replace("operators = []", f"operators = [{keys}]")
    return policy_text(**{"max_fee_rate": 5_000} | changes).decode().replace(ALONE, head).encode()


LOOSER = governed(max_fee=300_000)
TIGHTER = governed(max_fee=100_000)


def make_bench(folder: Path, text: bytes) -> Bench:
    return Bench(folder, parse_policy(text), text=text)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path, governed())


def nonce_of(bench: Bench) -> bytes:
    bench.signer.change(judge_challenge)
    return bytes.fromhex(list(bench.signer.books.changes.nonces)[-1])


def sign(data: bytes, *keys: SigningKey) -> Signed:
    return Signed(data, {bytes(key.verify_key): bytes(key.sign(data).signature) for key in keys})


def proposal(
    bench: Bench,
    text: bytes = LOOSER,
    keys: tuple[SigningKey, ...] = (OPERATORS[0], OPERATORS[1]),
    document: Document = Document.POLICY,
    **changes: Any,
) -> Proposal:
    """A change as operators who look sign it; any field of the statement can be bent."""
    fields: dict[str, Any] = {
        "deployment": DEPLOYMENT,
        "signer": "A",
        "document": document,
        "sequence": bench.signer.books.changes.sequence + 1,
        "sha256": hashlib.sha256(text).digest(),
    } | changes
    fields.setdefault("nonce", nonce_of(bench))
    return Proposal(document, text, sign(Statement(**fields).encode(), *keys))


def propose(bench: Bench, wanted: Proposal) -> int:
    return bench.signer.change(partial(judge_proposal, proposal=wanted))


def code_of(bench: Bench, wanted: Proposal) -> str:
    """The code of the refusal, after which nothing has changed."""
    before = (bench.signer.journal.count, bench.signer.policy.hash, dict(bench.signer.books.changes.pending))
    with pytest.raises(StrongroomError) as error:
        propose(bench, wanted)
    assert before == (bench.signer.journal.count, bench.signer.policy.hash, bench.signer.books.changes.pending)
    found = error.value
    return found.tag.value if isinstance(found, RefusedError) else found.code


def in_force(bench: Bench) -> bytes:
    return bench.signer.books.changes.texts[Document.POLICY].encode()


def status(bench: Bench) -> Status:
    answer = bench.ask(StatusRequest("r"))
    assert isinstance(answer, Status)
    return answer


def expired(bench: Bench) -> Proposal:
    wanted = proposal(bench)
    bench.clock.now += NONCE_SECONDS + 1
    return wanted


def replayed(bench: Bench) -> Proposal:
    wanted = proposal(bench, TIGHTER)
    propose(bench, wanted)
    return wanted


def used_nonce(bench: Bench) -> Proposal:
    nonce = nonce_of(bench)
    propose(bench, proposal(bench, TIGHTER, nonce=nonce))
    return proposal(bench, nonce=nonce)


def other_text(bench: Bench) -> Proposal:
    wanted = proposal(bench, TIGHTER)
    return Proposal(Document.POLICY, LOOSER, wanted.signed)


def bent(bench: Bench) -> Proposal:
    wanted = proposal(bench)
    assert wanted.signed is not None
    data = bytearray(wanted.signed.data)
    data[-1] ^= 1
    return Proposal(
        Document.POLICY,
        LOOSER,
        Signed(bytes(data), wanted.signed.signatures),
    )


def back_in_time(bench: Bench) -> Proposal:
    wanted = proposal(bench)
    bench.clock.now -= 1
    return wanted


def zero_sequence(bench: Bench) -> Proposal:
    wanted = proposal(bench)
    assert wanted.signed is not None
    # A number of no bytes, as zero would be written.
    one = (1).to_bytes(4, "big") + b"\x01"
    assert wanted.signed.data.count(one) == 1
    data = wanted.signed.data.replace(one, bytes(4))
    return Proposal(Document.POLICY, LOOSER, sign(data, *OPERATORS))


def borrowed(bench: Bench) -> Proposal:
    wanted = proposal(bench, keys=(OPERATORS[0],))
    assert wanted.signed is not None
    (signature,) = wanted.signed.signatures.values()
    both = {bytes(key.verify_key): signature for key in OPERATORS[:2]}
    return Proposal(Document.POLICY, LOOSER, Signed(wanted.signed.data, both))


REFUSED: dict[str, tuple[str, Callable[[Bench], Proposal]]] = {
    "no statement": ("statement-missing", lambda _: Proposal(Document.POLICY, TIGHTER)),
    "the same statement again": ("statement-sequence", replayed),
    "a used nonce under a new number": ("nonce-unknown", used_nonce),
    "signed in advance, for a later number": ("statement-sequence", lambda at: proposal(at, sequence=2)),
    "signed in advance, with a made-up nonce": ("nonce-unknown", lambda at: proposal(at, nonce=b"n" * 32)),
    "signed a day ago": ("nonce-expired", expired),
    "number 0 of before genesis": ("statement-malformed", zero_sequence),
    "for another signer": ("statement-signer", lambda at: proposal(at, signer="B")),
    "for another deployment": ("statement-deployment", lambda at: proposal(at, deployment="other")),
    "about the other document": (
        "statement-document",
        lambda at: Proposal(Document.MERCHANTS, render({}), proposal(at).signed),
    ),
    "another text": ("statement-hash", other_text),
    "bytes bent after signing": ("statement-hash", bent),
    "too few signatures": ("operators-missing", lambda at: proposal(at, keys=(OPERATORS[0],))),
    "a stranger's signature": ("operators-missing", lambda at: proposal(at, keys=(OPERATORS[0], STRANGER))),
    "nobody's signature": ("operators-missing", lambda at: proposal(at, keys=())),
    "a signature of another operator's name": ("operators-missing", borrowed),
    "a tightening signed by too few": ("operators-missing", lambda at: proposal(at, TIGHTER, keys=(OPERATORS[0],))),
    "a text that is no policy": ("policy-invalid", lambda at: proposal(at, b"version = 2\n")),
    "a shorter time-lock than at genesis": ("time-lock-short", lambda at: proposal(at, governed(lock=LOCK - 1))),
    "a clock that was set back": ("clock", back_in_time),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_statement_that_is_not_the_next_fresh_and_signed_one_changes_nothing(bench: Bench, name: str):
    code, make = REFUSED[name]
    wanted = make(bench)
    assert code_of(bench, wanted) == code
    # And after a restart it is still refused.
    if bench.clock.now >= bench.signer.books.last_at:
        bench.restart()
        assert code_of(bench, wanted) == code


def test_a_tightening_is_in_force_at_once_and_judges_the_next_request(bench: Bench):
    draft = payout(intent(), fee=150_000)
    propose(bench, proposal(bench, TIGHTER))
    assert in_force(bench) == TIGHTER
    assert bench.signer.policy.hash == hashlib.sha256(TIGHTER).digest()
    assert bench.tag(draft.request()) == "fee-absolute"
    assert status(bench).pending == ()


def test_a_loosening_is_announced_and_takes_force_by_itself_at_its_moment(bench: Bench):
    draft = payout(intent(expires_at=bench.clock.now + 10 * LOCK), fee=250_000)
    propose(bench, proposal(bench))
    announced_at = bench.clock.now
    (waiting,) = status(bench).pending
    assert (waiting.document, waiting.sequence, waiting.effective_at) == ("policy", 1, announced_at + LOCK)
    assert waiting.sha256 == hashlib.sha256(LOOSER).digest()
    row = list(bench.signer.journal.rows())[-1]
    assert json.loads(row.body)["text"] == LOOSER.decode()
    assert json.loads(row.body)["loosens"]
    bench.clock.now = announced_at + LOCK - 1
    assert bench.tag(draft.request()) == "fee-absolute"
    bench.clock.now = announced_at + LOCK
    assert bench.tag(draft.request()) == "signed"
    assert in_force(bench) == LOOSER
    assert status(bench).pending == ()


def reopen(bench: Bench) -> None:
    """Another process over the same journal, with the policy that the journal says is in force."""
    bench.policy = parse_policy(in_force(bench))
    bench.restart()


@pytest.mark.parametrize("late", [0, 5 * LOCK])
def test_a_restart_during_the_wait_neither_shortens_nor_forgets_it(bench: Bench, late: int):
    propose(bench, proposal(bench))
    end = bench.clock.now + LOCK
    for now in (end - LOCK, end - 1):
        bench.clock.now = now
        reopen(bench)
        assert in_force(bench) == governed()
        assert [item.effective_at for item in status(bench).pending] == [end]
    bench.clock.now = end + late
    reopen(bench)
    assert status(bench).pending == ()
    assert in_force(bench) == LOOSER


def test_a_clock_set_back_during_the_wait_stops_signing_and_gains_nothing(bench: Bench):
    draft = payout(intent(expires_at=bench.clock.now + 10 * LOCK), fee=250_000)
    propose(bench, proposal(bench))
    end = bench.clock.now + LOCK
    bench.clock.now -= 1
    assert bench.tag(draft.request()) == "clock"
    bench.clock.now = end - 1
    assert bench.tag(draft.request()) == "fee-absolute"


def test_a_clock_set_ahead_ends_the_wait_only_for_a_clock_that_stays_ahead(bench: Bench):
    draft = payout(intent(expires_at=bench.clock.now + 10 * LOCK), fee=250_000)
    propose(bench, proposal(bench))
    now, end = bench.clock.now, bench.clock.now + LOCK
    bench.clock.now = end + 50
    bench.signer.advance()
    assert in_force(bench) == LOOSER
    # Back at the true time nothing is signed before the wait would have been over anyway.
    for later in (now, end - 1, end + 49):
        bench.clock.now = later
        assert bench.tag(draft.request()) == "clock"
    bench.clock.now = end + 50
    assert bench.tag(draft.request()) == "signed"


def test_a_newer_statement_takes_the_place_of_the_waiting_one_and_waits_again(bench: Bench):
    propose(bench, proposal(bench))
    bench.clock.now += LOCK - 10
    newer = governed(max_fee=250_000)
    propose(bench, proposal(bench, newer))
    (waiting,) = status(bench).pending
    assert (waiting.sequence, waiting.effective_at) == (2, bench.clock.now + LOCK)
    bench.clock.now += 20
    bench.signer.advance()
    assert in_force(bench) == governed()
    bench.clock.now += LOCK
    bench.signer.advance()
    assert in_force(bench) == newer


def test_a_tightening_drops_what_waits_so_that_it_is_not_undone_later(bench: Bench):
    propose(bench, proposal(bench))
    propose(bench, proposal(bench, TIGHTER))
    bench.clock.now += 2 * LOCK
    bench.signer.advance()
    assert in_force(bench) == TIGHTER


def test_both_documents_wait_on_their_own(bench: Bench):
    propose(bench, proposal(bench))
    bench.clock.now += 100
    wider = render(merchants(per_payout=5 * SATS))
    propose(bench, proposal(bench, wider, document=Document.MERCHANTS))
    assert [item.document for item in status(bench).pending] == ["policy", "merchants"]
    bench.clock.now += LOCK - 100
    bench.signer.advance()
    assert [item.document for item in status(bench).pending] == ["merchants"]
    bench.clock.now += 100
    bench.signer.advance()
    assert bench.signer.books.enrolment_hash == hashlib.sha256(wider).hexdigest()
    assert next(iter(bench.signer.enrolment.values())).caps
    assert status(bench).enrolment_hash == hashlib.sha256(wider).digest()


def cancel(bench: Bench, signed: Signed | None) -> None:
    bench.signer.change(partial(judge_cancellation, document=Document.POLICY, signed=signed))


def cancellation(bench: Bench, *keys: SigningKey, **changes: Any) -> Signed:
    waiting = bench.signer.books.changes.pending[Document.POLICY]
    fields: dict[str, Any] = {
        "deployment": DEPLOYMENT,
        "signer": "A",
        "document": Document.POLICY,
        "sequence": waiting.sequence,
        "sha256": bytes.fromhex(waiting.sha256),
    }
    return sign(Cancellation(**(fields | changes)).encode(), *keys)


def test_one_operator_cancels_at_once_and_the_next_statement_goes_on(bench: Bench):
    propose(bench, proposal(bench))
    cancel(bench, cancellation(bench, OPERATORS[2]))
    assert status(bench).pending == ()
    bench.clock.now += 2 * LOCK
    bench.restart()
    assert in_force(bench) == governed()
    propose(bench, proposal(bench, TIGHTER))
    assert in_force(bench) == TIGHTER


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("operators-missing", lambda at: cancellation(at, STRANGER)),
        ("operators-missing", cancellation),
        ("cancellation-other", lambda at: cancellation(at, OPERATORS[0], sequence=2)),
        ("cancellation-other", lambda at: cancellation(at, OPERATORS[0], signer="B")),
        ("cancellation-other", lambda at: cancellation(at, OPERATORS[0], sha256=bytes(32))),
        ("cancellation-other", lambda at: proposal(at).signed),
    ],
)
def test_a_cancellation_of_something_else_or_of_nobody_cancels_nothing(
    bench: Bench, code: str, make: Callable[[Bench], Signed]
):
    propose(bench, proposal(bench))
    signed = make(bench)
    with pytest.raises(StrongroomError) as error:
        cancel(bench, signed)
    assert error.value.code == code
    assert len(status(bench).pending) == 1


def test_nothing_to_cancel_is_said(bench: Bench):
    with pytest.raises(StrongroomError) as error:
        cancel(bench, None)
    assert error.value.code == "nothing-pending"


def test_what_waits_lapses_when_those_who_signed_it_are_operators_no_more(tmp_path: Path):
    bench = make_bench(tmp_path, governed(quorum=1))
    # The third operator's key was stolen: the others put it out of office; then the thief announces something.
    propose(bench, proposal(bench, governed(quorum=1, operators=2), keys=(OPERATORS[0],)))
    bench.clock.now += 10
    wider = render(merchants(per_payout=5 * SATS))
    propose(bench, proposal(bench, wider, keys=(OPERATORS[2],), document=Document.MERCHANTS))
    before = bench.signer.books.enrolment_hash
    bench.clock.now += 2 * LOCK
    bench.signer.advance()
    assert bench.signer.policy.trust.operators == tuple(bytes(key.verify_key) for key in OPERATORS[:2])
    assert (status(bench).pending, bench.signer.books.enrolment_hash) == ((), before)


def test_without_operators_a_loosening_waits_all_the_same(tmp_path: Path):
    text = policy_text().decode().replace("time_lock_seconds = 0", f"time_lock_seconds = {LOCK}").encode()
    bench = make_bench(tmp_path, text)
    looser = text.replace(b"max_fee = 200000", b"max_fee = 300000")
    propose(bench, Proposal(Document.POLICY, looser))
    assert in_force(bench) == text
    bench.clock.now += LOCK
    bench.signer.advance()
    assert in_force(bench) == looser


def test_only_the_newest_nonces_wait(bench: Bench):
    first = nonce_of(bench)
    wanted = proposal(bench, nonce=first)
    for _ in range(16):
        nonce_of(bench)
    assert code_of(bench, wanted) == "nonce-unknown"


def test_a_signed_chain_tx_that_was_read_under_another_policy_is_judged_by_the_new_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    draft = payout(intent(), coins=(coin(salt=8),), fee=150_000)
    wanted = proposal(bench, TIGHTER)
    real = bench.signer._may_act
    calls = []

    def change_meanwhile(_: object, **options: bool) -> int:
        calls.append(options)
        if len(calls) == 2:  # after the PSBT was read, before it is judged
            propose(bench, wanted)
        return real(**options)

    monkeypatch.setattr(type(bench.signer), "_may_act", change_meanwhile)
    assert bench.tag(draft.request()) == "fee-absolute"
    assert in_force(bench) == TIGHTER


TEXTS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=32)
HASHES = st.binary(min_size=32, max_size=32)


@given(
    deployment=TEXTS,
    signer=TEXTS,
    document=st.sampled_from(Document),
    sequence=st.integers(1, 2**63 - 1),
    nonce=HASHES,
    sha256=HASHES,
)
def test_a_statement_reads_back_as_it_was_written(**fields: Any):
    statement = Statement(**fields)
    assert Statement.decode(statement.encode()) == statement
    del fields["nonce"]
    cancelling = Cancellation(**fields)
    assert Cancellation.decode(cancelling.encode()) == cancelling
    for read, data in ((Cancellation.decode, statement.encode()), (Statement.decode, cancelling.encode())):
        with pytest.raises(InvalidStatementError):
            read(data)


GOOD = Statement("d", "A", Document.POLICY, 1, b"n" * 32, b"h" * 32).encode()


def test_the_bytes_of_a_statement_are_these():
    assert GOOD == (
        b"strongroom statement v1\x00\x00\x00\x00\x01d\x00\x00\x00\x01A\x00\x00\x00\x06policy\x00\x00\x00\x01\x01"
        b"\x00\x00\x00 " + b"n" * 32 + b"\x00\x00\x00 " + b"h" * 32
    )


@given(at=st.integers(0, len(GOOD) - 1), flip=st.integers(1, 255), cut=st.booleans())
def test_bent_bytes_are_refused_or_say_something_else(at: int, flip: int, cut: bool):
    bent = GOOD[:at] if cut else GOOD[:at] + bytes([GOOD[at] ^ flip]) + GOOD[at + 1 :]
    try:
        assert Statement.decode(bent) != Statement.decode(GOOD)
    except InvalidStatementError:
        return
    assert not cut


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"statement": "zz", "signatures": []}', b'{"statement": 1}'])
def test_a_file_that_is_no_statement_is_refused(data: bytes):
    with pytest.raises(InvalidStatementError):
        read_signed([data])


def test_files_of_two_operators_are_one_statement_and_of_two_statements_none():
    one, two = (json.dumps(sign(GOOD, key).encode()).encode() for key in OPERATORS[:2])
    both = read_signed([one, two])
    assert both is not None
    operators = [bytes(key.verify_key) for key in OPERATORS]
    assert both.signers(operators) == operators[:2]
    other = json.dumps(sign(GOOD + b"x", OPERATORS[1]).encode()).encode()
    with pytest.raises(InvalidStatementError):
        read_signed([one, other])
