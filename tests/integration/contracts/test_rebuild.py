"""What the platform ships is what the sources give, byte for byte, and Safe's code is the audited one."""

import hashlib
import json
import re
from pathlib import Path

import build_contracts
import pytest
from fetch_safe_artifacts import CONTRACTS, check

from strongroom.chains.ethereum.contracts import ARTIFACTS, contract
from strongroom.chains.ethereum.keccak import keccak
from tests.fixtures.ethereum_house import EthereumHouse

LINES_OF_ALLOWANCE_MAX = 60
# What stands on the public chains, by Safe's own list of deployments; the signers pin the first.
CODE_HASHES = {
    "MultiSendCallOnly": "cdbdcec38d2f1c7d961b0029ff8416b7e86e9974d6f0e9c9580c7d17fcfb6663",
    "Safe": "dda019cbd7c867a533a2a86e5c53434fdc50b13122b5a5ddb4a8df61b31c20f2",
    "SafeProxyFactory": "967dae4cda22b0c9ef7f31b010bdc1ceb0af9904b0c3dc060b5302e4c18a4529",
    "CompatibilityFallbackHandler": "3c6a85bcf7b563daa624b884b4e9a1b9fa5371edde7be945d998071a48f28bbc",
}


@pytest.fixture(scope="module")
def built() -> dict[Path, str]:
    """What the sources give, compiled now."""
    return build_contracts.build()


def test_every_artifact_is_rebuilt_from_its_source_byte_for_byte(built: dict[Path, str]) -> None:
    assert build_contracts.differing(built) == []
    ours = [path for path in build_contracts.ARTIFACTS.rglob("*.json") if path.parent.name != "safe"]
    assert sorted(built) == sorted([*ours, build_contracts.SIGNERS_CODE]), "an artifact without a source"


def test_a_changed_byte_is_seen(built: dict[Path, str]) -> None:
    path = build_contracts.ARTIFACTS / "Allowance.json"
    changed = built | {path: built[path].replace('"bytecode": "0x6', '"bytecode": "0x7')}
    assert build_contracts.differing(changed) == [path]


def test_safes_artifacts_are_the_published_code(deployed_house: EthereumHouse) -> None:
    for path, address in CONTRACTS.items():
        name = path.rsplit("/", 1)[1]
        stored = json.loads((ARTIFACTS / "safe" / f"{name}.json").read_bytes())
        code = bytes.fromhex(stored["bytecode"][2:])
        assert hashlib.sha256(code).hexdigest() == stored["bytecode_sha256"]
        check({"contractName": name, "bytecode": stored["bytecode"]}, address)
        assert stored["license"] == "LGPL-3.0-only"
    stands = {step.name: keccak(deployed_house.code(step.makes)).hex() for step in deployed_house.deployment.steps}
    assert {name: stands[name] for name in CODE_HASHES} == CODE_HASHES


def test_what_guards_the_money_stays_small() -> None:
    source = (build_contracts.SOURCES / "Allowance.vy").read_text(encoding="utf-8")
    lines = [line for line in re.sub(r'"""[\s\S]*?"""', "", source).splitlines() if line.strip()]
    assert len([line for line in lines if not line.lstrip().startswith("#")]) <= LINES_OF_ALLOWANCE_MAX


def test_no_contract_of_ours_calls_with_anothers_code_or_ends_itself() -> None:
    for name in ("Forwarder", "ForwarderFactory", "Allowance"):
        source = (build_contracts.SOURCES / f"{name}.vy").read_text(encoding="utf-8")
        assert "is_delegate_call" not in source
        assert "selfdestruct" not in source
        assert contract(name).creation_code
