"""Who looks: a merchant, by the token it logged in with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from strongroom.merchants.model import ApiToken, Merchant, Scope
from strongroom_core.ids import MerchantId, TokenId


@dataclass(frozen=True, slots=True)
class Session:
    """What stands behind a cookie."""

    merchant_id: MerchantId
    token_id: TokenId
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Visitor:
    """A logged-in merchant; every query of its pages is narrowed to ``merchant.id``."""

    merchant: Merchant
    token: ApiToken
    expires_at: datetime

    def may(self, scope: Scope) -> bool:
        """Whether the token that opened the session has the scope; read at every request, not at login."""
        return scope in self.token.scopes
