"""Messages survive the wire; whatever is not exactly a message raises one error and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_core.intents import SignedIntent
from strongroom_core.messages import (
    DrawLimit,
    HaltRequest,
    Holding,
    JournalRequest,
    JournalRow,
    JournalRows,
    PendingChange,
    Refused,
    SafeSigned,
    Signed,
    SignRequest,
    SignSafeRequest,
    Status,
    StatusRequest,
    Voided,
    VoidRequest,
)
from strongroom_core.peer_messages import CopyRequest, HeadIs, HeadRequest, PushRequest
from strongroom_core.protocol import decode_message
from strongroom_core.wire import (
    LENGTH_BYTES,
    MAX_FRAME_BYTES,
    MAX_INTEGER,
    InvalidMessageError,
    Message,
    frame,
    frame_length,
)

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
blobs = st.binary(max_size=40)
integers = st.integers(0, MAX_INTEGER)
signed_intents = st.builds(
    SignedIntent,
    intent=blobs,
    public_key=st.binary(min_size=32, max_size=32),
    signature=st.binary(min_size=64, max_size=64),
)
rows = st.builds(JournalRow, number=integers, previous=blobs, body=blobs, hash=blobs)
draw_limits = st.builds(DrawLimit, asset=texts, per_day=st.integers(0, 2**256 - 1).map(str))
pending_changes = st.builds(
    PendingChange, document=texts, sequence=integers, effective_at=integers, sha256=st.binary(max_size=32)
)
holdings = st.builds(Holding, role=texts, name=texts, lag=integers, trouble=texts)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        SignRequest, request_id=texts, chain=texts, psbt=blobs, evidence=st.lists(signed_intents, max_size=3).map(tuple)
    ),
    st.builds(Signed, request_id=texts, psbt=blobs, row=integers),
    st.builds(
        SignSafeRequest,
        request_id=texts,
        chain=texts,
        safe_tx=blobs,
        evidence=st.lists(signed_intents, max_size=3).map(tuple),
    ),
    st.builds(SafeSigned, request_id=texts, signature=blobs, row=integers),
    st.builds(Refused, request_id=texts, tag=texts, reason=texts, payout=texts),
    st.builds(VoidRequest, request_id=texts, evidence=signed_intents),
    st.builds(Voided, request_id=texts, intent_hash=blobs, row=integers),
    st.builds(HaltRequest, request_id=texts, reason=texts),
    st.builds(StatusRequest, request_id=texts),
    st.builds(
        Status,
        request_id=texts,
        signer=texts,
        fingerprint=blobs,
        halted=st.booleans(),
        halt_reason=texts,
        rows=integers,
        head=blobs,
        policy_hash=blobs,
        now=integers,
        draws=st.lists(draw_limits, max_size=3).map(tuple),
        enrolment_hash=blobs,
        pending=st.lists(pending_changes, max_size=2).map(tuple),
        holdings=st.lists(holdings, max_size=2).map(tuple),
    ),
    st.builds(JournalRequest, request_id=texts, first=integers, limit=integers),
    rows,
    st.builds(JournalRows, request_id=texts, rows=st.lists(rows, max_size=3).map(tuple)),
    st.builds(PushRequest, request_id=texts, owner=texts, rows=st.lists(rows, max_size=3).map(tuple), signature=blobs),
    st.builds(HeadRequest, request_id=texts, owner=texts),
    st.builds(
        HeadIs,
        request_id=texts,
        owner=texts,
        rows=integers,
        head=blobs,
        signature=blobs,
        policy_hash=blobs,
        enrolment_hash=blobs,
        now=integers,
    ),
    st.builds(CopyRequest, request_id=texts, owner=texts, first=integers, limit=integers),
)

INTENT = {"intent": "00", "public_key": "11" * 32, "signature": "22" * 64}
SIGN = {"kind": "sign", "request_id": "r", "chain": "c", "psbt": "ff", "evidence": [INTENT]}
STATUS = {"kind": "status-is", "request_id": "r", "signer": "a", "fingerprint": "00000000", "halted": False} | {
    "halt_reason": "",
    "rows": 1,
    "head": "00",
    "policy_hash": "00",
    "now": 1,
    "draws": [{"kind": "draw-limit", "asset": "a", "per_day": "0"}],
    "enrolment_hash": "00",
    "pending": [{"kind": "pending-change", "document": "policy", "sequence": 1, "effective_at": 2, "sha256": "00"}],
    "holdings": [{"kind": "holding", "role": "peer", "name": "B", "lag": 0, "trouble": ""}],
}
ROW = {"kind": "row", "number": 1, "previous": "00", "body": "00", "hash": "00"}
ROWS = {"kind": "rows", "request_id": "r", "rows": [ROW]}


def encoded(body: object) -> bytes:
    return json.dumps(body).encode()


def refused(data: bytes) -> None:
    with pytest.raises(InvalidMessageError) as caught:
        decode_message(data)
    assert caught.value.code == "request-malformed"


@given(messages)
def test_a_message_reads_back(message: Message) -> None:
    assert decode_message(message.encode()) == message


@given(messages)
def test_a_frame_tells_its_length(message: Message) -> None:
    data = frame(message)
    assert frame_length(data[:LENGTH_BYTES]) == len(data) - LENGTH_BYTES
    assert decode_message(data[LENGTH_BYTES:]) == message


@given(messages, messages)
def test_two_messages_never_share_bytes(left: Message, right: Message) -> None:
    assert (left.encode() == right.encode()) == (left == right)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    refused(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(json_values)
def test_random_json_is_refused(value: object) -> None:
    refused(encoded(value))


@given(st.sampled_from([SIGN, STATUS, ROWS, ROW]), st.data())
def test_a_message_with_one_random_field_is_refused_or_reads_as_itself(
    body: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(body)))
    mutant = encoded(body | {name: data.draw(json_values)})
    try:
        message = decode_message(mutant)
    except InvalidMessageError:
        return
    assert json.loads(message.encode()) == json.loads(mutant)


@given(messages, st.data())
def test_every_changed_byte_is_refused_or_makes_another_message(message: Message, data: st.DataObject) -> None:
    original = message.encode()
    position = data.draw(st.integers(0, len(original) - 1))
    mutant = original[:position] + data.draw(st.binary(max_size=2)) + original[position + 1 :]
    try:
        read = decode_message(mutant)
    except InvalidMessageError:
        return
    assert decode_message(read.encode()) == read


@pytest.mark.parametrize("name", [key for key in SIGN if key != "kind"])
def test_a_missing_field_is_refused(name: str) -> None:
    refused(encoded({key: value for key, value in SIGN.items() if key != name}))


@pytest.mark.parametrize("body", [SIGN, STATUS, ROW, ROWS], ids=lambda body: body["kind"])
def test_the_examples_are_read_and_a_field_too_many_is_refused(body: dict[str, Any]) -> None:
    assert json.loads(decode_message(encoded(body)).encode()) == body
    refused(encoded(body | {"more": 1}))


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "blank": b" ",
    "no JSON": b"{",
    "two values": encoded(SIGN) * 2,
    "a tail": encoded(SIGN) + b"x",
    "a list": encoded([SIGN]),
    "a text": b'"sign"',
    "null": b"null",
    "no kind": encoded({"request_id": "r"}),
    "kind of no message": encoded(SIGN | {"kind": "please"}),
    "kind a number": encoded(SIGN | {"kind": 1}),
    "kind a list": encoded(SIGN | {"kind": ["sign"]}),
    "kind null": encoded(SIGN | {"kind": None}),
    "kind in capitals": encoded(SIGN | {"kind": "SIGN"}),
    "a key twice": b'{"kind":"status","request_id":"a","request_id":"a"}',
    "kind twice": b'{"kind":"status","kind":"status","request_id":"a"}',
    "a key twice within": encoded(SIGN).replace(b'"intent"', b'"intent": "00", "intent"'),
    "UTF-16": json.dumps(SIGN).encode("utf-16"),
    "UTF-32": json.dumps(SIGN).encode("utf-32"),
    "UTF-16 without a mark": json.dumps(SIGN).encode("utf-16-le"),
    "a byte order mark": b"\xef\xbb\xbf" + encoded(SIGN),
    "not UTF-8": encoded(SIGN).replace(b'"r"', b'"\xff"'),
    "half a surrogate pair": encoded(SIGN).replace(b'"r"', b'"\\ud800"'),
    "NUL in a text": encoded(SIGN).replace(b'"r"', b'"\\u0000"'),
    "a raw line end in a text": encoded(SIGN).replace(b'"r"', b'"\n"'),
    "hex in capitals": encoded(SIGN | {"psbt": "FF"}),
    "hex with a blank": encoded(SIGN | {"psbt": "ff ff"}),
    "hex of odd length": encoded(SIGN | {"psbt": "f"}),
    "hex with a prefix": encoded(SIGN | {"psbt": "0xff"}),
    "hex of other letters": encoded(SIGN | {"psbt": "gg"}),
    "bytes as a list": encoded(SIGN | {"psbt": [255]}),
    "bytes null": encoded(SIGN | {"psbt": None}),
    "text a number": encoded(SIGN | {"chain": 1}),
    "evidence null": encoded(SIGN | {"evidence": None}),
    "evidence an object": encoded(SIGN | {"evidence": INTENT}),
    "evidence a text": encoded(SIGN | {"evidence": "00"}),
    "evidence of texts": encoded(SIGN | {"evidence": ["00"]}),
    "evidence of lists": encoded(SIGN | {"evidence": [["intent", "public_key", "signature"]]}),
    "evidence short of a field": encoded(SIGN | {"evidence": [{"intent": "00"}]}),
    "evidence with a field too many": encoded(SIGN | {"evidence": [INTENT | {"more": "00"}]}),
    "evidence of numbers": encoded(SIGN | {"evidence": [INTENT | {"intent": 0}]}),
    "public key of 31 bytes": encoded(SIGN | {"evidence": [INTENT | {"public_key": "11" * 31}]}),
    "signature of 65 bytes": encoded(SIGN | {"evidence": [INTENT | {"signature": "22" * 65}]}),
    "intent of 2049 bytes": encoded(SIGN | {"evidence": [INTENT | {"intent": "00" * 2049}]}),
    "evidence of a void a list": encoded({"kind": "void", "request_id": "r", "evidence": [INTENT]}),
    "integer a float": encoded(STATUS | {"rows": 1.0}),
    "integer with an exponent": encoded(STATUS).replace(b'"rows": 1', b'"rows": 1e2'),
    "integer a boolean": encoded(STATUS | {"rows": True}),
    "integer a text": encoded(STATUS | {"rows": "1"}),
    "integer below zero": encoded(STATUS | {"rows": -1}),
    "integer beyond 64 bits": encoded(STATUS | {"rows": 2**63}),
    "integer of 5,000 digits": encoded(STATUS).replace(b'"rows": 1', b'"rows": ' + b"9" * 5000),
    "NaN": encoded(STATUS | {"now": float("nan")}),
    "boolean a number": encoded(STATUS | {"halted": 0}),
    "boolean a text": encoded(STATUS | {"halted": "false"}),
    "a row of another kind": encoded(ROWS | {"rows": [SIGN]}),
    "a row without a kind": encoded(
        ROWS | {"rows": [{key: ROW[key] for key in ("number", "previous", "body", "hash")}]}
    ),
    "a row that is a list": encoded(ROWS | {"rows": [[["kind", "row"]]]}),
    "a row that is a number": encoded(ROWS | {"rows": [1]}),
    "lists 100,000 deep": b"[" * 100_000,
    "objects 100,000 deep": b'{"kind":' * 100_000,
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_message_is_refused(data: bytes) -> None:
    refused(data)


@pytest.mark.parametrize("depth", [10, 100, 150, 300, 450, 600])
def test_rows_nested_in_rows_are_refused_without_exhausting_the_stack(depth: int) -> None:
    opening = b'{"kind":"rows","request_id":"r","rows":['
    refused(opening * depth + b"]}" * depth)


def test_a_part_of_another_kind_is_refused() -> None:
    rows_message = JournalRows("r", (JournalRow(1, b"\x00" * 32, b"{}", b"\x01" * 32),))
    assert decode_message(rows_message.encode()) == rows_message
    refused(rows_message.encode().replace(b'"kind":"row"', b'"kind":"draw-limit"'))


@pytest.mark.parametrize("header", [b"", b"\x00", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\x00"])
def test_a_header_that_is_no_length_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidMessageError):
        frame_length(header)


def test_a_frame_ends_at_its_limit() -> None:
    assert frame_length(MAX_FRAME_BYTES.to_bytes(4, "big")) == MAX_FRAME_BYTES
    with pytest.raises(InvalidMessageError):
        frame_length((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(InvalidMessageError):
        frame(Signed("r", b"\x00" * (MAX_FRAME_BYTES // 2), 1))
