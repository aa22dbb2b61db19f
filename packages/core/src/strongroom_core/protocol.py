"""Every message of the protocol between platform, signers and witness, by its kind."""

from __future__ import annotations

from typing import Final

from strongroom_core import messages, peer_messages, proof_messages
from strongroom_core.wire import Message, decode

_MESSAGES: Final[tuple[type[Message], ...]] = (
    messages.SignRequest,
    messages.Signed,
    messages.SignSafeRequest,
    messages.SafeSigned,
    messages.Refused,
    messages.VoidRequest,
    messages.Voided,
    messages.HaltRequest,
    messages.StatusRequest,
    messages.Status,
    messages.JournalRequest,
    messages.JournalRow,
    messages.JournalRows,
    proof_messages.TxProof,
    proof_messages.ReceiptProof,
    proof_messages.ProveTxsRequest,
    proof_messages.ProveReceiptsRequest,
    proof_messages.ProveConflictsRequest,
    proof_messages.ProveExecutionsRequest,
    proof_messages.ProofResult,
    proof_messages.Proven,
    proof_messages.BooksRequest,
    proof_messages.OwnBalance,
    proof_messages.BooksAre,
    proof_messages.AttestRequest,
    proof_messages.Attestation,
    proof_messages.Attested,
    proof_messages.ConvertRequest,
    proof_messages.Converted,
    peer_messages.PushRequest,
    peer_messages.HeadRequest,
    peer_messages.HeadIs,
    peer_messages.CopyRequest,
)
_KINDS: Final[dict[str, type[Message]]] = {message.kind: message for message in _MESSAGES}


def decode_message(data: bytes) -> Message:
    """Read one message. Raises ``InvalidMessageError`` on anything that is not exactly one."""
    return decode(data, _KINDS)
