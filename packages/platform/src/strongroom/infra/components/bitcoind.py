"""A Bitcoin node of our own: found, started on the loopback address only, spoken to by RPC, stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.infra.components.bitcoin_rpc import RPC_IN_WARMUP, BitcoinRpc, JsonValue
from strongroom.infra.components.errors import NodeRpcError, NodeUnreachableError
from strongroom.infra.components.hosting import LOOPBACK
from strongroom.infra.components.node_process import NodeProcess, find_program

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

PROGRAM_VARIABLE = "STRONGROOM_BITCOIND"
FETCHED_PROGRAM = Path(".tools") / "bitcoin" / "bitcoind"
ZMQ_TOPICS = ("hashblock", "hashtx", "rawblock", "rawtx", "sequence")
# Bitcoin Knots takes every chain tx with lock time 21 for a CAT-21 token and refuses it; wallets choose lock times at
# random, a hundred blocks back at most, so that on a young chain one payment in a thousand would be lost.
REGTEST_SETTINGS = "rejectparasites=0\n"


def find_bitcoind(configured: str | os.PathLike[str] | None = None) -> Path:
    """Return the node's program; see find_program."""
    return find_program("bitcoind", PROGRAM_VARIABLE, FETCHED_PROGRAM, configured)


class BitcoinNode(NodeProcess):
    """One bitcoind (regtest unless told) in a folder of its own, with all of its ports on the loopback address."""

    name = "bitcoind"

    def __init__(
        self,
        datadir: Path,
        rpc_port: int,
        p2p_port: int,
        zmq_port: int,
        *,
        connect: Sequence[int] = (),
        txindex: bool = False,
        chain: str = "regtest",
        program: Path | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """Describe a node; nothing is started yet.

        `connect` lists P2P ports of other nodes on this machine to keep connections with; `options` are further
        command-line options, which win.
        """
        super().__init__(datadir, rpc_port)
        self.p2p_port = p2p_port
        self.zmq_port = zmq_port
        self.chain = chain
        self.cookie_file = self.datadir / chain / ".cookie"
        self.log_file = self.datadir / chain / "debug.log"
        self._connect = tuple(connect)
        self._txindex = txindex
        self._program = program
        self._options = tuple(options)
        self._client = BitcoinRpc(rpc_port, self.cookie_file)

    @property
    def zmq_url(self) -> str:
        """Return the address that publishes all ZMQ topics of ZMQ_TOPICS."""
        return f"tcp://{LOOPBACK}:{self.zmq_port}"

    def rpc(self, method: str, *params: object, wallet: str | None = None) -> JsonValue:
        """Call one RPC method; see BitcoinRpc.call."""
        return self._client.call(method, *params, wallet=wallet)

    def _find(self) -> Path:
        return self._program or find_bitcoind()

    def _own_mark(self) -> str:
        return f"-datadir={self.datadir}"

    def _prepare(self) -> None:
        self.cookie_file.unlink(missing_ok=True)
        if self.chain == "regtest":
            # In a file, where a bitcoind that does not know it passes over it.
            self.datadir.mkdir(parents=True, exist_ok=True)
            (self.datadir / "bitcoin.conf").write_text(REGTEST_SETTINGS, encoding="utf-8")

    def _arguments(self) -> list[str]:
        here = f"{LOOPBACK}:{self.p2p_port}"
        return [
            f"-chain={self.chain}",
            self._own_mark(),
            "-server=1",
            "-daemon=0",
            f"-rpcbind={LOOPBACK}",
            f"-rpcallowip={LOOPBACK}",
            f"-rpcport={self.rpc_port}",
            "-rpcworkqueue=256",
            f"-bind={here}",
            "-listen=1",
            "-listenonion=0",
            "-discover=0",
            "-dnsseed=0",
            "-fixedseeds=0",
            f"-txindex={int(self._txindex)}",
            "-printtoconsole=0",
            "-dbcache=64",
            *(["-fallbackfee=0.0001"] if self.chain == "regtest" else []),  # estimatesmartfee has no data there
            *(f"-zmqpub{topic}={self.zmq_url}" for topic in ZMQ_TOPICS),
            *(f"-addnode={LOOPBACK}:{port}" for port in self._connect),
            *self._options,
        ]

    def _answers(self) -> bool:
        if not self.cookie_file.exists():
            return False
        try:
            self._client.call("getblockcount")
        except NodeUnreachableError:
            return False
        except NodeRpcError as error:
            if error.rpc_code != RPC_IN_WARMUP:
                raise
            return False
        return True
