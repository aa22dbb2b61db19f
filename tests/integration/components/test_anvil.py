"""The embedded Ethereum node: ready when it says so, its chain survives a stop and a crash, nothing but loopback."""

import os
from pathlib import Path

import pytest

from strongroom.infra.components.anvil import PROGRAM_VARIABLE, EthereumNode, find_anvil
from strongroom.infra.components.errors import (
    ComponentBusyError,
    ComponentMissingError,
    ComponentStartError,
    NodeRpcError,
    NodeUnreachableError,
)
from tests.fixtures.ethereum import DevNode, EthereumNodeFactory

STRANGER = "0x00000000000000000000000000000000000ABCDE"


def test_blocks_receipts_and_old_balances_survive_a_stop(make_ethereum_node: EthereumNodeFactory) -> None:
    node = make_ethereum_node(keep_state=True, chain_id=137)
    chain_tx = str(node.transact(STRANGER, value=7)["transactionHash"])
    node.mine(2)
    before = node.rpc("eth_getBlockByNumber", "0x1", False)
    node.stop()
    assert node.server_pid() is None
    node.start()
    assert node.rpc("eth_chainId") == hex(137)
    assert node.rpc("eth_getBlockByNumber", "0x1", False)["hash"] == before["hash"]
    assert node.block_number() == 3
    receipt = node.receipt(chain_tx)
    assert receipt is not None
    assert receipt["blockHash"] == before["hash"]
    assert (node.balance_wei(STRANGER, "0x0"), node.balance_wei(STRANGER, "0x1")) == (0, 7)


def test_a_killed_node_starts_again_and_half_a_state_is_not_the_end(make_ethereum_node: EthereumNodeFactory) -> None:
    node = make_ethereum_node(keep_state=True)
    node.mine(3)
    node.stop()
    node.start()
    node.kill()
    with pytest.raises(NodeUnreachableError):
        node.rpc("eth_blockNumber")
    node.state_file.write_bytes(node.state_file.read_bytes()[:-100])
    node.start()
    assert node.block_number() == 3


def test_a_node_left_behind_is_stopped_and_a_running_one_is_not_taken(make_ethereum_node: EthereumNodeFactory) -> None:
    node = make_ethereum_node(keep_state=True)
    node.mine(2)
    first = node.server_pid()
    other = DevNode(node.datadir, node.rpc_port)
    with pytest.raises(ComponentBusyError):
        other.start()
    assert node.server_pid() == first
    node._lock.release()  # as the kernel does when the process that started the node is killed
    other.start()
    assert other.server_pid() not in (None, first)
    assert other.block_number() == 2
    other.stop()


def test_a_port_that_is_taken_is_said_and_leaves_nothing_running(fresh_ethereum_node: DevNode, scratch: Path) -> None:
    node = EthereumNode(scratch / "anvil-port-taken", fresh_ethereum_node.rpc_port, chain_id=5)
    with pytest.raises(ComponentStartError, match=str(node.datadir)):
        node.start()
    assert node.server_pid() is None


def test_blocks_are_made_per_chain_tx_on_demand_or_by_the_clock(make_ethereum_node: EthereumNodeFactory) -> None:
    per_chain_tx, on_demand = make_ethereum_node(), make_ethereum_node(automine=False)
    per_chain_tx.transact(STRANGER, value=1)
    assert per_chain_tx.block_number() == 1
    waiting = on_demand.send(STRANGER, value=1)
    assert (on_demand.block_number(), on_demand.receipt(waiting)) == (0, None)
    on_demand.mine()
    assert on_demand.receipt(waiting) is not None


def test_finalized_is_two_blocks_behind(fresh_ethereum_node: DevNode) -> None:
    fresh_ethereum_node.mine(5)
    heights = {tag: fresh_ethereum_node.block_number(tag) for tag in ("latest", "safe", "finalized")}
    assert heights == {"latest": 5, "safe": 4, "finalized": 3}


def test_a_reorganisation_replaces_blocks_and_drops_their_chain_txs(fresh_ethereum_node: DevNode) -> None:
    node = fresh_ethereum_node
    node.mine(2)
    chain_tx = str(node.transact(STRANGER, value=9)["transactionHash"])
    old = node.rpc("eth_getBlockByNumber", "0x3", False)["hash"]
    node.reorganise(2)
    assert node.block_number() == 4
    assert node.rpc("eth_getBlockByNumber", "0x3", False)["hash"] != old
    assert node.receipt(chain_tx) is None
    assert node.balance_wei(STRANGER) == 0


def test_a_shared_node_is_put_back(ethereum_node: DevNode) -> None:
    with ethereum_node.reverted():
        ethereum_node.transact(STRANGER, value=3)
        assert ethereum_node.balance_wei(STRANGER) == 3
    assert ethereum_node.balance_wei(STRANGER) == 0


def test_errors_carry_the_nodes_own_number(ethereum_node: DevNode) -> None:
    with pytest.raises(NodeRpcError) as caught:
        ethereum_node.rpc("eth_noSuchMethod")
    assert caught.value.rpc_code == -32601


def test_only_the_loopback_address_listens(ethereum_node: DevNode) -> None:
    port = f"{ethereum_node.rpc_port:04X}"
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if f":{port} " in line]
    assert f"0100007F:{port}" in listening
    assert f"00000000:{port}" not in listening


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PROGRAM_VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(ComponentMissingError, match=PROGRAM_VARIABLE):
        find_anvil()
    assert os.access(find_anvil("/bin/true"), os.X_OK)
