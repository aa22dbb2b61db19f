"""The policy file: what this signer allows, in TOML, strictly read. The format is documented in ``docs/signer.md``."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from strongroom_signer.chains import PARAMETERS, ChainParameters
from strongroom_signer.errors import KeySetError, PolicyError
from strongroom_signer.keyset import COLD, HOT, AccountKey, KeySet, Place, require_distinct

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION: Final = 1
MAX_BASE_UNITS: Final = 2**63 - 1
# Ceilings of the settings themselves: beyond these a policy is a typing error.
MAX_FEE_RATE: Final = 10_000
MAX_WINDOW_SECONDS: Final = 90 * 86_400
MIN_WINDOW_SECONDS: Final = 60
MAX_INDEX_GAP: Final = 1000
_DEPLOYMENT: Final = re.compile(r"[\x21-\x7e]{1,64}")
_CHAIN_NUMBERS: Final = {
    "dust": (1, MAX_BASE_UNITS),
    "max_index_gap": (1, MAX_INDEX_GAP),
    "max_fee_rate": (1, MAX_FEE_RATE),
    "max_fee": (1, MAX_BASE_UNITS),
    "daily_fee_budget": (1, MAX_BASE_UNITS),
}
_LIMIT_NUMBERS: Final = {
    "per_payout": (1, MAX_BASE_UNITS),
    "per_window": (1, MAX_BASE_UNITS),
    "window_seconds": (MIN_WINDOW_SECONDS, MAX_WINDOW_SECONDS),
    "payout_fee": (0, MAX_BASE_UNITS),
}


@dataclass(frozen=True, slots=True)
class ChainPolicy:
    """One chain: its key sets and its fees. ``max_fee_rate`` in base units per virtual byte, the rest in base units."""

    parameters: ChainParameters
    hot: KeySet
    cold: KeySet
    dust: int
    max_index_gap: int
    max_fee_rate: int
    max_fee: int
    daily_fee_budget: int

    def key_set(self, name: str) -> KeySet:
        """Give the key set of that name."""
        return self.hot if name == HOT else self.cold

    def find(self, script: bytes, claims: Iterable[tuple[int, int]]) -> Place | None:
        """Find ``script`` at one of the claimed ``(branch, index)`` by deriving it; a claim is a hint, never a fact."""
        for branch, index in claims:
            for key_set in (self.hot, self.cold):
                if key_set.script(branch, index) == script:
                    return Place(key_set.name, branch, index)
        return None


@dataclass(frozen=True, slots=True)
class AssetLimits:
    """Limits of one asset in base units; ``per_window`` is for all merchants together, in ``window_seconds``.

    ``payout_fee`` is the flat fee that a merchant pays for a payout: an intent whose ceiling is below it is not signed.
    """

    per_payout: int
    per_window: int
    window_seconds: int
    payout_fee: int


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy in force; ``hash`` is the SHA-256 of the file's bytes."""

    deployment: str
    chains: dict[str, ChainPolicy]
    limits: dict[str, AssetLimits]
    hash: bytes


def parse_policy(data: bytes) -> Policy:
    """Read a policy file. Raises ``PolicyError`` that names the setting."""
    body = _toml(data)
    _exactly(body, {"version", "deployment", "chains", "assets"}, "the policy")
    if body["version"] != VERSION:
        message = f"version must be {VERSION}"
        raise PolicyError(message)
    deployment = body["deployment"]
    if not isinstance(deployment, str) or not _DEPLOYMENT.fullmatch(deployment):
        message = "deployment must be 1 to 64 printable ASCII characters without blanks"
        raise PolicyError(message)
    chains = {name: _chain(name, table) for name, table in _tables(body, "chains").items()}
    limits = {name: _limits(name, table) for name, table in _tables(body, "assets").items()}
    _check_pairs(chains, limits)
    _check_chains_apart(chains)
    return Policy(deployment, chains, limits, hashlib.sha256(data).digest())


def _toml(data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"not TOML: {error}"
        raise PolicyError(message) from None


def _chain(name: str, table: dict[str, Any]) -> ChainPolicy:
    parameters = PARAMETERS.get(name)
    if parameters is None:
        message = f"chains.{name}: not a chain that this signer knows; known are {', '.join(sorted(PARAMETERS))}"
        raise PolicyError(message)
    _exactly(table, {HOT, COLD, *_CHAIN_NUMBERS}, f"chains.{name}")
    numbers = _numbers(table, _CHAIN_NUMBERS, f"chains.{name}")
    try:
        hot, cold = (_key_set(key_set, table[key_set], parameters) for key_set in (HOT, COLD))
        require_distinct((hot, cold))
    except KeySetError as error:
        message = f"chains.{name}: {error.message}"
        raise PolicyError(message) from None
    return ChainPolicy(parameters, hot, cold, **numbers)


def _key_set(name: str, keys: object, parameters: ChainParameters) -> KeySet:
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        message = f"{name} must be a list of three account keys"
        raise KeySetError(message)
    test, path = parameters.chain.test, parameters.account_path
    return KeySet(name, tuple(AccountKey.parse(key, test=test, path=path) for key in keys))


def _limits(name: str, table: dict[str, Any]) -> AssetLimits:
    _exactly(table, set(_LIMIT_NUMBERS), f"assets.{name}")
    return AssetLimits(**_numbers(table, _LIMIT_NUMBERS, f"assets.{name}"))


def _check_pairs(chains: dict[str, ChainPolicy], limits: dict[str, AssetLimits]) -> None:
    wanted = {chain.parameters.asset.id for chain in chains.values()}
    if not chains or wanted != set(limits):
        message = f"every chain needs limits for its coin, and no other: wanted assets are {', '.join(sorted(wanted))}"
        raise PolicyError(message)


def _check_chains_apart(chains: dict[str, ChainPolicy]) -> None:
    """No signature says which chain it is for (BIP 143), so a key in two chains would lend one the other's limits."""
    keys = [
        key.node.public_key for chain in chains.values() for key_set in (chain.hot, chain.cold) for key in key_set.keys
    ]
    if len(set(keys)) != len(keys):
        message = "one key stands in two chains; a signer has one test network, since all of them share a coin type"
        raise PolicyError(message)


def _tables(body: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    tables = body[name]
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        message = f"{name} must hold tables"
        raise PolicyError(message)
    return tables


def _exactly(table: dict[str, Any], names: set[str], where: str) -> None:
    missing, unknown = names - set(table), set(table) - names
    if missing or unknown:
        message = f"{where}: missing settings {sorted(missing)}, unknown settings {sorted(unknown)}"
        raise PolicyError(message)


def _numbers(table: dict[str, Any], names: dict[str, tuple[int, int]], where: str) -> dict[str, int]:
    for name, (low, high) in names.items():
        value = table[name]
        if type(value) is not int or not low <= value <= high:
            message = f"{where}.{name} must be an integer from {low} to {high}"
            raise PolicyError(message)
    return {name: table[name] for name in names}
