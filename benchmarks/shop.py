"""A merchant's server that is no bottleneck: it verifies every webhook with the Standard Webhooks library and counts.

`python -m benchmarks.shop PORT SECRET-FILE`; the secret's file may appear later. Answers 204 to what verifies, else
400.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Final

import uvloop
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

NAMES: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
TAKEN: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
REFUSED: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"


async def serve(port: int, secret_file: Path) -> None:
    """Serve until killed."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = (line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                fields = {name.lower().decode(): value.decode() for name, value in lines}
                body = await reader.readexactly(int(fields["content-length"]))
                good = _verify(secret_file, {name: fields[name] for name in NAMES}, body)
                writer.write(TAKEN if good else REFUSED)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", port)
    await server.serve_forever()


def _verify(secret_file: Path, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret_file.read_text(encoding="ascii").strip()).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
