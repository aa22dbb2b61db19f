"""Receipts of a real node's blocks are proven to a signer by its own nodes' word for the block, and by nothing else."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_utils.crypto import keccak

from strongroom.chains.ethereum.contracts import SweepItem, contract
from strongroom_core.evm import ZERO_ADDRESS, Call
from strongroom_core.proof_messages import ReceiptProof
from strongroom_signer import forwarder
from strongroom_signer.errors import RefusedError
from strongroom_signer.evm_nodes import EvmNode
from strongroom_signer.evm_view import EvmView
from strongroom_signer.links import NodeUrl
from strongroom_signer.policy import parse_policy
from strongroom_signer.receipts import ProvenLog, prove_log
from strongroom_signer.safe_policy import SafePolicy
from tests.fixtures.ethereum import DevNode, EthereumNodeFactory
from tests.fixtures.ethereum_house import ETHER, EthereumHouse, text
from tests.unit.signer import safe_kit
from tests.unit.signer.kit import Clock
from tests.unit.signer.tries import header_bytes, number_bytes, receipt_bytes, trie_of

VECTORS = Path(__file__).parents[2] / "vectors" / "forwarder_v1.json"
LEGACY, ACCESS_LIST, DYNAMIC_FEE = range(3)


@dataclass
class Witness:
    """A node, and a signer's view of it."""

    node: DevNode
    view: EvmView

    def finalize(self) -> None:
        self.node.mine(3)
        self.view.refresh()
        assert self.view.trouble == ""

    def proof(self, block: int | str, position: int, log: int = 0, place: tuple[int, int] = (2, 0)) -> ReceiptProof:
        which = hex(block) if isinstance(block, int) else block
        header = header_bytes(self.node.rpc("eth_getBlockByNumber", which, False))
        receipts = [receipt_bytes(item) for item in self.node.rpc("eth_getBlockReceipts", which)]
        nodes = trie_of(receipts).path(rlp.encode(number_bytes(position)))
        return ReceiptProof(header, position, rlp.encode(nodes), log, *place)

    def proven(self, receipt: dict[str, Any], emitter: bytes, place: tuple[int, int] = (2, 0)) -> ProvenLog:
        """The log of an emitter in a receipt, proven."""
        position, block = int(receipt["transactionIndex"], 16), int(receipt["blockNumber"], 16)
        at = next(number for number, log in enumerate(receipt["logs"]) if log["address"] == text(emitter))
        return prove_log(self.proof(block, position, at, place), self.view)


def policy_of(house: safe_kit.House = safe_kit.HOUSE) -> SafePolicy:
    return parse_policy(safe_kit.policy_text(house, nodes_min=1)).safes[safe_kit.CHAIN]


def view_of(node: DevNode, policy: SafePolicy) -> EvmView:
    return EvmView(policy, [EvmNode(NodeUrl(node.rpc_url, None), safe_kit.NUMBER)], Clock())


@pytest.fixture
def witness(make_ethereum_node: EthereumNodeFactory) -> Iterator[Witness]:
    """A node that makes blocks when asked, and a view that believes it alone."""
    node = make_ethereum_node(automine=False)
    view = view_of(node, policy_of())
    yield Witness(node, view)
    view.close()


def _tx(kind: int) -> dict[str, Any]:
    price = {"maxFeePerGas": hex(10**10), "maxPriorityFeePerGas": hex(1)} if kind == DYNAMIC_FEE else {}
    return {"type": hex(kind)} | (price or {"gasPrice": hex(10**10)}) | ({"accessList": []} if kind else {})


@pytest.mark.parametrize("count", [1, 2, 17, 131])
def test_receipts_of_real_blocks_are_proven(witness: Witness, count: int) -> None:
    node = witness.node
    sender = node.dev_accounts()[0]
    token = contract("test/StandardToken").init_code("A", "A", 6)
    made = node.send(None, token, gas=3_000_000)
    node.mine()
    address = (node.receipt(made) or {})["contractAddress"]
    for number in range(count):
        mint = contract("test/StandardToken").call("mint", bytes(19) + b"\1", number + 1)
        call = {"from": sender, "to": address, "data": "0x" + mint.hex(), "gas": hex(100_000)} | _tx(number % 3)
        node.rpc("eth_sendTransaction", call)
    node.mine()
    height = node.block_number()
    block = node.rpc("eth_getBlockByNumber", hex(height), False)
    assert len(block["transactions"]) == count
    assert bytes(keccak(header_bytes(block))).hex() == block["hash"][2:]
    kinds = {item["type"] for item in node.rpc("eth_getBlockReceipts", hex(height))}
    assert len(kinds) == min(3, count)
    witness.finalize()
    for position in {0, 1, 15, 16, 127, 128, count - 1} & set(range(count)):
        log = prove_log(witness.proof(height, position), witness.view)
        assert (log.emitter.hex(), int.from_bytes(log.data, "big")) == (address[2:].lower(), position + 1)
        assert (log.block, log.number) == (block["hash"][2:], height)


def test_a_failed_chain_tx_and_an_unfinalized_block_prove_nothing(witness: Witness) -> None:
    node = witness.node
    tether = contract("test/TetherToken").init_code(6)
    made = node.send(None, tether, gas=3_000_000)
    node.mine()
    target = str((node.receipt(made) or {})["contractAddress"])
    node.send(target, contract("test/TetherToken").call("transfer", bytes(20), 1), gas=100_000)
    node.mine()
    height = node.block_number()
    witness.view.refresh()
    with pytest.raises(RefusedError) as refused:
        prove_log(witness.proof(height, 0), witness.view)
    assert refused.value.tag == "proof-depth"
    witness.finalize()
    with pytest.raises(RefusedError) as refused:
        prove_log(witness.proof(height, 0), witness.view)
    assert refused.value.tag == "proof-place"


@pytest.fixture
def swept(fresh_ethereum_node: DevNode) -> Iterator[tuple[EthereumHouse, Witness, SafePolicy]]:
    """A deployed house, and a signer whose policy is of it."""
    house = EthereumHouse(fresh_ethereum_node)
    house.deploy_all()
    places = house.deployment
    own = safe_kit.House(
        places.hot_safe, places.cold_safe, places.multisend, places.allowance, places.factory, b"d" * 20, b"c" * 20
    )
    policy = policy_of(own)
    view = view_of(fresh_ethereum_node, policy)
    yield house, Witness(fresh_ethereum_node, view), policy
    view.close()


def test_what_a_forwarder_sweeps_is_proven_to_the_place_it_is_of(
    swept: tuple[EthereumHouse, Witness, SafePolicy],
) -> None:
    house, witness, policy = swept
    token = house.deploy("test/TetherToken", 6)
    house.pay(token, house.forwarder(2, 0), 1_000)
    house.pay(ZERO_ADDRESS, house.forwarder(3, 7), ETHER)
    receipt = house.sweep(SweepItem(2, 0, token), SweepItem(3, 7))
    witness.finalize()
    for place, expected in (((2, 0), (token, 1_000)), ((3, 7), (ZERO_ADDRESS, ETHER))):
        log = witness.proven(receipt, house.forwarder(*place), place)
        hint = ReceiptProof(b"", 0, b"", 0, *place)
        forwarder.check_place(hint, log, policy)
        assert forwarder.read_swept(log) == expected
        for other in ((2, 1), (1, 0), place[::-1]):
            with pytest.raises(RefusedError) as refused:
                forwarder.check_place(replace(hint, branch=other[0], index=other[1]), log, policy)
            assert refused.value.tag == "proof-place"
    transfer = witness.proven(receipt, token)
    with pytest.raises(RefusedError) as refused:
        forwarder.read_swept(transfer)
    assert refused.value.tag == "proof-place"


def test_an_execution_of_the_hot_safe_is_proven_by_its_hash(swept: tuple[EthereumHouse, Witness, SafePolicy]) -> None:
    house, witness, _ = swept
    hot = house.deployment.hot_safe
    house.pay(ZERO_ADDRESS, hot, ETHER)
    calls = [Call(b"s" * 20, 5, b"")]
    expected = house.safe_tx(hot, calls).hash(safe_kit.NUMBER, lambda data: bytes(keccak(data)))
    receipt = house.execute(hot, calls)
    witness.finalize()
    log = witness.proven(receipt, hot)
    assert forwarder.read_execution(log, hot) == expected
    with pytest.raises(RefusedError):
        forwarder.read_execution(log, house.deployment.cold_safe)
    with pytest.raises(RefusedError):
        forwarder.read_execution(replace(log, topics=(forwarder.SWEPT, *log.topics[1:])), hot)


def test_the_signers_package_holds_the_forwarder_that_the_contract_compiles_to() -> None:
    assert forwarder.creation_code() == contract("Forwarder").creation_code
    assert contract("Forwarder").topic("Swept") == forwarder.SWEPT
    for name in ("safe/Safe", "safe/SafeL2"):
        assert contract(name).topic("ExecutionSuccess") == forwarder.EXECUTION_SUCCESS


def test_the_signer_reaches_the_published_addresses_by_itself() -> None:
    for case in json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]:
        factory, treasury = (bytes.fromhex(case[name]) for name in ("factory", "treasury"))
        found = forwarder.forwarder_address(factory, treasury, int(case["branch"]), int(case["index"]))
        assert found.hex() == case["forwarder"], case["name"]
    with pytest.raises(ValueError, match="256 bits"):
        forwarder.forwarder_address(bytes(20), bytes(20), -1, 0)
