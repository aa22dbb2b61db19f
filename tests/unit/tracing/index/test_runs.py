"""Look-ups in sorted runs, beside a dict, with keys that are made to collide."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_tracing.index.layout import FILES
from strongroom_tracing.index.runs import (
    NOT_FOUND,
    Queries,
    Run,
    Table,
    find,
    make_run,
    merge_into,
    mergeable,
    prefixes,
)

# Few prefixes, few tails: most keys share their first 8 bytes with others, some are there twice.
keys = st.builds(
    lambda prefix, tail: prefix + tail,
    st.sampled_from([bytes(8), b"\xff" * 8, b"abcdefgh", b"abcdefgi", b"\0" * 7 + b"\x80"]),
    st.sampled_from([bytes(24), b"\1" * 24, b"\0" * 23 + b"\1"]),
)
spread = st.binary(min_size=32, max_size=32)


def rows(values: list[bytes]) -> np.ndarray:
    return np.frombuffer(bytearray(b"".join(values)), np.uint8).reshape(len(values), 32)


def asked(values: list[bytes], below: list[int]) -> Queries:
    data = rows(values)
    count = len(values)
    return Queries(
        data.reshape(-1), np.arange(count) * 32, np.full(count, 32), prefixes(data), np.array(below, np.int64)
    )


@settings(deadline=None)  # the first call compiles
@given(
    st.lists(st.lists(st.one_of(keys, spread), max_size=12), max_size=4),
    st.lists(st.tuples(st.one_of(keys, spread), st.integers(0, 60)), max_size=20),
    st.booleans(),
)
def test_the_latest_of_the_whole_key_below_the_limit_is_found(
    groups: list[list[bytes]], questions: list[tuple[bytes, int]], merged: bool
):
    values = [value for group in groups for value in group]
    table = rows(values)
    runs, first = [], 0
    for group in groups:
        runs.append(make_run(first, prefixes(rows(group))))
        first += len(group)
    while merged and len(runs) > 1:
        newer, older = runs.pop(), runs.pop()
        count = len(older.key) + len(newer.key)
        runs.append(merge_into(older, newer, np.empty(count, np.uint64), np.empty(count, np.uint32)))
        assert np.all(runs[-1].key[1:] >= runs[-1].key[:-1])
    wanted = [value for value, _ in questions] + values
    below = [limit for _, limit in questions] + [10**9] * len(values)

    found = find(runs, Table(table, np.empty(0, np.int64), len(values)), asked(wanted, below))

    expected = [
        max((n for n, value in enumerate(values) if value == key and n < limit), default=NOT_FOUND)
        for key, limit in zip(wanted, below, strict=True)
    ]
    assert found.tolist() == expected


def test_keys_of_different_lengths_are_different():
    data = np.frombuffer(b"aaabab", np.uint8)
    at = np.array([0, 1, 3, 6])  # a, aa, bab
    key = np.full(3, 7, np.uint64)
    queries = Queries(data, np.array([0, 0, 2, 3]), np.array([1, 2, 2, 3]), np.full(4, 7, np.uint64), np.full(4, 99))

    assert find([make_run(0, key)], Table(data, at, 3), queries).tolist() == [0, 1, NOT_FOUND, 2]


def test_numbers_that_are_no_more_are_passed_over():
    old, new = bytes(32), bytes(8) + b"\1" * 24
    run = make_run(0, prefixes(rows([old, new, old])))  # the last two were taken back

    found = find([run], Table(rows([old]), np.empty(0, np.int64), 1), asked([old, new], [99, 99]))

    assert found.tolist() == [0, NOT_FOUND]


def test_a_negative_place_is_not_looked_for():
    queries = Queries(np.zeros(32, np.uint8), np.array([-1]), np.array([32]), np.zeros(1, np.uint64), np.array([9]))
    table = Table(rows([bytes(32)]), np.empty(0, np.int64), 1)

    assert find([make_run(0, np.zeros(1, np.uint64))], table, queries).tolist() == [NOT_FOUND]


def test_no_runs_and_empty_runs_find_nothing():
    table = Table(np.empty((0, 32), np.uint8), np.empty(0, np.int64), 0)
    empty = Run(0, np.empty(0, np.uint64), np.empty(0, np.uint32))

    assert find([], table, asked([bytes(32)], [9])).tolist() == [NOT_FOUND]
    assert find([empty], table, asked([bytes(32)], [9])).tolist() == [NOT_FOUND]


def test_runs_are_merged_while_they_are_of_like_size():
    assert mergeable(200, 100, 300)
    assert not mergeable(201, 100, 301)
    assert not mergeable(2**32, 2**31 + 1, 2**32 + 2**31 + 1)


def test_numbers_beyond_32_bits_are_found_and_kept_in_merging():
    first = 2**32 - 2  # a chain of so many txs: the second run begins beyond what 32 bits hold
    values = [bytes([n]) * 32 for n in range(1, 6)]
    older, newer = make_run(first, prefixes(rows(values[:3]))), make_run(first + 3, prefixes(rows(values[3:])))
    merged = merge_into(older, newer, np.empty(5, np.uint64), np.empty(5, np.uint32))
    table = Table(rows(values), np.empty(0, np.int64), 5)
    for runs in ([older, newer], [merged]):
        found = find(runs, table, asked(values, [2**62] * 5), table_first=first)
        assert found.tolist() == [first + n for n in range(5)]


def test_every_number_in_the_files_of_an_index_has_64_bits():
    kinds = {name: np.dtype(kind) for name, (kind, *_) in FILES.items()}
    hashes = {"block_hash", "block_digest", "txid", "script_bytes"}
    assert {name for name, kind in kinds.items() if kind != np.int64} == hashes
