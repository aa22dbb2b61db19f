"""One connection to one signer's socket, kept open: for asking very often."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from drills.thief import refusal
from strongroom_core.protocol import decode_message
from strongroom_core.wire import LENGTH_BYTES, Message, frame, frame_length


class Door:
    """A signer's unix socket."""

    def __init__(self, address: str) -> None:
        """Name it; nothing is opened yet."""
        self._path = Path(address.removeprefix("unix://"))
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def name(self) -> str:
        """Who is behind it."""
        return f"signer {self._path.parent.name}"

    async def __aenter__(self) -> Self:
        """Connect."""
        self._streams = await asyncio.open_unix_connection(self._path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()

    async def tag(self, request: Message) -> str:
        """Ask, and give the tag of the no, or the kind of the answer."""
        answer = await self.ask(request)
        return refusal(answer) or answer.kind

    async def ask(self, request: Message) -> Message:
        """Ask one question. Raises ``OSError``, ``EOFError`` where the other side hangs up."""
        if self._streams is None:
            raise ConnectionError
        reader, writer = self._streams
        writer.write(frame(request))
        await writer.drain()
        length = frame_length(await reader.readexactly(LENGTH_BYTES))
        return decode_message(await reader.readexactly(length))
