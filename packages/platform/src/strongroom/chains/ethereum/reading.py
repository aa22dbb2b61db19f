"""Reading what a node answers: hex quantities, addresses, blocks, logs, receipts. Whatever is malformed is refused.

Source: the execution API of Ethereum (ethereum/execution-apis): quantities are hex without leading zeros, data is hex
of whole bytes; both start with ``0x``.
"""

from __future__ import annotations

from typing import Any, Final

from strongroom.chains.errors import NodeError
from strongroom.chains.ethereum.model import Block, Log, Place, Receipt

HASH_LENGTH: Final = 66
_ADDRESS_BYTES: Final = 20


class AnswerError(NodeError):
    """A node's answer is not what the execution API says."""

    code = "node-answer-malformed"


def quantity(value: object) -> int:
    """Read a quantity such as ``0x1a``. Raises ``AnswerError``."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return int(value, 16)
        except ValueError:
            pass
    message = f"the node gave {value!r:.80} where a number was due"
    raise AnswerError(message)


def data_of(value: object) -> bytes:
    """Read bytes such as ``0x00ff``. Raises ``AnswerError``."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    message = f"the node gave {value!r:.80} where bytes were due"
    raise AnswerError(message)


def address_of(value: object) -> bytes:
    """Read an address. Raises ``AnswerError``."""
    address = data_of(value)
    if len(address) != _ADDRESS_BYTES:
        message = f"the node gave {value!r:.80} where an address was due"
        raise AnswerError(message)
    return address


def hash_of(value: object) -> str:
    """Read a hash: as text, in small letters. Raises ``AnswerError``."""
    if not isinstance(value, str) or len(value) != HASH_LENGTH:
        message = f"the node gave {value!r:.80} where a hash was due"
        raise AnswerError(message)
    data_of(value)
    return value.lower()


def field_of(answer: Any, name: str) -> Any:
    """Take a field of an object. Raises ``AnswerError`` where there is none."""
    try:
        return answer[name]
    except (KeyError, TypeError):
        message = f"the node's answer has no {name}"
        raise AnswerError(message) from None


def _optional(answer: Any, name: str) -> int:
    value = answer.get(name)
    return 0 if value is None else quantity(value)


def block_of(answer: Any) -> Block:
    """Read a block's header."""
    return Block(
        height=quantity(field_of(answer, "number")),
        block_hash=hash_of(field_of(answer, "hash")),
        parent_hash=hash_of(field_of(answer, "parentHash")),
        unix_time=quantity(field_of(answer, "timestamp")),
        base_fee=_optional(answer, "baseFeePerGas"),
        gas_limit=_optional(answer, "gasLimit"),
    )


def log_of(answer: Any) -> Log:
    """Read a log of a block."""
    return Log(
        address=address_of(field_of(answer, "address")),
        topics=tuple(data_of(topic) for topic in field_of(answer, "topics")),
        data=data_of(field_of(answer, "data")),
        log_index=quantity(field_of(answer, "logIndex")),
        txid=hash_of(field_of(answer, "transactionHash")),
        block_hash=hash_of(field_of(answer, "blockHash")),
    )


def receipt_of(answer: Any) -> Receipt:
    """Read a receipt; one without a status (before Byzantium) does not count as a success."""
    to, created = answer.get("to"), answer.get("contractAddress")
    return Receipt(
        txid=hash_of(field_of(answer, "transactionHash")),
        success=_optional(answer, "status") == 1,
        height=quantity(field_of(answer, "blockNumber")),
        block_hash=hash_of(field_of(answer, "blockHash")),
        sender=address_of(field_of(answer, "from")),
        to=None if to is None else address_of(to),
        created=None if created is None else address_of(created),
        gas_used=quantity(field_of(answer, "gasUsed")),
        gas_price=_optional(answer, "effectiveGasPrice"),
        l1_fee=_optional(answer, "l1Fee"),
        logs=tuple(log_of(log) for log in field_of(answer, "logs")),
    )


def place_text(place: Place) -> str:
    """Write a height as a quantity; tags stay."""
    return hex(place) if isinstance(place, int) else place
