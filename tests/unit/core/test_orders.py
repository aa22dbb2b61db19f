"""The conversion order has one encoding, and its bytes one reading; so has a signer's word for an address."""

from __future__ import annotations

import hashlib
import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import VerifyKey

from strongroom_core.attestations import attestation_bytes
from strongroom_core.fields import join, split
from strongroom_core.ids import HOUSE_MERCHANT, MerchantId, OrderId
from strongroom_core.intents import PaymentIntent
from strongroom_core.orders import ConversionOrder, InvalidOrderError

VECTORS = Path(__file__).parents[2] / "vectors" / "conversion_order_v1.json"
DOCUMENT = json.loads(VECTORS.read_text(encoding="utf-8"))
NUMBERS = {"sell_amount", "buy_amount", "expires_at"}


def order_of(vector: dict[str, Any]) -> ConversionOrder:
    values: dict[str, Any] = {name: int(text) if name in NUMBERS else text for name, text in vector["fields"].items()}
    return ConversionOrder(**(values | {"merchant": MerchantId(values["merchant"]), "order": OrderId(values["order"])}))


def test_the_file_is_what_its_maker_makes():
    made = runpy.run_path(str(VECTORS.with_suffix(".py")))
    assert made["document"]() == VECTORS.read_text(encoding="utf-8"), "run tests/vectors/conversion_order_v1.py"


@pytest.mark.parametrize("vector", DOCUMENT["valid"], ids=lambda vector: vector["name"])
def test_a_valid_order_is_written_and_read_as_the_vector_says(vector: dict[str, Any]):
    encoded, order = bytes.fromhex(vector["encoded"]), order_of(vector)
    assert order.encode() == encoded
    assert ConversionOrder.decode(encoded) == order
    assert order.hash.hex() == hashlib.sha256(encoded).hexdigest() == vector["hash"]
    VerifyKey(bytes.fromhex(vector["ed25519_public_key"])).verify(encoded, bytes.fromhex(vector["ed25519_signature"]))


@pytest.mark.parametrize("vector", DOCUMENT["invalid"], ids=lambda vector: vector["name"])
def test_bytes_that_are_no_order_are_refused(vector: dict[str, Any]):
    with pytest.raises(InvalidOrderError):
        ConversionOrder.decode(bytes.fromhex(vector["encoded"]))


@pytest.mark.parametrize("vector", DOCUMENT["addresses"], ids=lambda vector: vector["fields"]["address"])
def test_the_word_for_an_address_is_written_as_the_vector_says(vector: dict[str, Any]):
    values = vector["fields"] | {"index": int(vector["fields"]["index"])}
    assert attestation_bytes(**values).hex() == vector["encoded"]


@given(st.lists(st.one_of(st.text("".join(map(chr, range(0x21, 0x7F)))), st.integers(0, 2**300)), max_size=5))
def test_fields_are_read_as_they_were_written(values: list[str | int]):
    wanted = [value.encode() if isinstance(value, str) else value for value in values]
    found = split(b"tag\0", len(values), join(b"tag\0", tuple(values)))
    assert [
        int.from_bytes(got, "big") if isinstance(want, int) else got for got, want in zip(found, wanted, strict=True)
    ] == wanted


@given(st.binary(max_size=80))
def test_random_bytes_are_refused_in_our_own_words(data: bytes):
    with pytest.raises(InvalidOrderError):
        ConversionOrder.decode(data)


@pytest.mark.parametrize("value", [-1, "a b", "é", "\0"])
def test_what_has_no_canonical_form_is_not_written(value: str | int):
    with pytest.raises(ValueError, match=r"printable|below zero"):
        join(b"tag\0", (value,))


def test_an_order_never_reads_as_an_intent_and_the_house_has_an_id_that_parses():
    for vector in DOCUMENT["valid"]:
        with pytest.raises(ValueError, match="intent"):
            PaymentIntent.decode(bytes.fromhex(vector["encoded"]))
    assert MerchantId.parse(HOUSE_MERCHANT) == HOUSE_MERCHANT
