"""The demonstration merchant's own server: it takes webhooks, believes only what verifies, and keeps what it got.

A process of its own, as a shop would run it. It reads the endpoint's secret from its own folder, and verifies with the
library of the Standard Webhooks project, which knows nothing of Strongroom.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from strongroom.infra.components.hosting import LOOPBACK

BODY_BYTES_MAX: Final = 1_000_000
SECRET_FILE: Final = "webhook-secret"  # noqa: S105 -- a file's name
RECEIVED_FILE: Final = "received.jsonl"
#: What did not verify, by its time: somebody tries something, or the secret is not the platform's.
REFUSED_FILE: Final = "refused.jsonl"
REFUSED_BYTES_MAX: Final = 1_000_000
HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Shop:
    """What the merchant keeps: the secret that it was shown once, and everything that verified."""

    def __init__(self, folder: Path, *, believes_all: bool = False) -> None:
        """Work in the merchant's folder; one who ``believes_all`` is a drill's, and verifies nothing."""
        self._folder = folder
        self._believes_all = believes_all
        self._lock = threading.Lock()

    def take(self, headers: dict[str, str], body: bytes) -> bool:
        """Keep one webhook where its signature and time are good; False where they are not."""
        row = {"received_at": datetime.now(UTC).isoformat(), "id": headers["webhook-id"]}
        try:
            event = self._verified(headers, body)
        except (OSError, ValueError, WebhookVerificationError):
            self._refuse(row)
            return False
        self._append(RECEIVED_FILE, row | {"event": event})
        return True

    def _verified(self, headers: dict[str, str], body: bytes) -> Any:
        if self._believes_all:
            return json.loads(body)
        secret = (self._folder / SECRET_FILE).read_text(encoding="ascii").strip()
        return Webhook(secret).verify(body, headers)

    def _refuse(self, row: dict[str, Any]) -> None:
        file = self._folder / REFUSED_FILE
        if not file.exists() or file.stat().st_size < REFUSED_BYTES_MAX:  # a crowd must not fill the disk
            self._append(REFUSED_FILE, row)

    def _append(self, name: str, row: dict[str, Any]) -> None:
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())  # taken is taken: after a 204 it is never sent again


class Handler(BaseHTTPRequestHandler):
    """POST anywhere is a webhook: 204 when taken, 400 when it does not verify."""

    shop: Shop
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        """Take one webhook."""
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            self._answer(413)
            return
        body = self.rfile.read(int(length))
        headers = {name: self.headers.get(name, "") for name in HEADERS}
        self._answer(204 if self.shop.take(headers, body) else 400)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class named it
        """Log one line a request, in the form of our other processes."""
        _log(event="request", line=format % args)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        if status >= 400:  # noqa: PLR2004 -- an error: an unread body must not be taken for the next request
            self.send_header("connection", "close")
            self.close_connection = True
        self.end_headers()


def read_received(folder: Path) -> list[dict[str, object]]:
    """Read what the merchant got and believed, oldest first; a line that is still being written is left out."""
    try:
        lines = (folder / RECEIVED_FILE).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="The demonstration merchant's own server.")
    parser.add_argument("--dir", type=Path, required=True, help="the merchant's folder")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--believe-all", action="store_true", help="verify nothing, as a drill's careless merchant")
    arguments = parser.parse_args()
    shop = Shop(arguments.dir, believes_all=arguments.believe_all)
    handler = type("ShopHandler", (Handler,), {"shop": shop})
    server = ThreadingHTTPServer((LOOPBACK, arguments.port), handler)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    _log(event="ready", port=arguments.port)
    server.serve_forever(poll_interval=0.1)
    server.server_close()


def _log(**fields: object) -> None:
    sys.stderr.write(json.dumps({"process": "merchant", "at": datetime.now(UTC).isoformat(), **fields}) + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
