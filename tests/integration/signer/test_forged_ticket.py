"""Who can write into a signer's folder but does not know its passphrase cannot end a halt."""

from __future__ import annotations

import json
import time
from pathlib import Path

from strongroom_core.messages import HaltRequest, Status, StatusRequest
from tests.integration.signer.processes import PASSPHRASE, SignerProcess, command, make_folder, running

PATIENCE_SECONDS = 20
FORGED = (
    f'{{"halt": ROW, "mac": "{"00" * 32}"}}',
    '{"halt": ROW, "mac": ""}',
    '{"halt": ROW}',
    '{"halt": "ROW", "mac": null}',
    "[]",
    "no JSON",
)


def _shown(signer: SignerProcess, ticket: str) -> Status:
    """Lay a ticket into the folder, tell the signer to look, and give how it is once it has taken the ticket away."""
    signer.folder.ticket.write_text(ticket)
    signer.process.send_signal(1)
    end = time.monotonic() + PATIENCE_SECONDS
    while signer.folder.ticket.exists():
        assert time.monotonic() < end, "nobody looked at the ticket"
        time.sleep(0.02)
    time.sleep(0.1)
    status = signer.ask(StatusRequest("req"))
    assert isinstance(status, Status)
    return status


def test_a_ticket_of_another_key_or_of_an_earlier_halt_resumes_nothing(root: Path):
    with running(make_folder(root, "A")) as signer:
        halted = signer.ask(HaltRequest("req", "first"))
        assert isinstance(halted, Status)
        row = halted.rows
        for ticket in FORGED:
            assert _shown(signer, ticket.replace("ROW", str(row))).halted, ticket
        refusals = [line for line in signer.log() if line["event"] == "ticket-refused"]
        assert len(refusals) == len(FORGED)

        resumed = command("resume", "--dir", str(signer.folder.root), passphrase=PASSPHRASE)
        assert resumed.returncode == 0, resumed.stderr
        again = signer.ask(HaltRequest("req", "second"))
        assert isinstance(again, Status)
        assert again.rows > row
        assert _shown(signer, json.dumps({"halt": row, "mac": "00" * 32})).halted
