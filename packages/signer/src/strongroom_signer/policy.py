"""The policy file: what this signer allows, in TOML, strictly read. The format is documented in ``docs/signer.md``."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from strongroom_core.abi import MAX_UINT256, address_text
from strongroom_signer import trust
from strongroom_signer.bands import Band, read_bands
from strongroom_signer.chains import PARAMETERS, ChainParameters
from strongroom_signer.errors import KeySetError, PolicyError
from strongroom_signer.evm_chains import EVM_PARAMETERS
from strongroom_signer.keccak import keccak256
from strongroom_signer.keyset import COLD, HOT, AccountKey, KeySet, Place, require_distinct
from strongroom_signer.safe_policy import VIEW_NUMBERS, check_nodes, read_safe_policy
from strongroom_signer.tables import exactly, numbers, tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strongroom_signer.safe_policy import SafePolicy

VERSION: Final = 1
MAX_BASE_UNITS: Final = 2**63 - 1
# Ceilings of the settings themselves: beyond these a policy is a typing error.
MAX_FEE_RATE: Final = 10_000
MAX_WINDOW_SECONDS: Final = 90 * 86_400
MIN_WINDOW_SECONDS: Final = 60
MAX_INDEX_GAP: Final = 1000
MAX_DEPTH: Final = 1000
MILLION: Final = 1_000_000
_REQUIRED: Final = ("version", "deployment", "chains", "assets", "signers", "operators", *trust.NUMBERS)
_OPTIONAL: Final[dict[str, object]] = {"switched_off": [], "conversions": []}
_DEPLOYMENT: Final = re.compile(r"[\x21-\x7e]{1,64}")
_HEADER: Final = re.compile(r"[0-9a-f]{160}")
_CHAIN_NUMBERS: Final = {
    "dust": (1, MAX_BASE_UNITS),
    "max_index_gap": (1, MAX_INDEX_GAP),
    "max_fee_rate": (1, MAX_FEE_RATE),
    "max_fee": (1, MAX_BASE_UNITS),
    "daily_fee_budget": (1, MAX_BASE_UNITS),
    "confirmations": (1, MAX_DEPTH),
    "horizon": (1, MAX_DEPTH),
    "checkpoint_height": (0, MAX_BASE_UNITS),
    **VIEW_NUMBERS,
}
_LIMIT_NUMBERS: Final = {
    "per_payout": (1, MAX_BASE_UNITS),
    "per_window": (1, MAX_BASE_UNITS),
    "window_seconds": (MIN_WINDOW_SECONDS, MAX_WINDOW_SECONDS),
    "payout_fee": (0, MAX_BASE_UNITS),
    "deposit_fee_ppm": (0, MILLION),
}
# Wei: more than 64 bits have room for.
_SAFE_LIMIT_NUMBERS: Final = {
    "per_payout": (1, MAX_UINT256),
    "per_window": (1, MAX_UINT256),
    "window_seconds": (MIN_WINDOW_SECONDS, MAX_WINDOW_SECONDS),
    "payout_fee": (0, MAX_UINT256),
    "draw_per_day": (0, MAX_UINT256),
    "deposit_fee_ppm": (0, MILLION),
}


@dataclass(frozen=True, slots=True)
class ChainPolicy:
    """One chain: its key sets, its fees, and from where on and how deep its blocks are believed.

    ``max_fee_rate`` is in base units per virtual byte, the other amounts in base units. A deposit is proven at
    ``confirmations`` blocks; beyond ``horizon`` blocks its coin may be spent, and a conflict frees a slot. The header
    chain starts at ``checkpoint`` (80 bytes), the header at ``checkpoint_height``. ``nodes_min`` of this signer's own
    nodes must agree on a block, and nothing is signed ``view_seconds`` after they last did.
    """

    parameters: ChainParameters
    hot: KeySet
    cold: KeySet
    dust: int
    max_index_gap: int
    max_fee_rate: int
    max_fee: int
    daily_fee_budget: int
    confirmations: int
    horizon: int
    checkpoint_height: int
    checkpoint: bytes
    nodes_min: int
    view_seconds: int

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
    ``draw_per_day`` is what a rolling day may draw from the cold Safe's allowance; no bitcoin-like has one.
    ``deposit_fee_ppm`` is the millionth part of a deposit that is the house's, rounded down.
    """

    per_payout: int
    per_window: int
    window_seconds: int
    payout_fee: int
    draw_per_day: int = 0
    deposit_fee_ppm: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy in force, by CAIP-2 and CAIP-19 ids; ``hash`` is the SHA-256 of the file's bytes.

    ``chains`` are the bitcoin-likes, ``safes`` the EVM chains.
    """

    deployment: str
    chains: dict[str, ChainPolicy]
    limits: dict[str, AssetLimits]
    hash: bytes
    safes: dict[str, SafePolicy]
    trust: trust.Trust
    bands: dict[tuple[str, str], Band]

    @property
    def hot_keys(self) -> dict[str, set[str]]:
        """What of each chain may be a signer's own, as it writes it: account keys with their origin, or addresses."""
        keys = {name: {key.text(test=_test(chain)) for key in chain.hot.keys} for name, chain in self.chains.items()}
        owners = {
            name: {address_text(item, keccak256) for item in safe.hot_owners} for name, safe in self.safes.items()
        }
        return keys | owners


def parse_policy(data: bytes) -> Policy:
    """Read a policy file. Raises ``PolicyError`` that names the setting."""
    body = _toml(data)
    exactly({**_OPTIONAL, **body}, {*_REQUIRED, *_OPTIONAL}, "the policy")
    if body["version"] != VERSION:
        message = f"version must be {VERSION}"
        raise PolicyError(message)
    deployment = body["deployment"]
    if not isinstance(deployment, str) or not _DEPLOYMENT.fullmatch(deployment):
        message = "deployment must be 1 to 64 printable ASCII characters without blanks"
        raise PolicyError(message)
    named = tables(body, "chains")
    limits = {name: _limits(name, table) for name, table in tables(body, "assets").items()}
    safes = {name: _safe(name, table, limits) for name, table in named.items() if name in EVM_PARAMETERS}
    chains = {name: _chain(name, table) for name, table in named.items() if name not in safes}
    _check_pairs(chains, safes, limits)
    _check_chains_apart(chains)
    test = all(PARAMETERS[name].chain.test for name in chains) and all(
        EVM_PARAMETERS[name].chain.test for name in safes
    )
    return Policy(
        deployment,
        chains,
        limits,
        hashlib.sha256(data).digest(),
        safes,
        trust.read_trust(body, test=test),
        read_bands(body.get("conversions", []), limits),
    )


def _toml(data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"not TOML: {error}"
        raise PolicyError(message) from None


def _chain(name: str, table: dict[str, Any]) -> ChainPolicy:
    parameters = PARAMETERS.get(name)
    if parameters is None:
        known = ", ".join(sorted({**PARAMETERS, **EVM_PARAMETERS}))
        message = f"chains.{name}: not a chain that this signer knows; known are {known}"
        raise PolicyError(message)
    exactly(table, {HOT, COLD, "checkpoint", *_CHAIN_NUMBERS}, f"chains.{name}")
    settings = numbers(table, _CHAIN_NUMBERS, f"chains.{name}")
    check_nodes(parameters.chain, settings["nodes_min"], f"chains.{name}")
    try:
        hot, cold = (_key_set(key_set, table[key_set], parameters) for key_set in (HOT, COLD))
        require_distinct((hot, cold))
    except KeySetError as error:
        message = f"chains.{name}: {error.message}"
        raise PolicyError(message) from None
    checkpoint = _checkpoint(table["checkpoint"], f"chains.{name}")
    return ChainPolicy(parameters, hot, cold, checkpoint=checkpoint, **settings)


def _checkpoint(value: object, where: str) -> bytes:
    if not isinstance(value, str) or not _HEADER.fullmatch(value):
        message = f"{where}.checkpoint is a block header of 80 bytes in lower-case hex"
        raise PolicyError(message)
    return bytes.fromhex(value)


def _key_set(name: str, keys: object, parameters: ChainParameters) -> KeySet:
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        message = f"{name} must be a list of three account keys"
        raise KeySetError(message)
    test, path = parameters.chain.test, parameters.account_path
    return KeySet(name, tuple(AccountKey.parse(key, test=test, path=path) for key in keys))


def _safe(name: str, table: dict[str, Any], limits: dict[str, AssetLimits]) -> SafePolicy:
    return read_safe_policy(EVM_PARAMETERS[name], table, [asset for asset in limits if _chain_of(asset) == name])


def _limits(name: str, table: dict[str, Any]) -> AssetLimits:
    table = {"deposit_fee_ppm": 0, **table}
    wanted = _SAFE_LIMIT_NUMBERS if _chain_of(name) in EVM_PARAMETERS else _LIMIT_NUMBERS
    exactly(table, set(wanted), f"assets.{name}")
    return AssetLimits(**numbers(table, wanted, f"assets.{name}"))


def _test(chain: ChainPolicy) -> bool:
    return chain.parameters.chain.test


def _chain_of(asset: str) -> str:
    return asset.partition("/")[0]


def _check_pairs(chains: dict[str, ChainPolicy], safes: dict[str, SafePolicy], limits: dict[str, AssetLimits]) -> None:
    wanted = {chain.parameters.asset.id for chain in chains.values()}
    # Which assets an EVM chain has is what the policy says; each of them was read there.
    found = {asset for asset in limits if _chain_of(asset) not in safes}
    if not (chains or safes) or wanted != found:
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
