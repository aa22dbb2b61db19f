"""The contracts that money on an EVM chain passes through: their code, their addresses before they exist, their calls.

Everything here is computed, nothing is asked of a node. Addresses are 20 bytes, amounts base units. Sources: EIP-1014
(CREATE2), EIP-1167 (clones; ours begins with six bytes more, see contracts/ForwarderFactory.vy), Solidity's ABI, and
Safe 1.5 (`SafeProxyFactory.createProxyWithNonce`, `Safe.setup`). The vectors are tests/vectors/forwarder_v1.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from eth_abi.abi import encode as abi_encode

from strongroom.chains.ethereum.keccak import keccak
from strongroom_core.abi import ADDRESS_BYTES
from strongroom_core.evm import ZERO_ADDRESS

ARTIFACTS: Final = files("strongroom.chains.ethereum") / "artifacts"
# Begins what a forwarder's salt is the hash of: these 32 bytes.
FORWARDER_DOMAIN: Final = b"strongroom forwarder v1".ljust(32, b"\0")
CLONE_HEAD: Final = bytes.fromhex("3d603380600a3d3981f336600557005b363d3d373d3d3d363d73")
CLONE_TAIL: Final = bytes.fromhex("5af43d82803e903d91603157fd5bf3")
MAX_SWEEP_ITEMS: Final = 128
# Gas that each item of a sweep must find left, or the whole chain tx fails (contracts/ForwarderFactory.vy).
SWEEP_RESERVE_GAS: Final = 310_000
# The deployer of which every EVM chain has a copy, anvil too: it makes CREATE2 of the salt and the code it is sent.
DEPLOYER: Final = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")
NO_SALT: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Contract:
    """A compiled contract: its name, its ABI (Solidity's JSON) and its creation code without constructor arguments."""

    name: str
    abi: tuple[dict[str, Any], ...]
    creation_code: bytes

    def init_code(self, *arguments: object) -> bytes:
        """Give the creation code with the constructor's arguments, as CREATE and CREATE2 take it."""
        constructors = [entry for entry in self.abi if entry["type"] == "constructor"]
        inputs = constructors[0]["inputs"] if constructors else []
        return self.creation_code + abi_encode([_type(item) for item in inputs], arguments)

    def call(self, function: str, *arguments: object) -> bytes:
        """Give the calldata of one of its functions, by name. Raises ``KeyError`` for a name it has not."""
        inputs = self._function(function)["inputs"]
        types = [_type(item) for item in inputs]
        return self.selector(function) + abi_encode(types, arguments)

    def selector(self, function: str) -> bytes:
        """Give the four bytes that begin a call of a function."""
        return keccak(_signature(self._function(function)))[:4]

    def topic(self, event: str) -> bytes:
        """Give the 32 bytes that begin an event's topics."""
        return keccak(_signature(next(item for item in self.abi if item.get("name") == event)))

    def _function(self, name: str) -> dict[str, Any]:
        for entry in self.abi:
            if entry["type"] == "function" and entry["name"] == name:
                return entry
        raise KeyError(name)


@cache
def contract(name: str) -> Contract:
    """Load a contract by its place among the artifacts: ``Forwarder``, ``safe/SafeL2``, ``test/TetherToken``."""
    stored = json.loads((ARTIFACTS / f"{name}.json").read_bytes())
    return Contract(stored["name"], tuple(stored["abi"]), bytes.fromhex(stored["bytecode"].removeprefix("0x")))


def create2_address(deployer: bytes, salt: bytes, init_code: bytes) -> bytes:
    """Give the address that CREATE2 makes (EIP-1014)."""
    return keccak(b"\xff" + deployer + salt + keccak(init_code))[-ADDRESS_BYTES:]


def forwarder_salt(branch: int, index: int) -> bytes:
    """Give the salt of a deposit address; branch 1 is the house, 2 + n merchant n."""
    return keccak(FORWARDER_DOMAIN + branch.to_bytes(32, "big") + index.to_bytes(32, "big"))


@cache
def implementation_address(factory: bytes, treasury: bytes) -> bytes:
    """Give the address of the one contract that the factory's forwarders are clones of; its code holds the treasury."""
    return create2_address(factory, NO_SALT, contract("Forwarder").init_code(treasury))


@cache
def _clone_hash(factory: bytes, treasury: bytes) -> bytes:
    return keccak(CLONE_HEAD + implementation_address(factory, treasury) + CLONE_TAIL)


def forwarder_address(factory: bytes, treasury: bytes, branch: int, index: int) -> bytes:
    """Give a deposit address, deployed or not: only the code that pays ``treasury`` can ever stand there."""
    digest = keccak(b"\xff" + factory + forwarder_salt(branch, index) + _clone_hash(factory, treasury))
    return digest[-ADDRESS_BYTES:]


def factory_init_code(treasury: bytes) -> bytes:
    """Give the init code of the factory of a treasury."""
    return contract("ForwarderFactory").init_code(treasury, contract("Forwarder").creation_code)


def factory_address(treasury: bytes) -> bytes:
    """Give the address of the factory of a treasury as ``deployment`` makes it, the same on every chain."""
    return create2_address(DEPLOYER, NO_SALT, factory_init_code(treasury))


@dataclass(frozen=True, slots=True)
class SweepItem:
    """One forwarder and one token of a sweep; the zero address is the chain's own coin."""

    branch: int
    index: int
    token: bytes = ZERO_ADDRESS


def encode_sweep(items: Sequence[SweepItem]) -> bytes:
    """Give the calldata of the factory's ``sweep``. Raises ``ValueError`` for none or more than MAX_SWEEP_ITEMS.

    The gas limit needs SWEEP_RESERVE_GAS beyond what is used; a node's estimate includes it.
    """
    if not 1 <= len(items) <= MAX_SWEEP_ITEMS:
        message = f"a sweep has 1 to {MAX_SWEEP_ITEMS} items, not {len(items)}"
        raise ValueError(message)
    return contract("ForwarderFactory").call("sweep", [(item.branch, item.index, item.token) for item in items])


def safe_setup(owners: Sequence[bytes], threshold: int, fallback_handler: bytes) -> bytes:
    """Give the calldata of ``Safe.setup``: owners and threshold; no module, no call, no payment."""
    arguments = (owners, threshold, ZERO_ADDRESS, b"", fallback_handler, ZERO_ADDRESS, 0, ZERO_ADDRESS)
    return contract("safe/Safe").call("setup", *arguments)


def safe_address(proxy_factory: bytes, singleton: bytes, setup: bytes, salt_nonce: int) -> bytes:
    """Give the address of the Safe that ``createProxyWithNonce(singleton, setup, salt_nonce)`` makes."""
    salt = keccak(keccak(setup) + salt_nonce.to_bytes(32, "big"))
    return create2_address(proxy_factory, salt, contract("safe/SafeProxy").init_code(singleton))


def _type(item: dict[str, Any]) -> str:
    """Spell a parameter's type as the ABI's signatures do: a tuple by its members."""
    kind = str(item["type"])
    if not kind.startswith("tuple"):
        return kind
    members = ",".join(_type(member) for member in item["components"])
    return f"({members}){kind.removeprefix('tuple')}"


def _signature(entry: dict[str, Any]) -> bytes:
    types = ",".join(_type(item) for item in entry["inputs"])
    return f"{entry['name']}({types})".encode("ascii")
