"""The stream that keeps an open page live (server-sent events): the state at once, then whenever it changed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from litestar.serialization import default_serializer, encode_json

from strongroom.checkout.service import Checkout
from strongroom.infra.database import UNREACHABLE

# A comment line this often tells proxies and the browser that the stream is alive.
HEARTBEAT_SECONDS: Final = 15.0
# Then the browser connects again by itself: nobody holds a connection for ever, and a restart spreads out.
STREAM_SECONDS_MAX: Final = 900.0
RETRY_MS: Final = 1_000
HEARTBEAT: Final = b": alive\n\n"


async def stream(checkout: Checkout, invoice_id: str, first: dict[str, Any]) -> AsyncIterator[bytes]:
    """Give the state as events in the text/event-stream format (HTML Living Standard, 9.2)."""
    end = time.monotonic() + STREAM_SECONDS_MAX
    yield b"retry: %d\n\n" % RETRY_MS
    async with checkout.live.page(invoice_id) as changed:
        told, current = None, first
        while time.monotonic() < end and not checkout.live.closed:
            if _content(current) != told:
                told = _content(current)
                yield b"event: state\ndata: %b\n\n" % encode_json(current, serializer=default_serializer)
            else:
                yield HEARTBEAT
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), HEARTBEAT_SECONDS)
            changed.clear()
            try:
                # Shielded: a reader who leaves in the middle of a query must not cost the pool its connection.
                current = await asyncio.shield(checkout.state(invoice_id))
            except UNREACHABLE:
                return  # the browser comes back after RETRY_MS, and finds the state as it is then


def _content(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "server_time"}
