"""Headers are believed by their work alone: targets, retargets, time, and which chain has the most of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_core.assets import BITCOIN, BITCOIN_REGTEST, BITCOIN_TESTNET, LITECOIN
from strongroom_signer.chains import PARAMETERS, ChainParameters, WorkRules
from strongroom_signer.errors import PolicyError
from strongroom_signer.headers import (
    PERIOD,
    DetachedHeaderError,
    FutureHeaderError,
    Header,
    HeaderError,
    HeaderTree,
    bits_of,
    check_work,
    hash_of,
    next_target,
    target_of,
    work_of,
)
from tests.unit.signer.kit import GENESIS

VECTORS = Path(__file__).parents[2] / "vectors" / "bitcoin_headers_554400.json"
REAL = {int(height): bytes.fromhex(raw) for height, raw in json.loads(VECTORS.read_text())["headers"].items()}
MAIN = PARAMETERS[BITCOIN.id]
LTC_GENESIS = (
    "010000000000000000000000000000000000000000000000000000000000000000000000d9ced4ed1130f7b7faad9be25323ffafa33232a17c"
    "3edf6cfd97bee6bafbdd97b9aa8e4ef0ff0f1ecd513f7c"
)
NOW = 2_000_000_000
#: A chain of our own to mine in a test: nearly no work, but with the difficulty of a real one.
TOY = WorkRules(2**255 - 1)
SPACING = 600


def toy(**changes: object) -> ChainParameters:
    return replace(PARAMETERS[BITCOIN_REGTEST.id], work=replace(TOY, **changes))  # type: ignore[arg-type]


def mine(parent: Header | None, time: int, bits: int, rules: WorkRules = TOY, root: bytes = bytes(32)) -> bytes:
    """A header with its work done, after ``parent``."""
    before = parent.hash if parent else bytes(32)
    head = (4).to_bytes(4, "little") + before + root + time.to_bytes(4, "little") + bits.to_bytes(4, "little")
    for nonce in range(1 << 16):
        raw = head + nonce.to_bytes(4, "little")
        if int.from_bytes(hash_of(raw), "little") <= target_of(bits):
            return raw
    raise AssertionError


def tree_of(parameters: ChainParameters, time: int = 1_000_000_000, height: int = 0) -> HeaderTree:
    return HeaderTree(parameters, mine(None, time, bits_of(parameters.work.limit)), height)


def grow(tree: HeaderTree, header: Header, times: Iterator[int] | list[int]) -> Header:
    for time in times:
        draft = replace(header, raw=header.raw[:68] + time.to_bytes(4, "little") + bytes(8), height=header.height + 1)
        header = tree.add(mine(header, time, tree.next_bits(header, draft)), NOW)
    return header


# arith_uint256_tests.cpp of Bitcoin Core, bignum_SetCompact: what is read, and how it is written back.
@pytest.mark.parametrize(
    ("bits", "target", "again"),
    [
        (0x01123456 + 0x00000000, 0x12, 0x01120000),
        (0x02123456, 0x1234, 0x02123400),
        (0x03123456, 0x123456, 0x03123456),
        (0x04123456, 0x12345600, 0x04123456),
        (0x05009234, 0x92340000, 0x05009234),
        (0x20123456, 0x123456 << 232, 0x20123456),
        (0x1D00FFFF, 0xFFFF << 208, 0x1D00FFFF),
        (0x207FFFFF, 0x7FFFFF << 232, 0x207FFFFF),
        (0x220000FF, 0xFF << 248, 0x2100FF00),
    ],
)
def test_compact_targets_are_read_and_written_as_core_does(bits: int, target: int, again: int):
    assert target_of(bits) == target
    assert bits_of(target) == again


@pytest.mark.parametrize(
    "bits",
    [
        pytest.param(0, id="zero"),
        pytest.param(0x00123456, id="zero by its size"),
        pytest.param(0x01003456, id="zero, digits shifted out"),
        pytest.param(0x02000056, id="zero, two bytes"),
        pytest.param(0x04000000, id="zero mantissa"),
        pytest.param(0x01FEDCBA, id="negative, small"),
        pytest.param(0x04923456, id="negative"),
        pytest.param(0x20923456, id="negative, large"),
        pytest.param(0x23000001, id="overflow, 35 bytes"),
        pytest.param(0x220000FF + 1, id="overflow, two digits in 34 bytes"),
        pytest.param(0x21010000, id="overflow, three digits in 33 bytes"),
        pytest.param(0xFF123456, id="overflow, far"),
        pytest.param(0xFFFFFFFF, id="all ones"),
    ],
)
def test_zero_negative_and_overflowing_targets_are_refused(bits: int):
    with pytest.raises(HeaderError):
        target_of(bits)


@given(st.integers(1, 2**256 - 1))
def test_a_compact_target_never_exceeds_and_keeps_the_leading_digits(target: int):
    read = target_of(bits_of(target))
    assert read <= target
    assert target - read < 2 ** max(target.bit_length() - 15, 0)
    assert bits_of(read) == bits_of(target)


def test_work_is_what_core_counts():
    assert work_of(target_of(0x1D00FFFF)) == 0x100010001
    assert work_of(target_of(0x207FFFFF)) == 2


# pow_tests.cpp of Bitcoin Core: real periods of the main network (the last one's start is made up there).
@pytest.mark.parametrize(
    ("first", "last", "bits", "following"),
    [
        pytest.param(1261130161, 1262152739, 0x1D00FFFF, 0x1D00D86A, id="block 32256, the first change ever"),
        pytest.param(1231006505, 1233061996, 0x1D00FFFF, 0x1D00FFFF, id="block 2016, held at the limit"),
        pytest.param(1279008237, 1279297671, 0x1C05A3F4, 0x1C0168FD, id="block 68544, four times harder at most"),
        pytest.param(1263163443, 1269211443, 0x1C387F6F, 0x1D00E1FD, id="four times easier at most"),
    ],
)
def test_real_retargets_of_core(first: int, last: int, bits: int, following: int):
    assert bits_of(next_target(MAIN.work, target_of(bits), last - first)) == following


def test_the_retarget_of_real_block_554400_measures_from_its_period_s_first_to_its_last_block():
    first, last, after = REAL[552_384], REAL[554_399], REAL[554_400]
    header = Header(after, hash_of(after), 554_400, 0)
    start, end = (Header(raw, hash_of(raw), 0, 0) for raw in (first, last))
    assert bits_of(next_target(MAIN.work, target_of(end.bits), end.time - start.time)) == header.bits
    # One block more or less would give another target: the off-by-one is part of the rule.
    before = Header(REAL[554_398], bytes(32), 0, 0)
    assert bits_of(next_target(MAIN.work, target_of(end.bits), before.time - start.time)) != header.bits


def test_real_headers_chain_by_their_work():
    tree = HeaderTree(MAIN, REAL[554_400], 554_400)
    last = [tree.add(REAL[height], NOW) for height in range(554_401, 554_409)][-1]
    assert last.height == 554_408
    assert last.hash[::-1].hex() == "0000000000000000002955f34256d46a3b73171b71d5b4fc384b4b9cf966e46d"
    assert last.work == sum(work_of(target_of(0x17371EF4)) for _ in range(9))
    for height in range(554_390, 554_400):
        check_work(MAIN.work, REAL[height])


@pytest.mark.parametrize("byte", range(80))
def test_a_real_header_with_one_bit_changed_is_refused(byte: int):
    tree = HeaderTree(MAIN, REAL[554_400], 554_400)
    raw = bytearray(REAL[554_401])
    raw[byte] ^= 1 << byte % 8
    with pytest.raises(HeaderError):
        tree.add(bytes(raw), NOW)
    assert len(tree) == 1


@pytest.mark.parametrize("cut", [0, 1, 79, 81, 160])
def test_a_header_has_eighty_bytes(cut: int):
    tree = HeaderTree(MAIN, REAL[554_400], 554_400)
    with pytest.raises(HeaderError):
        tree.add((REAL[554_401] * 2)[:cut], NOW)


def test_real_headers_out_of_order_are_detached():
    tree = HeaderTree(MAIN, REAL[554_400], 554_400)
    with pytest.raises(DetachedHeaderError):
        tree.add(REAL[554_402], NOW)


def test_recorded_headers_of_the_first_439_blocks(shared_data: Path):
    blocks = list(recorded_blocks(shared_data / "btc_blocks" / "bitcoinj_first-100k-blocks.dat"))
    tree = HeaderTree(MAIN, blocks[0][:80], 0)
    last = [tree.add(raw[:80], NOW) for raw in blocks[1:]][-1]
    assert (last.height, last.work) == (438, 439 * 0x100010001)
    assert tree.root.hash[::-1].hex() == "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"


def recorded_blocks(path: Path) -> Iterator[bytes]:
    data, at = path.read_bytes(), 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at + 8 : at + 8 + size]
        at += 8 + size


def test_litecoin_s_work_is_scrypt_and_its_name_is_not():
    raw = bytes.fromhex(LTC_GENESIS)
    litecoin = PARAMETERS[LITECOIN.id]
    assert hash_of(raw)[::-1].hex() == "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2"
    assert HeaderTree(litecoin, raw, 0).root.height == 0
    with pytest.raises(HeaderError):
        check_work(replace(litecoin.work, work_hash=MAIN.work.work_hash), raw)
    with pytest.raises(PolicyError):
        HeaderTree(litecoin, raw[:76] + bytes(4), 0)


def test_litecoin_drops_a_bit_where_256_would_not_be_enough():
    rules = PARAMETERS[LITECOIN.id].work
    old = rules.limit - 2
    assert next_target(rules, old, rules.timespan_seconds // 2) == ((old >> 1) * 151_200 // 302_400) << 1
    assert next_target(rules, old, 10**9) == rules.limit


@pytest.mark.parametrize("height", [1, 2015, 2017, 554_399])
def test_a_checkpoint_stands_where_the_difficulty_changes(height: int):
    with pytest.raises(PolicyError):
        HeaderTree(MAIN, REAL[554_400], height)
    # Regtest has one difficulty, so it may start anywhere.
    assert HeaderTree(PARAMETERS[BITCOIN_REGTEST.id], bytes.fromhex(GENESIS), height).root.height == height


def test_a_checkpoint_without_its_work_is_refused():
    with pytest.raises(PolicyError):
        HeaderTree(MAIN, bytes.fromhex(GENESIS), 0)


@pytest.mark.parametrize("spacing", [SPACING // 8, SPACING // 2, SPACING, 2 * SPACING])
def test_a_mined_period_is_retargeted_by_its_own_2015_gaps(spacing: int):
    rules = WorkRules(2**252 - 1)
    tree = tree_of(toy(limit=rules.limit))
    start = tree.root.time
    times = [start + spacing * at for at in range(1, PERIOD)]
    last = grow(tree, tree.root, times)
    took = spacing * (PERIOD - 1)
    clamped = min(max(took, 302_400), 4_838_400)
    wanted = bits_of(min(target_of(tree.root.bits) * clamped // 1_209_600, rules.limit))
    after = grow(tree, last, [last.time + spacing])
    assert (after.height, after.bits) == (PERIOD, wanted)
    # A period on time is a gap short, and gets a little harder.
    assert (wanted == tree.root.bits) == (spacing > SPACING)
    other = bits_of(target_of(wanted) // 2)
    with pytest.raises(HeaderError, match="difficulty"):
        tree.add(mine(last, last.time + spacing, other), NOW)


def test_litecoin_measures_the_whole_period_but_its_first():
    tree = tree_of(toy(limit=2**250 - 1, full_period=True))
    start = tree.root.time
    first = grow(tree, tree.root, [start + 300 * at for at in range(1, PERIOD + 1)])
    old = target_of(tree.root.bits)
    rules = replace(TOY, limit=2**250 - 1, full_period=True)
    assert first.bits == bits_of(next_target(rules, old, 300 * (PERIOD - 1)))
    second = grow(tree, first, [first.time + 450 * at for at in range(1, PERIOD + 1)])
    # From the block before the period (one gap of 300) to its last.
    assert second.bits == bits_of(next_target(rules, target_of(first.bits), 300 + 450 * (PERIOD - 1)))


def test_behind_a_checkpoint_litecoin_s_first_retarget_is_within_four():
    parameters = toy(limit=2**252 - 1, full_period=True)
    tree = tree_of(parameters, height=10 * PERIOD)
    last = grow(tree, tree.root, [tree.root.time + SPACING * at for at in range(1, PERIOD)])
    harder = bits_of(target_of(tree.root.bits) // 4)
    assert tree.add(mine(last, last.time + SPACING, harder), NOW).bits == harder
    with pytest.raises(HeaderError):
        tree.add(mine(last, last.time + SPACING, bits_of(target_of(tree.root.bits) // 5)), NOW)


def test_on_testnet3_a_slow_block_may_be_of_the_least_work_and_the_next_goes_back_to_the_difficulty():
    assert PARAMETERS[BITCOIN_TESTNET.id].work.slow_blocks
    assert [item.chain.id for item in PARAMETERS.values() if item.work.slow_blocks] == [BITCOIN_TESTNET.id]
    parameters = toy(limit=2**252 - 1, slow_blocks=True)
    easiest = bits_of(2**252 - 1)
    tree = tree_of(parameters)
    # A fast first period makes the second four times harder.
    last = grow(tree, tree.root, [tree.root.time + 60 * at for at in range(1, PERIOD + 2)])
    hard = last.bits
    assert target_of(hard) < target_of(easiest)
    slow = grow(tree, last, [last.time + 1_201])
    assert slow.bits == easiest
    assert grow(tree, slow, [slow.time + 1_200]).bits == hard
    with pytest.raises(HeaderError):
        tree.add(mine(last, last.time + 1_200, easiest), NOW)
    # On every other chain a slow block is as hard as the others.
    main = tree_of(toy(limit=2**252 - 1))
    last = grow(main, main.root, [main.root.time + 60 * at for at in range(1, PERIOD + 2)])
    with pytest.raises(HeaderError):
        main.add(mine(last, last.time + 1_201, easiest), NOW)


def test_a_header_is_younger_than_the_median_of_the_eleven_before_it():
    tree = tree_of(toy())
    start = tree.root.time
    last = grow(tree, tree.root, [start + 10 * at for at in range(1, 12)])
    median = start + 60
    assert tree.median_time(last) == median
    for time in (start, median):
        with pytest.raises(HeaderError, match="median"):
            tree.add(mine(last, time, tree.root.bits), NOW)
    assert tree.add(mine(last, median + 1, tree.root.bits), NOW).height == 12


def test_just_behind_a_checkpoint_the_median_is_not_known_and_not_asked_for():
    tree = tree_of(toy(), height=PERIOD)
    older = tree.root.time - 1
    assert tree.add(mine(tree.root, older, tree.root.bits), NOW).height == PERIOD + 1
    genesis = tree_of(toy())
    with pytest.raises(HeaderError, match="median"):
        genesis.add(mine(genesis.root, older, tree.root.bits), NOW)


def test_a_header_from_the_future_waits_for_its_time():
    tree = tree_of(toy())
    raw = mine(tree.root, NOW + 7_201, tree.root.bits)
    with pytest.raises(FutureHeaderError):
        tree.add(raw, NOW)
    assert tree.add(raw, NOW + 1).height == 1


def test_the_most_work_is_not_the_most_blocks():
    tree = tree_of(toy(limit=2**252 - 1))
    shared = grow(tree, tree.root, [tree.root.time + SPACING * at for at in range(1, PERIOD)])
    fast = grow(tree, tree.root, [tree.root.time + 30 * at for at in range(1, PERIOD)])
    easy = grow(tree, shared, [shared.time + SPACING * at for at in range(1, 4)])
    hard = grow(tree, fast, [fast.time + SPACING * at for at in range(1, 3)])
    assert easy.height > hard.height
    assert easy.work < hard.work


def test_forks_and_ancestors():
    tree = tree_of(toy())
    shared = grow(tree, tree.root, [tree.root.time + at for at in range(1, 20)])
    one = grow(tree, shared, [shared.time + at for at in range(1, 5)])
    other = grow(tree, shared, [shared.time + 7 + at for at in range(1, 9)])
    assert tree.fork(one, other) == tree.fork(other, one) == shared
    assert tree.fork(one, shared) == shared
    assert tree.ancestor(other, shared.height) == shared
    assert tree.ancestor(other, other.height + 1) is None
    tree.keep(one)
    assert tree.get(other.hash) is None
    assert tree.ancestor(one, 0) == tree.root
