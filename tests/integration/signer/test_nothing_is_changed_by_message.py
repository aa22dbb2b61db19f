"""No message over the socket adds or changes a merchant, a key or a limit, nor ends a halt: a hand on the host does."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import time
import types
import typing
from pathlib import Path
from typing import Any

import pytest

from strongroom_core import protocol
from strongroom_core.intents import SignedIntent
from strongroom_core.messages import HaltRequest, Refused, Status, StatusRequest
from strongroom_core.wire import Message
from tests.integration.signer.processes import SignerProcess, make_folder, running
from tests.unit.signer.kit import intent, payout, sign

# What a journal may have more of afterwards: decisions on payments, and halts. Whatever else stands there was applied.
DECISIONS = {"refused", "voided", "halted"}
STRANGER = "mer_01j9zzzzzzzzzzzzzzzzzzzzz9"
WISHES = ("enroll", "enrol", "merchant", "merchants", "key", "policy", "limits", "change", "apply", "reload", "resume")


def example(kind: Any, text: str = STRANGER) -> Any:
    """Some value of a field's type; of intents an honest one, by a merchant that is enrolled."""
    if kind is SignedIntent:
        return sign(intent(expires_at=int(time.time()) + 3_600))
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        try:
            return kind(**{item.name: example(hints[item.name], text) for item in dataclasses.fields(kind)})  # type: ignore[operator]
        except ValueError:  # a text that has to be a number
            return example(kind, "7")
    if typing.get_origin(kind) is tuple:
        return (example(typing.get_args(kind)[0], text),)
    if isinstance(kind, types.UnionType):
        return example(typing.get_args(kind)[0], text)
    return {str: text, bytes: b"\x11" * 32, int: 1, bool: True}[kind]


def standing(signer: SignerProcess) -> tuple[bytes, bytes, bytes, bytes]:
    """What is in force, by the signer's own word, and what stands on its disk."""
    status = signer.ask(StatusRequest("req"))
    assert isinstance(status, Status)
    assert status.pending == ()
    folder = signer.folder
    return status.policy_hash, status.enrolment_hash, folder.policy.read_bytes(), folder.merchants.read_bytes()


def rows(signer: SignerProcess) -> list[str]:
    connection = sqlite3.connect(f"file:{signer.folder.journal}?mode=ro", uri=True)
    found = [json.loads(body)["kind"] for (body,) in connection.execute("SELECT body FROM rows ORDER BY number")]
    connection.close()
    return found


@pytest.mark.parametrize("name", ["A", "B"])
def test_whatever_is_sent_to_a_signer_its_policy_and_merchants_stay(root: Path, name: str):
    with running(make_folder(root, name)) as signer:
        before, journal = standing(signer), rows(signer)
        kinds = [each for each in protocol._MESSAGES if each is not HaltRequest]
        assert len(kinds) >= 30
        for kind in kinds:
            message: Message = example(kind)
            answer = signer.ask(message)
            assert standing(signer) == before, kind
            assert isinstance(answer, Message), kind
        for wish in WISHES:
            answer = signer.ask(Wish(wish))
            assert isinstance(answer, Refused), wish
            assert (answer.tag, standing(signer) == before) == ("request-malformed", True), wish
        assert rows(signer)[: len(journal)] == journal
        assert set(rows(signer)[len(journal) :]) <= DECISIONS

        assert signer.tag(payout(intent(expires_at=int(time.time()) + 3_600, amount=600)).request()) == "signed"
        halted = signer.ask(HaltRequest("req", "enough"))
        assert isinstance(halted, Status)
        for message in (*(example(kind) for kind in kinds), *map(Wish, WISHES)):
            signer.ask(message)
        status = signer.ask(StatusRequest("req"))
        assert isinstance(status, Status)
        assert status.halted


@dataclasses.dataclass(frozen=True, slots=True)
class Wish(Message):
    """A message that a thief would like there to be."""

    name: str
    merchant: str = STRANGER
    branch: int = 2
    key: bytes = b"\x11" * 32

    def encode(self) -> bytes:
        fields = {"merchant": self.merchant, "branch": self.branch, "key": self.key.hex()}
        return json.dumps({"kind": self.name, "request_id": "req"} | fields).encode()
