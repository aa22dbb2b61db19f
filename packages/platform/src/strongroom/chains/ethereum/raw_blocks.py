"""Headers and receipts as their block holds them, from what a node answers in JSON; believed by their hashes alone.

Sources: yellow paper 4.3 (header, receipt, bloom filter), EIP-2718 (types), and the fields that EIP-1559, 4895, 4844,
4788 and 7685 put behind the header's fifteen, in this order on every chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import rlp

from strongroom.chains.errors import BlockMismatchError
from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.reading import data_of, field_of, quantity

_DATA: Final = data_of
_HEADER: Final = (
    *(("parentHash", _DATA), ("sha3Uncles", _DATA), ("miner", _DATA), ("stateRoot", _DATA)),
    *(("transactionsRoot", _DATA), ("receiptsRoot", _DATA), ("logsBloom", _DATA), ("difficulty", quantity)),
    *(("number", quantity), ("gasLimit", quantity), ("gasUsed", quantity), ("timestamp", quantity)),
    *(("extraData", _DATA), ("mixHash", _DATA), ("nonce", _DATA)),
)
_LATER: Final = (
    *(("baseFeePerGas", quantity), ("withdrawalsRoot", _DATA), ("blobGasUsed", quantity), ("excessBlobGas", quantity)),
    *(("parentBeaconBlockRoot", _DATA), ("requestsHash", _DATA)),
)
# A deposit from layer 1 on the OP stack: two fields more, where the block is late enough to have them.
_OP_DEPOSIT: Final = 0x7E
_OP_FIELDS: Final = ("depositNonce", "depositReceiptVersion")
_BLOOM_BITS: Final = 2048


def header_of(answer: Mapping[str, Any], block_hash: str) -> bytes:
    """Give a block's header in RLP. Raises ``BlockMismatchError`` where it does not hash to ``block_hash``."""
    fields = [(name, read) for name, read in (*_HEADER, *_LATER) if answer.get(name) is not None]
    raw = bytes(rlp.encode([read(answer[name]) for name, read in fields]))
    if keccak(raw).hex() != block_hash.removeprefix("0x"):
        message = f"the header that the node gave is not that of block {block_hash}"
        raise BlockMismatchError(message)
    return raw


def receipt_of(answer: Mapping[str, Any]) -> bytes:
    """Give a receipt as the trie of its block holds it. Raises ``AnswerError``."""
    kind = quantity(answer.get("type") or "0x0")
    logs = [_log(log) for log in field_of(answer, "logs")]
    fields = [quantity(field_of(answer, name)) for name in ("status", "cumulativeGasUsed")]
    more = [quantity(answer[name]) for name in _OP_FIELDS if answer.get(name)] if kind == _OP_DEPOSIT else []
    return (bytes([kind]) if kind else b"") + bytes(rlp.encode([*fields, _bloom(logs), logs, *more]))


def _log(answer: Mapping[str, Any]) -> list[Any]:
    topics = [data_of(topic) for topic in field_of(answer, "topics")]
    return [data_of(field_of(answer, "address")), topics, data_of(field_of(answer, "data"))]


def _bloom(logs: Sequence[Sequence[Any]]) -> bytes:
    bits = 0
    for address, topics, _ in logs:
        for item in (address, *topics):
            digest = keccak(item)
            for at in range(0, 6, 2):
                bits |= 1 << int.from_bytes(digest[at : at + 2], "big") % _BLOOM_BITS
    return bits.to_bytes(_BLOOM_BITS // 8, "big")
