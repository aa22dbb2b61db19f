"""A load generator for one POST over keep-alive connections, thin enough to leave the processors to the server.

`python -m benchmarks.load HOST PORT PATH TOKEN-FILE CLIENTS SECONDS BODY` prints one JSON line: answered, failed,
seconds, and the latencies' p50 and p99 in milliseconds. Loopback only, bounded in time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop


async def _client(address: tuple[str, int], request: bytes, until: float, took: list[float]) -> int:
    reader, writer = await asyncio.open_connection(*address)
    failed = 0
    try:
        while (start := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            if head.startswith(b"HTTP/1.1 201"):
                took.append(time.perf_counter() - start)
            else:
                failed += 1
    finally:
        writer.close()
    return failed


async def measure(address: tuple[str, int], request: bytes, clients: int, seconds: float) -> dict[str, float]:
    """Send ``request`` from ``clients`` connections for ``seconds``, each waiting for its answer."""
    took: list[float] = []
    start = time.perf_counter()
    until = start + seconds
    failed = sum(await asyncio.gather(*(_client(address, request, until, took) for _ in range(clients))))
    took.sort()
    return {
        "answered": len(took),
        "failed": failed,
        "seconds": time.perf_counter() - start,
        "p50_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[len(took) * 99 // 100] * 1000,
    }


def request_bytes(host: str, path: str, token: str, body: str) -> bytes:
    """Write the request once, for all clients."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def main() -> None:
    """Read the arguments, measure, print."""
    host, port, path, token_file, clients, seconds, body = sys.argv[1:]
    token = Path(token_file).read_text(encoding="ascii").strip()
    request = request_bytes(host, path, token, body)
    print(json.dumps(uvloop.run(measure((host, int(port)), request, int(clients), float(seconds)))))


if __name__ == "__main__":
    main()
