"""Verifies the webhooks that Strongroom sends, by the Standard Webhooks scheme (https://www.standardwebhooks.com).

The signature is HMAC-SHA-256 over ``id.timestamp.body`` in base 64. It says who sent the event; what to pay is never
decided by it, since the sender holds the same secret. Remember the ids that were handled: a webhook may come twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from strongroom_client.errors import SettingsError, WebhookInvalidError

TOLERANCE_SECONDS: Final = 300
_PREFIX: Final = "whsec_"
_MIN_SECRET_BYTES: Final = 16
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Webhook:
    """A verified webhook: its id (equal on every redelivery), unix seconds of this attempt, and the event."""

    id: str
    timestamp: int
    event: dict[str, Any]


class WebhookVerifier:
    """Checks webhooks with an endpoint's secret, or with several while one is being exchanged."""

    def __init__(self, *secrets: str) -> None:
        """``secrets`` are texts of the form ``whsec_`` and base 64. Raises ``SettingsError``."""
        if not secrets:
            message = "give the secret that was shown when the webhook endpoint was made"
            raise SettingsError(message)
        self._secrets = [_secret_bytes(secret) for secret in secrets]

    def verify(self, headers: Mapping[str, str], body: bytes, now: int | None = None) -> Webhook:
        """Give the event if one of the secrets signed exactly this body within five minutes of ``now`` (unix seconds).

        ``headers`` are taken in any case of letters; ``body`` is the raw body, before any parsing.
        Raises ``WebhookInvalidError``, whatever is wrong.
        """
        found = {name.lower(): value for name, value in headers.items()}
        try:
            message_id, stamp, signatures = (found[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        except KeyError as error:
            message = f"the header {error.args[0]} is missing"
            raise WebhookInvalidError(message) from None
        timestamp = _timely(stamp, int(time.time()) if now is None else now)
        # Half a surrogate pair, which no header of ours holds, must not break the encoding: it just fits no signature.
        signed = f"{message_id}.{stamp}.".encode(errors="replace") + body
        if not self._any_fits(signed, signatures.split(" ")):
            message = "no signature fits; compare the secret, and verify the raw body"
            raise WebhookInvalidError(message)
        return Webhook(id=message_id, timestamp=timestamp, event=_event(body))

    def _any_fits(self, signed: bytes, signatures: Iterable[str]) -> bool:
        expected = [hmac.new(secret, signed, hashlib.sha256).digest() for secret in self._secrets]
        given = [_signature(text) for text in signatures]
        return any(hmac.compare_digest(left, right) for left in expected for right in given)


def _secret_bytes(text: str) -> bytes:
    body = text.removeprefix(_PREFIX)
    try:
        secret = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) < _MIN_SECRET_BYTES:
        # The text itself stays out of the message: it is a secret.
        message = "a webhook secret is whsec_ and base 64 of at least 16 bytes"
        raise SettingsError(message)
    return secret


def _timely(stamp: str, now: int) -> int:
    if not _TIMESTAMP.fullmatch(stamp):
        message = "webhook-timestamp is not a number of unix seconds"
        raise WebhookInvalidError(message)
    timestamp = int(stamp)
    if abs(now - timestamp) > TOLERANCE_SECONDS:
        message = f"webhook-timestamp is more than {TOLERANCE_SECONDS} seconds away; check the clock of this machine"
        raise WebhookInvalidError(message)
    return timestamp


def _signature(text: str) -> bytes:
    version, _, encoded = text.partition(",")
    if version != "v1":
        return b""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body.decode())
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        message = "the body is signed, but is no JSON object"
        raise WebhookInvalidError(message)
    return event
