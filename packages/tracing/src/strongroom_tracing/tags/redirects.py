"""Where a redirect of a list's server may lead: by https to the world outside, and never into this machine's network.

Names are not resolved here. Another answer could be given when the connection is made, so that a check would prove
nothing; and behind https stands the certificate: what runs inside has none for a name that a stranger chose.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

import httpx

from strongroom_tracing.tags.errors import SettingsError
from strongroom_tracing.tags.settings import check_url, is_loopback

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address
_LOCAL: Final = (".localhost", ".local", ".internal", ".home.arpa")  # RFC 6761, 6762, 8375: never of the world outside


def followed(url: str, location: str) -> str:
    """Give the URL that an answer of ``url`` redirects to (RFC 9110, 10.2.2), where it may be followed.

    From this machine to this machine, http goes on as http. Everything else stays https or becomes it, and leads
    neither to this machine nor to a private, link-local or reserved address; only to where it already is. The URL is
    read as the HTTP client reads it. Raises ``SettingsError``, also for what is no URL.
    """
    here = httpx.URL(url)
    try:
        there = here.join(location)
        check_url(str(there))
        return _allowed(here, there)
    except (httpx.InvalidURL, ValueError) as error:  # a bracket left open, a label that is no punycode
        message = f"{location[:200]!r} is no URL: {error}"
        raise SettingsError(message) from error


def _allowed(here: httpx.URL, there: httpx.URL) -> str:
    if here.scheme == "https" and there.scheme != "https":
        message = f"{str(there)[:200]!r} is not https, and {here.host} was asked by https"
        raise SettingsError(message)
    same = (here.host, here.port) == (there.host, there.port)
    both_loopback = is_loopback(here.host) and is_loopback(there.host)
    if is_inside(there.host) and not same and not both_loopback:
        message = f"{str(there)[:200]!r} is inside this machine or its network: no list from outside leads there"
        raise SettingsError(message)
    return str(there)


def is_inside(host: str) -> bool:
    """Whether a host is an address, however it is written, that is not of the world outside; or such a name."""
    name = host.rstrip(".").lower()
    address = _address(name)
    if address is None:
        return f".{name}".endswith(_LOCAL) or name == ""
    return not address.is_global or address.is_multicast


def _address(name: str) -> _Address | None:
    """Give the address that a text is, IPv4 within IPv6 unwrapped."""
    try:
        found: _Address = ipaddress.ip_address(name)
    except ValueError:
        try:
            # As the resolver reads numbers: 127.1, 0x7f000001, 2130706433.
            return ipaddress.IPv4Address(socket.inet_aton(name))
        except (OSError, ValueError):
            return None
    if isinstance(found, ipaddress.IPv6Address):
        if found in _NAT64:
            return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        return found.ipv4_mapped or found.sixtofour or found
    return found
