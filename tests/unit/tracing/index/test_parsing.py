"""Parsing of blocks that were made by hand, right and wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_tracing.index.errors import BadBlockError
from strongroom_tracing.index.model import RawBlock
from strongroom_tracing.index.parsing import Parsed, parse
from strongroom_tracing.index.reading import FAULTS
from tests.unit.tracing.index.making import (
    NO_HASH,
    ChainMaker,
    Made,
    hash_of,
    made_block,
    made_coinbase,
    made_tx,
    size,
)

COIN = (50, b"\x51")
OLD = (b"\x07" * 32, 3)


def parsed(raw: bytes, undo: bytes | None = None) -> Parsed:
    return parse([RawBlock(0, "", raw, undo)])


def block(*txs: Made, **options: Any) -> bytes:
    return made_block(NO_HASH, [made_coinbase(0, COIN), *txs], **options)


def refused(raw: bytes, fault: str, undo: bytes | None = None) -> None:
    with pytest.raises(BadBlockError) as caught:
        parsed(raw, undo)
    assert fault in caught.value.message
    assert caught.value.code == "block-bad"


def test_everything_in_a_block_is_read():
    tx = made_tx([OLD, (b"\x08" * 32, 0)], [(7, b"\x6a\x01x"), (0, b""), (10**15, bytes(300))], witness=True)
    raw = block(tx, time=1234)

    found = parsed(raw)

    assert found.block_hash[0].tobytes() == hash_of(raw)
    assert found.previous_hash[0].tobytes() == NO_HASH
    assert found.block_time.tolist() == [1234]
    assert found.block_txs.tolist() == [2]
    assert found.txid[1].tobytes() == tx.txid
    assert found.tx_inputs.tolist() == [1, 2]
    assert found.tx_outputs.tolist() == [1, 3]
    assert found.output_value.tolist() == [50, 7, 0, 10**15]
    scripts = [raw[at : at + length] for at, length in zip(found.script_at, found.script_length, strict=True)]
    assert scripts == [b"\x51", b"\x6a\x01x", b"", bytes(300)]
    points = [raw[at : at + 36] if at >= 0 else None for at in found.outpoint_at]
    assert points == [None, OLD[0] + bytes([3, 0, 0, 0]), b"\x08" * 32 + bytes(4)]
    assert found.spent_value.tolist() == [-1, -1, -1]


def test_undo_data_gives_what_inputs_spend():
    tx = made_tx([OLD, (b"\x08" * 32, 0)], [(7, b"")])
    undo = (77).to_bytes(8, "little") + size(300) + bytes(300) + (88).to_bytes(8, "little") + size(0)

    assert parsed(block(tx), undo).spent_value.tolist() == [-1, 77, 88]


@pytest.mark.parametrize(
    "undo",
    [bytes(5), bytes(9), bytes(9) + (1).to_bytes(8, "little") + b"\x09", bytes(27), b"\xff" * 8 + b"\0" + bytes(9)],
)
def test_undo_data_that_does_not_fit_is_refused(undo: bytes):
    tx = made_tx([OLD, (b"\x08" * 32, 0)], [(7, b"")])
    refused(block(tx), FAULTS[7], undo)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 11])
def test_merkle_roots_of_any_number_of_txs(count: int):
    txs = [made_tx([(bytes([n]) * 32, n)], [(n, bytes([n]))]) for n in range(1, count)]
    assert len(parsed(block(*txs)).txid) == count
    refused(block(*txs, root=bytes(31) + b"\1"), FAULTS[4])


def test_the_hogex_of_litecoin_and_the_extension_block_behind_it():
    hogex = made_tx([OLD], [(9, b"\x58\x20" + bytes(32))], hogex=True)

    found = parsed(block(made_tx([OLD], [], witness=True), hogex, tail=b"\x01 an extension block"))

    assert found.txid[2].tobytes() == hogex.txid
    assert found.output_value.tolist() == [50, 9]


def test_a_hogex_stands_last_and_nothing_follows_other_blocks():
    hogex = made_tx([OLD], [(9, b"")], hogex=True)
    refused(block(hogex, made_tx([OLD], [])), FAULTS[3])
    refused(block(tail=b"\0"), FAULTS[2])


@pytest.mark.parametrize(("count", "repeated"), [(2, 1), (4, 1), (5, 2)])
def test_chain_txs_repeated_at_the_end_are_noticed_though_the_merkle_root_is_the_same(count: int, repeated: int):
    # CVE-2012-2459: an odd level of the tree pairs its last one with itself. Of 3, 5 and 6 txids one does.
    payments = [made_tx([(bytes([n]) * 32, n)], [(n, b"")]) for n in range(1, count + 1)]
    whole, longer = block(*payments), block(*payments, *payments[-repeated:])
    assert hash_of(whole) == hash_of(longer)

    assert parsed(whole).block_txs.tolist() == [count + 1]
    refused(longer, FAULTS[4])


def test_unknown_flags_are_refused():
    raw = bytearray(block(made_tx([OLD], [], witness=True)))
    at = raw.rindex(b"\x02\0\0\0\0\x01") + 5
    for flags in (0, 2, 3, 16):
        raw[at] = flags
        refused(bytes(raw), FAULTS[3])


def test_one_coinbase_and_first():
    refused(made_block(NO_HASH, [made_tx([OLD], [COIN])]), FAULTS[5])
    refused(block(made_coinbase(1, COIN)), FAULTS[5])
    refused(block(made_tx([OLD, (NO_HASH, 0xFFFFFFFF)], [COIN])), FAULTS[5])


def test_an_outpoint_that_only_half_looks_like_a_coinbase_is_none():
    found = parsed(block(made_tx([(NO_HASH, 0), (b"\1" * 32, 0xFFFFFFFF)], [COIN])))
    assert (found.outpoint_at >= 0).tolist() == [False, True, True]


def test_impossible_values_are_refused():
    refused(block(made_tx([OLD], [(2**63, b"")])), FAULTS[6])
    refused(block(made_tx([OLD], [(10**17 + 1, b"")])), FAULTS[6])
    refused(block(made_tx([OLD], [(10**17, b""), (1, b"")])), FAULTS[6])
    parsed(block(made_tx([OLD], [(10**17 - 1, b""), (1, b"")]), made_tx([OLD], [(10**17, b"")])))


def test_a_block_cut_short_anywhere_is_refused():
    raw = block(made_tx([OLD], [(9, b"\x51\x52")], witness=True), made_tx([OLD], [(1, bytes(260))]))
    for length in range(1, len(raw)):
        with pytest.raises(BadBlockError):
            parsed(raw[:length])


def test_no_bytes_are_a_gap():
    found = parse([RawBlock(5, "", b""), RawBlock(6, "", block())])
    assert found.block_txs.tolist() == [0, 1]
    assert not found.block_hash[0].any()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_blocks_are_refused_or_read_within_bounds(data: st.DataObject):
    raw = bytearray(ChainMaker(3).extend(12).blocks[-1])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(80, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = parsed(bytes(raw))
    except BadBlockError:
        return
    # Only bytes that the txids do not cover (witnesses) can change without anybody noticing.
    assert found.txid.tobytes() == parsed(ChainMaker(3).extend(12).blocks[-1]).txid.tobytes()
