"""What a signer says on its standard error: one JSON object a line, with the request's id; never key material."""

from __future__ import annotations

import json
import sys
import threading
import time

_LOCK = threading.Lock()


def log(event: str, **fields: object) -> None:
    """Write one line; ``at`` is in unix seconds with milliseconds."""
    line = json.dumps({"at": round(time.time(), 3), "event": event, **fields}, default=str)
    with _LOCK:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
