"""The table of mutants, sent to each of two real signers alone over its own socket."""

from __future__ import annotations

import time

from strongroom_core.messages import Refused, Signed
from tests.integration.signer.mutants import MUTANTS, STORIES, mutant_request, scene
from tests.integration.signer.processes import SignerProcess, command
from tests.unit.signer.kit import SATS


def test_each_signer_alone_refuses_every_mutant_with_its_tag(signers: tuple[SignerProcess, SignerProcess]):
    expires = int(time.time()) + 3_600
    assert len(MUTANTS) >= 25
    for signer in signers:
        answers = {}
        for name in MUTANTS:
            request, tag = mutant_request(name, expires)
            answer = signer.ask(request)
            assert isinstance(answer, Refused), name
            assert answer.request_id == request.request_id
            assert answer.reason
            answers[name] = (answer.tag, tag)
        assert {name: said for name, (said, _) in answers.items()} == {name: tag for name, (_, tag) in answers.items()}
        # The honest request is signed right after: it was the change that was refused, not the scene.
        assert isinstance(signer.ask(scene(expires).draft.request()), Signed)
        assert command("verify", "--dir", str(signer.folder.root)).returncode == 0


def test_each_signer_alone_refuses_what_is_wrong_only_after_others(signers: tuple[SignerProcess, SignerProcess]):
    expires = int(time.time()) + 3_600
    names = ("replayed in another slot", "a coin of the earlier version dropped", "a payment added to a later version")
    for signer in signers:
        for at, name in enumerate(names):
            tell, tag = STORIES[name]
            before, last = tell(scene(expires, SATS - at))
            assert [signer.tag(draft.request()) for draft in before] == ["signed"] * len(before), name
            assert signer.tag(last.request()) == tag, name
