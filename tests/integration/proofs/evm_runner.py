"""A treasury's scanner and provers of an EVM chain for crash tests; see ``runner``."""

from __future__ import annotations

from typing import Any

from strongroom.chains.service import connect_ethereum
from strongroom.infra.database import make_pool
from strongroom.infra.settings import Settings
from strongroom.outbound.jobs import connect_signers
from strongroom.outbound.signers import SignerClient
from strongroom.proofs import store
from strongroom.proofs.ethereum import store as evm_store
from strongroom.proofs.ethereum.blocks import ReceiptProver
from strongroom.proofs.jobs import make_evm_provers, make_scanner
from strongroom.proofs.proving import Proving
from tests.fixtures import lives

STEPS: lives.Steps = {
    "advance": (evm_store, "advance"),
    "want": (evm_store, "want_sweeps"),
    "block": (ReceiptProver, "proof"),
    "show": (SignerClient, "prove"),
    "write": (store, "record"),
    "commit": (Proving, "_record"),
}


async def work(dsn: str, settings: Settings) -> None:
    chain = settings.chains[0]
    node = connect_ethereum(chain)
    async with make_pool(dsn, size=2) as pool:
        scanner = make_scanner(pool, chain, node)
        while await scanner.step():
            pass
        for prover in make_evm_provers(pool, chain, node, connect_signers(settings.signers)):
            while await prover.step():
                pass
    await node.close()


def main(dsn: str, settings: Settings, *kill: Any) -> None:
    """Dies before or after the so manyth time that a step is done."""
    lives.run(work(dsn, settings), STEPS, kill)
