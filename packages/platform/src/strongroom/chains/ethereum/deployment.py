"""What has to stand on an EVM chain before money may come: a list of steps, the same addresses on every chain.

Each step is a plain call that anyone may send and pay for; what stands there already is left out by whoever sends them
(a step whose ``makes`` has code is done). The addresses depend on the owners and the code alone, so they are known, and
in the signers' policy, before the first step. Then the cold Safe's owners enable the allowance, by ``cold_ceremony``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strongroom.chains.ethereum.contracts import (
    DEPLOYER,
    NO_SALT,
    contract,
    create2_address,
    factory_address,
    factory_init_code,
    safe_address,
    safe_setup,
)
from strongroom_core.evm import Call

THRESHOLD: Final = 2  # two signers, or one and the offline recovery key
# Safe's own deployer on the public chains; it is called as ours is, and makes the addresses that Safe publishes.
SAFE_DEPLOYER: Final = bytes.fromhex("914d7fec6aac8cd542e72bca78b30650d45643d7")
HOT_SALT: Final = 1  # so that a hot and a cold Safe of the same owners are two
COLD_SALT: Final = 2


@dataclass(frozen=True, slots=True)
class Step:
    """One chain tx of a deployment: a call without value, and the address that has code once it succeeded."""

    name: str
    to: bytes
    data: bytes
    makes: bytes


@dataclass(frozen=True, slots=True)
class Deployment:
    """The addresses of one chain, and the steps that make them, in order."""

    factory: bytes
    cold_safe: bytes
    hot_safe: bytes
    allowance: bytes
    multisend: bytes
    steps: tuple[Step, ...]


def plan_deployment(
    cold_owners: tuple[bytes, ...], hot_owners: tuple[bytes, ...], safe_deployer: bytes = DEPLOYER
) -> Deployment:
    """Plan both Safes (2 of their owners), the allowance between them, and the factory that pays the cold one.

    On a public chain ``safe_deployer`` is SAFE_DEPLOYER: Safe's own contracts then have the addresses at which they
    stand there already. A devnet has no such deployer.
    """
    libraries = {name: _safe_library(name, safe_deployer) for name in ("Safe", "SafeProxyFactory", "MultiSendCallOnly")}
    handler = _safe_library("CompatibilityFallbackHandler", safe_deployer)
    singleton, proxy_factory = libraries["Safe"].makes, libraries["SafeProxyFactory"].makes
    cold_setup = safe_setup(cold_owners, THRESHOLD, handler.makes)
    hot_setup = safe_setup(hot_owners, THRESHOLD, handler.makes)
    cold = _safe_step("cold Safe", proxy_factory, singleton, cold_setup, COLD_SALT)
    hot = _safe_step("hot Safe", proxy_factory, singleton, hot_setup, HOT_SALT)
    allowance = _create2("Allowance", contract("Allowance").init_code(cold.makes, hot.makes))
    factory = _create2("ForwarderFactory", factory_init_code(cold.makes))
    return Deployment(
        factory=factory_address(cold.makes),
        cold_safe=cold.makes,
        hot_safe=hot.makes,
        allowance=allowance.makes,
        multisend=libraries["MultiSendCallOnly"].makes,
        steps=(*libraries.values(), handler, cold, hot, allowance, factory),
    )


def cold_ceremony(deployment: Deployment, per_day: Mapping[bytes, int]) -> tuple[Call, ...]:
    """Give the calls that the cold Safe's owners sign once: the allowance as a module, and its limits by token.

    Limits are base units in 24 hours; the zero address is the chain's own coin.
    """
    enable = contract("safe/Safe").call("enableModule", deployment.allowance)
    limits = (contract("Allowance").call("set_limit", token, amount) for token, amount in per_day.items())
    return (
        Call(deployment.cold_safe, 0, enable),
        *(Call(deployment.allowance, 0, data) for data in limits),
    )


def _safe_library(name: str, deployer: bytes) -> Step:
    return _create2(name, contract(f"safe/{name}").init_code(), deployer)


def _create2(name: str, init_code: bytes, deployer: bytes = DEPLOYER) -> Step:
    return Step(name, deployer, NO_SALT + init_code, create2_address(deployer, NO_SALT, init_code))


def _safe_step(name: str, proxy_factory: bytes, singleton: bytes, setup: bytes, salt: int) -> Step:
    data = contract("safe/SafeProxyFactory").call("createProxyWithNonce", singleton, setup, salt)
    return Step(name, proxy_factory, data, safe_address(proxy_factory, singleton, setup, salt))
