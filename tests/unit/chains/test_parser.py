"""The block parser: on real blocks where they are at hand, and on blocks made here, whole and broken."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, MutableSet
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.chains.bitcoin import parser
from strongroom.chains.bitcoin.parser import Wanted, outpoint, parse_tx, scan_block, split_outpoint
from strongroom.chains.errors import BlockFormatError, BlockMismatchError

OURS = b"\x00\x20" + b"\x07" * 32
THEIRS = b"\x00\x14" + b"\x08" * 20


def size(number: int) -> bytes:
    if number < 0xFD:
        return bytes([number])
    if number <= 0xFFFF:
        return b"\xfd" + struct.pack("<H", number)
    return b"\xfe" + struct.pack("<I", number)


def tx(
    inputs: list[bytes],
    outputs: list[tuple[int, bytes]],
    *,
    witness: list[list[bytes]] | None = None,
    script_sig: bytes = b"",
    sequence: int = 0xFFFFFFFF,
    flag: int = 0,
) -> bytes:
    body = size(len(inputs)) + b"".join(
        item + size(len(script_sig)) + script_sig + struct.pack("<I", sequence) for item in inputs
    )
    body += size(len(outputs)) + b"".join(struct.pack("<q", amount) + size(len(s)) + s for amount, s in outputs)
    stacks = b"".join(size(len(stack)) + b"".join(size(len(i)) + i for i in stack) for stack in witness or [])
    marker = bytes([0, flag or 1]) if witness or flag else b""
    extra = b"\x00" if flag & 8 else b""
    return struct.pack("<i", 2) + marker + body + stacks + extra + struct.pack("<I", 0)


def coinbase(outputs: list[tuple[int, bytes]], number: int = 1) -> bytes:
    return tx([bytes(32) + b"\xff" * 4], outputs, script_sig=struct.pack("<I", number), witness=[[bytes(32)]])


def block(txs: list[bytes], trailer: bytes = b"") -> bytes:
    root = parser.merkle_root([parse_tx(raw).txid_bytes for raw in txs])
    header = struct.pack("<i", 0x20000000) + b"\x11" * 32 + root + struct.pack("<III", 1_700_000_000, 0x207FFFFF, 5)
    return header + size(len(txs)) + b"".join(txs) + trailer


def wanted(*scripts: bytes) -> Wanted:
    return Wanted(set(scripts), set())


def test_outputs_to_us_and_spends_of_them_in_the_same_block_are_found() -> None:
    paying = tx([b"\x22" * 36], [(5, THEIRS), (700, OURS)], witness=[[b"sig", b"x" * 300]])
    spending = tx([b"\x33" * 36, outpoint(parse_tx(paying).txid, 1)], [(1, THEIRS)])
    look = wanted(OURS)
    scanned = scan_block(block([coinbase([(50, THEIRS)]), tx([b"\x44" * 36], [(1, THEIRS)]), paying, spending]), look)
    assert [place for place, _ in scanned.found] == [2, 3]
    assert scanned.found[0][1].raw == paying
    assert scanned.found[0][1].outputs == ((5, THEIRS), (700, OURS))
    assert split_outpoint(scanned.found[1][1].inputs[1][0]) == (scanned.found[0][1].txid, 1)
    assert (scanned.tx_count, scanned.unix_time, scanned.parent_hash) == (4, 1_700_000_000, "11" * 32)
    assert outpoint(scanned.found[0][1].txid, 1) in look.coins


def test_spends_that_compete_with_an_open_tx_are_found() -> None:
    look = Wanted(frozenset(), set(), {b"\x22" * 36})
    scanned = scan_block(block([coinbase([(50, THEIRS)]), tx([b"\x22" * 36], [(5, THEIRS)])]), look)
    assert [place for place, _ in scanned.found] == [1]


class Watched(MutableSet[bytes]):
    """Scripts or coins that may be asked for one, and are not gone through; ``asked`` counts the questions."""

    def __init__(self, held: Iterable[bytes]) -> None:
        self.held = set(held)
        self.asked = 0

    def __contains__(self, item: object) -> bool:
        self.asked += 1
        return item in self.held

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError

    def __len__(self) -> int:
        return len(self.held)

    def add(self, value: bytes) -> None:
        self.held.add(value)

    def discard(self, value: bytes) -> None:
        self.held.discard(value)


def test_the_cost_of_a_block_does_not_grow_with_what_is_watched() -> None:
    """Thousandfold more scripts and coins: the same questions to each set, and neither is gone through."""
    raw = block([coinbase([(50, THEIRS)]), *(tx([bytes([n]) * 36], [(1, THEIRS), (2, THEIRS)]) for n in range(1, 60))])
    asked = []
    for many in (500, 500_000):
        sets = [Watched(number.to_bytes(size, "big") for number in range(many)) for size in (34, 36)]
        assert scan_block(raw, Wanted(sets[0], sets[1])).found == ()
        asked.append([each.asked for each in sets])
    assert asked[0] == asked[1]
    assert all(0 < count < 1_000 for count in asked[0])


@pytest.mark.parametrize("length", [0, 1, 252, 253, 254, 65_535, 65_536])
def test_long_scripts_and_witnesses(length: int) -> None:
    script = b"\x6a" * length
    long = tx([b"\x22" * 36], [(5, script), (6, OURS)], witness=[[b"w" * length] * 3], script_sig=script)
    scanned = scan_block(block([coinbase([(1, script)]), long]), wanted(OURS, script) if length else wanted(OURS))
    assert scanned.found[-1][1].outputs == ((5, script), (6, OURS))
    assert len(scanned.found) == (2 if length else 1)


def test_a_tx_id_leaves_the_witness_out() -> None:
    bare = tx([b"\x22" * 36], [(5, OURS)])
    assert parse_tx(bare).txid == parse_tx(tx([b"\x22" * 36], [(5, OURS)], witness=[[b"s"]])).txid
    assert parse_tx(bare).txid_bytes == sha256(sha256(bare).digest()).digest()


@pytest.mark.parametrize(
    ("sequence", "signals"), [(0, True), (0xFFFFFFFD, True), (0xFFFFFFFE, False), (0xFFFFFFFF, False)]
)
def test_bip_125_signals(sequence: int, signals: bool) -> None:
    assert parse_tx(tx([b"\x22" * 36], [(5, OURS)], sequence=sequence)).signals is signals


def test_coinbase_is_known_by_its_input() -> None:
    assert parse_tx(coinbase([(1, OURS)])).coinbase
    assert not parse_tx(tx([b"\x22" * 36], [(5, OURS)])).coinbase


def test_another_block_than_asked_for_is_refused() -> None:
    with pytest.raises(BlockMismatchError):
        scan_block(block([coinbase([(1, OURS)])]), wanted(), "00" * 32)


def test_txs_that_the_header_does_not_commit_to_are_refused() -> None:
    honest = block([coinbase([(1, OURS)])])
    lying = honest[:80] + size(1) + coinbase([(1_000_000, OURS)])
    with pytest.raises(BlockMismatchError):
        scan_block(lying, wanted(OURS))


# --- Litecoin's MWEB


def hogex(outputs: list[tuple[int, bytes]]) -> bytes:
    return tx([b"\x55" * 36], outputs, flag=8)


def test_a_peg_out_in_hogex_is_found_and_kept_readable_for_other_programs() -> None:
    extension = b"\x01" + b"\xee" * 500
    last = hogex([(9, b"\x59\x20" + b"\x01" * 32), (800, OURS)])
    scanned = scan_block(block([coinbase([(1, THEIRS)]), last], extension), wanted(OURS))
    ((place, found),) = scanned.found
    assert place == 1
    plain = tx([b"\x55" * 36], [(9, b"\x59\x20" + b"\x01" * 32), (800, OURS)])
    assert found.raw == plain
    assert found.txid == parse_tx(plain).txid


def test_mempool_txs_with_mweb_data_keep_their_plain_part() -> None:
    plain = tx([b"\x22" * 36], [(5, OURS)])
    carried = plain[:4] + b"\x00\x08" + plain[4:-4] + b"\x01" + b"\xdd" * 77 + plain[-4:]
    assert parse_tx(carried) == parse_tx(plain)


def test_mweb_data_inside_a_block_is_refused() -> None:
    plain = tx([b"\x22" * 36], [(5, OURS)])
    carried = plain[:4] + b"\x00\x08" + plain[4:-4] + b"\x01" + b"\xdd" * 77 + plain[-4:]
    with pytest.raises(BlockFormatError, match="MWEB"):
        scan_block(block([coinbase([(1, THEIRS)]), carried]), wanted(OURS))


def test_bytes_after_a_block_without_hogex_are_refused() -> None:
    with pytest.raises(BlockFormatError):
        scan_block(block([coinbase([(1, THEIRS)])], b"\x00"), wanted(OURS))


@pytest.mark.parametrize("flag", [0x02, 0x10, 0x80])
def test_an_unknown_flag_is_refused(flag: int) -> None:
    odd = tx([b"\x22" * 36], [(5, OURS)], flag=flag)
    with pytest.raises(BlockFormatError):
        parse_tx(odd)
    with pytest.raises(BlockFormatError, match="flag"):
        scan_block(block([coinbase([(1, OURS)])])[:80] + size(1) + odd, wanted())


# --- robustness

GOOD = block(
    [coinbase([(50, OURS)])]
    + [tx([bytes([n]) * 36], [(n, OURS), (n, THEIRS)], witness=[[b"a" * n, b"b"]]) for n in range(1, 20)]
)


@given(st.integers(0, len(GOOD) - 1))
def test_a_block_cut_short_is_refused_clearly(length: int) -> None:
    with pytest.raises(BlockFormatError) as caught:
        scan_block(GOOD[:length], wanted(OURS))
    assert caught.value.code == "block-malformed"


@given(st.integers(80, len(GOOD) - 1), st.integers(1, 255))
def test_a_block_with_a_changed_byte_is_refused_or_the_change_is_in_a_witness(place: int, change: int) -> None:
    broken = GOOD[:place] + bytes([GOOD[place] ^ change]) + GOOD[place + 1 :]
    try:
        scanned = scan_block(broken, wanted(OURS))
    except (BlockFormatError, BlockMismatchError):
        return
    ours = scan_block(GOOD, wanted(OURS))
    assert [(found.txid, found.outputs, found.inputs) for _, found in scanned.found] == [
        (found.txid, found.outputs, found.inputs) for _, found in ours.found
    ]


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_clearly(data: bytes) -> None:
    for read in (lambda: scan_block(data, wanted()), lambda: parse_tx(data)):
        with pytest.raises((BlockFormatError, BlockMismatchError)):
            read()


# --- real blocks: facts of the public chain, written down from block explorers' common knowledge (hash and tx count)

REAL = {
    "bitcoinj_block481815.dat": ("000000000000000000893c019d81f2d48ee33892c12428f3121bbd16ed6db926", 2097),
    "bitcoinj_block481829.dat": ("000000000000000000917cba69f69b758fe396c8e30ae97bbcf08c4eb975e726", 2020),
    "bcoin_block928848.raw": ("00000000000001dc1c2cbd9c2419e9fd396449be12176b3b7c78c2784eb2f5e7", 676),
}


def real_blocks(folder: Path) -> list[Path]:
    files = (folder / "btc_blocks").iterdir()
    whole = [path for path in files if path.suffix in {".raw", ".dat"} and "undo" not in path.name]
    return sorted(path for path in whole if not path.name.startswith(("bitcoinj_first", "blocksci")))


def test_every_real_block_parses_and_matches_its_header(shared_data: Path) -> None:
    blocks = real_blocks(shared_data)
    assert len(blocks) >= 16
    for path in blocks:
        scanned = scan_block(path.read_bytes(), wanted())
        expected_hash, expected_count = REAL.get(path.name, (scanned.block_hash, scanned.tx_count))
        assert (scanned.block_hash, scanned.tx_count) == (expected_hash, expected_count), path.name
        assert int(scanned.block_hash, 16) < 1 << 224, path.name  # its own proof of work


def test_every_tx_of_a_real_block_is_found_when_all_its_scripts_are_watched(shared_data: Path) -> None:
    raw = (shared_data / "btc_blocks" / "bitcoinj_block481829.dat").read_bytes()

    class Everything(set[bytes]):
        def __contains__(self, _: object) -> bool:
            return True

        def __bool__(self) -> bool:
            return True

        def isdisjoint(self, _: object) -> bool:
            return False

    scanned = scan_block(raw, Wanted(Everything(), set()))
    assert len(scanned.found) == 2020
    assert b"".join(found.raw for _, found in scanned.found) == raw[83:]


def test_first_blocks_of_the_chain_follow_each_other(shared_data: Path) -> None:
    """Blocks framed as in a node's files: magic, length, block."""
    data = (shared_data / "btc_blocks" / "bitcoinj_first-100k-blocks.dat").read_bytes()
    place, last, count = 0, "00" * 32, 0
    while place + 8 <= len(data):
        length = struct.unpack_from("<I", data, place + 4)[0]
        if data[place : place + 4] != bytes.fromhex("f9beb4d9") or place + 8 + length > len(data):
            break
        scanned = scan_block(data[place + 8 : place + 8 + length], wanted())
        assert scanned.parent_hash == last
        place, last, count = place + 8 + length, scanned.block_hash, count + 1
    assert count > 400
