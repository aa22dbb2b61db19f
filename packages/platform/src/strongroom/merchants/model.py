"""Merchants, their API tokens, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from strongroom.merchants.errors import ScopeMissingError
from strongroom_core.ids import MerchantId, TokenId


class Scope(StrEnum):
    """What a token may do; ``READ`` is looking at everything of its merchant, the others are changing one thing."""

    READ = "read"
    INVOICES = "invoices"
    PAYOUTS = "payouts"
    WEBHOOKS = "webhooks"
    ADDRESSES = "addresses"
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Merchant:
    """A tenant; ``branch`` (2 and up) is where its addresses are derived in every key set, hot and cold alike."""

    id: MerchantId
    name: str
    branch: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiToken:
    """The public half of a token; its secret is shown once and never kept."""

    id: TokenId
    merchant_id: MerchantId
    scopes: frozenset[Scope]
    label: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: every query of a request is narrowed to ``merchant_id``."""

    merchant_id: MerchantId
    token_id: TokenId
    scopes: frozenset[Scope]

    def require(self, scope: Scope) -> None:
        """Raise ``ScopeMissingError`` unless the token has the scope."""
        if scope not in self.scopes:
            message = f"this token lacks the scope {scope.value}; use one that has it, or make one"
            raise ScopeMissingError(message)
