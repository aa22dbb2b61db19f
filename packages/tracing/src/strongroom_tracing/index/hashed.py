"""Scripts too long to be written out: found by the SHA-256 that stands in their text."""

from __future__ import annotations

import hashlib

import numpy as np

from strongroom_tracing.index.runs import NOT_FOUND
from strongroom_tracing.index.tables import Tables


def find_hashed(tables: Tables, digest: bytes) -> int:
    """Give the number of the script of a SHA-256, or ``NOT_FOUND``. The runs of scripts are in the order of it."""
    key, at = np.frombuffer(digest[:8], "<u8"), tables.script_at
    for run in tables.script_runs:
        begin, end = (int(np.searchsorted(run.key, key, side=side)[0]) for side in ("left", "right"))
        for offset in run.offset[begin:end].tolist():
            number: int = run.first + offset
            if number < tables.scripts.count:
                script = tables.script_bytes[at[number] : at[number + 1]].tobytes()
                if hashlib.sha256(script).digest() == digest:
                    return number
    return NOT_FOUND
