"""That a block holds a chain tx: the branch of its Merkle tree, up to a header of this signer's own view."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import RefusedError
from strongroom_signer.headers import HASH_BYTES, Header
from strongroom_signer.psbt import ChainTx

if TYPE_CHECKING:
    from strongroom_core.proof_messages import TxProof
    from strongroom_signer.bitcoin_view import BitcoinView

#: A block of 1,000,000 bytes without witnesses holds at most 16,666 txs of 60 bytes; twenty levels are a million.
MAX_LEVELS: Final = 20
#: Two hashes: what an inner node of the tree is the hash of, and what no tx may look like (CVE-2017-12842).
PAIR_BYTES: Final = 64
MAX_TX_BYTES: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class ProvenTx:
    """A chain tx that the view's chain holds: ``txid`` hex as nodes show it, ``block`` hex as hashed (not reversed)."""

    txid: str
    tx: ChainTx
    block: str
    height: int


def prove_tx(proof: TxProof, view: BitcoinView, depth: int) -> ProvenTx:
    """Check that a block of the view's chain, at least ``depth`` deep (the tip is 1 deep), holds the tx.

    Raises ``RefusedError``: proof-malformed, proof-block (not in our chain, there), proof-depth, proof-merkle. Whether
    the view is in trouble is asked by who decides.
    """
    siblings = _siblings(proof)
    # The block first: what is in no block of the chain is not worth the time that a chain tx takes to read.
    header = _header(proof, view, depth)
    tx = _tx(proof)
    if root_of(bytes.fromhex(tx.txid)[::-1], proof.position, siblings) != header.merkle_root:
        raise RefusedError(RefusalTag.PROOF_MERKLE, "the branch does not lead from this tx to the block's Merkle root")
    return ProvenTx(tx.txid, tx, header.hash.hex(), header.height)


def root_of(leaf: bytes, position: int, siblings: list[bytes]) -> bytes:
    """Climb from a leaf to the root. Raises ``RefusedError`` where no tree of a valid block has such a branch."""
    node, last = leaf, False
    for level, sibling in enumerate(siblings):
        right = position >> level & 1
        twin = node == sibling
        # An odd last node is paired with itself. A right one that equals its left is a repeated tx (CVE-2012-2459), and
        # what stands above a last node is the last of its level too, so on the left it is paired with itself again.
        if (twin and right) or (last and not right and not twin):
            raise RefusedError(RefusalTag.PROOF_MERKLE, "the branch repeats a node where a block cannot")
        last = last or twin
        pair = sibling + node if right else node + sibling
        if _reads_as_tx(pair):
            raise RefusedError(RefusalTag.PROOF_MERKLE, "a node of the branch can be read as a tx of 64 bytes")
        node = hashlib.sha256(hashlib.sha256(pair).digest()).digest()
    return node


def _siblings(proof: TxProof) -> list[bytes]:
    levels, rest = divmod(len(proof.siblings), HASH_BYTES)
    if rest or levels > MAX_LEVELS:
        reason = f"a branch is {HASH_BYTES} bytes a level, of at most {MAX_LEVELS} levels"
        raise RefusedError(RefusalTag.PROOF_MALFORMED, reason)
    if proof.position >> levels:
        raise RefusedError(RefusalTag.PROOF_MALFORMED, f"a tree of {levels} levels has no place {proof.position}")
    return [proof.siblings[at : at + HASH_BYTES] for at in range(0, len(proof.siblings), HASH_BYTES)]


def _tx(proof: TxProof) -> ChainTx:
    if len(proof.tx) > MAX_TX_BYTES:
        raise RefusedError(RefusalTag.PROOF_MALFORMED, "no block holds a tx of this size")
    try:
        tx = ChainTx(proof.tx)
    except RefusedError as error:
        raise RefusedError(RefusalTag.PROOF_MALFORMED, error.reason) from None
    if tx.stripped_bytes == PAIR_BYTES:
        raise RefusedError(RefusalTag.PROOF_MALFORMED, "a tx of 64 bytes could be a node of the tree")
    return tx


def _header(proof: TxProof, view: BitcoinView, depth: int) -> Header:
    header = view.find(proof.block)
    if header is None:
        raise RefusedError(RefusalTag.PROOF_BLOCK, "the block is not in the chain that this signer's nodes agree on")
    if header.height != proof.height:
        raise RefusedError(RefusalTag.PROOF_BLOCK, f"the block stands at {header.height}, not at {proof.height}")
    deep = view.height - header.height + 1
    if deep < depth:
        raise RefusedError(RefusalTag.PROOF_DEPTH, f"the block is {deep} deep, and {depth} are asked for")
    return header


def _reads_as_tx(pair: bytes) -> bool:
    """Whether 64 bytes are the form of a tx: one input and one output, whose scripts have four bytes together.

    Then somebody may have mined that tx, to hang a tree of his own below it. Of hashes, one in a billion looks so.
    """
    script = pair[41]
    free = PAIR_BYTES - 60
    return pair[4] == 1 and script <= free and pair[46 + script] == 1 and pair[55 + script] == free - script
