"""How a Safe transaction is signed: each signer is an owner of the hot Safe, and sends one signature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.chains.errors import NodeError
from strongroom.infra.settings import ChainSettings
from strongroom.outbound import rules
from strongroom.outbound.errors import SignerAnswerError
from strongroom.outbound.model import Answer, OpenSlot, SlotKind, Version
from strongroom.outbound.safe import building, reading
from strongroom.outbound.safe.model import PAYING_VERSION, SafeNode
from strongroom.outbound.schemes import Part
from strongroom.outbound.signers import Signer
from strongroom_core.evm import SafeTx
from strongroom_core.messages import Refused
from strongroom_core.refusals import RefusalTag

# These say nothing about a payout: the signer has not signed the nonce before, the day's draws or nonces are used up,
# or its settings lag.
WAIT_TAGS: Final = frozenset(
    {
        RefusalTag.NONCE_AHEAD,
        RefusalTag.NONCE_BEHIND,
        RefusalTag.NONCE_DAILY,
        RefusalTag.ALLOWANCE_DAILY,
        RefusalTag.SAFE_UNKNOWN,
    }
)


@dataclass(frozen=True, slots=True)
class SafeScheme:
    """One EVM chain's way to sign."""

    settings: ChainSettings
    node: SafeNode

    async def ask(self, signer: Signer, state: OpenSlot, version: Version) -> Part | Refused:
        """Ask for a signature, and use it only where it recovers to an owner of the Safe as it is now."""
        # A cancellation pays nobody: it needs no evidence, and the signers take none with it.
        paying = version.number == PAYING_VERSION
        evidence = tuple(payment.evidence for payment in state.payments) if paying else ()
        answer = await signer.sign_safe(state.slot.chain, version.psbt, evidence)
        if isinstance(answer, Refused):
            return answer
        places = building.contracts(self.settings)
        try:
            owners = await reading.owners(self.node, places)
        except NodeError as error:
            message = f"the owners of the hot Safe cannot be read: {error.message}"
            raise SignerAnswerError(message) from None
        if building.owner_of(places, SafeTx.decode(version.psbt), answer.signature) not in owners:
            message = f"{signer.name}: its signature is of no owner of the hot Safe"
            raise SignerAnswerError(message)
        return Part(answer.signature, answer.row)

    def combine(self, version: Version, parts: Sequence[bytes]) -> bytes:
        """Give the calldata of ``execTransaction``."""
        return building.combine(building.contracts(self.settings), SafeTx.decode(version.psbt), parts)

    def judge(self, refusal: rules.Refusal, state: OpenSlot, number: int, answers: Sequence[Answer]) -> rules.Verdict:
        """Decide as for every slot, but wait for a cancellation: nothing else frees its nonce."""
        cancelling = number > PAYING_VERSION or state.slot.kind is SlotKind.CANCEL
        if cancelling or refusal.tag in WAIT_TAGS:
            return rules.Verdict.WAIT
        return rules.judge_refusal(refusal, number, answers)
