"""What differs between families of chains where signers are asked: what they are sent, what they send back.

Everything else about a version is the same: it is planned, asked for, signed, and its holds are captured then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from strongroom.outbound import rules
from strongroom.outbound.errors import SignerAnswerError
from strongroom.outbound.model import Answer, OpenSlot, Version
from strongroom.outbound.psbt import check_signed, combine
from strongroom.outbound.signers import Signer
from strongroom_core.messages import Refused


@dataclass(frozen=True, slots=True)
class Part:
    """One signer's part of a version: a PSBT with its signatures, or one signature; ``row`` is of its journal."""

    data: bytes
    row: int


class Scheme(Protocol):
    """How the versions of one family of chains are signed."""

    async def ask(self, signer: Signer, state: OpenSlot, version: Version) -> Part | Refused:
        """Ask one signer, and believe no answer that cannot be an honest one.

        Raises ``SignerUnreachableError``, ``SignerAnswerError``.
        """
        ...

    def combine(self, version: Version, parts: Sequence[bytes]) -> bytes:
        """Give what is sent to the network. Raises ``SignerAnswerError`` where the parts do not make it."""
        ...

    def judge(self, refusal: rules.Refusal, state: OpenSlot, number: int, answers: Sequence[Answer]) -> rules.Verdict:
        """Decide what a refusal of version ``number`` means for its slot."""
        ...


@dataclass(frozen=True, slots=True)
class PsbtScheme:
    """The bitcoin-likes: signers add their signatures to a PSBT."""

    async def ask(self, signer: Signer, state: OpenSlot, version: Version) -> Part | Refused:
        """Ask for signatures, and check that nothing but them was added."""
        evidence = tuple(payment.evidence for payment in state.payments)
        answer = await signer.sign(state.slot.chain, version.psbt, evidence)
        if isinstance(answer, Refused):
            return answer
        try:
            check_signed(version.psbt, answer.psbt)
        except SignerAnswerError as error:
            message = f"{signer.name}: {error.message}"
            raise SignerAnswerError(message) from None
        return Part(answer.psbt, answer.row)

    def combine(self, version: Version, parts: Sequence[bytes]) -> bytes:
        """Give the signed chain tx."""
        return combine(version.psbt, parts)

    def judge(self, refusal: rules.Refusal, state: OpenSlot, number: int, answers: Sequence[Answer]) -> rules.Verdict:
        """Decide as for every slot."""
        return rules.judge_refusal(refusal, number, answers)
