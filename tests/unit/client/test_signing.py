"""A signed intent proves exactly one payment to whoever holds the public key already."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest

from strongroom_client.errors import SignatureInvalidError
from strongroom_client.keys import MerchantKey
from strongroom_client.signing import (
    DEFAULT_LIFE_SECONDS,
    make_intent,
    sign_intent,
    signed_from_json,
    signed_to_json,
    verify_intent,
)
from strongroom_core.amounts import Amount, AssetMismatchError
from strongroom_core.assets import BTC, REGTEST_BTC
from strongroom_core.ids import PayoutId
from strongroom_core.intents import InvalidIntentError, PaymentIntent, SignedIntent

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "payment_intent_v1.json").read_text())
KEY = MerchantKey.from_seed(bytes(range(32)))
ORDER = 2**252 + 27742317777372353535851937790883648493
MERCHANT = "mer_01jd0000000000000000000000"


def example(**changes: Any) -> PaymentIntent:
    fields: dict[str, Any] = {
        "deployment": "demo",
        "merchant": MERCHANT,
        "amount": Amount(REGTEST_BTC, 150_000),
        "destination": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
        "fee_ceiling": Amount(REGTEST_BTC, 5_000),
    }
    return make_intent(**fields | changes)


def test_an_intent_says_what_was_asked_for() -> None:
    before = int(time.time())
    intent = example(tag="7")
    assert (intent.deployment, intent.merchant, intent.tag) == ("demo", MERCHANT, "7")
    assert (intent.asset, intent.amount, intent.fee_ceiling) == (REGTEST_BTC.id, 150_000, 5_000)
    assert before + DEFAULT_LIFE_SECONDS <= intent.expires_at <= int(time.time()) + DEFAULT_LIFE_SECONDS
    assert PayoutId.parse(intent.payout) != example().payout


def test_a_payout_id_and_expiry_that_are_given_are_kept() -> None:
    payout = PayoutId.new()
    intent = example(payout=payout, expires_at=1_893_456_000)
    assert (intent.payout, intent.expires_at) == (payout, 1_893_456_000)


def test_a_fee_ceiling_in_another_asset_is_refused() -> None:
    with pytest.raises(AssetMismatchError):
        example(fee_ceiling=Amount(BTC, 5_000))


@pytest.mark.parametrize(
    "changes",
    [{"amount": Amount(REGTEST_BTC, 0)}, {"destination": ""}, {"merchant": "mer_1"}, {"expires_at": 0}, {"tag": "a b"}],
)
def test_an_intent_that_breaks_the_format_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidIntentError):
        example(**changes)


def test_a_signed_intent_verifies_to_the_same_intent() -> None:
    intent = example()
    assert verify_intent(sign_intent(intent, KEY), KEY.public_key) == intent


@pytest.mark.parametrize("entry", VECTORS["valid"], ids=lambda entry: entry["name"])
def test_the_vectors_are_signed_and_verified(entry: dict[str, Any]) -> None:
    key = MerchantKey.from_seed(bytes.fromhex(entry["ed25519_seed"]))
    signed = sign_intent(PaymentIntent.decode(bytes.fromhex(entry["encoded"])), key)
    assert signed.public_key.hex() == entry["ed25519_public_key"]
    assert signed.signature.hex() == entry["ed25519_signature"]
    assert verify_intent(signed, key.public_key).hash.hex() == entry["hash"]


@pytest.mark.parametrize("entry", VECTORS["invalid"], ids=lambda entry: entry["name"])
def test_a_good_signature_over_no_intent_is_refused(entry: dict[str, Any]) -> None:
    data = bytes.fromhex(entry["encoded"])
    if len(data) > 2048:
        with pytest.raises(InvalidIntentError):
            SignedIntent(data, KEY.public_key, KEY.sign(data))
        return
    with pytest.raises(InvalidIntentError):
        verify_intent(SignedIntent(data, KEY.public_key, KEY.sign(data)), KEY.public_key)


def test_every_flipped_bit_of_the_signature_is_refused() -> None:
    signed = sign_intent(example(), KEY)
    for bit in range(512):
        signature = bytearray(signed.signature)
        signature[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SignatureInvalidError):
            verify_intent(dataclasses.replace(signed, signature=bytes(signature)), KEY.public_key)


def test_every_flipped_bit_of_the_intent_is_refused() -> None:
    signed = sign_intent(example(), KEY)
    for bit in range(len(signed.intent) * 8):
        intent = bytearray(signed.intent)
        intent[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SignatureInvalidError):
            verify_intent(dataclasses.replace(signed, intent=bytes(intent)), KEY.public_key)


def test_a_second_spelling_of_a_signature_is_refused() -> None:
    """Ed25519 is malleable where S + L is taken for S (RFC 8032, 5.1.7)."""
    signed = sign_intent(example(), KEY)
    scalar = int.from_bytes(signed.signature[32:], "little") + ORDER
    other = signed.signature[:32] + scalar.to_bytes(32, "little")
    with pytest.raises(SignatureInvalidError):
        verify_intent(dataclasses.replace(signed, signature=other), KEY.public_key)


def test_the_key_inside_the_evidence_is_not_believed() -> None:
    thief = MerchantKey.generate()
    signed = sign_intent(example(), thief)
    with pytest.raises(SignatureInvalidError, match="another key"):
        verify_intent(signed, KEY.public_key)
    with pytest.raises(SignatureInvalidError):
        verify_intent(dataclasses.replace(signed, public_key=KEY.public_key), KEY.public_key)


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32])
def test_a_key_that_is_no_proper_point_verifies_nothing(point: bytes) -> None:
    forged = SignedIntent(example().encode(), point, point + bytes(32))
    with pytest.raises(SignatureInvalidError):
        verify_intent(forged, point)


def test_json_reads_back() -> None:
    signed = sign_intent(example(), KEY)
    assert signed_from_json(json.loads(json.dumps(signed_to_json(signed)))) == signed
    assert signed_from_json(signed_to_json(signed) | {"payout": "ignored"}) == signed


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        5,
        {},
        {"intent": "00"},
        {"intent": 1, "public_key": 2, "signature": 3},
        {"intent": "zz", "public_key": "00" * 32, "signature": "00" * 64},
        {"intent": "00", "public_key": "00" * 31, "signature": "00" * 64},
    ],
)
def test_json_that_is_no_signed_intent_is_refused(body: object) -> None:
    with pytest.raises(InvalidIntentError):
        signed_from_json(body)
