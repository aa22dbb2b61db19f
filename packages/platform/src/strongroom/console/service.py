"""Logging in, staying in, and out."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from strongroom.console import store
from strongroom.console.errors import LoginNeededError, TooManyLoginsError
from strongroom.console.model import Session, Visitor
from strongroom.console.rules import Throttle
from strongroom.infra.clock import Clock
from strongroom.infra.database import Pool, transaction
from strongroom.infra.settings import Settings
from strongroom.merchants import service as merchants
from strongroom.merchants.model import Scope

# A working day; then the token is asked for again.
SESSION_TIME: Final = timedelta(hours=12)
SECRET_BYTES: Final = 32
LOGINS_PER_MINUTE: Final = 10
TEXT_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Console:
    """What the pages of this process stand on."""

    settings: Settings
    pool: Pool
    clock: Clock
    throttle: Throttle

    @property
    def secure(self) -> bool:
        """Whether the world reaches us by https, so that the cookie never travels in the clear."""
        return self.settings.api.public_url.startswith("https://")

    async def log_in(self, token_text: str, address: str) -> str:
        """Open a session and give its secret, for the cookie.

        Raises ``TooManyLoginsError``, ``TokenInvalidError``, and ``ScopeMissingError`` for a token that may not read.
        """
        if not self.throttle.allow(address):
            message = "too many attempts; wait a minute and try again"
            raise TooManyLoginsError(message)
        now = self.clock.now()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        async with transaction(self.pool) as connection:
            principal = await merchants.authenticate(connection, token_text[:TEXT_MAX])
            principal.require(Scope.READ)
            await store.delete_expired(connection, now)
            session = Session(principal.merchant_id, principal.token_id, now + SESSION_TIME)
            await store.insert_session(connection, _digest(secret), session, now)
        return secret

    async def visitor(self, secret: str | None) -> Visitor:
        """Say who looks. Raises ``LoginNeededError``, also once the token was revoked or lost its right to read."""
        if secret:
            async with transaction(self.pool) as connection:
                session = await store.session(connection, _digest(secret), self.clock.now())
                if session is not None:
                    merchant = await merchants.get_merchant(connection, session.merchant_id)
                    for token in await merchants.list_tokens(connection, session.merchant_id):
                        if token.id == session.token_id and token.revoked_at is None and Scope.READ in token.scopes:
                            return Visitor(merchant, token, session.expires_at)
        message = "log in first"
        raise LoginNeededError(message)

    async def log_out(self, secret: str | None) -> None:
        """End a session; again is harmless."""
        if secret:
            async with transaction(self.pool) as connection:
                await store.delete_session(connection, _digest(secret))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
