"""The table of Safe transactions that are wrong, sent to each of two real signers alone over its own socket."""

from __future__ import annotations

import time
from pathlib import Path

from strongroom_core.messages import Refused, SafeSigned
from tests.integration.signer.processes import command, make_safe_folder, running
from tests.integration.signer.safe_mutants import MUTANTS, STORIES, mutant_request, scene
from tests.unit.signer.safe_kit import owner, signed_by


def test_each_signer_alone_refuses_every_mutant_with_its_tag(root: Path):
    expires = int(time.time()) + 3_600
    assert len(MUTANTS) >= 30
    for name in ("A", "B"):
        with running(make_safe_folder(root, name)) as signer:
            answers = {}
            for mutant in MUTANTS:
                request, tag = mutant_request(mutant, expires)
                answer = signer.ask(request)
                assert isinstance(answer, Refused), mutant
                assert answer.reason
                answers[mutant] = (answer.tag, tag)
            assert {said for said, tag in answers.values() if said != tag} == set(), answers
            # The honest request is signed right after: it was the change that was refused, not the scene.
            draft = scene(expires).draft
            signed = signer.ask(draft.request())
            assert isinstance(signed, SafeSigned)
            assert signed_by(signed, draft.hash) == owner(name)
            assert command("verify", "--dir", str(signer.folder.root)).returncode == 0


def test_each_signer_alone_refuses_what_is_wrong_only_after_others(root: Path):
    expires = int(time.time()) + 3_600
    names = (
        "replayed at another nonce",
        "replayed at another nonce after a cancellation",
        "a second intent for a payout id",
    )
    for name in ("A", "B"):
        with running(make_safe_folder(root, name)) as signer:
            for at, story in enumerate(names):
                tell, tag = STORIES[story]
                before, last = tell(scene(expires, at))
                assert [signer.tag(draft.request()) for draft in before] == ["safe-signed"] * len(before), story
                assert signer.tag(last.request()) == tag, story
