"""A branch proves that a block holds a chain tx, and nothing else: no bent one, and neither of the tree's old holes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_core.proof_messages import TxProof
from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import RefusedError
from strongroom_signer.merkle import MAX_LEVELS, ProvenTx, prove_tx
from strongroom_signer.psbt import ChainTx
from tests.unit.signer.bitcoin_blocks import (
    PAIR,
    TableView,
    branch_of,
    header_over,
    levels_of,
    plain_tx,
    proof_of,
    read_block,
    recorded_blocks,
    sha256d,
    txid_of,
)

HEIGHT = 700
REAL_BLOCKS = (
    "bitcoinj_block363703.dat",
    "bitcoinj_block481829.dat",
    "bcoin_block300025.raw",
    "bcoin_block928849.raw",
)


def block_of(txs: list[bytes]) -> tuple[TableView, bytes]:
    view = TableView(HEIGHT + 9)
    return view, view.put(header_over(levels_of([txid_of(raw) for raw in txs])[-1][0]), HEIGHT)


def prove(proof: TxProof, view: TableView, depth: int = 1) -> ProvenTx:
    return prove_tx(proof, view, depth)  # type: ignore[arg-type] # a table answers like a view


def refused(proof: TxProof, view: TableView, depth: int = 1) -> RefusalTag:
    with pytest.raises(RefusedError) as caught:
        prove(proof, view, depth)
    return caught.value.tag


@given(st.integers(1, 40), st.data())
def test_every_tx_of_a_block_is_proven_at_its_place_and_at_no_other(count: int, data: st.DataObject):
    txs = [plain_tx(at, witness=at % 3 == 0) for at in range(count)]
    view, block = block_of(txs)
    position = data.draw(st.integers(0, count - 1))
    proof = proof_of(txs, position, block, HEIGHT)
    proven = prove(proof, view)
    assert (proven.txid, proven.height) == (txid_of(txs[position])[::-1].hex(), HEIGHT)
    assert bytes.fromhex(proven.block) == block
    levels = len(proof.siblings) // 32
    for other in range(1 << levels):
        if other != position:
            assert refused(replace(proof, position=other), view) is RefusalTag.PROOF_MERKLE


@given(st.integers(2, 40), st.data())
def test_a_branch_with_any_bit_changed_is_refused(count: int, data: st.DataObject):
    txs = [plain_tx(at) for at in range(count)]
    view, block = block_of(txs)
    proof = proof_of(txs, data.draw(st.integers(0, count - 1)), block, HEIGHT)
    bent = bytearray(proof.siblings)
    bent[data.draw(st.integers(0, len(bent) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert refused(replace(proof, siblings=bytes(bent)), view) is RefusalTag.PROOF_MERKLE


@pytest.mark.parametrize(
    ("change", "tag"),
    [
        ({"position": 8}, RefusalTag.PROOF_MALFORMED),
        ({"position": 2**63 - 1}, RefusalTag.PROOF_MALFORMED),
        ({"siblings": b""}, RefusalTag.PROOF_MALFORMED),
        ({"siblings": bytes(33)}, RefusalTag.PROOF_MALFORMED),
        ({"siblings": bytes(32 * (MAX_LEVELS + 1))}, RefusalTag.PROOF_MALFORMED),
        ({"siblings": bytes(96)}, RefusalTag.PROOF_MERKLE),
        ({"siblings": bytes(128)}, RefusalTag.PROOF_MERKLE),
        ({"tx": b""}, RefusalTag.PROOF_MALFORMED),
        ({"tx": plain_tx(3)[:-1]}, RefusalTag.PROOF_MALFORMED),
        ({"tx": plain_tx(3) + b"\0"}, RefusalTag.PROOF_MALFORMED),
        ({"tx": bytes(64)}, RefusalTag.PROOF_MALFORMED),
        ({"tx": plain_tx(4)}, RefusalTag.PROOF_MERKLE),
        ({"block": bytes(32)}, RefusalTag.PROOF_BLOCK),
        ({"block": b""}, RefusalTag.PROOF_BLOCK),
        ({"height": HEIGHT + 1}, RefusalTag.PROOF_BLOCK),
        ({"height": HEIGHT - 1}, RefusalTag.PROOF_BLOCK),
    ],
)
def test_a_bent_proof_names_what_is_wrong(change: dict[str, object], tag: RefusalTag):
    txs = [plain_tx(at) for at in range(7)]
    view, block = block_of(txs)
    proof = proof_of(txs, 3, block, HEIGHT)
    assert prove(proof, view).height == HEIGHT
    assert refused(replace(proof, **change), view) is tag  # type: ignore[arg-type] # fields by name


def test_depth_counts_the_tip_as_one():
    txs = [plain_tx(at) for at in range(3)]
    view, block = block_of(txs)
    proof = proof_of(txs, 0, block, HEIGHT)
    view.height = HEIGHT
    assert prove(proof, view, 1).height == HEIGHT
    assert refused(proof, view, 2) is RefusalTag.PROOF_DEPTH
    view.height = HEIGHT + 5
    assert prove(proof, view, 6).height == HEIGHT
    assert refused(proof, view, 7) is RefusalTag.PROOF_DEPTH


def test_a_tx_comes_with_or_without_its_witnesses():
    txs = [plain_tx(at, witness=True) for at in range(4)]
    view, block = block_of(txs)
    proof = proof_of(txs, 2, block, HEIGHT)
    stripped = plain_tx(2)
    assert len(stripped) < len(txs[2])
    assert prove(proof, view).txid == prove(replace(proof, tx=stripped), view).txid
    other = bytearray(txs[2])
    other[-10] ^= 1
    assert prove(replace(proof, tx=bytes(other)), view).txid == prove(proof, view).txid


def test_a_block_of_one_tx_has_no_branch():
    view, block = block_of([plain_tx(1)])
    assert prove(proof_of([plain_tx(1)], 0, block, HEIGHT), view).height == HEIGHT
    assert refused(replace(proof_of([plain_tx(1)], 0, block, HEIGHT), position=1), view) is RefusalTag.PROOF_MALFORMED


def test_a_repeated_leaf_is_no_other_place():
    count = 3
    # CVE-2012-2459: the tree of three is the tree of four whose last two are one; a place 3 there is none.
    txs = [plain_tx(at) for at in range(count)]
    view, block = block_of(txs)
    repeated = [*txs, txs[-1]]
    assert levels_of([txid_of(raw) for raw in txs])[-1] == levels_of([txid_of(raw) for raw in repeated])[-1]
    proof = proof_of(repeated, count, block, HEIGHT)
    assert proof.siblings == branch_of([txid_of(raw) for raw in txs], count - 1)
    assert refused(proof, view) is RefusalTag.PROOF_MERKLE
    assert prove(replace(proof, position=count - 1), view).height == HEIGHT


@pytest.mark.parametrize("count", [3, 5, 6, 7, 9, 10, 11, 13])
def test_a_repeated_branch_is_no_other_place_either(count: int):
    txs = [plain_tx(at) for at in range(count)]
    view, block = block_of(txs)
    leaves = [txid_of(raw) for raw in txs]
    padded = list(leaves)
    while (odd := len(padded) & -len(padded)) != len(padded):
        padded += padded[-odd:]
    assert levels_of(padded)[-1] == levels_of(leaves)[-1]
    for ghost in range(count, len(padded)):
        tx = txs[leaves.index(padded[ghost])]
        proof = TxProof(tx, block, HEIGHT, ghost, branch_of(padded, ghost), 0, "cold", 2, 0)
        assert climb(padded[ghost], proof) == levels_of(leaves)[-1][0]
        assert refused(proof, view) is RefusalTag.PROOF_MERKLE


# Locktimes that give a tx a name which fits into the second half of a tx of 64 bytes whose input script is so long.
# Found by trying: one name in 16,777,216 fits one length, and a forger can try as many.
FORGED = {0: 13_469_285, 1: 70_893_681, 2: 5_724_341, 3: 12_842_388, 4: 26_414_722}


@pytest.mark.parametrize("script", sorted(FORGED))
def test_a_tx_of_64_bytes_is_refused_and_so_is_what_hangs_below_it(script: int):
    # CVE-2017-12842: somebody mines a tx whose bytes are two hashes, the second of which names a tx that nobody mined.
    forged = plain_tx(999)[:-4] + FORGED[script].to_bytes(4, "little")
    twin = bytes(4) + b"\x01" + bytes(27) + txid_of(forged)
    assert (len(twin), len(ChainTx(twin).outputs), ChainTx(twin).stripped_bytes) == (PAIR, 1, PAIR)
    txs = [plain_tx(0), twin, plain_tx(2), plain_tx(3)]
    leaves = [sha256d(raw) for raw in txs]
    view = TableView(HEIGHT + 9)
    block = view.put(header_over(levels_of(leaves)[-1][0]), HEIGHT)
    below = TxProof(forged, block, HEIGHT, 3, twin[:32] + branch_of(leaves, 1), 0, "cold", 2, 0)
    # The branch does lead to the root: nothing but the form of that node gives it away.
    assert climb(txid_of(forged), below) == levels_of(leaves)[-1][0]
    assert refused(below, view) is RefusalTag.PROOF_MERKLE
    as_leaf = TxProof(twin, block, HEIGHT, 1, branch_of(leaves, 1), 0, "cold", 2, 0)
    assert climb(sha256d(twin), as_leaf) == levels_of(leaves)[-1][0]
    assert refused(as_leaf, view) is RefusalTag.PROOF_MALFORMED
    # The other txs of that block are as good as in any other.
    honest = TxProof(txs[3], block, HEIGHT, 3, branch_of(leaves, 3), 0, "cold", 2, 0)
    assert prove(honest, view).height == HEIGHT


def climb(node: bytes, proof: TxProof) -> bytes:
    """What a naive reader of branches computes."""
    for level in range(len(proof.siblings) // 32):
        sibling = proof.siblings[32 * level : 32 * level + 32]
        node = sha256d(sibling + node if proof.position >> level & 1 else node + sibling)
    return node


@pytest.mark.parametrize("name", REAL_BLOCKS)
def test_txs_of_recorded_blocks_are_proven(name: str, shared_data: Path):
    raw = next(recorded_blocks(shared_data / "btc_blocks" / name))
    block = read_block(raw)
    view = TableView(HEIGHT + 9)
    where = view.put(block.header, HEIGHT)
    count = len(block.txs)
    for position in {0, 1, count // 3, count // 2, count - 2, count - 1}:
        branch = branch_of(block.txids, position)
        proof = TxProof(block.txs[position], where, HEIGHT, position, branch, 0, "cold", 2, 0)
        proven = prove(proof, view)
        assert proven.txid == block.txids[position][::-1].hex()
        assert len(proven.tx.outputs) > 0
        assert refused(replace(proof, position=position ^ 1), view) is RefusalTag.PROOF_MERKLE
