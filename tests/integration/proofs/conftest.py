"""A platform whose two signers see the chain through a node of their own, joined to the platform's."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from strongroom_core.assets import BITCOIN_REGTEST
from tests.fixtures.bitcoin import MiningNode, NodeFactory
from tests.fixtures.postgres import Database
from tests.integration.outbound.world import World, make_world
from tests.integration.signer.processes import SignerProcess, make_folder, running
from tests.unit.signer.kit import ALONE

CONFIRMATIONS = 2


def link(process: SignerProcess, node: MiningNode) -> None:
    """Tell a signer, that does not run, which node is its own."""
    path = process.folder.root / "links.toml"
    url, cookie = f"http://127.0.0.1:{node.rpc_port}", node.cookie_file
    path.write_text(f'[nodes."{BITCOIN_REGTEST.id}"]\ncookie_files = [{{ url = "{url}", cookie_file = "{cookie}" }}]\n')
    path.chmod(0o600)


@pytest.fixture
def platform_node(make_bitcoin_node: NodeFactory) -> MiningNode:
    node = make_bitcoin_node(prepare=False)
    # Blocks mined at once run ahead of the clock, and a signer whose clock is behind its chain does nothing.
    node.rpc("setmocktime", int(time.time()) - 3_600)
    node.prepare()
    return node


@pytest.fixture
def signers_node(make_bitcoin_node: NodeFactory, platform_node: MiningNode) -> MiningNode:
    return make_bitcoin_node(connect=(platform_node,), prepare=False)


@pytest.fixture
def trust() -> str:
    """What the signers' policy says of rules; modules override it."""
    return ALONE


@pytest.fixture
def signer_processes(
    scratch: Path, signers_node: MiningNode, trust: str
) -> Iterator[tuple[SignerProcess, SignerProcess]]:
    root = Path(tempfile.mkdtemp(prefix="p", dir=scratch))
    numbers = {"nodes_min": 1, "confirmations": CONFIRMATIONS, "horizon": 3}
    folders = [make_folder(root, name, trust=trust, **numbers) for name in ("A", "B")]
    for folder in folders:
        folder.merchants.unlink()  # the tests enrol merchants of their own
        link(SignerProcess(folder), signers_node)
    with running(folders[0]) as first, running(folders[1]) as second:
        yield first, second
    shutil.rmtree(root)


@pytest.fixture
async def world(
    pg: Database, platform_node: MiningNode, signer_processes: tuple[SignerProcess, SignerProcess]
) -> AsyncIterator[World]:
    async with make_world(pg, platform_node, signer_processes) as made:
        yield made
