"""Safe transactions and calls survive their encoding; whatever is not exactly one raises one error and nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_keys.datatypes import PrivateKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_core.abi import InvalidCallError, address_text, parse_address, read_words
from strongroom_core.evm import (
    DRAW,
    EXEC_TRANSACTION,
    MAX_NONCE,
    MULTI_SEND,
    TRANSFER,
    Call,
    InnerDelegatecallError,
    InnerSelfCallError,
    SafeTx,
    decode_draw,
    decode_exec_transaction,
    decode_multi_send,
    decode_transfer,
    encode_draw,
    encode_exec_transaction,
    encode_multi_send,
    encode_transfer,
    pack_calls,
    unpack_calls,
)
from tests.unit.signer.typed_data import typed_hash

addresses = st.binary(min_size=20, max_size=20)
uints = st.integers(0, 2**256 - 1) | st.sampled_from([0, 1, 2**256 - 1])
data = st.binary(max_size=100)
called = addresses.filter(any)
calls = st.builds(Call, to=called, value=uints, data=data)
batches = st.lists(calls, min_size=1, max_size=5).map(tuple)
safe_txs = st.builds(
    SafeTx,
    safe=addresses,
    nonce=st.integers(0, MAX_NONCE),
    to=addresses,
    value=uints,
    data=data,
    operation=st.sampled_from([0, 1]),
    safe_tx_gas=uints,
    base_gas=uints,
    gas_price=uints,
    gas_token=addresses,
    refund_receiver=addresses,
)
EXAMPLE = SafeTx(b"\x11" * 20, 7, b"\x22" * 20, 0, encode_transfer(b"\x33" * 20, 5), 0)


def digest(value: bytes) -> bytes:
    return bytes(keccak(value))


def text(address: bytes) -> str:
    return str(to_checksum_address(address))


def arguments(safe_tx: SafeTx) -> tuple[object, ...]:
    """The ten arguments before the signatures or the nonce, in the contract's order."""
    gas = (safe_tx.safe_tx_gas, safe_tx.base_gas, safe_tx.gas_price)
    outer = (text(safe_tx.to), safe_tx.value, safe_tx.data, safe_tx.operation)
    return (*outer, *gas, text(safe_tx.gas_token), text(safe_tx.refund_receiver))


def test_the_selectors_are_of_the_functions_that_they_are_named_for():
    for selector, signature in (
        (TRANSFER, "transfer(address,uint256)"),
        (DRAW, "draw(address,uint256)"),
        (MULTI_SEND, "multiSend(bytes)"),
        (
            EXEC_TRANSACTION,
            "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
        ),
    ):
        assert selector == digest(signature.encode())[:4]


@settings(max_examples=100, deadline=None)
@given(safe_txs, st.sampled_from([1, 56, 31337, 11155111]))
def test_the_hash_is_the_one_of_eip_712_as_eth_account_computes_it(safe_tx: SafeTx, number: int):
    assert safe_tx.hash(number, digest) == typed_hash(asdict(safe_tx), number)


@given(safe_txs)
def test_a_safe_transaction_reads_as_it_was_written(safe_tx: SafeTx):
    assert SafeTx.decode(safe_tx.encode()) == safe_tx


@settings(max_examples=300)
@given(st.integers(0, len(EXAMPLE.encode()) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_another_transaction(at: int, bits: int):
    whole = EXAMPLE.encode()
    bent = whole[:at] + bytes([whole[at] ^ bits]) + whole[at + 1 :]
    try:
        other = SafeTx.decode(bent)
    except InvalidCallError:
        return
    assert other != EXAMPLE
    assert other.encode() == bent


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_one_error(raw: bytes):
    for read in (SafeTx.decode, decode_multi_send, decode_transfer, decode_draw):
        with pytest.raises(InvalidCallError):
            read(raw)
    with pytest.raises(InvalidCallError):
        decode_exec_transaction(EXEC_TRANSACTION + raw, bytes(20), 0)


@pytest.mark.parametrize(
    "bent",
    [
        EXAMPLE.encode() + b"\x00",
        EXAMPLE.encode()[:-1],
        EXAMPLE.encode()[:-4],
        b"",
        EXAMPLE.encode().replace(b"\x00\x00\x00\x01\x07", b"\x00\x00\x00\x02\x00\x07"),
        EXAMPLE.encode() + bytes(4),
    ],
)
def test_a_spelling_that_is_not_the_canonical_one_is_refused(bent: bytes):
    assert bent != EXAMPLE.encode()
    with pytest.raises(InvalidCallError):
        SafeTx.decode(bent)


@pytest.mark.parametrize(
    "field",
    [{"nonce": -1}, {"nonce": 2**63}, {"value": 2**256}, {"to": b"\x00" * 19}, {"operation": 2}, {"nonce": True}],
)
def test_a_value_that_cannot_be_encoded_is_refused(field: dict[str, int | bytes]):
    with pytest.raises(InvalidCallError):
        replace(EXAMPLE, **field)  # type: ignore[arg-type]


@given(addresses, uints)
def test_transfers_and_draws_are_what_eth_abi_writes(address: bytes, amount: int):
    words = encode(["address", "uint256"], [text(address), amount])
    assert encode_transfer(address, amount) == TRANSFER + words
    assert encode_draw(address, amount) == DRAW + words
    assert decode_transfer(TRANSFER + words) == decode_draw(DRAW + words) == (address, amount)


@given(addresses, uints, st.integers(0, 67), st.integers(1, 255))
def test_a_changed_byte_of_a_transfer_is_another_transfer_or_refused(address: bytes, amount: int, at: int, bits: int):
    whole = encode_transfer(address, amount)
    bent = whole[:at] + bytes([whole[at] ^ bits]) + whole[at + 1 :]
    if at < 16:
        with pytest.raises(InvalidCallError):
            decode_transfer(bent)
    else:
        assert decode_transfer(bent) != (address, amount)


@given(batches)
def test_a_batch_is_what_eth_abi_writes_around_the_packed_calls(batch: tuple[Call, ...]):
    packed = pack_calls(batch)
    assert unpack_calls(packed) == batch
    assert encode_multi_send(batch) == MULTI_SEND + encode(["bytes"], [packed])
    assert decode_multi_send(encode_multi_send(batch)) == batch


@given(batches, st.data())
def test_a_batch_that_is_cut_or_padded_otherwise_is_refused(batch: tuple[Call, ...], choice: st.DataObject):
    whole = encode_multi_send(batch)
    cut = choice.draw(st.integers(0, len(whole) - 1))
    for bent in (whole[:cut], whole + b"\x00", whole + bytes(32)):
        with pytest.raises(InvalidCallError):
            decode_multi_send(bent)


@given(batches, st.integers(1, 255))
def test_a_packed_call_of_another_operation_is_refused(batch: tuple[Call, ...], operation: int):
    with pytest.raises(InnerDelegatecallError):
        unpack_calls(bytes([operation]) + pack_calls(batch)[1:])


@given(batches, uints, data)
def test_a_packed_call_of_the_zero_address_is_neither_written_nor_read(batch: tuple[Call, ...], value: int, raw: bytes):
    # MultiSendCallOnly of Safe 1.5.0 calls the Safe itself (address(this)) where it reads the zero address.
    with pytest.raises(InnerSelfCallError):
        pack_calls((*batch, Call(bytes(20), value, raw)))
    packed = b"\x00" + bytes(20) + value.to_bytes(32, "big") + len(raw).to_bytes(32, "big") + raw
    with pytest.raises(InnerSelfCallError):
        unpack_calls(pack_calls(batch) + packed)


@given(addresses, uints, addresses)
def test_words_are_read_as_eth_abi_wrote_them_and_a_dirty_or_missing_byte_is_refused(
    first: bytes, number: int, last: bytes
):
    types = ("address", "uint256", "address")
    raw = b"abcd" + encode(types, [text(first), number, text(last)])
    assert read_words(b"abcd", types, raw) == (first, number, last)
    for bent in (raw[:-1], raw + b"\x00", b"abcx" + raw[4:], b"abcd\x01" + raw[5:], raw[:68] + b"\x01" + raw[69:], b""):
        with pytest.raises(InvalidCallError):
            read_words(b"abcd", types, bent)


@settings(max_examples=100)
@given(safe_txs, st.binary(max_size=200))
def test_exec_transaction_is_what_eth_abi_writes(safe_tx: SafeTx, signatures: bytes):
    kinds = ["address", "uint256", "bytes", "uint8", "uint256", "uint256", "uint256", "address", "address", "bytes"]
    calldata = EXEC_TRANSACTION + encode(kinds, [*arguments(safe_tx), signatures])
    assert encode_exec_transaction(safe_tx, signatures) == calldata
    assert decode_exec_transaction(calldata, safe_tx.safe, safe_tx.nonce) == (safe_tx, signatures)
    with pytest.raises(InvalidCallError):
        decode_exec_transaction(calldata + bytes(32), safe_tx.safe, safe_tx.nonce)


@given(addresses)
def test_address_text_is_eip_55(address: bytes):
    assert address_text(address, digest) == text(address)
    assert parse_address(text(address), digest) == parse_address("0x" + address.hex(), digest) == address


@pytest.mark.parametrize(
    "bad",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"[:-1],
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed",
        "0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\n",
        "",
    ],
)
def test_a_text_that_is_no_address_is_refused(bad: str):
    with pytest.raises(InvalidCallError):
        parse_address(bad, digest)
    # The vector of EIP-55 itself.
    assert parse_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", digest).hex().startswith("5aaeb605")


def test_one_call_goes_alone_and_more_go_through_multisend():
    calls = (Call(b"\x01" * 20, 0, b"x"), Call(b"\x02" * 20, 3, b""))
    alone = SafeTx.of_calls(b"\x11" * 20, 4, calls[:1], b"\x99" * 20)
    assert (alone.call, alone.operation) == (calls[0], 0)
    both = SafeTx.of_calls(b"\x11" * 20, 4, calls, b"\x99" * 20)
    assert (both.to, both.operation, decode_multi_send(both.data)) == (b"\x99" * 20, 1, calls)


def test_a_cancellation_is_the_empty_call_of_the_safe_to_itself_and_nothing_else_is():
    empty = SafeTx.cancel(b"\x11" * 20, 4)
    assert empty.is_cancel
    for other in (replace(empty, value=1), replace(empty, data=b"x"), replace(empty, operation=1), EXAMPLE):
        assert not other.is_cancel


VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "safe_tx_v1.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=[item["name"] for item in VECTORS["vectors"]])
def test_bytes_hash_and_signature_are_those_of_the_vectors(vector: dict[str, Any]):
    safe_tx = SafeTx.decode(bytes.fromhex(vector["encoded"]))
    for name, value in asdict(safe_tx).items():
        assert vector["fields"][name] == (value.hex() if isinstance(value, bytes) else str(value))
    assert safe_tx.encode().hex() == vector["encoded"]
    assert safe_tx.hash(vector["chain_number"], digest).hex() == vector["safe_tx_hash"]
    # eth-keys signs by RFC 6979 too, with a curve library of its own: the same key and hash have one signature.
    signature = PrivateKey(bytes.fromhex(VECTORS["private_key"])).sign_msg_hash(bytes.fromhex(vector["safe_tx_hash"]))
    assert vector["signature"] == f"{signature.r:064x}{signature.s:064x}{signature.v + 27:02x}"
