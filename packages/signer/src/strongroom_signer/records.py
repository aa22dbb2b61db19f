"""The bodies of journal rows: one function a kind. Their fields are documented in ``docs/signer.md``."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from strongroom_signer import books
from strongroom_signer.model import MovementKind
from strongroom_signer.rules import own_outputs

if TYPE_CHECKING:
    from strongroom_core.messages import SignRequest, SignSafeRequest
    from strongroom_signer.model import Claim, DecodedSafeTx, DecodedTx, Refusal
    from strongroom_signer.policy import Policy
    from strongroom_signer.rules import Case
    from strongroom_signer.safe_rules import SafeCase

# What a stranger can make us write is cut here; a request's own id and chain name are shorter.
MAX_TEXT: Final = 200

Body = dict[str, Any]


def genesis(at: int, name: str, fingerprint: bytes, policy: Policy, text: bytes) -> Body:
    """Row 1: whose journal it is, and the policy at key generation, in force at once."""
    return policy_row(at, policy, text) | {"kind": books.GENESIS, "name": name, "fingerprint": fingerprint.hex()}


def policy_row(at: int, policy: Policy, text: bytes) -> Body:
    """A policy was put in force by hand; its whole text is kept."""
    return {"kind": books.POLICY, "at": at, "policy": policy.hash.hex(), "text": text.decode("utf-8")}


def enrolment_row(at: int, text: bytes) -> Body:
    """The merchants' file was loaded and differs from the one before; its whole text is kept."""
    digest = hashlib.sha256(text).hexdigest()
    return {"kind": books.ENROLMENT, "at": at, "enrolment": digest, "text": text.decode("utf-8")}


def halted(at: int, reason: str, request_id: str) -> Body:
    """Signing stopped."""
    return {"kind": books.HALTED, "at": at, "reason": reason[:MAX_TEXT], "request": request_id[:MAX_TEXT]}


def resumed(at: int, halt_row: int) -> Body:
    """A hand on this host, with the passphrase, let signing go on."""
    return {"kind": books.RESUMED, "at": at, "halt": halt_row}


def voided(at: int, request_id: str, intent_hash: bytes, payout: str) -> Body:
    """This signer will never sign the intent."""
    return {
        "kind": books.VOIDED,
        "at": at,
        "request": request_id[:MAX_TEXT],
        "intent": intent_hash.hex(),
        "payout": payout,
    }


def refused(at: int, request_id: str, subject: bytes, refusal: Refusal) -> Body:
    """No was said; ``subject`` is the SHA-256 of the bytes that were judged: PSBT, Safe transaction or intent."""
    return {
        "kind": books.REFUSED,
        "at": at,
        "request": request_id[:MAX_TEXT],
        "subject": hashlib.sha256(subject).hexdigest(),
        "tag": refusal.tag.value,
        "reason": refusal.reason[:MAX_TEXT],
        "payout": refusal.payout,
    }


def signed(case: Case, request: SignRequest) -> Body:
    """Yes was said; written and synced before any signature is made."""
    slot = case.slot
    return {
        "kind": books.SIGNED,
        "at": case.now,
        "request": request.request_id[:MAX_TEXT],
        "chain": case.chain_id,
        "asset": case.chain.parameters.asset.id,
        "txid": case.tx.txid,
        "slot": slot.row if slot is not None else 0,
        "inputs": [
            {
                "txid": item.coin[0],
                "index": item.coin[1],
                "amount": item.amount,
                "branch": item.place.branch,
                "place": item.place.index,
            }
            for item in case.tx.inputs
        ],
        "payments": [_payment(claim) for claim in case.claims],
        "change": _change(case.tx, case.claims),
        "fee": case.tx.fee,
    }


def safe_signed(case: SafeCase, request: SignSafeRequest) -> Body:
    """Yes was said to a Safe transaction; written and synced before its signature is made."""
    return {
        "kind": books.SAFE_SIGNED,
        "at": case.now,
        "request": request.request_id[:MAX_TEXT],
        "chain": case.chain_id,
        "safe": case.safe,
        "nonce": case.tx.nonce,
        "txid": case.tx.txid,
        "payments": [_payment(claim) for claim in case.claims],
        "draws": _movements(case.tx, MovementKind.DRAW),
        "sweeps": _movements(case.tx, MovementKind.SWEEP),
        "cancel": case.tx.cancel,
    }


def _movements(tx: DecodedSafeTx, kind: MovementKind) -> list[Body]:
    return [{"asset": item.asset, "amount": item.amount} for item in tx.of_kind(kind)]


def _payment(claim: Claim) -> Body:
    return {
        "intent": claim.hash.hex(),
        "merchant": claim.intent.merchant,
        "payout": claim.intent.payout,
        "asset": claim.intent.asset,
        "amount": claim.intent.amount,
        "destination": claim.intent.destination,
        "listed": claim.listed,
        "bytes": claim.evidence.intent.hex(),
        "key": claim.evidence.public_key.hex(),
        "signature": claim.evidence.signature.hex(),
    }


def _change(tx: DecodedTx, claims: tuple[Claim, ...]) -> list[Body]:
    return [
        {"key_set": output.place.key_set, "index": output.place.index, "amount": output.amount}
        for output in own_outputs(tx, claims)
        if output.place is not None
    ]
