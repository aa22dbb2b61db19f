"""An Ethereum node of our own (anvil): found, started on the loopback address only, spoken to by RPC, stopped.

It is for tests, the demonstration and benchmarks: a real EVM with a real JSON-RPC, but one node without peers, whose
chain is what its state file says. A stop writes that file, and a start finds the same blocks, hashes, receipts and
balances.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.infra.components.errors import NodeRpcError, NodeUnreachableError
from strongroom.infra.components.ethereum_rpc import EthereumRpc, JsonValue
from strongroom.infra.components.hosting import LOOPBACK
from strongroom.infra.components.node_process import NodeProcess, find_program

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

PROGRAM_VARIABLE = "STRONGROOM_ANVIL"
FETCHED_PROGRAM = Path(".tools") / "anvil" / "anvil"
DEFAULT_CHAIN_ID = 31337
STATE_INTERVAL_SECONDS = 5  # what a crash of the machine loses of the chain, at most
SLOTS_IN_AN_EPOCH = 1  # makes `finalized` the latest block less two, and `safe` less one
DEV_ACCOUNTS = 10  # each with 10,000 ETH; the keys are public, the node signs for them (`eth_accounts`)


def find_anvil(configured: str | os.PathLike[str] | None = None) -> Path:
    """Return the node's program; see find_program."""
    return find_program("anvil", PROGRAM_VARIABLE, FETCHED_PROGRAM, configured)


class EthereumNode(NodeProcess):
    """One anvil in a folder of its own, on one port of the loopback address."""

    name = "anvil"

    def __init__(
        self,
        datadir: Path,
        rpc_port: int,
        *,
        chain_id: int = DEFAULT_CHAIN_ID,
        block_time_seconds: float | None = None,
        automine: bool = True,
        keep_state: bool = True,
        program: Path | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """Describe a node; nothing is started yet.

        It makes a block every `block_time_seconds`; where that is None, one for each chain tx, or with `automine`
        false only when asked (`mine`). Without `keep_state` the chain ends with the process. `options` are further
        command-line options.
        """
        super().__init__(datadir, rpc_port)
        self.chain_id = chain_id
        self.state_file = self.datadir / "state.json"
        self._block_time_seconds = block_time_seconds
        self._automine = automine
        self._keep_state = keep_state
        self._program = program
        self._options = tuple(options)
        self._client = EthereumRpc(rpc_port)

    def rpc(self, method: str, *params: object) -> JsonValue:
        """Call one RPC method; see EthereumRpc.call."""
        return self._client.call(method, *params)

    def mine(self, blocks: int = 1) -> None:
        """Make blocks now; the first takes what waits in the mempool."""
        self.rpc("anvil_mine", hex(blocks))

    def _find(self) -> Path:
        return self._program or find_anvil()

    def _own_mark(self) -> str:
        return f"--cache-path={self.datadir}/cache"

    def _arguments(self) -> list[str]:
        mining = [] if self._automine else ["--no-mining"]
        if self._block_time_seconds is not None:
            mining = [f"--block-time={self._block_time_seconds:g}"]
        state = [
            f"--state={self.state_file}",
            f"--state-interval={STATE_INTERVAL_SECONDS}",
            "--preserve-historical-states",  # balances at an earlier block are asked for after a restart too
        ]
        return [
            f"--host={LOOPBACK}",
            f"--port={self.rpc_port}",
            f"--chain-id={self.chain_id}",
            f"--slots-in-an-epoch={SLOTS_IN_AN_EPOCH}",
            f"--accounts={DEV_ACCOUNTS}",
            "--no-cors",  # no web page that this machine's user opens may talk to it
            "--color=never",
            self._own_mark(),
            *mining,
            *(state if self._keep_state else []),
            *self._options,
        ]

    def _answers(self) -> bool:
        """Whether our own node answers: another program on the port has no such chain, or no JSON-RPC at all."""
        with contextlib.suppress(NodeUnreachableError, NodeRpcError, ValueError):
            return int(self._client.call("eth_chainId"), 16) == self.chain_id
        return False

    def _prepare(self) -> None:
        """Keep a copy of a state that can be read; put it back where a crash left half a state."""
        last_good = self.state_file.with_name("state.last-start.json")
        with contextlib.suppress(FileNotFoundError):
            try:
                json.loads(self.state_file.read_bytes())
            except ValueError:
                self.state_file.replace(self.state_file.with_name("state.unreadable.json"))
                shutil.copyfile(last_good, self.state_file)
            else:
                shutil.copyfile(self.state_file, last_good)
