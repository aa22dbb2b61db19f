"""A real `kill -9` of a real signer between the journal's sync and the answer."""

from __future__ import annotations

import sqlite3
import sys
import time
from pathlib import Path

import pytest

from strongroom_core.messages import Signed
from tests.integration.signer.processes import SignerProcess, command, make_folder, running
from tests.unit.signer.kit import coin, intent, payout

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
STEPS = {
    "before the append": ("journal", "Journal.append", "", False),
    "after the append": ("journal", "Journal.append", "real(*arguments, **options)", True),
    "before the signature": ("decide", "Signer._signatures", "", True),
    "after the signature": ("decide", "Signer._signatures", "real(*arguments, **options)", True),
}


def dying_program(step: str) -> list[str]:
    module, target, before, _ = STEPS[step]
    return [sys.executable, "-c", DIES.format(module=module, target=target, before=before or "pass")]


@pytest.mark.parametrize("step", STEPS)
def test_a_signer_killed_while_it_signs_signs_the_same_and_counts_it_once(root: Path, step: str):
    folder = make_folder(root, "A")
    expires = int(time.time()) + 3_600
    draft = payout(intent(expires_at=expires))
    with running(folder):
        pass  # the merchants' file is journalled, so that the next append is the decision
    dying = SignerProcess(folder, program=dying_program(step))
    dying.start()
    with pytest.raises(ConnectionError):
        dying.ask(draft.request())
    assert dying.process.wait(10) == -9
    assert signed_rows(folder.journal) == int(STEPS[step][3])

    with running(folder) as signer:
        first, again = signer.ask(draft.request()), signer.ask(draft.request())
        assert isinstance(first, Signed)
        assert first == again
        assert signed_rows(folder.journal) == 1
        other = payout(intent(expires_at=expires), coins=(coin(salt=1),))
        assert signer.tag(other.request()) == "signed"
    assert command("verify", "--dir", str(folder.root)).returncode == 0


def signed_rows(path: Path) -> int:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    (count,) = connection.execute('SELECT count(*) FROM rows WHERE instr(body, \'"kind":"signed"\') > 0').fetchone()
    connection.close()
    return int(count)
