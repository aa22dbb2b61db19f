"""The embedded Bitcoin node: ready when it says so, clean end, survives a crash, exact amounts."""

import os
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
import zmq

from strongroom.infra.components.bitcoin_rpc import BitcoinRpc
from strongroom.infra.components.bitcoind import PROGRAM_VARIABLE, BitcoinNode, find_bitcoind
from strongroom.infra.components.errors import (
    ComponentBusyError,
    ComponentMissingError,
    ComponentStartError,
    NodeRpcError,
    NodeUnreachableError,
)
from strongroom.infra.components.hosting import free_port
from tests.fixtures.bitcoin import MiningNode, NodeFactory


def test_blocks_survive_a_killed_node_and_a_clean_stop(fresh_bitcoin_node: MiningNode) -> None:
    node = fresh_bitcoin_node
    best = node.mine(3)[-1]
    node.stop()
    assert node.server_pid() is None
    node.start()
    assert node.rpc("getbestblockhash") == best
    node.kill()
    with pytest.raises(NodeUnreachableError):
        node.rpc("getblockcount")
    node.start()
    assert node.rpc("getblockcount") >= 101


def test_a_node_left_behind_is_stopped_and_a_running_one_is_not_taken(fresh_bitcoin_node: MiningNode) -> None:
    node = fresh_bitcoin_node
    first = node.server_pid()
    other = MiningNode(node.datadir, node.rpc_port, node.p2p_port, node.zmq_port)
    with pytest.raises(ComponentBusyError):
        other.start()
    assert node.server_pid() == first
    node._lock.release()  # as the kernel does when the process that started the node is killed
    other.start()
    assert other.server_pid() not in (None, first)
    assert other.rpc("getblockcount") == 101
    other.stop()


def test_errors_carry_the_nodes_own_number(bitcoin_node: MiningNode) -> None:
    with pytest.raises(NodeRpcError) as caught:
        bitcoin_node.rpc("getblockhash", 10_000_000)
    assert caught.value.rpc_code == -8
    assert caught.value.code == "node-rpc-failed"


def test_amounts_are_decimal_and_sent_without_loss(bitcoin_node: MiningNode) -> None:
    address = bitcoin_node.new_address()
    txid = bitcoin_node.rpc("sendtoaddress", address, Decimal("0.10000001"), wallet="miner")
    outputs = bitcoin_node.rpc("getrawtransaction", txid, 1)["vout"]
    assert Decimal("0.10000001") in [item["value"] for item in outputs]
    assert all(type(item["value"]) is Decimal for item in outputs)


def test_a_float_is_never_sent(bitcoin_node: MiningNode) -> None:
    with pytest.raises(TypeError, match="float"):
        bitcoin_node.rpc("sendtoaddress", bitcoin_node.new_address(), 0.1, wallet="miner")
    with pytest.raises(TypeError, match="float"):
        bitcoin_node.rpc("send", [{bitcoin_node.new_address(): 0.1}], wallet="miner")


def test_a_new_block_is_published(bitcoin_node: MiningNode) -> None:
    with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
        subscriber.connect(bitcoin_node.zmq_url)
        subscriber.subscribe(b"hashblock")
        subscriber.rcvtimeo = 500
        mined: set[str] = set()
        for _ in range(60):  # a subscription takes a moment to arrive
            mined.add(bitcoin_node.mine()[0])
            try:
                topic, body, _ = subscriber.recv_multipart()
            except zmq.Again:
                continue
            assert topic == b"hashblock"
            assert body.hex() in mined  # perhaps not the last one: it too may have been a moment on its way
            return
    pytest.fail("no block was published")


def test_it_listens_on_the_loopback_address_only(bitcoin_node: MiningNode) -> None:
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    own = [line.split()[3] for line in listening.splitlines() if f"pid={bitcoin_node.server_pid()}," in line]
    ports = {bitcoin_node.rpc_port, bitcoin_node.p2p_port, bitcoin_node.zmq_port}
    assert sorted(own) == sorted(f"127.0.0.1:{port}" for port in ports)


def test_txindex_finds_any_chain_tx(make_bitcoin_node: NodeFactory) -> None:
    node = make_bitcoin_node(txindex=True)
    assert node.rpc("getindexinfo")["txindex"]["synced"]  # the fixture has waited for it
    coinbase = node.rpc("getblock", node.rpc("getblockhash", 1))["tx"][0]
    assert node.rpc("getrawtransaction", coinbase)


def test_a_wrong_option_is_said_in_the_error(scratch: Path) -> None:
    ports = (free_port(), free_port(), free_port())
    node = BitcoinNode(scratch / f"wrong-{os.getpid()}", *ports, options=["-nonsense=1"])
    with pytest.raises(ComponentStartError, match="nonsense"):
        node.start()
    assert node.server_pid() is None


def test_nobody_there_is_an_error_of_its_own(tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    with pytest.raises(NodeUnreachableError):
        BitcoinRpc(free_port(), cookie).call("getblockcount")
    cookie.write_text("__cookie__:x", encoding="ascii")
    with pytest.raises(NodeUnreachableError):
        BitcoinRpc(free_port(), cookie).call("getblockcount")


def test_a_wrong_cookie_is_unreachable_and_shown_without_the_cookie(bitcoin_node: MiningNode, tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    cookie.write_text("__cookie__:verysecret", encoding="ascii")
    with pytest.raises(NodeUnreachableError, match="401") as caught:
        BitcoinRpc(bitcoin_node.rpc_port, cookie).call("getblockcount")
    assert "verysecret" not in str(caught.value)


def test_the_configured_program_wins_and_must_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROGRAM_VARIABLE, "/bin/true")
    assert find_bitcoind() == Path("/bin/true")
    assert find_bitcoind("/bin/false") == Path("/bin/false")
    monkeypatch.setenv(PROGRAM_VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(ComponentMissingError, match=PROGRAM_VARIABLE):
        find_bitcoind()
