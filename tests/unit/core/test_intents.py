"""The payment intent has one encoding, and its bytes one reading; the vectors are for other languages too."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from strongroom_core.amounts import MAX_BASE_UNITS
from strongroom_core.ids import MerchantId, PayoutId
from strongroom_core.intents import MAX_ENCODED_BYTES, InvalidIntentError, PaymentIntent, SignedIntent

VECTORS = Path(__file__).parents[2] / "vectors" / "payment_intent_v1.json"
DOCUMENT = json.loads(VECTORS.read_text(encoding="utf-8"))
VALID, INVALID = DOCUMENT["valid"], DOCUMENT["invalid"]
NUMBERS = {"amount", "fee_ceiling", "expires_at"}
EXAMPLE = PaymentIntent(
    deployment="demo",
    merchant=MerchantId("mer_01jd0000000000000000000000"),
    payout=PayoutId("pay_01jd0000000000000000000001"),
    asset="bip122:0f9188f13cb7b2c71f2a335e3a4fc328/slip44:1",
    amount=1_000_000,
    destination="bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    tag="7",
    fee_ceiling=5_000,
    expires_at=1_893_456_000,
)


def printable(low: int, high: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=low, max_size=high)


moments = st.integers(0, 2**48 - 1)
intents = st.builds(
    PaymentIntent,
    deployment=printable(1, 64),
    merchant=st.builds(MerchantId.new, moments),
    payout=st.builds(PayoutId.new, moments),
    asset=printable(1, 200),
    amount=st.integers(1, MAX_BASE_UNITS) | st.integers(1, 10**6),
    destination=printable(1, 128),
    tag=printable(0, 64),
    fee_ceiling=st.integers(0, MAX_BASE_UNITS) | st.integers(0, 10**6),
    expires_at=st.integers(1, 2**32 - 1),
)


@given(intents)
def test_encoding_reads_back(intent: PaymentIntent) -> None:
    encoded = intent.encode()
    assert PaymentIntent.decode(encoded) == intent
    assert len(encoded) <= MAX_ENCODED_BYTES
    assert intent.hash == hashlib.sha256(encoded).digest()


@given(intents, intents)
def test_two_intents_never_share_bytes(left: PaymentIntent, right: PaymentIntent) -> None:
    assert (left.encode() == right.encode()) == (left == right)


def reads_as_itself_or_not_at_all(data: bytes) -> bool:
    """Whether the bytes decode; where they do, exactly they must come back."""
    try:
        intent = PaymentIntent.decode(data)
    except InvalidIntentError:
        return False
    assert intent.encode() == data
    return True


def test_every_mutation_of_one_byte_is_refused_or_is_another_intent() -> None:
    encoded = EXAMPLE.encode()
    decoded = 0
    for position in range(len(encoded)):
        for byte in set(range(256)) - {encoded[position]}:
            mutant = encoded[:position] + bytes([byte]) + encoded[position + 1 :]
            if reads_as_itself_or_not_at_all(mutant):
                decoded += 1
                assert PaymentIntent.decode(mutant) != EXAMPLE
    # Letters and digits change into others by the thousand; the test would see nothing if none of them decoded.
    assert decoded > 1_000


def test_every_byte_left_out_or_put_in_twice_is_refused() -> None:
    encoded = EXAMPLE.encode()
    for position in range(len(encoded)):
        assert not reads_as_itself_or_not_at_all(encoded[:position] + encoded[position + 1 :])
        assert not reads_as_itself_or_not_at_all(encoded[: position + 1] + encoded[position:])
        assert not reads_as_itself_or_not_at_all(encoded[:position])


@given(st.binary(max_size=300))
def test_random_bytes_never_break_the_decoder(tail: bytes) -> None:
    assert not reads_as_itself_or_not_at_all(tail)
    reads_as_itself_or_not_at_all(b"strongroom payment-intent v1\x00" + tail)


@given(intents, st.data())
def test_splices_read_as_themselves_or_not_at_all(intent: PaymentIntent, data: st.DataObject) -> None:
    encoded = intent.encode()
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(encoded))] * 2)))
    reads_as_itself_or_not_at_all(encoded[:start] + data.draw(st.binary(max_size=12)) + encoded[end:])


@pytest.mark.parametrize("name", ["amount", "fee_ceiling", "expires_at"])
@pytest.mark.parametrize("value", [-1, 2**256, 1.0, True, None, "1"])
def test_a_number_out_of_range_or_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidIntentError, match=name):
        dataclasses.replace(EXAMPLE, **{name: value})


@pytest.mark.parametrize("name", ["deployment", "asset", "destination", "tag", "merchant", "payout"])
@pytest.mark.parametrize("value", ["a b", "a\n", "é", "x" * 201, None, 5, b"bytes"])
def test_a_text_with_other_characters_or_lengths_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidIntentError):
        dataclasses.replace(EXAMPLE, **{name: value})


@pytest.mark.parametrize(
    ("intent", "public_key", "signature"),
    [(b"", b"k" * 31, b"s" * 64), (b"", b"k" * 32, b"s" * 63), (b"", b"", b""), (b"i" * 2049, b"k" * 32, b"s" * 64)],
)
def test_a_signed_intent_has_the_lengths_of_ed25519(intent: bytes, public_key: bytes, signature: bytes) -> None:
    with pytest.raises(InvalidIntentError):
        SignedIntent(intent, public_key, signature)


def test_the_vectors_are_what_their_generator_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("payment_intent_v1", VECTORS.with_suffix(".py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up by name.
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    assert module.document() == VECTORS.read_text(encoding="utf-8"), "run tests/vectors/payment_intent_v1.py"


def test_there_are_many_vectors_and_no_two_are_equal() -> None:
    assert len({entry["encoded"] for entry in VALID}) == len({entry["hash"] for entry in VALID}) == len(VALID) >= 20
    assert len({entry["encoded"] for entry in INVALID}) == len(INVALID) >= 40


@pytest.mark.parametrize("entry", VALID, ids=lambda entry: entry["name"])
def test_a_valid_vector_is_encoded_hashed_and_signed_as_it_says(entry: dict[str, Any]) -> None:
    fields: dict[str, Any] = {k: int(v) if k in NUMBERS else v for k, v in entry["fields"].items()}
    intent = PaymentIntent(**fields)
    assert intent.encode().hex() == entry["encoded"]
    assert PaymentIntent.decode(bytes.fromhex(entry["encoded"])) == intent
    assert intent.hash.hex() == entry["hash"]
    key = SigningKey(bytes.fromhex(entry["ed25519_seed"]))
    assert key.verify_key.encode().hex() == entry["ed25519_public_key"]
    assert key.sign(intent.encode()).signature.hex() == entry["ed25519_signature"]


@pytest.mark.parametrize("entry", VALID, ids=lambda entry: entry["name"])
def test_a_signature_of_one_vector_fits_no_other(entry: dict[str, Any]) -> None:
    key = VerifyKey(bytes.fromhex(entry["ed25519_public_key"]))
    for other in VALID:
        if other is not entry:
            with pytest.raises(BadSignatureError):
                key.verify(bytes.fromhex(other["encoded"]), bytes.fromhex(entry["ed25519_signature"]))


@pytest.mark.parametrize("entry", INVALID, ids=lambda entry: entry["name"])
def test_an_invalid_vector_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(InvalidIntentError) as caught:
        PaymentIntent.decode(bytes.fromhex(entry["encoded"]))
    assert caught.value.code == "intent-malformed"
