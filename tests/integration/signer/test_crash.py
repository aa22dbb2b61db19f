"""A real `kill -9` of a real signer between the journal's sync and the answer."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import threading
import time
from pathlib import Path

import pytest

from strongroom_core.messages import Signed, SignRequest
from strongroom_core.wire import Message
from tests.fixtures.crashes import Lot
from tests.integration.signer.processes import END_SECONDS, RUN, SignerProcess, command, make_folder, running
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
    assert dying.process.wait(END_SECONDS) == -9
    assert signed_rows(folder.journal) == int(STEPS[step][3])

    with running(folder) as signer:
        first, again = signer.ask(draft.request()), signer.ask(draft.request())
        assert isinstance(first, Signed)
        assert first == again
        assert signed_rows(folder.journal) == 1
        other = payout(intent(expires_at=expires), coins=(coin(salt=1),))
        assert signer.tag(other.request()) == "signed"
    assert command("verify", "--dir", str(folder.root)).returncode == 0


@pytest.mark.slow
def test_a_signer_killed_at_random_never_signs_two_ways(root: Path, lot: Lot):
    """Dead at a step or at any moment, over one journal; asked again it signs each payout once, the same ever after."""
    folder = make_folder(root, "A")
    with running(folder):
        pass  # as above
    answers: list[tuple[SignRequest, Signed]] = []
    number = 0
    for number, chance in enumerate(lot.rounds(3), 1):
        draft = payout(intent(amount=10_000 + number, expires_at=int(time.time()) + 3_600), coins=(coin(salt=number),))
        request = draft.request()
        step = chance.choice([*STEPS, None])
        doomed = SignerProcess(folder, program=dying_program(step) if step else list(RUN))
        doomed.start()
        if step is None:
            threading.Timer(chance.uniform(0, 0.02), doomed.process.kill).start()
        with contextlib.suppress(ConnectionError):  # a kill at a random moment may come after the answer
            answers.append((request, checked(doomed.ask(request))))
        assert doomed.process.wait(END_SECONDS) == -9
        with running(folder) as signer:
            answers.append((request, checked(signer.ask(request))))
            for asked, before in chance.sample(answers, min(5, len(answers))):
                assert signer.ask(asked) == before
    assert signed_rows(folder.journal) == number
    assert command("verify", "--dir", str(folder.root)).returncode == 0


def checked(answer: Message) -> Signed:
    assert isinstance(answer, Signed), answer
    return answer


def signed_rows(path: Path) -> int:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    (count,) = connection.execute('SELECT count(*) FROM rows WHERE instr(body, \'"kind":"signed"\') > 0').fetchone()
    connection.close()
    return int(count)
