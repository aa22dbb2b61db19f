"""What stands before the API on an owned host: it passes everything on, and changes answers as the thief likes."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Change = Callable[[str, bytes], bytes]
KEPT = ("authorization", "content-type", "idempotency-key", "accept")


class Host(ThreadingHTTPServer):
    """``change`` gets the path and the body of each answer, and gives the body that is sent."""

    daemon_threads = True

    def __init__(self, port: int, behind: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.behind = behind
        self.change: Change = untouched

    @contextmanager
    def changing(self, change: Change) -> Iterator[None]:
        self.change = change
        try:
            yield
        finally:
            self.change = untouched


def untouched(_: str, body: bytes) -> bytes:
    return body


class Handler(BaseHTTPRequestHandler):
    server: Host

    def handle_any(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
        headers = {name: self.headers[name] for name in KEPT if name in self.headers}
        url = f"http://127.0.0.1:{self.server.behind}{self.path}"
        request = urllib.request.Request(url, data, headers, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own loopback
                self._pass(answer)
        except urllib.error.HTTPError as refusal:
            self._pass(refusal)

    def _pass(self, answer: Any) -> None:
        self.send_response(answer.status)
        self.send_header("content-type", answer.headers.get("content-type", ""))
        if not self.path.endswith("/events"):
            body = self.server.change(self.path, answer.read())
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.end_headers()
        for line in answer:
            self.wfile.write(self.server.change(self.path, line))
            self.wfile.flush()
            if line.startswith(b"data:"):
                self.wfile.write(b"\n")
                return

    do_GET = do_POST = handle_any  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
        """Stay silent."""


@contextmanager
def hosting(port: int, behind: int) -> Iterator[Host]:
    host = Host(port, behind)
    thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield host
    finally:
        host.shutdown()
        thread.join()
        host.server_close()
