"""Logs are read strictly: one form counts, every other is nothing.

And real blocks give exactly what is known of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.chains.ethereum import decoding
from strongroom.chains.ethereum.decoding import (
    FAILURE_TOPIC,
    RECEIVED_TOPIC,
    SUCCESS_TOPIC,
    TRANSFER_TOPIC,
    Execution,
    Transfer,
    execution_of,
    may_concern,
    payment_of,
    received_of,
    shares,
    transfer_of,
)
from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.model import Log
from strongroom.chains.ethereum.reading import log_of
from strongroom.chains.ethereum.watched import Watched

addresses = st.binary(min_size=20, max_size=20)
words = st.binary(min_size=32, max_size=32)
amounts = st.integers(0, 2**256 - 1)


def _log(topics: tuple[bytes, ...], data: bytes, address: bytes = b"\x01" * 20) -> Log:
    return Log(address, topics, data, 0, "0x" + "11" * 32, "0x" + "22" * 32)


def _padded(address: bytes) -> bytes:
    return address.rjust(32, b"\0")


def test_topics_are_the_hashes_of_the_events() -> None:
    for topic, event in (
        (TRANSFER_TOPIC, b"Transfer(address,address,uint256)"),
        (SUCCESS_TOPIC, b"ExecutionSuccess(bytes32,uint256)"),
        (FAILURE_TOPIC, b"ExecutionFailure(bytes32,uint256)"),
        (RECEIVED_TOPIC, b"SafeReceived(address,uint256)"),
    ):
        assert topic == keccak(event)


@given(addresses, addresses, addresses, amounts)
def test_a_transfer_is_read_as_it_was_written(token: bytes, sender: bytes, recipient: bytes, value: int) -> None:
    log = _log((TRANSFER_TOPIC, _padded(sender), _padded(recipient)), value.to_bytes(32, "big"), token)
    assert transfer_of(log) == Transfer(token, sender, recipient, value)
    counts = value > 0 and sender != recipient
    assert (payment_of(log) is not None) == counts


@given(addresses, addresses, amounts)
def test_a_unique_token_is_no_payment(sender: bytes, recipient: bytes, number: int) -> None:
    topics = (TRANSFER_TOPIC, _padded(sender), _padded(recipient), number.to_bytes(32, "big"))
    transfer = transfer_of(_log(topics, b""))
    assert transfer is not None
    assert transfer.unique
    assert payment_of(_log(topics, b"")) is None


@given(st.lists(st.binary(max_size=40), max_size=5), st.binary(max_size=100))
def test_any_other_log_is_nothing_and_never_an_error(topics: list[bytes], data: bytes) -> None:
    log = _log(tuple(topics), data)
    for read in (transfer_of, payment_of, execution_of, received_of):
        assert read(log) is None
    first = _log((TRANSFER_TOPIC, *topics), data)
    found = transfer_of(first)
    if found is not None:  # only where it happens to have the one form
        assert len(topics) in (2, 3)
        assert all(len(topic) == 32 for topic in topics)


@given(addresses, addresses, st.integers(1, 2**256 - 1), st.integers(0, 31), st.integers(1, 255))
def test_dirty_padding_and_other_lengths_are_no_transfer(
    sender: bytes, recipient: bytes, value: int, place: int, dirt: int
) -> None:
    topics = (TRANSFER_TOPIC, _padded(sender), _padded(recipient))
    data = value.to_bytes(32, "big")
    if place < 12:
        dirty = bytes(place) + bytes([dirt]) + bytes(11 - place) + recipient
        assert transfer_of(_log((*topics[:2], dirty), data)) is None
    assert transfer_of(_log(topics, data[:place])) is None
    assert transfer_of(_log(topics, data + bytes([dirt]))) is None
    assert transfer_of(_log(topics[:2], data)) is None
    assert transfer_of(_log((*topics, data), data)) is None


@given(effect=words, payment=words, success=st.booleans(), indexed=st.booleans())
def test_an_execution_is_read_in_both_forms_that_safes_write(
    effect: bytes, payment: bytes, *, success: bool, indexed: bool
) -> None:
    topic = SUCCESS_TOPIC if success else FAILURE_TOPIC
    log = _log((topic, effect), payment) if indexed else _log((topic,), effect + payment)
    assert execution_of(log) == Execution(log.address, "0x" + effect.hex(), success)
    assert execution_of(_log((topic, effect), payment + b"\0")) is None
    assert execution_of(_log((topic, effect, payment), b"")) is None


@given(addresses, st.integers(0, 2**256 - 1))
def test_what_a_safe_received_is_read(sender: bytes, amount: int) -> None:
    assert received_of(_log((RECEIVED_TOPIC, _padded(sender)), amount.to_bytes(32, "big"))) == (sender, amount)


@given(st.lists(st.integers(1, 2**128), min_size=1, max_size=8), st.integers(-(2**128), 2**131))
def test_shares_never_exceed_what_arrived_or_what_a_log_names(sums: list[int], arrived: int) -> None:
    parts = shares(sums, arrived)
    assert sum(parts) == max(0, min(arrived, sum(sums)))
    assert all(0 <= part <= named for part, named in zip(parts, sums, strict=True))


@given(
    st.sets(addresses, max_size=4),
    st.sets(addresses, max_size=2),
    st.lists(st.tuples(addresses, addresses), max_size=8),
)
def test_what_may_concern_us_is_what_pays_a_watched_address_or_a_safe_did(
    watched: set[bytes], safes: set[bytes], pairs: list[tuple[bytes, bytes]]
) -> None:
    transfers = [
        {
            "address": "0x" + token.hex(),
            "topics": ["0x" + part.hex() for part in (TRANSFER_TOPIC, _padded(token), _padded(to))],
            "data": "0x" + "00" * 31 + "01",
        }
        for token, to in [*pairs, *((safe, safe) for safe in safes), *((to, to) for to in watched)]
    ]
    executed = [
        {"address": "0x" + safe.hex(), "topics": ["0x" + SUCCESS_TOPIC.hex(), "0x" + "33" * 32], "data": "0x"}
        for safe in safes
    ]
    chosen = may_concern(transfers + executed, Watched(watched), frozenset(safes))
    wanted = [log for log in transfers if bytes.fromhex(log["topics"][2][26:]) in watched]
    assert chosen == wanted + executed


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _as_node_gives(log: dict[str, Any]) -> dict[str, Any]:
    return {
        "address": log["address"],
        "topics": log["topics"],
        "data": log["data"],
        "logIndex": hex(log["log_index"]),
        "transactionHash": log["transaction_hash"],
        "blockHash": log["block_hash"],
    }


def test_the_transfers_of_real_blocks_are_exactly_those_known(shared_data: Path) -> None:
    folder = shared_data / "evm"
    logs = [_as_node_gives(log) for log in _lines(folder / "eth_17173049_17173050_logs.json")]
    expected = {
        (
            item["block_hash"],
            item["log_index"],
            item["token_address"],
            item["from_address"],
            item["to_address"],
            item["value"],
        )
        for item in _lines(folder / "eth_17173049_17173050_token_transfers.json")
    }
    read = [(log, transfer_of(log_of(log))) for log in logs]
    found = {
        (
            log["blockHash"],
            int(log["logIndex"], 16),
            "0x" + transfer.token.hex(),
            "0x" + transfer.sender.hex(),
            "0x" + transfer.recipient.hex(),
            transfer.value,
        )
        for log, transfer in read
        if transfer is not None
    }
    assert len(logs) == 681
    assert len(found) == 291
    assert found == expected


@pytest.mark.parametrize("every", [1, 7])
def test_real_logs_are_matched_to_whoever_is_watched(shared_data: Path, every: int) -> None:
    logs = [_as_node_gives(log) for log in _lines(shared_data / "evm" / "eth_17173049_17173050_logs.json")]
    payments = [payment for log in logs if (payment := payment_of(log_of(log))) is not None]
    watched = {payment.recipient for payment in payments[::every]}
    chosen = decoding.may_concern(logs, Watched(watched), frozenset())
    found = [payment for log in chosen if (payment := payment_of(log_of(log))) is not None]
    assert found == [payment for payment in payments if payment.recipient in watched]
