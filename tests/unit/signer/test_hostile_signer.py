"""What a hostile platform tried on the signer, and what must not come of it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from strongroom_core.assets import BITCOIN_SIGNET, LITECOIN_REGTEST, REGTEST_LTC, SIGNET_BTC
from strongroom_core.messages import HaltRequest, Refused, Status
from strongroom_signer import decide
from strongroom_signer.decode import decode
from strongroom_signer.errors import PolicyError
from strongroom_signer.policy import ChainPolicy, parse_policy
from strongroom_signer.server import _receive
from tests.unit.signer.kit import ASSET, CHAIN, Bench, coin, intent, payout, policy_text

EMPTY_WITNESS_ITEMS = 1_500_000


@pytest.mark.parametrize("other", [(BITCOIN_SIGNET.id, SIGNET_BTC.id), (LITECOIN_REGTEST.id, REGTEST_LTC.id)])
def test_one_key_in_two_chains_is_refused_since_each_would_sign_for_the_other(other: tuple[str, str]):
    # BIP 143 names no chain: with one key in two, the limits of the one were a way around the limits of the other.
    head, tables = policy_text().decode().split("[chains", 1)
    first = "[chains" + tables
    second = first.replace(ASSET, other[1]).replace(CHAIN, other[0])
    with pytest.raises(PolicyError, match="two chains"):
        parse_policy((head + first + second).encode())


def test_a_halt_does_not_wait_for_a_psbt_that_takes_long_to_read(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    reading, halted = threading.Event(), threading.Event()

    def slowly(psbt: bytes, chain: ChainPolicy) -> object:
        reading.set()
        found = decode(psbt, chain)
        assert halted.wait(60)
        return found

    monkeypatch.setattr(decide, "decode", slowly)
    draft = payout(intent())
    slow = draft.but(input_changes={b"\x00": _with_witness_items(coin().previous, EMPTY_WITNESS_ITEMS)})
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(bench.ask(slow.request("slow"))))
    asking.start()
    assert reading.wait(60)
    status = bench.ask(HaltRequest("stop", "we are under attack"))
    assert isinstance(status, Status)
    assert status.halted
    halted.set()
    asking.join(120)
    (answer,) = answers
    assert isinstance(answer, Refused)
    assert answer.tag == "halted"
    assert not bench.signer.books.slots


def test_a_byte_now_and_then_does_not_hold_a_connection():
    ours, theirs = socket.socketpair()

    def drip() -> None:
        with contextlib.suppress(OSError):
            while True:  # until nobody is there to read it
                theirs.sendall(b"x")
                time.sleep(0.1)

    dripping = threading.Thread(target=drip, daemon=True)
    dripping.start()
    with pytest.raises(TimeoutError):
        _receive(ours, 100, 0.5)  # they would be there after ten seconds
    ours.close()
    dripping.join(60)
    theirs.close()


def _with_witness_items(raw: bytes, count: int) -> bytes:
    """The same chain tx by its txid, with a witness of that many empty items on its one input (BIP 144)."""
    witness = b"\xfe" + count.to_bytes(4, "little") + bytes(count)
    return raw[:4] + b"\x00\x01" + raw[4:-4] + witness + raw[-4:]
