"""What webhooks say: the same shapes that the API answers with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from strongroom.api import views


def render(topic: str, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Turn an outbox payload into a webhook's ``data``; None for what is not for a merchant."""
    if payload.get("merchant_id") is None:
        return None
    room = topic.partition(".")[0]
    if room == "deposit":
        return _plain(views.deposit(payload))
    if room == "payout":
        return _plain(views.payout_facts(payload))
    if room == "invoice":
        return _plain(views.invoice_facts(payload))
    return None


def _plain(shape: msgspec.Struct) -> Mapping[str, Any]:
    plain: Mapping[str, Any] = msgspec.to_builtins(shape)
    return plain
