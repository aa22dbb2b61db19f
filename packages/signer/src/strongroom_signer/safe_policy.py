"""The policy of an EVM chain: the two Safes and their owners, the one contract of each kind, and how fast nonces go.

This signer sees no chain, so addresses are what it pins; who signs the genesis has compared them with the chain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from strongroom_core.evm import MAX_NONCE
from strongroom_signer.destination import payee
from strongroom_signer.errors import DestinationError, PolicyError
from strongroom_signer.evm_chains import MULTI_SEND_CALL_ONLY
from strongroom_signer.keyset import KEYS
from strongroom_signer.tables import exactly, numbers

if TYPE_CHECKING:
    from strongroom_core.assets import Chain
    from strongroom_signer.evm_chains import EvmParameters

# A Safe transaction holds some hundreds of payments; even one every five seconds stays below this.
MAX_NEW_NONCES_PER_DAY: Final = 20_000
_ADDRESSES: Final = ("hot_safe", "cold_safe", "multisend", "allowance", "factory")
_OWNERS: Final = ("hot_owners", "cold_owners")
#: How a chain is believed, on every kind of chain: how many own nodes agree, and how long their last agreement counts.
VIEW_NUMBERS: Final = {"nodes_min": (1, 15), "view_seconds": (1, 86_400)}
MIN_NODES: Final = 2
_NUMBERS: Final = {
    "first_nonce": (0, MAX_NONCE),
    "new_nonces_per_day": (1, MAX_NEW_NONCES_PER_DAY),
    **VIEW_NUMBERS,
}


@dataclass(frozen=True, slots=True)
class SafePolicy:
    """One EVM chain; addresses of 20 bytes. ``tokens`` gives the allow-listed asset of a contract, zero for the coin.

    ``first_nonce`` is the first nonce of the hot Safe that may be signed, ``new_nonces_per_day`` how many nonces may be
    signed at for the first time in a rolling day. ``nodes_min`` of this signer's own nodes must agree on a block, and
    nothing is signed ``view_seconds`` after they last did.
    """

    parameters: EvmParameters
    hot_safe: bytes
    cold_safe: bytes
    multisend: bytes
    allowance: bytes
    factory: bytes
    hot_owners: tuple[bytes, ...]
    cold_owners: tuple[bytes, ...]
    first_nonce: int
    new_nonces_per_day: int
    nodes_min: int
    view_seconds: int
    tokens: dict[bytes, str] = field(default_factory=dict)

    @property
    def fixed(self) -> tuple[bytes, ...]:
        """The contracts that a payout can never be for: money sent there is not at a customer's."""
        return (self.hot_safe, self.cold_safe, self.multisend, self.allowance, self.factory, *self.tokens)


def read_safe_policy(parameters: EvmParameters, table: dict[str, Any], assets: list[str]) -> SafePolicy:
    """Read the table of an EVM chain; ``assets`` are those that the policy limits. Raises ``PolicyError``."""
    where = f"chains.{parameters.chain.id}"
    exactly(table, {*_ADDRESSES, *_OWNERS, *_NUMBERS}, where)
    values: dict[str, Any] = {
        **{name: _address(table[name], parameters, f"{where}.{name}") for name in _ADDRESSES},
        **{name: _owners(table[name], parameters, f"{where}.{name}") for name in _OWNERS},
        **numbers(table, _NUMBERS, where),
    }
    check_nodes(parameters.chain, values["nodes_min"], where)
    policy = SafePolicy(parameters=parameters, tokens=_tokens(parameters, assets, where), **values)
    _check_apart(policy, where)
    _check_multi_send(policy, where)
    return policy


def check_nodes(chain: Chain, nodes_min: int, where: str) -> None:
    """Refuse to believe one node alone where money is real. Raises ``PolicyError``."""
    if nodes_min < MIN_NODES and not chain.test:
        message = f"{where}.nodes_min is at least {MIN_NODES}; only a test network may believe one node"
        raise PolicyError(message)


def _address(value: object, parameters: EvmParameters, where: str) -> bytes:
    if not isinstance(value, str):
        message = f"{where} must be the text of an address"
        raise PolicyError(message)
    try:
        return payee(value, parameters)
    except DestinationError as error:
        message = f"{where}: {error.message}"
        raise PolicyError(message) from None


def _owners(value: object, parameters: EvmParameters, where: str) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) != KEYS:
        message = f"{where} must be a list of {KEYS} addresses; two of them sign"
        raise PolicyError(message)
    return tuple(_address(item, parameters, where) for item in value)


def _tokens(parameters: EvmParameters, assets: list[str], where: str) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for asset in assets:
        contract = parameters.contract(asset)
        if contract is None:
            message = f"assets.{asset}: not an asset of {parameters.chain.name}; write {parameters.chain.id}/erc20:0x…"
            raise PolicyError(message)
        found[contract] = asset
    if not found:
        message = f"{where}: the policy has limits for none of its assets"
        raise PolicyError(message)
    return found


def _check_apart(policy: SafePolicy, where: str) -> None:
    """Every address has one part: one key as two owners, or as an owner of both Safes, would undo the two of three."""
    every = [*policy.fixed, *policy.hot_owners, *policy.cold_owners]
    if len(set(every)) != len(every):
        message = f"{where}: one address stands twice; Safes, contracts and owners each have an address of their own"
        raise PolicyError(message)


def _check_multi_send(policy: SafePolicy, where: str) -> None:
    # The one delegatecall: on a chain where money is real it goes to the code that was audited and to nothing else.
    if not policy.parameters.chain.test and policy.multisend not in MULTI_SEND_CALL_ONLY:
        message = f"{where}.multisend is not the MultiSendCallOnly of Safe {', '.join(MULTI_SEND_CALL_ONLY.values())}"
        raise PolicyError(message)
