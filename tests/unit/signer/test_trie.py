"""A proof of a trie leads from its root to the value, whatever the keys; anything else does not."""

import pytest
import rlp as library
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from strongroom_signer.rlp import RlpError
from strongroom_signer.trie import TrieError, prove
from tests.unit.signer.tries import Trie

KEYS = st.binary(min_size=1, max_size=4)
# Short values stand within their parents, long ones by their hash.
VALUES = st.one_of(st.binary(min_size=1, max_size=4), st.binary(min_size=30, max_size=60))
LONG = b"v" * 40
ENTRIES = st.dictionaries(KEYS, VALUES, min_size=1, max_size=30)


@given(ENTRIES)
def test_every_key_of_a_trie_is_proven(entries: dict[bytes, bytes]) -> None:
    trie = Trie(entries)
    for key, value in entries.items():
        assert prove(trie.root, key, trie.path(key)) == value


@given(ENTRIES, KEYS, st.data())
def test_no_other_key_is_proven_by_any_nodes_of_it(
    entries: dict[bytes, bytes], other: bytes, data: st.DataObject
) -> None:
    trie = Trie(entries)
    known = data.draw(st.sampled_from(sorted(entries)))
    if other not in entries:
        with pytest.raises(RlpError):
            prove(trie.root, other, trie.path(known))


@given(ENTRIES, st.data())
def test_a_changed_missing_repeated_or_added_node_is_refused(entries: dict[bytes, bytes], data: st.DataObject) -> None:
    trie = Trie(entries)
    key = data.draw(st.sampled_from(sorted(entries)))
    nodes = trie.path(key)
    at = data.draw(st.integers(0, len(nodes) - 1))
    flipped = bytearray(nodes[at])
    flipped[data.draw(st.integers(0, len(flipped) - 1))] ^= 1
    for changed in (
        [*nodes[:at], bytes(flipped), *nodes[at + 1 :]],
        [*nodes[:at], *nodes[at + 1 :]],
        [*nodes[: at + 1], *nodes[at:]],
        [*nodes, nodes[at]],
        [*nodes, b""],
    ):
        with pytest.raises(RlpError):
            prove(trie.root, key, changed)


def test_a_key_that_goes_on_behind_a_leaf_is_not_in_the_trie() -> None:
    trie = Trie({b"\x12": LONG, b"\x56": LONG})
    for other in (b"\x12\x34", b"\x12\x00"):
        with pytest.raises(TrieError):
            prove(trie.root, other, trie.path(b"\x12"))


def _root(node: object) -> tuple[bytes, list[bytes]]:
    raw = library.encode(node)
    return bytes(keccak(raw)), [raw]


@pytest.mark.parametrize(
    "node",
    [
        pytest.param([b"\x41\x00", LONG], id="a prefix with a flag that there is not"),
        pytest.param([b"\x21\x80\x00", LONG], id="a path that is longer than the key"),
        pytest.param([b"\x29\x80", LONG], id="an even path whose padding is no zero"),
        pytest.param([b"", LONG], id="no path at all"),
        pytest.param([b"\x20\x80", b""], id="no value"),
        pytest.param([b"\x20\x80", [b"a"]], id="a list for a value"),
        pytest.param([b"\x20\x80"], id="one item"),
        pytest.param([b"\x20\x80", LONG, b""], id="three items"),
        pytest.param([b"\x00", [b"\x20\x80", b"v"]], id="an extension without a path"),
        pytest.param([b"\x18", [b"\x30", b"v"]], id="an extension that leads to a leaf"),
        pytest.param([b"\x18", [b"\x30", LONG]], id="a long node within another"),
        pytest.param([*[b""] * 8, b"12", *[b""] * 8], id="a reference that is no hash"),
        pytest.param([b""] * 17, id="a branch without the child"),
    ],
)
def test_nodes_that_no_honest_trie_has_are_refused(node: object) -> None:
    root, nodes = _root(node)
    with pytest.raises(RlpError):
        prove(root, b"\x80", nodes)


def test_a_short_node_by_its_hash_is_refused_but_as_the_root() -> None:
    short = library.encode([b"\x30", b"v"])
    root, nodes = _root([*[b""] * 8, keccak(short), *[b""] * 8])
    with pytest.raises(TrieError):
        prove(root, b"\x80", [*nodes, short])
    root, nodes = _root([b"\x20\x80", b"v"])
    assert prove(root, b"\x80", nodes) == b"v"


def test_the_value_of_a_branch_itself_is_found_only_where_it_is() -> None:
    trie = Trie({b"\x12": LONG, b"\x12\x34": LONG + b"1", b"\x12\x56": LONG + b"2"})
    assert prove(trie.root, b"\x12", trie.path(b"\x12")) == LONG
    lacking = Trie({b"\x12\x34": LONG, b"\x12\x56": LONG + b"1"})
    with pytest.raises(RlpError):
        prove(lacking.root, b"\x12", lacking.path(b"\x12\x34")[:2])
