"""What `strongroom status` shows of changes that wait at the signers."""

from __future__ import annotations

from dataclasses import replace

from strongroom.processes.commands import signers
from strongroom_core.messages import PendingChange, Status

QUIET = Status("r", "A", bytes(4), False, "", 1, bytes(32), bytes(32), 0)


def test_a_change_that_waits_is_shown_with_its_moment_and_its_hash():
    waiting = replace(QUIET, pending=(PendingChange("policy", 4, 1_800_000_000, b"\xab" * 32),))
    (row,) = signers.changes({"A": waiting, "B": QUIET, "C": "does not answer"})
    assert row == {
        "signer": "A",
        "document": "policy",
        "sequence": 4,
        "in force from": "2027-01-15T08:00:00+00:00",
        "sha256": "ab" * 32,
    }
