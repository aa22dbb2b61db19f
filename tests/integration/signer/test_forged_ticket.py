"""Who can write into a signer's folder but does not know its passphrase cannot end a halt."""

from __future__ import annotations

import json
from pathlib import Path

from strongroom_core.messages import HaltRequest, Status, StatusRequest
from strongroom_signer.files import write_private
from tests.integration.signer.pairs import until
from tests.integration.signer.processes import PASSPHRASE, SignerProcess, command, make_folder, running

FORGED = (
    f'{{"halt": ROW, "mac": "{"00" * 32}"}}',
    '{"halt": ROW, "mac": ""}',
    '{"halt": ROW}',
    '{"halt": "ROW", "mac": null}',
    "[]",
    "no JSON",
)


def _refusals(signer: SignerProcess) -> int:
    return [line["event"] for line in signer.log()].count("ticket-refused")


def _shown(signer: SignerProcess, ticket: str) -> Status:
    """Lay a ticket into the folder, tell the signer to look, and give how it is once it has refused the ticket."""
    before = _refusals(signer)
    write_private(signer.folder.ticket, ticket.encode(), replace=True)
    signer.process.send_signal(1)
    until(lambda: _refusals(signer) > before, "nobody refused the ticket")
    assert not signer.folder.ticket.exists()
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
        assert _refusals(signer) == len(FORGED)

        resumed = command("resume", "--dir", str(signer.folder.root), passphrase=PASSPHRASE)
        assert resumed.returncode == 0, resumed.stderr
        again = signer.ask(HaltRequest("req", "second"))
        assert isinstance(again, Status)
        assert again.rows > row
        assert _shown(signer, json.dumps({"halt": row, "mac": "00" * 32})).halted
