"""A real `kill -9` of a real signer between the journal's sync and the answer, while it signs a Safe transaction."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from strongroom_core.messages import SafeSigned
from tests.integration.signer.processes import END_SECONDS, SignerProcess, command, make_safe_folder, running
from tests.unit.signer.safe_kit import intent, payout

# The signer as it is, but it kills itself at the named step the first time it gets there.
DIES = """
import os, signal, sys
from strongroom_signer import cli, {module}
real = {module}.{target}
def die(*arguments, **options):
    {before}
    os.kill(os.getpid(), signal.SIGKILL)
{module}.{target} = die
sys.exit(cli.main(sys.argv[1:]))
"""
SIGNS = ("curve", "PrivateNode.sign_recoverable")
STEPS = {
    "before the append": ("journal", "Journal.append", "pass", 0),
    "after the append": ("journal", "Journal.append", "real(*arguments, **options)", 1),
    "before the signature": (*SIGNS, "pass", 1),
    "after the signature": (*SIGNS, "real(*arguments, **options)", 1),
}


def nonces(folder: Path) -> int:
    """How many nonces the journal knows, by `strongroom-signer verify`."""
    told = command("verify", "--dir", str(folder))
    assert told.returncode == 0, told.stderr
    return int(told.stdout.partition('"slots": ')[2].partition(",")[0])


@pytest.mark.parametrize("step", STEPS)
def test_a_signer_killed_while_it_signs_signs_the_same_and_binds_it_once(root: Path, step: str):
    folder = make_safe_folder(root, "A")
    payment = intent(expires_at=int(time.time()) + 3_600)
    with running(folder):
        pass  # the merchants' file is journalled, so that the next append is the decision
    module, target, before, rows = STEPS[step]
    program = [sys.executable, "-c", DIES.format(module=module, target=target, before=before)]
    dying = SignerProcess(folder, program=program)
    dying.start()
    with pytest.raises(ConnectionError):
        dying.ask(payout(payment).request())
    assert dying.process.wait(END_SECONDS) == -9
    assert nonces(folder.root) == rows

    with running(folder) as signer:
        if rows:
            # Signed or not, the decision stands: what may be out there can never be paid at another nonce.
            assert signer.tag(payout(payment, nonce=1).request()) == "intent-bound"
        first, again = signer.ask(payout(payment).request()), signer.ask(payout(payment).request())
        assert isinstance(first, SafeSigned)
        assert first == again
    assert nonces(folder.root) == 1
