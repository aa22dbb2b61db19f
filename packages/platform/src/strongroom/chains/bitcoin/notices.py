"""What a node publishes by ZMQ: a hint that something happened, never a fact in itself.

Topics (bitcoin/doc/zmq.md): ``hashblock``, and ``sequence``, which names every chain tx that enters or leaves the
mempool. Each message carries a counter; a jump in it means that messages were lost, and everything has to be compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import dataclass, field
from typing import Final

import structlog
import zmq
import zmq.asyncio

_log = structlog.get_logger(__name__)
TOPICS: Final = (b"hashblock", b"sequence")
_PARTS: Final = 3
_HASH_BYTES: Final = 32
_counter = struct.Struct("<I")
QUEUE_MAX: Final = 100_000  # notices kept while the watcher is busy; beyond it, everything is compared instead


@dataclass(slots=True)
class Batch:
    """What was named since the last time. ``complete`` is false where messages may have been lost."""

    added: dict[str, None] = field(default_factory=dict)
    removed: dict[str, None] = field(default_factory=dict)
    complete: bool = True


class Notices:
    """Listens to one node. ``wake`` is set at every message; who waits for it clears it before acting."""

    def __init__(self, url: str | None) -> None:
        """Name the publisher; None: there is none, and ``listen`` only waits."""
        self._url = url
        self._counters: dict[bytes, int] = {}
        self._batch = Batch(complete=False)
        self.wake = asyncio.Event()

    def take(self) -> Batch:
        """Give what has gathered, and start anew. Never complete before the first ``sequence`` message."""
        batch = self._batch
        self._batch = Batch(complete=b"sequence" in self._counters)
        return batch

    def distrust(self) -> None:
        """Have everything compared the next time: the node was away."""
        self._batch.complete = False

    async def listen(self) -> None:
        """Gather messages until cancelled."""
        if self._url is None:
            await asyncio.Event().wait()
            return
        context = zmq.asyncio.Context()
        socket = context.socket(zmq.SUB)
        try:
            socket.setsockopt(zmq.RCVHWM, QUEUE_MAX)
            for topic in TOPICS:
                socket.setsockopt(zmq.SUBSCRIBE, topic)
            socket.connect(self._url)
            while True:
                self._receive(await socket.recv_multipart())
        finally:
            socket.close(linger=0)
            with contextlib.suppress(zmq.ZMQError):
                context.destroy(linger=0)

    def _receive(self, parts: list[bytes]) -> None:
        if len(parts) != _PARTS or len(parts[2]) != _counter.size:
            _log.warning("a ZMQ message of an unknown form", parts=len(parts))
            return
        topic, body, count = parts[0], parts[1], _counter.unpack(parts[2])[0]
        expected = self._counters.get(topic)
        if expected is not None and count != expected:
            self._batch.complete = False
        self._counters[topic] = (count + 1) & 0xFFFFFFFF
        if topic == b"sequence":
            self._name(body)
        self.wake.set()

    def _name(self, body: bytes) -> None:
        """Note one mempool message: 32 bytes of hash as shown, a letter, the mempool's own counter."""
        txid, label = body[:_HASH_BYTES].hex(), body[_HASH_BYTES : _HASH_BYTES + 1]
        batch = self._batch
        if len(batch.added) + len(batch.removed) >= QUEUE_MAX:
            batch.complete = False
        elif label == b"A":
            batch.added[txid] = None
            batch.removed.pop(txid, None)
        elif label == b"R":
            batch.removed[txid] = None
            batch.added.pop(txid, None)
