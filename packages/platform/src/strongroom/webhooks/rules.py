"""Pure decisions of delivery: which URLs, which addresses, when again."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import SplitResult, urlsplit

from strongroom.webhooks.errors import EndpointUrlError, EventTypeError
from strongroom.webhooks.model import EVENT_TYPES

URL_LENGTH_MAX: Final = 2048
ENDPOINTS_MAX: Final = 20
# Waits after the first, second, … failed attempt: quick at first, then for a good four days, since a merchant's
# server may be down over a weekend.
_WAITS_SECONDS: Final = (5, 30, 120, 300, 900, 1800, 3600, 7200, 14400, *(28800,) * 11)
# Prefixes through which an IPv6 address reaches an IPv4 one: NAT64 (RFC 6052) and 6to4 (RFC 3056).
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_SIX_TO_FOUR: Final = ipaddress.ip_network("2002::/16")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_url(url: str, *, allow_private: bool) -> None:
    """Refuse a URL that could leak or that we never deliver to. Raises ``EndpointUrlError``.

    ``https`` only, unless private destinations are allowed (a demonstration); no user, password or fragment in it.
    """
    parts = _split(url)
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        message = "a webhook URL starts with https://"
        raise EndpointUrlError(message)
    if parts.username is not None or parts.password is not None or parts.fragment:
        message = "a webhook URL has no user, password or fragment in it; the signature is the proof of origin"
        raise EndpointUrlError(message)
    if not allow_private and _literal_is_private(parts.hostname or ""):
        message = "a webhook URL must not point to a private or reserved address"
        raise EndpointUrlError(message)


def check_event_types(types: Sequence[str]) -> None:
    """Refuse types that are never sent. Raises ``EventTypeError``."""
    unknown = sorted(set(types) - set(EVENT_TYPES))
    if unknown:
        message = f"no events of type {', '.join(unknown)}; there are {', '.join(EVENT_TYPES)}"
        raise EventTypeError(message)


def is_public(address: IpAddress) -> bool:
    """Whether a packet to it goes to the public internet, also when IPv4 hides inside IPv6."""
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast


def wait_after(attempts: int) -> timedelta | None:
    """How long to wait after that many failed attempts; None when no more are made by themselves."""
    if attempts > len(_WAITS_SECONDS):
        return None
    return timedelta(seconds=_WAITS_SECONDS[attempts - 1])


def _split(url: str) -> SplitResult:
    if len(url) > URL_LENGTH_MAX or not url.isascii() or any(character <= " " for character in url):
        message = f"a webhook URL has at most {URL_LENGTH_MAX} ASCII characters and no blanks"
        raise EndpointUrlError(message)
    message = "a webhook URL is like https://shop.example/hooks"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise EndpointUrlError(message) from None
    if not usable:
        raise EndpointUrlError(message)
    return parts


def _literal_is_private(host: str) -> bool:
    try:
        return not is_public(ipaddress.ip_address(host))
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def _inner(address: IpAddress) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return ipaddress.IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return None
