"""The way out for deliveries: names are resolved once, checked, and the checked address is the one connected to.

Checking the name and connecting by name again would let a DNS answer that changes in between (rebinding) lead a
delivery into our own network.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

from strongroom.webhooks.errors import DestinationRefusedError
from strongroom.webhooks.rules import is_public


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only, unless private ones are allowed."""

    def __init__(self, *, allow_private: bool) -> None:
        """Delegate to httpcore's own backend for everything but the choice of the address."""
        self._allow_private = allow_private
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve ``host``, refuse if any of its addresses is not public, and connect to the first."""
        address = await self._resolve(host, port)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Sleep, as httpcore asks between its own retries."""
        await self._inner.sleep(seconds)

    async def _resolve(self, host: str, port: int) -> str:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            message = f"the name does not resolve ({error.args[0]})"
            raise httpcore.ConnectError(message) from None
        addresses = [str(entry[4][0]) for entry in found]
        if not self._allow_private and not all(is_public(ipaddress.ip_address(item)) for item in addresses):
            message = "the host resolves to a private or reserved address; webhooks go to public ones only"
            raise DestinationRefusedError(message)
        return addresses[0]


def make_connections(*, allow_private: bool, connections_max: int) -> httpcore.AsyncConnectionPool:
    """Make the pool that deliveries go through; TLS is verified against the name in the URL."""
    return httpcore.AsyncConnectionPool(
        ssl_context=ssl.create_default_context(),
        max_connections=connections_max,
        keepalive_expiry=30.0,
        network_backend=GuardedBackend(allow_private=allow_private),
    )
