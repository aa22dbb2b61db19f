"""When a signer is asked again, and what its answer means. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from strongroom.proofs.model import Answer, Place, Proof, ProofState, Wanted
from strongroom_core.proof_messages import ProofResult, ReceiptProof, TxProof
from strongroom_core.refusals import RefusalTag

#: What another block, or a moment, may heal: the signer's own nodes are a little behind ours, or before us in a reorg.
_HEALS_SOON: Final = frozenset({RefusalTag.PROOF_DEPTH, RefusalTag.PROOF_BLOCK, RefusalTag.CHAIN_VIEW})
SOON: Final = timedelta(seconds=2)
SOON_AT_MOST: Final = timedelta(minutes=1)
#: What only a hand heals: a merchant that is not enrolled there, say.
LATE: Final = timedelta(minutes=1)
LATE_AT_MOST: Final = timedelta(hours=6)
#: What is proven above the horizon is shown again now and then: the signer may have seen a reorg that we did not.
AGAIN: Final = timedelta(minutes=10)
MAX_DOUBLINGS: Final = 12
#: One request: within a signer's own limit, and in hex well below a frame.
MAX_PROOFS: Final = 200
MAX_BYTES: Final = 3 * 1024 * 1024
#: How many blocks of an EVM chain one request may make a signer ask its own nodes about (``evm_view.MAX_ASKED`` there).
MAX_BLOCKS: Final = 32

T = TypeVar("T")


def answer_of(wanted: Wanted, signer: str, result: ProofResult, place: Place, now: datetime) -> Answer:
    """Say what a signer's word for one proof means."""
    if result.row > 0:
        settled = wanted.height <= place.deep
        return Answer(wanted, signer, ProofState.PROVEN, result.row, "", "", place.tip, settled, now + AGAIN, now)
    soon = result.tag in _HEALS_SOON
    state = ProofState.WAITING if soon else ProofState.REFUSED
    pause = _doubled(SOON, SOON_AT_MOST, wanted.attempts) if soon else _doubled(LATE, LATE_AT_MOST, wanted.attempts)
    return _not_proven(wanted, signer, state, (result.tag, result.reason), place, now, pause)


def unprovable(wanted: Wanted, signer: str, reason: str, place: Place, now: datetime) -> Answer:
    """Put off what our own node cannot prove: the signer was not asked."""
    pause = _doubled(SOON, LATE_AT_MOST, wanted.attempts)
    return _not_proven(wanted, signer, ProofState.WAITING, ("", reason), place, now, pause)


def _not_proven(
    wanted: Wanted, signer: str, state: ProofState, why: tuple[str, str], place: Place, now: datetime, pause: timedelta
) -> Answer:
    return Answer(wanted, signer, state, None, *why, place.tip, settled=False, retry_at=now + pause, at=now)


def pause_of(attempts: int) -> timedelta:
    """How long a signer that refused a whole request is left alone, after so many refusals."""
    return _doubled(SOON, SOON_AT_MOST, attempts)


def _doubled(first: timedelta, most: timedelta, times: int) -> timedelta:
    return min(first * (1 << min(times, MAX_DOUBLINGS)), most)


def batches(items: Sequence[tuple[T, Proof]]) -> Iterator[list[tuple[T, Proof]]]:
    """Split proofs into requests that are neither too many nor too long; one that is too long alone goes alone."""
    batch: list[tuple[T, Proof]] = []
    size, headers = 0, set[bytes]()
    for item in items:
        length, header = _size(item[1]), _headers(item[1])
        if batch and (len(batch) == MAX_PROOFS or size + length > MAX_BYTES or len(headers | header) > MAX_BLOCKS):
            yield batch
            batch, size, headers = [], 0, set()
        batch.append(item)
        size += length
        headers |= header
    if batch:
        yield batch


def _headers(proof: Proof) -> set[bytes]:
    """Give what a signer asks its nodes about; blocks of bitcoin-likes it knows by itself."""
    return {proof.header} if isinstance(proof, ReceiptProof) else set()


def _size(proof: Proof) -> int:
    if isinstance(proof, TxProof):
        return len(proof.tx) + len(proof.siblings)
    return len(proof.header) + len(proof.nodes)
