"""Conversions: every rule with its tag, what is booked once, and what a day allows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from strongroom_core.ids import HOUSE_MERCHANT, MerchantId
from strongroom_core.intents import SignedIntent
from strongroom_core.messages import HaltRequest
from strongroom_core.proof_messages import ConvertRequest
from strongroom_signer.balances import HOUSE
from tests.unit.signer.books_kit import BTC, CONVERT_PER_DAY, ETH, HOUSE_PLACE, USDT, World, order, sign_order
from tests.unit.signer.kit import (
    CHAIN,
    MERCHANT,
    MERCHANT_KEY,
    NOW,
    OTHER_KEY,
    OTHER_MERCHANT,
    SATS,
    coin,
    intent,
    payout,
    sign,
)
from tests.unit.signer.safe_kit import UNITS

STRANGER = MerchantId("mer_01j9zzzzzzzzzzzzzzzzzzzzz9")
SELL = SATS // 2


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The merchant has 4 BTC less the fee, the house 500,000 USDT."""
    made = World(tmp_path)
    made.fund(4 * SATS)
    made.sweep_in(USDT, 500_000 * UNITS, HOUSE_PLACE)
    yield made
    made.close()


MUTANTS: dict[str, tuple[dict[str, Any], SigningKey | None, str]] = {
    "another deployment": ({"deployment": "elsewhere"}, None, "intent-deployment"),
    "a merchant that nobody enrolled": ({"merchant": STRANGER}, MERCHANT_KEY, "merchant-unknown"),
    "the house": ({"merchant": HOUSE_MERCHANT}, MERCHANT_KEY, "merchant-unknown"),
    "another's key": ({}, OTHER_KEY, "order-unsigned"),
    "expired": ({"expires_at": NOW}, None, "order-expired"),
    "a pair without a band": ({"buy_asset": ETH}, None, "price-band"),
    "the pair the other way round": ({"sell_asset": USDT, "buy_asset": BTC}, None, "price-band"),
    "a unit above the band": ({"buy_amount": SELL * 1100 + 1}, None, "price-band"),
    "a unit below the band": ({"buy_amount": SELL * 900 - 1}, None, "price-band"),
    "more than the day's": ({"sell_amount": CONVERT_PER_DAY + 1, "buy_amount": SELL * 4000}, None, "conversion-daily"),
    "what another has": ({"merchant": OTHER_MERCHANT}, None, "balance-merchant"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_conversion_that_breaks_a_rule_is_refused_with_its_tag_and_books_nothing(world: World, name: str):
    changes, key, tag = MUTANTS[name]
    before = dict(world.bench.signer.books.balances)
    assert world.convert(order(**changes), key) == tag
    assert world.bench.signer.books.balances == before


@pytest.mark.parametrize("price", [900, 1100])
def test_both_ends_of_the_band_are_in_it(world: World, price: int):
    assert world.convert(order(buy_amount=SELL * price)) == "converted"


def test_bytes_that_are_no_order_and_bytes_that_were_changed_are_refused(world: World):
    signed = sign_order(order())
    changed = order(buy_amount=SELL * 1001)
    cases = {
        "order-malformed": SignedIntent(signed.intent + b"\0", signed.public_key, signed.signature),
        "order-unsigned": SignedIntent(changed.encode(), signed.public_key, signed.signature),
    }
    for tag, evidence in cases.items():
        assert world.bench.tag(ConvertRequest("req", evidence)) == tag
    # What a merchant signed as a payment is no order.
    assert world.bench.tag(ConvertRequest("req", sign(intent()))) == "order-malformed"


def test_one_order_id_has_one_order(world: World):
    first = order()
    assert world.convert(first) == "converted"
    assert world.convert(order(order=first.order, buy_amount=first.buy_amount + 1)) == "order-repeated"
    world.restart()
    assert world.convert(first) == "converted"
    assert world.balance(MERCHANT, USDT) == first.buy_amount
    # An id is one merchant's own; another may have the same.
    assert world.convert(order(order=first.order, merchant=OTHER_MERCHANT)) == "balance-merchant"


def test_what_a_rolling_day_converts_is_bounded(world: World):
    assert world.convert(order(sell_amount=CONVERT_PER_DAY, buy_amount=CONVERT_PER_DAY * 1000)) == "converted"
    assert world.convert(order(sell_amount=1, buy_amount=1000)) == "conversion-daily"
    world.bench.clock.now += 86_400
    later = world.bench.clock.now + 60
    assert world.convert(order(sell_amount=1, buy_amount=1000, expires_at=later)) == "converted"


def test_the_house_gives_no_more_than_it_has(world: World):
    world.fund(SATS, HOUSE_PLACE)
    all_of_it = world.balance(HOUSE, USDT)
    spent = order(sell_amount=SATS, buy_amount=SATS * 1000)
    assert world.convert(spent) == "converted"
    left = all_of_it - SATS * 1000
    assert world.balance(HOUSE, USDT) == left
    world.bench.signer.books.money.charge(USDT, left - 10)
    assert world.convert(order(sell_amount=1, buy_amount=1000)) == "balance-house"


def test_no_conversion_while_halted_in_trouble_or_frozen(world: World):
    world.bitcoin.trouble = "no"
    assert world.convert(order()) == "chain-view"
    world.bitcoin.trouble, world.evm.trouble = "", "no"
    assert world.convert(order()) == "chain-view"
    world.evm.trouble = ""
    world.bench.ask(HaltRequest("req", "test"))
    assert world.convert(order()) == "halted"
    world.bench.signer.resume()
    world.bench.signer.books.money._move(MERCHANT, ETH, -1)
    assert world.convert(order()) == "merchant-frozen"


def test_what_was_bought_can_be_paid_out_and_what_was_sold_cannot(world: World):
    assert world.convert(order(sell_amount=2 * SATS, buy_amount=2 * SATS * 1000)) == "converted"
    rest = world.balance(MERCHANT)
    others = world.fund(9 * SATS, 3)
    assert world.bench.tag(payout(intent(amount=rest), coins=(others,)).request()) == "balance-merchant"
    assert world.bench.tag(payout(intent(amount=rest - 1_000), coins=(others,)).request()) == "signed"
    assert world.balance(MERCHANT) == 0
    assert coin().txid
    assert CHAIN in world.bench.signer.views
