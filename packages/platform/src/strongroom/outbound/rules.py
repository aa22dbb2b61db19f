"""Pure decisions of outbound: whom to ask, what a refusal means, what a spend on chain means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from strongroom.outbound.model import COST_TAGS, UNPROVEN_TAGS, Answer, AnswerState, SignerState, Version
from strongroom_core.refusals import RefusalTag

BATCH_REFUSED: Final = "batch-refused"
_BATCH_REASON: Final = (
    "another payout of the same chain tx was refused after one signer had agreed: sign and send it again"
)

# These say nothing about a payout: the signer, or the hour, is not ready. The same bytes are offered again.
WAIT_TAGS: Final = frozenset(
    {
        RefusalTag.HALTED,
        RefusalTag.CLOCK,
        RefusalTag.JOURNAL_BROKEN,
        RefusalTag.FEE_DAILY,
        RefusalTag.CHAIN_UNKNOWN,
        RefusalTag.CHAIN_VIEW,
        RefusalTag.PEER_SILENT,
        RefusalTag.PEER_POLICY,
        RefusalTag.JOURNAL_BEHIND,
        RefusalTag.JOURNAL_FORKED,
    }
)
_READABLE: Final[dict[str, str]] = {
    RefusalTag.INTENT_UNSIGNED: "the signature on the payout is not of the merchant's enrolled key",
    RefusalTag.INTENT_EXPIRED: "the payout expired before the signers saw it",
    RefusalTag.INTENT_DEPLOYMENT: "the payout was signed for another installation",
    RefusalTag.INTENT_BOUND: "the payout is bound to another chain tx",
    RefusalTag.INTENT_VOID: "the payout was withdrawn before",
    RefusalTag.INTENT_REPEATED: "a payout with this id was signed before with other contents",
    RefusalTag.MERCHANT_UNKNOWN: "the merchant is not enrolled at the signers; the operator does it on each host",
    RefusalTag.DESTINATION_INVALID: "the destination is no address of this chain that the signers can pay",
    RefusalTag.DESTINATION_UNLISTED: "the amount is above what may go to a destination that is not enrolled",
    RefusalTag.LIMIT_PAYOUT: "the amount is above the limit of a single payout",
    RefusalTag.VELOCITY_MERCHANT: "the merchant's limit for this window is used up: try again later",
    RefusalTag.VELOCITY_ALL: "the limit of all merchants for this window is used up: try again later",
    RefusalTag.FEE_CEILING: "the fee is above the ceiling that the merchant signed",
    RefusalTag.OUTPUT_DUST: "the amount is too small to be sent on this chain",
    BATCH_REFUSED: _BATCH_REASON,
}


class Verdict(StrEnum):
    """What to do after a refusal."""

    WAIT = "wait"
    LATER = "later"
    DROP_VERSION = "drop-version"
    PLAN_AGAIN = "plan-again"
    VOID_ALL = "void-all"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A signer's no: the rule's tag, its sentence, and the payout at fault or nothing."""

    signer: str
    tag: str
    reason: str
    payout: str

    @property
    def sentence(self) -> str:
        """For people: who refused, by which rule, and why."""
        return f"{self.signer} refused ({self.tag}): {self.reason}"


def readable(tag: str, reason: str) -> str:
    """Say to a merchant why a payout was refused: our own sentence for a known tag, else the signer's."""
    return _READABLE.get(tag, reason or tag)


def judge_refusal(refusal: Refusal, number: int, answers: Sequence[Answer]) -> Verdict:
    """Decide what a refusal of version ``number`` means, from every answer on the slot so far.

    While no signer has, or may have, signed any version, payouts that are not at fault may be planned again elsewhere.
    Once one may have, they are bound to this slot there forever: then only the refusing signer's void frees the money.
    """
    if refusal.tag in WAIT_TAGS:
        return Verdict.WAIT
    if number > 1:
        return Verdict.DROP_VERSION
    others = [answer for answer in answers if answer.signer != refusal.signer]
    bound = any(answer.state is not AnswerState.REFUSED for answer in others)
    if refusal.tag in UNPROVEN_TAGS:
        return Verdict.WAIT if bound else Verdict.LATER
    if not bound:
        return Verdict.PLAN_AGAIN
    return Verdict.WAIT if refusal.tag in COST_TAGS else Verdict.VOID_ALL


def sceptics_first(names: Sequence[str], states: dict[str, SignerState]) -> list[str]:
    """Order signers so that the one that refused last is asked first: its refusal then binds nobody else's intents."""

    def doubt(name: str) -> float:
        refused_at: datetime | None = states[name].refused_at if name in states else None
        return -refused_at.timestamp() if refused_at else 0.0

    places = {name: place for place, name in enumerate(names)}
    return sorted(names, key=lambda name: (doubt(name), places[name]))


def void_order(names: Sequence[str], preferred: str, signed_by: frozenset[str]) -> list[str]:
    """Order signers for a void: the preferred one first, those that have signed the payout never."""
    return sorted((name for name in names if name not in signed_by), key=lambda name: (name != preferred, name))


def best_version(versions: Sequence[Version]) -> Version | None:
    """Find the signed version with the highest number: the one to broadcast."""
    return next((version for version in reversed(versions) if version.raw is not None), None)


def backoff_seconds(attempts: int) -> int:
    """Give the pause before the next try: 1, 2, 4 … at most 30 seconds, so that a restarted signer is soon used."""
    return int(min(30, 2 ** min(attempts, 5)))


def is_alarm_due(attempts: int) -> bool:
    """Whether a void that failed ``attempts`` times is worth a line in the log: the 1st, 2nd, 4th, 8th … time."""
    return attempts > 0 and attempts & (attempts - 1) == 0
