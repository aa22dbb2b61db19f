"""A deposit address is what Python, the vectors and the chain all say it is, before it is deployed and after."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.chains.ethereum.contracts import (
    CLONE_HEAD,
    CLONE_TAIL,
    FORWARDER_DOMAIN,
    MAX_SWEEP_ITEMS,
    SweepItem,
    contract,
    encode_sweep,
    factory_address,
    forwarder_address,
    forwarder_salt,
    implementation_address,
)
from strongroom.chains.ethereum.deployment import SAFE_DEPLOYER, plan_deployment
from strongroom.chains.ethereum.owners import owner_address
from strongroom_core.evm import DRAW, EXEC_TRANSACTION, MULTI_SEND, TRANSFER
from tests.fixtures.ethereum_house import EthereumHouse, key_of, stranger

VECTORS = Path(__file__).parents[2] / "vectors" / "forwarder_v1.json"
# Of Safe's own published list of deployments, version 1.5.0.
PUBLISHED = {
    "Safe": "ff51a5898e281db6dfc7855790607438df2ca44b",
    "SafeProxyFactory": "14f2982d601c9458f93bd70b218933a6f8165e7b",
    "MultiSendCallOnly": "a83c336b20401af773b6219ba5027174338d1836",
    "CompatibilityFallbackHandler": "3efcbb83a4a7afcb4f68d501e2c2203a38be77f4",
}


def test_the_vectors_are_what_their_maker_gives_and_what_the_product_computes() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert _maker().document() == VECTORS.read_text(encoding="utf-8"), "run tests/vectors/forwarder_v1.py"
    assert bytes.fromhex(vectors["domain"]) == FORWARDER_DOMAIN
    assert (vectors["clone_head"], vectors["clone_tail"]) == (CLONE_HEAD.hex(), CLONE_TAIL.hex())
    assert bytes.fromhex(vectors["forwarder_code"]) == contract("Forwarder").creation_code
    for case in vectors["cases"]:
        factory, treasury = bytes.fromhex(case["factory"]), bytes.fromhex(case["treasury"])
        branch, index = int(case["branch"]), int(case["index"])
        assert implementation_address(factory, treasury).hex() == case["implementation"]
        assert forwarder_salt(branch, index).hex() == case["salt"]
        assert forwarder_address(factory, treasury, branch, index).hex() == case["forwarder"], case["name"]


def test_the_chain_has_the_same_addresses(deployed_house: EthereumHouse) -> None:
    house = deployed_house
    factory = contract("ForwarderFactory")

    @settings(deadline=None, max_examples=50)
    @given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
    def same(branch: int, index: int) -> None:
        answer = house.call(house.deployment.factory, factory.call("forwarder_address", branch, index))
        assert answer[-20:] == house.forwarder(branch, index)

    same()


def test_the_factory_and_its_implementation_are_bound_to_the_treasury(deployed_house: EthereumHouse) -> None:
    house, factory = deployed_house, contract("ForwarderFactory")
    where = house.deployment.factory
    assert where == factory_address(house.deployment.cold_safe)
    assert house.call(where, factory.call("TREASURY"))[-20:] == house.deployment.cold_safe
    implementation = house.call(where, factory.call("IMPLEMENTATION"))[-20:]
    assert implementation == implementation_address(where, house.deployment.cold_safe)
    assert house.call(implementation, contract("Forwarder").call("TREASURY"))[-20:] == house.deployment.cold_safe


def test_a_deployed_forwarder_is_the_clone_of_that_implementation(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    assert house.code(house.forwarder(2, 7)) == b""
    house.sweep(SweepItem(2, 7))
    implementation = implementation_address(house.deployment.factory, house.deployment.cold_safe)
    assert house.code(house.forwarder(2, 7)) == CLONE_HEAD[10:] + implementation + CLONE_TAIL


def test_a_factory_of_another_forwarder_code_makes_other_addresses(ethereum_house: EthereumHouse) -> None:
    house = ethereum_house
    cold = house.deployment.cold_safe
    other = house.deploy("ForwarderFactory", cold, contract("test/Refuser").creation_code)
    answer = house.call(other, contract("ForwarderFactory").call("forwarder_address", 2, 0))[-20:]
    assert answer != forwarder_address(other, cold, 2, 0)


def test_safes_own_contracts_get_the_addresses_at_which_the_public_chains_have_them() -> None:
    owners = tuple(owner_address(key_of(f"owner {n}")) for n in range(3))
    steps = plan_deployment(owners, owners, SAFE_DEPLOYER).steps
    assert {step.name: step.makes.hex() for step in steps if step.name in PUBLISHED} == PUBLISHED


def test_the_selectors_that_core_knows_are_those_of_the_contracts() -> None:
    assert contract("Allowance").selector("draw") == DRAW
    assert contract("safe/MultiSendCallOnly").selector("multiSend") == MULTI_SEND
    assert contract("safe/Safe").selector("execTransaction") == EXEC_TRANSACTION
    assert contract("test/StandardToken").selector("transfer") == TRANSFER
    with pytest.raises(KeyError):
        contract("Allowance").selector("withdraw")


@pytest.mark.parametrize("count", [0, MAX_SWEEP_ITEMS + 1])
def test_a_sweep_that_the_factory_would_refuse_is_not_encoded(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 128"):
        encode_sweep([SweepItem(2, index, stranger(1)) for index in range(count)])


def _maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("forwarder_v1", VECTORS.with_suffix(".py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
