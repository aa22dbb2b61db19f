"""Names are resolved once, every address is checked, and the checked one is connected to."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpcore
import pytest

from strongroom.webhooks.errors import DestinationRefusedError
from strongroom.webhooks.guard import GuardedBackend

PUBLIC = "93.184.215.14"


class Listener(httpcore.AsyncNetworkBackend):
    """Where a connection would go; it stays there."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def connect_tcp(self, host: str, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        self.asked.append(host)
        raise httpcore.ConnectError


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def backend(listener: Listener) -> GuardedBackend:
    made = GuardedBackend(allow_private=False)
    made._inner = listener  # type: ignore[assignment]
    return made


def _answers(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """A name server of the attacker's, which says something else each time that it is asked."""
    left = list(answers)

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in left.pop(0)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)


async def test_the_address_that_was_checked_is_the_one_connected_to(
    backend: GuardedBackend, listener: Listener, monkeypatch: pytest.MonkeyPatch
):
    _answers(monkeypatch, [PUBLIC], ["127.0.0.1"])
    with pytest.raises(httpcore.ConnectError):
        await backend.connect_tcp("hooks.shop.example", 443)
    assert listener.asked == [PUBLIC]
    with pytest.raises(DestinationRefusedError):
        await backend.connect_tcp("hooks.shop.example", 443)
    assert listener.asked == [PUBLIC]


async def test_one_private_address_among_public_ones_refuses_the_name(
    backend: GuardedBackend, listener: Listener, monkeypatch: pytest.MonkeyPatch
):
    _answers(monkeypatch, [PUBLIC, "10.0.0.7"])
    with pytest.raises(DestinationRefusedError):
        await backend.connect_tcp("hooks.shop.example", 443)
    assert listener.asked == []
