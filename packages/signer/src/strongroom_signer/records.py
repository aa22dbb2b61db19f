"""The bodies of journal rows: one function a kind. Their fields are documented in ``docs/signer.md``."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from strongroom_signer import books, pending
from strongroom_signer.model import MovementKind
from strongroom_signer.rules import numbered_own_outputs

if TYPE_CHECKING:
    from strongroom_core.messages import SignRequest, SignSafeRequest
    from strongroom_core.statements import Document
    from strongroom_signer.claim_rules import ClaimsCase
    from strongroom_signer.conversions import ConversionCase
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


def challenge(at: int, nonce: str) -> Body:
    """A nonce (hex) was issued, for one statement."""
    return {"kind": pending.CHALLENGE, "at": at, "nonce": nonce}


def announced(at: int, document: Document, text: bytes, effective_at: int, loosens: list[str]) -> Body:
    """A change that loosens was taken, and waits; ``loosens`` names the fields that do."""
    return {
        "kind": pending.ANNOUNCED,
        "at": at,
        "document": document.value,
        "sha256": hashlib.sha256(text).hexdigest(),
        "text": text.decode("utf-8"),
        "effective_at": effective_at,
        "loosens": loosens,
    }


def cancelled(at: int, document: Document, sequence: int, by: str) -> Body:
    """Nothing comes of what was announced; ``by`` is an operator's key, "passphrase", or why it lapsed."""
    return {"kind": pending.CANCELLED, "at": at, "document": document.value, "sequence": sequence, "by": by}


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
        "payments": [_payment(claim, case) for claim in case.claims],
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
        "payments": [_payment(claim, case) for claim in case.claims],
        "draws": _movements(case.tx, MovementKind.DRAW),
        "sweeps": _movements(case.tx, MovementKind.SWEEP),
        "cancel": case.tx.cancel,
    }


def deposits(at: int, request_id: str, chain: str, items: list[Body]) -> Body:
    """These deposits were proven; each item says whose it is and what the house gets of it."""
    return _proven(books.DEPOSITS, at, request_id, chain, items)


def conflicted(at: int, request_id: str, chain: str, items: list[Body]) -> Body:
    """These payments can never be made any more; what they took is given back."""
    return _proven(books.CONFLICTED, at, request_id, chain, items)


def reorged(at: int, chain: str, keys: list[str]) -> Body:
    """The blocks of these deposits left the chain that our nodes agree on."""
    return {"kind": books.REORGED, "at": at, "chain": chain, "items": keys}


def converted(case: ConversionCase, request_id: str) -> Body:
    """Both legs of a conversion, which the merchant signed, against the house."""
    order = case.order
    return {
        "kind": books.CONVERTED,
        "at": case.now,
        "request": request_id[:MAX_TEXT],
        "merchant": order.merchant,
        "order": order.order,
        "hash": order.hash.hex(),
        "sell": {"asset": order.sell_asset, "amount": order.sell_amount},
        "buy": {"asset": order.buy_asset, "amount": order.buy_amount},
        "bytes": case.evidence.intent.hex(),
        "key": case.evidence.public_key.hex(),
        "signature": case.evidence.signature.hex(),
    }


def _proven(kind: str, at: int, request_id: str, chain: str, items: list[Body]) -> Body:
    return {"kind": kind, "at": at, "request": request_id[:MAX_TEXT], "chain": chain, "items": items}


def _movements(tx: DecodedSafeTx, kind: MovementKind) -> list[Body]:
    return [{"asset": item.asset, "amount": item.amount} for item in tx.of_kind(kind)]


def _payment(claim: Claim, case: ClaimsCase) -> Body:
    more = [{"key": item.public_key.hex(), "signature": item.signature.hex()} for item in claim.more]
    return {
        "intent": claim.hash.hex(),
        "merchant": claim.intent.merchant,
        "payout": claim.intent.payout,
        "asset": claim.intent.asset,
        "amount": claim.intent.amount,
        "fee": case.fee(claim),
        "destination": claim.intent.destination,
        "listed": claim.listed,
        "bytes": claim.evidence.intent.hex(),
        "key": claim.evidence.public_key.hex(),
        "signature": claim.evidence.signature.hex(),
        **({"more": more} if more else {}),
    }


def _change(tx: DecodedTx, claims: tuple[Claim, ...]) -> list[Body]:
    return [
        {"output": number, "key_set": output.place.key_set, "index": output.place.index, "amount": output.amount}
        for number, output in numbered_own_outputs(tx, claims)
        if output.place is not None
    ]
