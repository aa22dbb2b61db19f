"""A treasury's provers for crash tests: they show what is due, or kill themselves (SIGKILL) at a named step."""

from __future__ import annotations

from typing import Any

from strongroom.chains.service import connect_node
from strongroom.infra.database import make_pool
from strongroom.infra.settings import Settings
from strongroom.outbound.jobs import connect_signers
from strongroom.outbound.signers import SignerClient
from strongroom.proofs import store
from strongroom.proofs.bitcoin import BlockProver
from strongroom.proofs.jobs import make_provers
from strongroom.proofs.proving import Proving
from tests.fixtures import lives

STEPS: lives.Steps = {
    "due": (store, "due"),
    "block": (BlockProver, "branch"),
    "show": (SignerClient, "prove"),
    "write": (store, "record"),
    "commit": (Proving, "_record"),
}


async def work(dsn: str, settings: Settings) -> None:
    chain = settings.chains[0]
    node = connect_node(chain)
    async with make_pool(dsn, size=2) as pool:
        for prover in make_provers(pool, chain, node, connect_signers(settings.signers)):
            while await prover.step():
                pass
    await node.close()


def main(dsn: str, settings: Settings, *kill: Any) -> None:
    """Dies before or after the so manyth time that a step is done, or so many seconds after it began to work."""
    lives.run(work(dsn, settings), STEPS, kill)
