"""Pure rules of tokens: how one is made, read and compared.

A token reads ``srk_<26 digits of its id>_<43 url-safe characters>``: the id finds the row by its primary key, and the
secret, 256 random bits, is compared by hash in constant time. Scanners can find a leaked one by its prefix.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable
from typing import Final

from strongroom.merchants.errors import InvalidMerchantError
from strongroom_core.ids import TokenId

_TOKEN: Final = re.compile(r"srk_([0-7][0-9a-hjkmnp-tv-z]{25})_[A-Za-z0-9_-]{43}", re.ASCII)
_SECRET_BYTES: Final = 32
NAME_MAX: Final = 200


def new_secret_text(token_id: TokenId) -> str:
    """Make the text of a fresh token; it is shown to its owner once."""
    return f"srk_{token_id.removeprefix('tok_')}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def token_id_of(text: str) -> TokenId | None:
    """Read the id out of a token's text; None where it is no token at all."""
    match = _TOKEN.fullmatch(text)
    return TokenId(f"tok_{match.group(1)}") if match else None


def digest_of(text: str) -> bytes:
    """Hash a token for keeping: SHA-256 of its text."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def request_digest(scopes: Iterable[str], label: str) -> bytes:
    """Hash what a token was asked for, so that a repeated request is told from another one under the same key."""
    return hashlib.sha256(json.dumps([sorted(scopes), label]).encode()).digest()


def same_digest(left: bytes, right: bytes) -> bool:
    """Compare two digests in a time that tells nothing."""
    return hmac.compare_digest(left, right)


def clean_name(name: str, what: str = "a merchant's name") -> str:
    """Check a name or label: 1 to 200 printable characters. Raises ``InvalidMerchantError``."""
    cleaned = name.strip()
    if not 1 <= len(cleaned) <= NAME_MAX or not cleaned.isprintable():
        message = f"{what} has 1 to {NAME_MAX} printable characters"
        raise InvalidMerchantError(message)
    return cleaned
