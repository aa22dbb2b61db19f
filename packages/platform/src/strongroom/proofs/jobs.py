"""The steps that a treasury process runs in loops: each signer is shown what it lacks of each chain."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.chains.ethereum.node import EthereumNode
from strongroom.chains.model import ChainNode
from strongroom.infra.clock import Clock, SystemClock
from strongroom.infra.database import Pool
from strongroom.infra.settings import ChainSettings
from strongroom.proofs.balances import BooksReading, Told
from strongroom.proofs.bitcoin import BlockProver
from strongroom.proofs.comparing import BooksComparison
from strongroom.proofs.ethereum.blocks import ReceiptProver
from strongroom.proofs.ethereum.scanning import Scanner
from strongroom.proofs.model import Prover, Shown
from strongroom.proofs.proving import Proving


def make_provers(
    pool: Pool, chain: ChainSettings, node: ChainNode, signers: Sequence[Shown], clock: Clock | None = None
) -> tuple[Proving, ...]:
    """Make one prover for each signer of a bitcoin-like, to run side by side: one that is away delays no other.

    They share what was read of blocks. Call ``step`` again and again; the channel ``proofs`` wakes it.
    """
    return _provers(pool, chain, BlockProver(node), signers, clock)


def make_evm_provers(
    pool: Pool, chain: ChainSettings, node: EthereumNode, signers: Sequence[Shown], clock: Clock | None = None
) -> tuple[Proving, ...]:
    """Make one prover for each signer of an EVM chain, as ``make_provers`` does."""
    return _provers(pool, chain, ReceiptProver(node), signers, clock)


def make_books_readings(pool: Pool, signers: Sequence[Told], clock: Clock | None = None) -> tuple[BooksReading, ...]:
    """Make one reader of each signer's own books; call ``step`` now and then."""
    return tuple(BooksReading(pool, signer, clock or SystemClock()) for signer in signers)


def make_comparison(pool: Pool, clock: Clock | None = None) -> BooksComparison:
    """Make what compares our books with the signers' own; call ``step`` every few seconds."""
    return BooksComparison(pool, clock or SystemClock())


def make_scanner(pool: Pool, chain: ChainSettings, node: EthereumNode) -> Scanner:
    """Make what finds the logs that are to be proven; call ``step`` again and again."""
    return Scanner(pool, chain, node)


def _provers(
    pool: Pool, chain: ChainSettings, prover: Prover, signers: Sequence[Shown], clock: Clock | None
) -> tuple[Proving, ...]:
    names = tuple(signer.name for signer in signers)
    return tuple(Proving(pool, chain, prover, signer, names, clock or SystemClock()) for signer in signers)
