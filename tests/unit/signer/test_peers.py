"""No signature without the peer: behind, forked, silent, of another policy, with another clock; and back again."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from strongroom_core.messages import HaltRequest, JournalRow, JournalRows, Refused, Signed, Status, StatusRequest
from strongroom_core.peer_messages import HeadIs, HeadRequest, PushRequest
from strongroom_core.wire import Message
from strongroom_signer import holders, peers, records
from strongroom_signer.holders import ANSWER_SECONDS
from strongroom_signer.journal import row_hash
from tests.unit.signer.kit import KEYS, NOW, coin, enrol, intent, merchants, payout, sign, void
from tests.unit.signer.pair_kit import Host, Pair, pair, pair_text


@pytest.fixture
def signers() -> Iterator[Pair]:
    with pair() as (made, _):
        yield made


def held(of: Host, at: Host) -> list[bytes]:
    """The hashes of the rows of one signer that the other holds."""
    return [row.hash for row in at.store.copy(of.name, 1, 1_000)]


def hashes(host: Host) -> list[bytes]:
    return [row.hash for row in host.rows()]


def draft(salt: int = 0, **changes: object):
    return payout(intent(**changes), coins=(coin(salt=salt),))


def test_a_signature_leaves_when_the_peer_holds_its_row(signers: Pair):
    answer = signers.a.ask(draft().request())
    assert isinstance(answer, Signed)
    assert held(signers.a, signers.b) == hashes(signers.a)
    assert len(hashes(signers.a)) == answer.row


def test_one_round_trip_a_decision_once_they_talk(signers: Pair):
    signers.a.tag(draft().request())
    signers.b.door.asked.clear()
    for salt in range(1, 6):
        assert signers.a.tag(draft(salt).request()) == "signed"
    assert [type(item) for item in signers.b.door.asked] == [PushRequest] * 5


def test_the_same_request_again_needs_no_more_rows(signers: Pair):
    request = draft().request()
    first, again = signers.a.ask(request), signers.a.ask(request)
    assert first == again


def test_a_silent_peer_is_a_refusal_that_leaves_no_row(signers: Pair):
    signers.b.door.shut = True
    before = hashes(signers.a)
    signers.a.restart()
    for message in (draft().request(), void(sign(intent()))):
        assert signers.a.tag(message) == "peer-silent"
    assert hashes(signers.a) == before
    signers.b.door.shut = False
    assert signers.a.patient(draft().request()) == "signed"


def test_a_peer_that_goes_silent_between_row_and_signature_keeps_the_signature_back(signers: Pair):
    request = draft().request()
    signers.a.ask(draft(1).request())
    signers.b.door.shut = True
    assert signers.a.tag(request) == "peer-silent"
    decided = hashes(signers.a)
    assert len(decided) == len(held(signers.a, signers.b)) + 1
    signers.b.door.shut = False
    answer = signers.a.patient(request)
    assert answer == "signed"
    assert hashes(signers.a) == decided == held(signers.a, signers.b)


def test_a_promise_to_void_is_confirmed_before_it_is_given(signers: Pair):
    signers.a.ask(draft(1).request())
    evidence = sign(intent())
    signers.b.door.shut = True
    assert signers.a.tag(void(evidence)) == "peer-silent"
    signers.b.door.shut = False
    assert signers.a.patient(void(evidence)) == "voided"
    assert held(signers.a, signers.b) == hashes(signers.a)


@pytest.mark.parametrize("kept", range(1, 6))
def test_a_signer_from_a_backup_refuses_gets_its_rows_back_and_goes_on(signers: Pair, kept: int):
    paid = [intent() for _ in range(3)]
    drafts = [payout(item, coins=(coin(salt=salt),)) for salt, item in enumerate(paid)]
    answers = [signers.a.ask(item.request()) for item in drafts]
    assert all(isinstance(answer, Signed) for answer in answers)
    whole = signers.a.rows()

    signers.a.rewind(whole[:kept])
    other = payout(paid[2], coins=(coin(salt=9),))
    wanted = "journal-behind" if kept < len(whole) else "intent-bound"
    assert signers.a.tag(other.request()) == wanted
    assert signers.a.rows()[: len(whole)] == whole
    # Its memory is back: what was bound before the rewind is bound, and what was signed is signed the same.
    assert signers.a.tag(other.request()) == "intent-bound"
    assert [signers.a.ask(item.request()) for item in drafts] == answers
    assert signers.a.tag(draft(7).request()) == "signed"


def test_a_journal_that_is_gone_altogether_comes_back(signers: Pair):
    signers.a.ask(draft().request())
    whole = signers.a.rows()
    signers.a.store_of_peer_has_mine = lambda: True  # type: ignore[method-assign]
    signers.a.rewind([])
    assert signers.a.tag(draft(1).request()) == "journal-behind"
    assert signers.a.rows() == whole
    assert signers.a.signer.books.fingerprint == KEYS["A"].master.fingerprint.hex()
    assert signers.a.tag(draft(1).request()) == "signed"


def test_nothing_is_written_before_the_journal_is_known_to_be_whole(signers: Pair):
    signers.a.ask(draft().request())
    whole = signers.a.rows()
    signers.b.door.shut = True
    signers.a.rewind(whole[:2])
    kept: list[str] = []
    signers.a.signer.keep_halt = kept.append
    assert signers.a.tag(draft(1).request(chain="unknown")) == "peer-silent"
    answer = signers.a.ask(HaltRequest("req", "thieves"))
    assert isinstance(answer, Status)
    assert answer.halted
    assert kept == ["thieves"]
    assert signers.a.tag(draft(1).request()) == "halted"
    assert signers.a.rows() == whole[:2]

    signers.b.door.shut = False
    signers.a.signer.peer._silent_until = 0.0  # type: ignore[union-attr]
    for _ in range(2):
        signers.a.signer.tend()
    assert signers.a.rows()[: len(whole)] == whole
    assert len(signers.a.rows()) == len(whole) + 1
    assert signers.a.signer.books.halt_reason == "thieves"
    assert signers.a.signer.books.halt_row == len(whole) + 1
    assert signers.a.tag(draft(1).request()) == "halted"


def fork(host: Host, last: int) -> None:
    """Have the signer write another past after row ``last``, as one would that was rewound and did not ask."""
    rows = host.rows()[:last]
    body = records.voided(NOW, "req", bytes(32), "another past")
    host.rewind(rows)
    host.signer.journal.append(body)
    host.restart()


def test_two_pasts_of_one_signer_are_a_fork_that_is_recorded_and_ends_signing(signers: Pair):
    signers.a.ask(draft().request())
    whole = signers.a.rows()
    fork(signers.a, len(whole) - 1)
    other = signers.a.rows()
    for _ in range(2):
        assert signers.a.tag(draft(1).request()) == "journal-forked"
    assert signers.a.rows() == other
    assert held(signers.a, signers.b) == [row.hash for row in whole]

    # It stopped before it pushed anything. Who pushes the second past by force is refused, and leaves the proof.
    last = other[-1]
    signature = signers.a.signer.peer._peer._owner.sign(last.number, last.hash)  # type: ignore[union-attr]
    answer = signers.b.door.answer(PushRequest("req", "A", (last,), signature))
    assert isinstance(answer, Refused)
    assert answer.tag == "journal-forked"
    assert signers.b.store.forks("A") == [(len(whole), whole[-1].hash, last.hash)]
    assert held(signers.a, signers.b) == [row.hash for row in whole]


def test_a_longer_second_past_is_a_fork_too(signers: Pair):
    signers.a.ask(draft().request())
    count = len(signers.a.rows())
    fork(signers.a, 1)
    assert len(signers.a.rows()) < count
    assert signers.a.tag(draft(1).request()) == "journal-forked"


def test_two_signers_that_confirm_at_each_other_at_once_do_not_wait_for_each_other(signers: Pair):
    done: list[str] = []

    def work(host: Host, first: int) -> None:
        done.extend(host.tag(draft(first + at, amount=1_000).request()) for at in range(20))

    threads = [
        threading.Thread(target=work, args=(host, 100 * at)) for at, host in enumerate((*signers.hosts, *signers.hosts))
    ]
    # Each waits with its answer until the other one asks, so that both hold their decision's lock at that moment.
    both = threading.Barrier(2, timeout=1.0)

    def meet(message: object) -> None:
        if isinstance(message, PushRequest):
            try:
                both.wait()
            except threading.BrokenBarrierError:
                both.reset()

    for host in signers.hosts:
        host.door.before = meet
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    # Where they waited for each other, each would be silent to the other.
    assert done == ["signed"] * 80


def test_a_halt_does_not_wait_longer_than_the_peer_may_take(signers: Pair, monkeypatch: pytest.MonkeyPatch):
    signers.a.ask(draft().request())
    for module in (holders, peers):
        monkeypatch.setattr(module, "ANSWER_SECONDS", ANSWER_SECONDS)
    asked, answering = threading.Event(), threading.Event()

    def late(_: object) -> None:
        asked.set()
        answering.wait(60)

    signers.b.door.before = late
    tags: list[str] = []
    deciding = threading.Thread(target=lambda: tags.append(signers.a.tag(draft(1).request())))
    deciding.start()
    assert asked.wait(60)
    signers.a.ask(HaltRequest("req", "now"))
    answering.set()  # not before: the halt did not wait for the peer's answer
    deciding.join(60)
    assert tags == ["peer-silent"]
    assert signers.a.signer.books.halted


def test_a_halt_that_comes_while_a_decision_is_confirmed_stops_its_signature(signers: Pair):
    signers.a.ask(draft().request())
    halting = threading.Thread(target=lambda: signers.a.ask(HaltRequest("req", "now")))

    def halt_meanwhile(message: object) -> None:
        if isinstance(message, PushRequest) and not halting.is_alive():
            halting.start()
            assert signers.a.signer._halting.wait(60)

    signers.b.door.before = halt_meanwhile
    assert signers.a.tag(draft(1).request()) == "halted"
    halting.join(60)
    assert signers.a.signer.books.halted


def test_another_policy_or_other_merchants_at_the_peer_are_a_refusal(signers: Pair):
    signers.b.text = pair_text(payout_fee=999)
    signers.b.restart()
    signers.b.signer.policy = signers.b.policy
    assert signers.a.tag(draft().request()) == "peer-policy"
    assert signers.a.tag(void(sign(intent()))) == "voided"
    signers.b.text = pair_text()
    signers.b.signer.policy = signers.b.policy
    assert signers.a.tag(draft().request()) == "signed"

    other = merchants(per_payout=1)
    enrol(signers.b.signer, other)
    assert signers.a.tag(draft(1).request()) == "peer-policy"


class OwnClock:
    """A clock that goes wrong."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@pytest.mark.parametrize(
    ("ahead", "tag"), [(0, "signed"), (7_100, "signed"), (7_300, "clock"), (86_400, "clock"), (365 * 86_400, "clock")]
)
def test_a_clock_more_than_two_hours_ahead_of_the_peer_signs_nothing_and_spoils_nothing(
    signers: Pair, ahead: int, tag: str
):
    signers.a.ask(draft().request())
    before = hashes(signers.a)
    signers.a.signer.clock = OwnClock(NOW + ahead)
    assert signers.a.tag(draft(1, expires_at=NOW + 400 * 86_400).request()) == tag
    if tag == "clock":
        signers.a.ask(HaltRequest("req", "the clock is wrong"))
        assert signers.a.tag(void(sign(intent()))) == "clock"
        assert hashes(signers.a) == before
        signers.a.signer.clock = OwnClock(NOW + 1)
        signers.a.signer.tend()
        assert signers.a.signer.books.halt_row == len(before) + 1
        signers.a.signer.resume()
        assert signers.a.tag(draft(2).request()) == "signed"


@pytest.mark.parametrize(("median", "tag"), [(NOW, "signed"), (NOW + 1, "clock")])
def test_a_clock_before_the_best_headers_median_time_signs_nothing(signers: Pair, median: int, tag: str):
    class View:
        median_time = median
        height = -1
        trouble = ""

        def block(self, height: int) -> None:
            del height

    signers.a.signer.views = {"bip122:0f9188f13cb7b2c71f2a335e3a4fc328": View()}  # type: ignore[dict-item]
    assert signers.a.tag(draft().request()) == tag


def test_refusals_reach_the_peer_without_a_request_and_the_status_says_how_far(signers: Pair):
    signers.a.ask(draft().request())
    assert signers.a.tag(draft(1).request(chain="unknown")) == "chain-unknown"
    assert lags(signers.a) == {"peer": 1}
    signers.a.signer.tend()
    assert lags(signers.a) == {"peer": 0}
    assert held(signers.a, signers.b) == hashes(signers.a)


def lags(host: Host) -> dict[str, int]:
    status = host.ask(StatusRequest("req"))
    assert isinstance(status, Status)
    return {item.role: item.lag for item in status.holdings}


def test_the_witness_gets_everything_later_and_has_what_both_signers_lost():
    with pair(witness=True) as (made, watching):
        assert watching is not None
        made.a.ask(draft().request())
        assert lags(made.a)["witness"] == len(made.a.rows())
        for _ in range(2):
            made.a.signer.witness.step()  # type: ignore[union-attr]
        assert lags(made.a)["witness"] == 0
        whole = made.a.rows()
        assert [row.hash for row in watching.store.copy("A", 1, 100)] == [row.hash for row in whole]

        # Both hosts are restored from the same old backup: B's copy of A's journal is as old as A's own.
        forget(made.b)
        made.a.rewind(whole[:2])
        assert made.a.tag(draft(1).request()) == "journal-behind"
        assert made.a.rows() == whole
        assert made.a.tag(draft(1).request()) == "signed"
        assert held(made.a, made.b) == hashes(made.a)

        watching.door.shut = True
        made.a.signer.witness.step()  # type: ignore[union-attr]
        assert made.a.tag(draft(2).request()) == "signed", "once it is settled, signing waits for no witness"
        status = made.a.ask(StatusRequest("req"))
        assert isinstance(status, Status)
        assert [item.lag for item in status.holdings if item.role == "witness"] == [len(made.a.rows())]


def forget(host: Host) -> None:
    """A host loses what it held of its peer's journal."""
    store, path = host.store, host.folder / "peers.sqlite"
    store.close()
    for file in host.folder.glob("peers.sqlite*"):
        file.unlink()
    host.store = type(store)(path)


def test_a_peer_that_lost_its_copy_gets_it_again(signers: Pair):
    signers.a.ask(draft().request())
    forget(signers.b)
    signers.a.restart()
    assert signers.a.tag(draft(1).request()) == "signed"
    assert held(signers.a, signers.b) == hashes(signers.a)


def test_a_peer_that_lies_is_a_silent_one(signers: Pair):
    signers.a.ask(draft().request())
    rows = signers.a.rows()
    request = draft(1).request()

    def head(**changes: object) -> HeadIs:
        values = {"request_id": "x", "owner": "A", "rows": len(rows), "head": rows[-1].hash, "signature": bytes(64)}
        about = {"policy_hash": bytes(32), "enrolment_hash": bytes(32), "now": NOW}
        return HeadIs(**(values | about | changes))  # type: ignore[arg-type]

    lies = [
        head(rows=len(rows) + 5, head=bytes(32)),
        head(head=bytes(32)),
        head(owner="B"),
        head(rows=0, head=bytes(32), signature=b""),
        Refused("x", "rows-refused", "no", ""),
        StatusRequest("x"),
    ]
    for lie in lies:
        signers.a.restart()
        signers.b.door.desk = lambda lie=lie: Fixed(lie)  # type: ignore[assignment, misc]
        assert signers.a.tag(request) == "peer-silent", lie
    assert signers.a.rows() == rows


class Fixed:
    """Answers every question with the same message."""

    def __init__(self, message: object) -> None:
        self.message = message

    def answer(self, message: object) -> object:
        del message
        return self.message


def test_a_peer_can_withhold_rows_but_not_invent_them(signers: Pair):
    signers.a.ask(draft().request())
    whole, honest = signers.a.rows(), signers.b.door.desk
    body = b'{"at":1800000000,"kind":"resumed","halt":0}'

    class Inventing:
        def answer(self, message: Message) -> Message:
            answer = honest().answer(message)
            if isinstance(answer, JournalRows):
                first = answer.rows[0]
                made = JournalRow(first.number, first.previous, body, row_hash(first.previous, first.number, body))
                return JournalRows(answer.request_id, (made,))
            return answer

    signers.b.door.desk = Inventing  # type: ignore[assignment]
    signers.a.rewind(whole[:-1])
    assert signers.a.patient(draft(1).request()) == "peer-silent"
    assert signers.a.rows() == whole[:-1]
    signers.b.door.desk = honest
    assert signers.a.patient(draft(1).request()) == "signed"
    assert signers.a.rows()[: len(whole)] == whole


@pytest.mark.parametrize("off", ["journal-behind", "peer-policy", "clock"])
def test_each_rule_can_be_switched_off_by_its_tag(off: str):
    with pair(text=pair_text(off, *(["journal-forked"] if off == "journal-behind" else []))) as (made, _):
        made.a.ask(draft().request())
        if off == "journal-behind":
            made.a.rewind(made.a.rows()[:2])
        elif off == "clock":
            made.a.signer.clock = OwnClock(NOW + 86_400)
        else:
            enrol(made.b.signer, {})
        assert made.a.tag(draft(1, expires_at=NOW + 400 * 86_400).request()) == "signed"


def test_a_head_is_told_to_whoever_asks_and_an_unknown_owner_has_none(signers: Pair):
    signers.a.ask(draft().request())
    head = signers.b.door.answer(HeadRequest("req", "A"))
    assert isinstance(head, HeadIs)
    assert (head.rows, head.head) == (len(signers.a.rows()), hashes(signers.a)[-1])
    for owner in ("B", "C", ""):
        answer = signers.b.door.answer(HeadRequest("req", owner))
        assert isinstance(answer, Refused)
        assert answer.tag == "owner-unknown"
