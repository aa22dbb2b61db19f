"""A real signer on a host where things run out: the disk, the file descriptors."""

from __future__ import annotations

import resource
import socket
import time
from multiprocessing import get_context
from pathlib import Path

from strongroom_core.ids import MerchantId
from strongroom_core.messages import Status, StatusRequest
from strongroom_signer import host
from strongroom_signer.enrolment import Caps, EnrolledMerchant, parse_enrolment
from tests.integration.signer.pairs import until
from tests.integration.signer.processes import START_SECONDS, SignerProcess, command, make_folder, running, talk
from tests.unit.signer.kit import ASSET, MERCHANT, coin, intent, payout


def test_a_halt_by_hand_that_a_full_disk_kept_from_the_journal_holds_after_a_kill(root: Path):
    folder = make_folder(root, "A")
    draft = payout(intent(expires_at=int(time.time()) + 3_600))
    with running(folder) as signer:
        _limit(signer, resource.RLIMIT_FSIZE, 1)
        told = command("halt", "--dir", str(folder.root), "--reason", "we are under attack")
        assert told.returncode == 1
        assert "did not halt" in told.stderr
        # It could not write that it halts, so it does not sign either.
        assert signer.tag(draft.request()) == "journal-broken"
    with running(folder) as signer:
        assert signer.tag(draft.request()) == "halted"
        status = signer.ask(StatusRequest("req"))
        assert isinstance(status, Status)
        assert status.halt_reason == "we are under attack"
        assert not folder.halting.exists()


def test_a_signer_that_ran_out_of_descriptors_hears_again_when_it_has_some(root: Path):
    with running(make_folder(root, "A")) as signer:
        before = _limit(signer, resource.RLIMIT_NOFILE, 3)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
            last.settimeout(START_SECONDS)
            last.connect(str(signer.socket))
            # An accept that waits already has its descriptor, and the one after it has none; or this one has none.
            until(lambda: "accept-failed" in [line["event"] for line in signer.log()], "no accept failed")
            assert signer.process.poll() is None
            _limit(signer, resource.RLIMIT_NOFILE, before)
            assert isinstance(talk(last, StatusRequest("last")), Status)
        assert isinstance(signer.ask(StatusRequest("again")), Status)
        draft = payout(intent(expires_at=int(time.time()) + 3_600), coins=(coin(salt=1),))
        assert signer.tag(draft.request()) == "signed"


def test_a_merchant_that_is_enrolled_keeps_its_key_unless_the_hand_says_replace(root: Path):
    # A platform that is owned shows its operator "a new merchant": the id of an old one, and the thief's key.
    folder = make_folder(root, "A")
    before = folder.merchants.read_bytes()
    caps = ("--per-payout", "1000", "--per-window", "1000", "--unlisted-per-window", "1000")
    thief = ("--merchant", MERCHANT, "--branch", "2", "--key", "ab" * 32)
    refused = command("enroll", "--dir", str(folder.root), *thief, *caps)
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    assert folder.merchants.read_bytes() == before
    assert command("enroll", "--dir", str(folder.root), *thief, *caps, "--replace").returncode == 0
    assert b"ab" * 32 in folder.merchants.read_bytes()


def test_enrolments_at_the_same_time_do_not_undo_each_other(root: Path):
    folder = make_folder(root, "A")
    caps = Caps(ASSET, 1, 1, 1, ())
    merchants = [EnrolledMerchant(MerchantId.new(), 10 + at, bytes([at]) * 32, {}) for at in range(24)]

    def work(part: list[EnrolledMerchant]) -> None:
        for merchant in part:
            host.enrol(folder, merchant, caps)

    hands = [get_context("fork").Process(target=work, args=(merchants[at::4],)) for at in range(4)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join(100)
    assert [hand.exitcode for hand in hands] == [0, 0, 0, 0]
    assert {item.merchant for item in merchants} <= set(parse_enrolment(folder.merchants.read_bytes()))


def _limit(signer: SignerProcess, what: int, soft: int) -> int:
    """Set the process's soft limit and give the one before."""
    old, hard = resource.prlimit(signer.process.pid, what)
    resource.prlimit(signer.process.pid, what, (soft, hard))
    return old
