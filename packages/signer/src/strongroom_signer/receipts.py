"""From a block's header to one log in it, proven: keccak of the header, the receipts' trie, the receipt, its status.

The header is hashed as it was given and its fields are read by position, so that chains whose headers have more fields
are read as well. Sources: yellow paper 4.3, appendices B to D; EIP-2718 (typed receipts), EIP-658 (status).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from strongroom_core.abi import ADDRESS_BYTES
from strongroom_core.refusals import RefusalTag
from strongroom_signer import rlp, trie
from strongroom_signer.errors import RefusedError
from strongroom_signer.keccak import keccak256
from strongroom_signer.rlp import RlpError
from strongroom_signer.trie import HASH_BYTES, TrieError

if TYPE_CHECKING:
    from strongroom_core.proof_messages import ReceiptProof
    from strongroom_signer.rlp import Item

# A header has some 600 bytes; extra data and fields of other chains do not make it ten times that.
MAX_HEADER_BYTES: Final = 8_192
# A sweep of 128 forwarders has some 40 KiB of logs. But anyone may have a forwarder swept, and log as much beside it as
# a chain tx has gas for (2**24 by EIP-7825, 8 for each byte: 2 MiB; layers 2 allow twice that), and the deposit is
# proven all the same. In hex it fits into a frame. The longest path has few nodes.
MAX_NODES_BYTES: Final = 6 * 1024 * 1024
MAX_NODES: Final = 64
# Fields of a header by their place: up to the nonce every header has them.
HEADER_FIELDS_MIN: Final = 15
_RECEIPTS_ROOT, _NUMBER, _TIMESTAMP = 5, 8, 11
_NUMBER_BYTES: Final = 8
_LEGACY_FROM: Final = 0xC0
_TYPED_BELOW: Final = 0x80
# Access list, dynamic fee, blob, set code (EIP-2930, 1559, 4844, 7702). Other types are other chains' own, whose
# receipts may have more fields behind the four.
_PLAIN_TYPES: Final = frozenset({0, 1, 2, 3, 4})
RECEIPT_FIELDS: Final = 4
BLOOM_BYTES: Final = 256
LOG_FIELDS: Final = 3
TOPICS_MAX: Final = 4
SUCCEEDED: Final = b"\x01"


class AgreedBlocks(Protocol):
    """What is asked of a view of an EVM chain."""

    @property
    def height(self) -> int:
        """The number of the agreed finalized block, -1 before the first."""

    def block(self, number: int) -> bytes | None:
        """Give the agreed hash of a finalized block (32 bytes), or None where there is none."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is read of a header: its keccak-256, number, time in unix seconds, and the root of the receipts' trie."""

    block: bytes
    number: int
    timestamp: int
    receipts_root: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """A log of a receipt: who wrote it (20 bytes), up to four topics of 32 bytes, and its data."""

    emitter: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class ProvenLog:
    """A log that a finalized block holds, in a receipt that succeeded.

    Its key is (``block``, ``position``, ``log``): the block's hash in hex, the chain tx's place in the block, the log's
    number within the receipt. A receipt does not say the txid.
    """

    block: str
    number: int
    timestamp: int
    position: int
    log: int
    emitter: bytes
    topics: tuple[bytes, ...]
    data: bytes


def prove_log(proof: ReceiptProof, view: AgreedBlocks) -> ProvenLog:
    """Verify a proof against the blocks that this signer's own nodes agree on.

    Raises ``RefusedError``: proof-malformed (bytes that no block has), proof-depth (not finalized yet), proof-block
    (not the block that the nodes agree on, or they agree on none), proof-merkle (the nodes do not lead to a receipt),
    proof-place (the chain tx failed, or there is no such log).
    """
    try:
        header = read_header(proof.header)
        # The block first: what is no block of the chain is not worth the time that the rest takes to read.
        _check_block(header, view)
        nodes = _nodes(proof.nodes)
    except RlpError as error:
        raise RefusedError(RefusalTag.PROOF_MALFORMED, error.message) from None
    log = _log(_receipt(header, proof.position, nodes), proof.log)
    return ProvenLog(
        block=header.block.hex(),
        number=header.number,
        timestamp=header.timestamp,
        position=proof.position,
        log=proof.log,
        emitter=log.emitter,
        topics=log.topics,
        data=log.data,
    )


def read_header(data: bytes) -> Header:
    """Read a header by the places of its fields. Raises ``RlpError``."""
    if len(data) > MAX_HEADER_BYTES:
        message = f"a header has at most {MAX_HEADER_BYTES} bytes"
        raise RlpError(message)
    fields = rlp.decode_list(data)
    if len(fields) < HEADER_FIELDS_MIN:
        message = f"a header has at least {HEADER_FIELDS_MIN} fields"
        raise RlpError(message)
    return Header(
        block=keccak256(data),
        number=rlp.as_number(fields[_NUMBER], _NUMBER_BYTES),
        timestamp=rlp.as_number(fields[_TIMESTAMP], _NUMBER_BYTES),
        receipts_root=rlp.as_bytes(fields[_RECEIPTS_ROOT], HASH_BYTES),
    )


def read_receipt(data: bytes) -> tuple[bool, tuple[Log, ...]]:
    """Read a receipt as the trie holds it: whether its chain tx succeeded, and its logs. Raises ``RlpError``."""
    typed = data[:1] and data[0] < _TYPED_BELOW
    kind = data[0] if typed else 0
    if not data or (typed and not kind) or (not typed and data[0] < _LEGACY_FROM):
        message = "a receipt is a list, or a type from 1 to 127 and a list (EIP-2718)"
        raise RlpError(message)
    fields = rlp.decode_list(data[1:] if typed else data)
    if len(fields) < RECEIPT_FIELDS or (kind in _PLAIN_TYPES and len(fields) != RECEIPT_FIELDS):
        message = f"a receipt of type {kind} has {len(fields)} fields"
        raise RlpError(message)
    status, gas, bloom, logs = fields[:RECEIPT_FIELDS]
    rlp.as_number(gas, _NUMBER_BYTES)
    rlp.as_bytes(bloom, BLOOM_BYTES)
    # Before EIP-658 a state's root stood here; of such a receipt nobody can say whether the chain tx succeeded.
    return rlp.as_bytes(status) == SUCCEEDED, tuple(_read_log(item) for item in rlp.as_list(logs))


def _nodes(data: bytes) -> list[bytes]:
    if len(data) > MAX_NODES_BYTES:
        message = f"the nodes of a proof have at most {MAX_NODES_BYTES} bytes"
        raise RlpError(message)
    return rlp.decode_strings(data, MAX_NODES)


def _check_block(header: Header, view: AgreedBlocks) -> None:
    if header.number > view.height:
        reason = f"block {header.number} is not finalized by this signer's own nodes, which are at {view.height}"
        raise RefusedError(RefusalTag.PROOF_DEPTH, reason)
    agreed = view.block(header.number)
    if agreed is None:
        raise RefusedError(RefusalTag.PROOF_BLOCK, f"this signer's own nodes do not agree on block {header.number}")
    if agreed != header.block:
        reason = f"block {header.number} is 0x{agreed.hex()}, and the proof's header is 0x{header.block.hex()}"
        raise RefusedError(RefusalTag.PROOF_BLOCK, reason)


def _receipt(header: Header, position: int, nodes: list[bytes]) -> tuple[bool, tuple[Log, ...]]:
    try:
        return read_receipt(trie.prove(header.receipts_root, rlp.encode_number(position), nodes))
    except TrieError as error:
        raise RefusedError(RefusalTag.PROOF_MERKLE, error.message) from None
    except RlpError as error:
        raise RefusedError(RefusalTag.PROOF_MALFORMED, error.message) from None


def _log(receipt: tuple[bool, tuple[Log, ...]], number: int) -> Log:
    succeeded, logs = receipt
    if not succeeded:
        raise RefusedError(RefusalTag.PROOF_PLACE, "the chain tx failed, or its receipt does not say that it succeeded")
    if number >= len(logs):
        raise RefusedError(RefusalTag.PROOF_PLACE, f"the receipt has {len(logs)} logs, and no number {number}")
    return logs[number]


def _read_log(item: Item) -> Log:
    fields = rlp.as_list(item)
    if len(fields) != LOG_FIELDS:
        message = f"a log has {LOG_FIELDS} fields: address, topics, data"
        raise RlpError(message)
    topics = tuple(rlp.as_bytes(topic, HASH_BYTES) for topic in rlp.as_list(fields[1]))
    if len(topics) > TOPICS_MAX:
        message = f"a log has at most {TOPICS_MAX} topics"
        raise RlpError(message)
    return Log(rlp.as_bytes(fields[0], ADDRESS_BYTES), topics, rlp.as_bytes(fields[2]))
