"""A change at two signers: while only one has it, nothing is signed, and then it goes on by itself."""

from __future__ import annotations

import hashlib
from functools import partial

import pytest

from strongroom_core.statements import Document
from strongroom_signer.change_errors import NothingPendingError
from strongroom_signer.statements import Proposal, judge_cancellation, judge_proposal
from tests.unit.signer.kit import NOW, coin, intent, payout
from tests.unit.signer.pair_kit import Host, Pair, pair, pair_text

LOCK = 600
OLD = pair_text(max_fee_rate=5_000).replace(b"time_lock_seconds = 0", b"time_lock_seconds = %d" % LOCK)
LOOSER = OLD.replace(b"max_fee = 200000", b"max_fee = 300000")
TIGHTER = OLD.replace(b"max_fee = 200000", b"max_fee = 100000")


def announce(host: Host, text: bytes) -> None:
    host.signer.change(partial(judge_proposal, proposal=Proposal(Document.POLICY, text)))


def tags(made: Pair, salt: int) -> list[str]:
    for host in made.hosts:
        host.signer.advance()  # as each process does every second
    draft = payout(intent(expires_at=NOW + 100_000), coins=(coin(salt=salt),))
    return [host.tag(draft.request()) for host in made.hosts]


def test_while_only_one_signer_has_the_new_policy_both_wait_and_then_go_on_by_themselves():
    with pair(text=OLD) as (made, _):
        announce(made.a, LOOSER)
        made.clock.now += 60
        announce(made.b, LOOSER)
        assert tags(made, 1) == ["signed", "signed"]
        made.clock.now = NOW + LOCK
        assert tags(made, 2) == ["peer-policy", "peer-policy"]
        made.clock.now += 59
        assert tags(made, 3) == ["peer-policy", "peer-policy"]
        made.clock.now += 1
        assert tags(made, 4) == ["signed", "signed"]
        assert {host.signer.policy.hash for host in made.hosts} == {hashlib.sha256(LOOSER).digest()}


def test_a_tightening_at_one_signer_stops_both_at_once():
    with pair(text=OLD) as (made, _):
        assert tags(made, 1) == ["signed", "signed"]
        announce(made.b, TIGHTER)
        assert tags(made, 2) == ["peer-policy", "peer-policy"]
        announce(made.a, TIGHTER)
        assert tags(made, 3) == ["signed", "signed"]


def test_a_peer_that_is_silent_keeps_nobody_from_cancelling_or_tightening():
    with pair(text=OLD) as (made, _):
        announce(made.a, LOOSER)
        made.b.door.shut = True
        cancel = partial(judge_cancellation, document=Document.POLICY, signed=None)
        made.a.signer.change(cancel)
        with pytest.raises(NothingPendingError):
            made.a.signer.change(cancel)
        announce(made.a, TIGHTER)
        assert made.a.signer.policy.hash == hashlib.sha256(TIGHTER).digest()
