"""What a start asks before it signs: the peer and the witness, so that no owned host is enough."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

from strongroom_core.assets import BITCOIN
from strongroom_signer.chains import PARAMETERS
from strongroom_signer.guard import _latest
from strongroom_signer.peer_store import Pushed
from strongroom_signer.streaming import Tender
from tests.unit.signer.kit import CHAIN, NOW, coin, intent, payout
from tests.unit.signer.pair_kit import PAIR, pair
from tests.unit.signer.test_peers import draft, forget


def test_a_peer_that_gives_an_older_genuine_head_makes_nobody_sign_twice_while_the_witness_is_cut_off():
    with pair(witness=True) as (made, watching):
        assert watching is not None
        old, head = made.b.rows(), made.b.signer.peer.last.answer  # type: ignore[union-attr] # B's own signature on it
        payment = intent()
        assert made.b.tag(payout(payment, coins=(coin(salt=1),)).request()) == "signed"
        for _ in range(2):
            made.b.signer.witness.step()  # type: ignore[union-attr]
        whole = made.b.rows()
        # A thief owns A's host, B's disk is put back from a backup, and B cannot reach the witness.
        forget(made.a)
        made.a.store.accept(Pushed("B", old, head.signature), 1)
        watching.door.shut = True
        made.b.rewind(old)
        again = payout(payment, coins=(coin(salt=2),)).request()
        for _ in range(2):
            assert made.b.patient(again) == "peer-silent"
            assert "the witness has to say once" in made.b.signer.peer.trouble  # type: ignore[union-attr]
        assert made.b.rows() == old
        watching.door.shut = False
        assert made.b.patient(again) == "intent-bound"
        assert made.b.rows()[: len(whole)] == whole


def test_a_start_waits_for_the_witness_by_itself_and_a_hand_on_the_host_can_do_without():
    with pair(witness=True) as (made, watching):
        assert watching is not None
        watching.door.shut = True
        made.a.restart()
        assert made.a.tag(draft(1).request()) == "peer-silent"
        watching.door.shut = False
        tender = Tender(made.a.signer.tend)
        tender.start()
        end = time.monotonic() + 60
        while not made.a.signer.peer.settled and time.monotonic() < end:  # type: ignore[union-attr]
            time.sleep(0.05)
        tender.stop()
        tender.join()
        assert made.a.tag(draft(1).request()) == "signed"

        watching.door.shut = True
        made.a.close()
        made.a.open(without_witness=True)
        assert made.a.tag(draft(2).request()) == "signed"


def test_a_test_networks_time_stops_no_main_network() -> None:
    class View:
        def __init__(self, median: int) -> None:
            self.median_time = median

    test = PAIR.chains[CHAIN]
    main = replace(test, parameters=PARAMETERS[BITCOIN.id])
    views = {CHAIN: View(NOW + 7_200), BITCOIN.id: View(NOW)}
    both = replace(PAIR, chains={CHAIN: test, BITCOIN.id: main})
    assert _latest(SimpleNamespace(policy=both, views=views)) == NOW
    assert _latest(SimpleNamespace(policy=PAIR, views=views)) == NOW + 7_200
    assert _latest(SimpleNamespace(policy=both, views={})) == 0
