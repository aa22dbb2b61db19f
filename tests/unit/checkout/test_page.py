from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import segno

from strongroom.checkout import qr
from strongroom.checkout.page import Facts, state
from strongroom.deposits.model import Deposit, DepositException, DepositState
from strongroom.wallets.model import KeySetKind, Purpose
from strongroom_core.assets import BITCOIN_REGTEST, REGTEST_BTC
from strongroom_core.ids import AddressId, DepositId, MerchantId
from tests.unit.checkout.views import AT, DUE, payment, view


def deposit(**changes: Any) -> Deposit:
    fields: dict[str, Any] = {
        "id": DepositId.new(),
        "chain": BITCOIN_REGTEST.id,
        "asset": REGTEST_BTC.id,
        "merchant_id": MerchantId.new(),
        "address_id": AddressId.new(),
        "address": "bcrt1q",
        "kind": KeySetKind.COLD,
        "branch": 2,
        "purpose": Purpose.INVOICE,
        "reference": None,
        "txid": "ab" * 32,
        "vout": 0,
        "amount": DUE,
        "coinbase": False,
        "rbf": True,
        "below_minimum": False,
        "wrong_asset": False,
        "confirmations_needed": 3,
        "state": DepositState.SEEN,
        "height": None,
        "block_hash": None,
        "confirmations": 0,
        "cycle": 1,
        "credited_cycle": 0,
        "fee": 0,
        "credited": 0,
        "exception": None,
        "replaced_by": None,
        "first_seen_at": AT,
        "credited_at": None,
    }
    return Deposit(**(fields | changes))


def shown(view_: dict[str, Any], *deposits: Deposit) -> dict[str, Any]:
    return state(Facts(view_, deposits, 1_000, AT + timedelta(milliseconds=1)))


def test_the_state_has_all_that_a_paying_program_needs_and_nothing_of_the_merchants():
    found = shown(view())
    for name in ("address", "asset", "amount_remaining", "payment_uri", "status"):
        assert found[name]
    assert found["server_time"] == "2030-01-01T12:00:00.001Z"
    text = json.dumps(found)
    assert "secret" not in text
    assert "mer_" not in text
    assert "dep_" not in text
    assert "adr_" not in text


def test_a_payment_that_may_be_replaced_says_so_until_it_is_in_a_block():
    (told,) = shown(view("processing", "none", payment()), deposit())["page"]["payments"]
    assert "may still replace it (RBF)" in told["note"]
    (told,) = shown(view("processing", "none", payment()), deposit(rbf=False))["page"]["payments"]
    assert told["note"] == ""
    (told,) = shown(view("processing", "none", payment("confirming", confirmations=1)), deposit())["page"]["payments"]
    assert told["note"] == ""
    assert told["words"] == "1 of 3 confirmations"


@pytest.mark.parametrize("fate", DepositException)
def test_a_payment_that_is_gone_says_why(fate: DepositException):
    (told,) = shown(view("new", "none", payment("dropped")), deposit(exception=fate))["page"]["payments"]
    assert told["note"]


def test_dust_is_said_to_be_kept():
    (told,) = shown(view("new", "underpaid", payment(below_minimum=True)))["page"]["payments"]
    assert "Too small" in told["note"]


def test_the_way_to_pay_is_shown_only_while_it_is_open():
    page = shown(view())["page"]
    assert page["pay"]
    assert page["qr_path"]
    assert page["amount"] == "0.001"
    part = shown(view("new", "underpaid", payment(amount=40_000)))["page"]
    assert (part["amount"], part["amount_label"]) == ("0.0006", "Still to pay")
    assert "amount=0.0006" in part["payment_uri"]
    for over in (view("paid", "none", payment("credited")), view("expired"), view("invalid", reason="cancelled")):
        page = shown(over)["page"]
        assert not page["pay"]
        assert page["over"]
        assert page["qr_path"] == ""


def test_the_path_draws_exactly_the_symbols_dark_modules():
    text = "bitcoin:bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202?amount=0.001"
    code = qr.draw(text)
    drawn = set()
    for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", code.path):
        drawn |= {(int(x) + step, int(y)) for step in range(int(length))}
    rows = segno.make(text, error="m", micro=False, boost_error=False).matrix
    wanted = {
        (x + qr.QUIET_ZONE, y + qr.QUIET_ZONE) for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
    }
    assert drawn == wanted
    assert code.size == len(rows) + 8


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (0, "0 confirmations, waiting for the network to call it final"),
        (1, "1 confirmation, waiting for the network to call it final"),
        (30, "30 confirmations, waiting for the network to call it final"),
    ],
)
def test_where_the_network_says_what_is_final_no_count_is_promised(now: int, words: str) -> None:
    state_ = "confirming" if now else "seen"
    page = shown(view("processing", "none", payment(state_, DUE, now, None), payment("confirming", 1, 1, 3)))["page"]
    assert words in page["detail"]
    assert " of " not in page["detail"]
    (told, _) = page["payments"]
    assert told["words"] == (words if now else "Seen, not in a block yet")
