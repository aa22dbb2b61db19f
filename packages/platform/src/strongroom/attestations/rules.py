"""What a signer's answer means, and when it is asked again. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from strongroom.attestations.model import Attestation, Dispute, Due
from strongroom.wallets.model import WalletAddress
from strongroom_core.attestations import FORWARDER, attestation_bytes
from strongroom_core.ids import HOUSE_MERCHANT, MerchantId
from strongroom_core.proof_messages import Attested

#: One request: a signer takes a tenth of a second for it, which no payout notices.
BATCH: Final = 200
FIRST_PAUSE: Final = timedelta(seconds=2)
#: A merchant that is not enrolled may stay so for ever; a change of the signer's merchants is noticed by itself.
LONGEST_PAUSE: Final = timedelta(minutes=10)
#: A signer that is away, or answers nonsense, is asked again sooner: it is one question for all addresses.
LONGEST_ABSENCE: Final = timedelta(seconds=30)
MAX_DOUBLINGS: Final = 12


def pause(attempts: int, longest: timedelta = LONGEST_PAUSE) -> timedelta:
    """How long to wait after so many refusals in a row."""
    return min(FIRST_PAUSE * (1 << min(attempts, MAX_DOUBLINGS)), longest)


def holder(due: Due) -> MerchantId:
    """Name whose addresses they are in the signers' words: the merchant's, or the house's."""
    return due.merchant_id or HOUSE_MERCHANT


def key_set(due: Due, *, evm: bool) -> str:
    """Name what they are derived from in the signers' words."""
    return FORWARDER if evm else due.kind.value


def judge(
    ours: Sequence[WalletAddress], answer: Attested, signer: str, as_set: str
) -> tuple[list[Attestation], Dispute | None]:
    """Keep the signer's word for addresses that are as ours, up to the first that is not; ``ours`` are in order."""
    kept = list[Attestation]()
    for mine, word in zip(ours, answer.attestations, strict=True):
        if word.address != mine.address:
            return kept, Dispute(mine.index, mine.address, word.address, mine.handed_out_at is not None)
        kept.append(Attestation(mine.id, signer, answer.identity, as_set, mine.index, word.signature))
    return kept, None


def unsigned(deployment: str, due: Due, answer: Attested, as_set: str) -> int | None:
    """Find the first index whose signature is none of the named identity's; None where all are good."""
    who = holder(due)
    for word in answer.attestations:
        data = attestation_bytes(deployment, due.chain, who, as_set, word.index, word.address)
        try:
            VerifyKey(answer.identity).verify(data, word.signature)
        except (CryptoError, ValueError, TypeError):
            return word.index
    return None
