"""What a signer says on its standard error: one JSON object a line, with the request's id; never key material."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time

_LOCK = threading.Lock()


def log(event: str, **fields: object) -> None:
    """Write one line; ``at`` is in unix seconds with milliseconds."""
    line = json.dumps({"at": round(time.time(), 3), "event": event, **fields}, default=str)
    # A full disk under the log must not keep a halt from being written where it counts.
    with _LOCK, contextlib.suppress(OSError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
