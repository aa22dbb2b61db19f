"""Standard Webhooks signatures (https://www.standardwebhooks.com), with secrets that no database or backup holds.

An endpoint's secret is HMAC-SHA256 of its id and version under one key of the installation, kept in a file: the
database holds the id only, and whoever copies the database cannot sign.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Final

from standardwebhooks import Webhook

_DOMAIN: Final = b"strongroom webhook-secret v1\x00"
KEY_BYTES: Final = 32


class WebhookSecrets:
    """Derives endpoints' secrets from the installation's key."""

    def __init__(self, key: bytes) -> None:
        """Take the installation's key, 32 bytes."""
        self._key = key

    @classmethod
    def load(cls, path: Path) -> WebhookSecrets:
        """Read the key from ``path``; made there, readable by its owner only, where it does not exist yet."""
        if not path.exists():
            _make_key(path)
        return cls(path.read_bytes())

    def secret(self, endpoint_id: str, version: int) -> str:
        """Give the endpoint's secret as Standard Webhooks writes it: ``whsec_`` and base 64."""
        digest = hmac.new(self._key, _DOMAIN + f"{endpoint_id}:{version}".encode(), hashlib.sha256).digest()
        return "whsec_" + base64.b64encode(digest).decode()

    def headers(self, endpoint_id: str, version: int, event_id: str, at: datetime, body: str) -> dict[str, str]:
        """Sign one attempt: the id stays the same over all attempts, the time is the attempt's."""
        signature = Webhook(self.secret(endpoint_id, version)).sign(event_id, at, body)
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }


def _make_key(path: Path) -> None:
    """Make the key under its name whole or not at all; of two processes that try, one wins and both read its key."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink()
