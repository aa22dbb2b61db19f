"""What the platform proves from a block is what a signer takes, and nothing is proven that the block has not."""

from __future__ import annotations

from pathlib import Path

import pytest
from embit import compact

from strongroom.chains.bitcoin.parser import display
from strongroom.chains.errors import BlockFormatError, BlockMismatchError
from strongroom.proofs.bitcoin import ReadBlock
from strongroom_core.proof_messages import TxProof
from strongroom_signer.merkle import prove_tx
from tests.unit.signer.bitcoin_blocks import (
    TableView,
    branch_of,
    header_over,
    levels_of,
    plain_tx,
    recorded_blocks,
    sha256d,
    txid_of,
)

HEIGHT = 321
REAL_BLOCKS = ("bitcoinj_block481829.dat", "bcoin_block300025.raw", "bitcoinj_first-100k-blocks.dat")


def raw_block(txs: list[bytes]) -> bytes:
    root = levels_of([txid_of(raw) for raw in txs])[-1][0]
    return header_over(root) + bytes(compact.to_bytes(len(txs))) + b"".join(txs)


def block_hash(raw: bytes) -> str:
    return display(sha256d(raw[:80]))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 16, 31])
def test_every_tx_of_a_block_is_proven_as_a_signer_wants_it(count: int):
    txs = [plain_tx(at, witness=at % 2 == 1) for at in range(count)]
    raw = raw_block(txs)
    block = ReadBlock.read(raw, block_hash(raw))
    leaves = [txid_of(item) for item in txs]
    view = TableView(HEIGHT)
    where = view.put(raw[:80], HEIGHT)
    for position, leaf in enumerate(leaves):
        found = block.branch(display(leaf))
        assert found is not None
        assert (found.position, found.siblings, found.tx) == (position, branch_of(leaves, position), txs[position])
        proof = TxProof(found.tx, where, HEIGHT, found.position, found.siblings, 0, "hot", 2, 0)
        assert prove_tx(proof, view, 1).txid == display(leaf)  # type: ignore[arg-type] # a table answers like a view
    assert block.branch("00" * 32) is None


def test_a_block_that_is_another_or_not_whole_proves_nothing():
    raw = raw_block([plain_tx(at) for at in range(3)])
    with pytest.raises(BlockMismatchError):
        ReadBlock.read(raw, "00" * 32)
    with pytest.raises(BlockFormatError):
        ReadBlock.read(raw[:-1], block_hash(raw))
    bent = bytearray(raw)
    bent[-10] ^= 1
    with pytest.raises(BlockMismatchError):
        ReadBlock.read(bytes(bent), block_hash(raw))


@pytest.mark.parametrize("name", REAL_BLOCKS)
def test_recorded_blocks_are_proven_from_end_to_end(name: str, shared_data: Path):
    raws = list(recorded_blocks(shared_data / "btc_blocks" / name))
    raw = max(raws, key=len)
    block = ReadBlock.read(raw, block_hash(raw))
    view = TableView(HEIGHT)
    where = view.put(raw[:80], HEIGHT)
    txids = list(block.places)
    for txid in {txids[0], txids[-1], txids[len(txids) // 2]}:
        found = block.branch(txid)
        assert found is not None
        proof = TxProof(found.tx, where, HEIGHT, found.position, found.siblings, 0, "hot", 2, 0)
        assert prove_tx(proof, view, 1).txid == txid  # type: ignore[arg-type] # as above
