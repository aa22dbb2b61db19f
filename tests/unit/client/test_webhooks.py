"""Webhooks: what the reference library signs is accepted; whatever else is refused with one error."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as Reference

from strongroom_client.errors import SettingsError, WebhookInvalidError
from strongroom_client.webhooks import TOLERANCE_SECONDS, WebhookVerifier

NOW = 1_893_456_000
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
BODY = json.dumps({"type": "invoice.paid", "data": {"id": "inv_1", "note": "Grüße"}}).encode()


def signed(body: bytes = BODY, secret: str = SECRET, at: int = NOW, message_id: str = "evt_1") -> dict[str, str]:
    """Headers as the reference library of the Standard Webhooks makes them."""
    moment = datetime.fromtimestamp(at, tz=UTC)
    signature = Reference(secret).sign(message_id, moment, body.decode())
    return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": signature}


def refused(headers: dict[str, str], body: bytes = BODY, now: int = NOW) -> str:
    with pytest.raises(WebhookInvalidError) as caught:
        WebhookVerifier(SECRET).verify(headers, body, now)
    assert caught.value.code == "webhook-invalid"
    return caught.value.message


@pytest.mark.parametrize("capitals", [str.lower, str.title, str.upper])
def test_what_the_reference_signs_is_accepted(capitals: type[str]) -> None:
    headers = {capitals(name): value for name, value in signed().items()}
    webhook = WebhookVerifier(SECRET).verify(headers, BODY, NOW)
    assert (webhook.id, webhook.timestamp, webhook.event) == ("evt_1", NOW, json.loads(BODY))


def test_what_is_signed_now_is_accepted_now() -> None:
    headers = signed(at=int(datetime.now(tz=UTC).timestamp()))
    assert WebhookVerifier(SECRET).verify(headers, BODY).id == "evt_1"


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3), st.binary(min_size=16, max_size=64))
def test_reference_and_verifier_agree_on_any_event_and_secret(event: dict[str, str], secret: bytes) -> None:
    text = "whsec_" + base64.b64encode(secret).decode().rstrip("=")
    body = json.dumps(event).encode()
    assert WebhookVerifier(text).verify(signed(body, text), body, NOW).event == event


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_body_is_refused(position: int, change: int) -> None:
    body = BODY[:position] + bytes([BODY[position] ^ change]) + BODY[position + 1 :]
    refused(signed(), body)


def test_another_id_or_time_than_the_signed_one_is_refused() -> None:
    refused(signed() | {"webhook-id": "evt_2"})
    refused(signed() | {"webhook-timestamp": str(NOW + 1)})


def test_another_secret_is_refused_unless_it_is_one_of_two() -> None:
    assert "secret" in refused(signed(secret=OTHER))
    both = WebhookVerifier(SECRET, OTHER)
    assert both.verify(signed(secret=OTHER), BODY, NOW).id == both.verify(signed(), BODY, NOW).id


def test_one_fitting_signature_among_others_is_enough() -> None:
    good = signed()["webhook-signature"]
    mixed = f"v1a,AAAA v1,%%% v1,AAAA {good} v2,BBBB"
    assert WebhookVerifier(SECRET).verify(signed() | {"webhook-signature": mixed}, BODY, NOW).id == "evt_1"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused_by_its_name(name: str) -> None:
    assert name in refused({key: value for key, value in signed().items() if key != name})


@pytest.mark.parametrize("text", ["", " ", "v1", "v1,", "v1,é", "v1,=", "v2,AAAA", ",", "v1," + "A" * 5, "\udc80"])
def test_a_signature_that_is_none_is_refused(text: str) -> None:
    refused(signed() | {"webhook-signature": text})


def test_a_signature_of_another_version_is_refused() -> None:
    refused(signed() | {"webhook-signature": signed()["webhook-signature"].replace("v1,", "v1a,")})


@pytest.mark.parametrize("text", ["", "now", "-1", "1.5", "1e9", " 1", "\u0661", "9" * 13, "9" * 5000, "nan", "inf"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    refused(signed() | {"webhook-timestamp": text})


def test_old_and_early_webhooks_are_refused() -> None:
    verifier = WebhookVerifier(SECRET)
    for distance in (TOLERANCE_SECONDS, -TOLERANCE_SECONDS):
        assert verifier.verify(signed(at=NOW + distance), BODY, NOW).timestamp == NOW + distance
    for distance in (TOLERANCE_SECONDS + 1, -TOLERANCE_SECONDS - 1):
        assert "clock" in refused(signed(at=NOW + distance))


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"1", b"[" * 99_999])
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    assert "JSON object" in refused(signed(body), body)


@pytest.mark.parametrize("secrets", [(), ("",), ("whsec_",), ("whsec_AAAA",), ("whsec_%%%",), (SECRET, "é" * 30)])
def test_a_secret_that_is_none_is_refused_without_being_shown(secrets: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as caught:
        WebhookVerifier(*secrets)
    assert not any(secret and secret != "whsec_" and secret in caught.value.message for secret in secrets)


def test_an_id_that_is_no_text_of_ours_is_refused() -> None:
    refused(signed() | {"webhook-id": "evt_\udc80"})
