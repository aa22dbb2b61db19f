"""Nodes that answer something else than they should, over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from strongroom_tracing.accounts.errors import SourceError
from strongroom_tracing.accounts.sources.rpc import RpcSource, Traces

_ONE, _TWO, _TXID, _ADDRESS = ("0x" + digits for digits in ("01" * 32, "02" * 32, "03" * 32, "04" * 20))
_TX = {"hash": _TXID, "transactionIndex": "0x0", "from": _ADDRESS, "to": _ADDRESS, "value": "0x1"}
_GOOD = {
    "eth_chainId": "0x1",
    "eth_getBlockByNumber": {
        "number": "0x1", "hash": _ONE, "parentHash": _TWO, "timestamp": "0x5", "transactions": [_TX], "miner": _ADDRESS,
    },
    "eth_getBlockReceipts": [
        {"transactionHash": _TXID, "blockHash": _ONE, "gasUsed": "0x5208", "effectiveGasPrice": "0x1", "logs": []}
    ],
    "debug_traceBlockByHash": [{"txHash": _TXID, "result": {"type": "CALL", "value": "0x1"}}],
    "trace_block": [],
}  # fmt: skip


@contextmanager
def _node(**answers: Any) -> Iterator[str]:
    """Serve fixed answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": {**_GOOD, **answers}[asked["method"]]})
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


@pytest.mark.parametrize(
    "traces", [None, [], [None], [{}], [{"result": None}], [{"txHash": _TXID, "error": "timeout"}], [{"result": "0x"}]]
)
def test_a_node_that_did_not_trace_a_chain_tx_is_refused(traces: object) -> None:
    with _node() as url, RpcSource(url, traces=Traces.DEBUG) as source:
        assert len(list(source.blocks(1, 1))) == 1
    with (
        _node(debug_traceBlockByHash=traces) as url,
        RpcSource(url, traces=Traces.DEBUG) as source,
        pytest.raises(SourceError, match="did not trace all chain txs of block 1") as caught,
    ):
        list(source.blocks(1, 1))
    assert caught.value.code == "accounts-source"


@pytest.mark.parametrize("reward", [{}, {"action": None}, {"action": {"author": _ADDRESS}}])
def test_a_reward_that_does_not_say_what_it_is_is_refused(reward: dict[str, object]) -> None:
    listed = [{"type": "reward", "blockHash": _ONE, **reward}]
    with (
        _node(trace_block=listed) as url,
        RpcSource(url, traces=Traces.TRACE) as source,
        pytest.raises(SourceError, match="has no"),
    ):
        list(source.blocks(1, 1))


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999999/KEY", "http://127.0.0.1:abc/KEY", "http://[::1/KEY", "KEY"])
def test_a_url_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        RpcSource(url)
    assert "KEY" not in caught.value.message
