"""Logs as what they say: ERC-20 transfers, executions of a Safe, coin received by a Safe. Pure.

Strict: a log counts only in the one form that its source gives it; whatever has other topics or other data is nothing.
Sources: ERC-20 and ERC-721 (``Transfer``), Safe 1.3 to 1.5 (``ExecutionSuccess``, ``ExecutionFailure``,
``SafeReceived``); a topic is the keccak-256 of the event's signature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from strongroom.chains.ethereum.model import Log
from strongroom.chains.ethereum.watched import PREFIX_BYTES, Watched

# the event Transfer(address,address,uint256)
TRANSFER_TOPIC: Final = bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
# the event ExecutionSuccess(bytes32,uint256)
SUCCESS_TOPIC: Final = bytes.fromhex("442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e")
# the event ExecutionFailure(bytes32,uint256)
FAILURE_TOPIC: Final = bytes.fromhex("23428b18acfb3ea64b08dc0c1d296ea9c09702c09083ca5272e64d115b687d23")
# the event SafeReceived(address,uint256)
RECEIVED_TOPIC: Final = bytes.fromhex("3d0ce9bfc3ed7d6862dbb28b2dea94561fe714a1b4d019aa8af39730d1ad7c3d")
_WORD: Final = 32
_PAD: Final = bytes(12)
_TOPIC_TEXT: Final = "0x" + TRANSFER_TOPIC.hex()
_ADDRESS_AT: Final = 26  # 0x and the 24 digits that pad an address in a topic
_PREFIX_END: Final = _ADDRESS_AT + 2 * PREFIX_BYTES
_PARTIES: Final = 3  # topics of an ERC-20 transfer: the event, who sends, who receives


@dataclass(frozen=True, slots=True)
class Transfer:
    """A ``Transfer`` log.

    ``value`` is in the token's base units; where ``unique`` (ERC-721), it is a token's number.
    """

    token: bytes
    sender: bytes
    recipient: bytes
    value: int
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Execution:
    """A Safe executed a transaction of its owners: ``effect`` is its safeTxHash; a failed one used its nonce up too."""

    safe: bytes
    effect: str
    success: bool


def transfer_of(log: Log) -> Transfer | None:
    """Read a transfer; None for any other log, and for one whose topics or data are not as the standards say."""
    topics, data = log.topics, log.data
    if not topics or topics[0] != TRANSFER_TOPIC or any(not _is_address(topic) for topic in topics[1:_PARTIES]):
        return None
    if len(topics) == _PARTIES and len(data) == _WORD:
        return Transfer(log.address, topics[1][12:], topics[2][12:], int.from_bytes(data, "big"))
    if len(topics) == _PARTIES + 1 and len(topics[3]) == _WORD and not data:
        return Transfer(log.address, topics[1][12:], topics[2][12:], int.from_bytes(topics[3], "big"), unique=True)
    return None


def payment_of(log: Log) -> Transfer | None:
    """Read an ERC-20 transfer that moves something from one party to another; None for any other log."""
    transfer = transfer_of(log)
    if transfer is None or transfer.unique or not transfer.value or transfer.sender == transfer.recipient:
        return None
    return transfer


def execution_of(log: Log) -> Execution | None:
    """Read a Safe's execution; the hash is indexed since 1.4, in the data before. None for any other log."""
    if not log.topics or log.topics[0] not in (SUCCESS_TOPIC, FAILURE_TOPIC):
        return None
    words = b"".join(log.topics[1:]) + log.data
    if len(words) != 2 * _WORD or len(log.topics) > 2:  # noqa: PLR2004 - the event and, perhaps, the hash
        return None
    return Execution(log.address, "0x" + words[:_WORD].hex(), log.topics[0] == SUCCESS_TOPIC)


def received_of(log: Log) -> tuple[bytes, int] | None:
    """Read that a Safe received coin: from whom, how much in wei. None for any other log."""
    if len(log.topics) != 2 or log.topics[0] != RECEIVED_TOPIC or len(log.data) != _WORD:  # noqa: PLR2004 - event, sender
        return None
    return (log.topics[1][12:], int.from_bytes(log.data, "big")) if _is_address(log.topics[1]) else None


def may_concern(answers: Sequence[Mapping[str, Any]], watched: Watched, safes: frozenset[bytes]) -> list[Any]:
    """Choose among a node's logs, as it gave them, those to a watched address and all but transfers of watched Safes.

    This is all that is done for a log that is nobody's business here, so it costs the same however many addresses are
    watched. What is chosen is read and checked afterwards.
    """
    marks = watched.marks
    chosen = []
    for answer in answers:
        topics = answer["topics"]
        if len(topics) == _PARTIES and topics[0] == _TOPIC_TEXT:
            recipient = topics[2]
            if marks[int(recipient[_ADDRESS_AT:_PREFIX_END], 16)] and bytes.fromhex(recipient[_ADDRESS_AT:]) in watched:
                chosen.append(answer)
        elif safes and topics and bytes.fromhex(answer["address"][2:]) in safes:
            chosen.append(answer)
    return chosen


def shares(amounts: Sequence[int], arrived: int) -> list[int]:
    """Divide what arrived among the amounts that logs name, in proportion, whole; never more than a log names.

    A token that takes a fee delivers less than its logs say. What rounding leaves goes to the first ones.
    """
    total = sum(amounts)
    if arrived >= total:
        return list(amounts)
    if arrived <= 0:
        return [0] * len(amounts)
    parts = [amount * arrived // total for amount in amounts]
    left = arrived - sum(parts)
    return [part + (place < left) for place, part in enumerate(parts)]


def _is_address(topic: bytes) -> bool:
    return len(topic) == _WORD and topic.startswith(_PAD)
