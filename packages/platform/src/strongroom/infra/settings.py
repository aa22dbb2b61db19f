"""Settings: one TOML file, checked in full before anything starts.

Secrets are files that it points to, never values in it. Amounts are whole base units of the asset they are of.
``STRONGROOM_CONFIG`` names the file where no argument does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from Crypto.Hash import keccak
from msgspec import Meta

from strongroom_core.abi import InvalidCallError, parse_address
from strongroom_core.amounts import MAX_BASE_UNITS
from strongroom_core.assets import (
    LITECOIN,
    LITECOIN_REGTEST,
    Asset,
    Chain,
    asset_by_id,
    chain_by_id,
    fiat_by_code,
    native_asset,
    register_asset,
)
from strongroom_core.errors import StrongroomError

ENVIRONMENT_VARIABLE: Final = "STRONGROOM_CONFIG"
Natural = Annotated[int, Meta(ge=0)]
# An output to a public key's hash at the dust relay fee: 182 bytes at 3 sat/B, of Litecoin at 30 (policy/policy.h).
_DUST: Final = 546
_LITECOIN_DUST: Final = 5_460
Positive = Annotated[int, Meta(ge=1)]
Ppm = Annotated[int, Meta(ge=0, le=1_000_000)]
Contract = Literal["factory", "cold_safe", "hot_safe", "allowance", "multisend"]
_CONTRACTS: Final[tuple[Contract, ...]] = ("factory", "cold_safe", "hot_safe", "allowance", "multisend")
Role = Literal["api", "watcher", "worker", "treasury", "auditor"]


class SettingsError(StrongroomError):
    """The settings file is missing, unreadable or wrong."""

    code = "settings-invalid"


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the file; unknown names are refused, so that a typing error is not silently a default."""


class DatabaseSettings(_Section, frozen=True, kw_only=True):
    """Where PostgreSQL is.

    Each process logs in as its own role, with the password in ``passwords/<role>`` (libpq passfile format).
    """

    host: str = "127.0.0.1"
    port: Positive = 5432
    name: str = "strongroom"
    passwords: Path
    pool_size: Positive = 8


class ApiSettings(_Section, frozen=True, kw_only=True):
    """Where the API listens, and how the world reaches it.

    ``watcher_silent_seconds``: ``/readyz`` counts a chain as standing still when its watcher has said nothing for so
    long; one that lives says something every 10 s.
    """

    host: str = "127.0.0.1"
    port: Positive = 8420
    workers: Positive = 1
    public_url: str = "http://127.0.0.1:8420"
    rate_limit_per_minute: Positive = 6000
    watcher_silent_seconds: Annotated[int, Meta(ge=15)] = 60


class KeySettings(_Section, frozen=True, kw_only=True):
    """One of the three keys of a key set: BIP 32 account xpub and its origin, such as ``[d34db33f/48h/1h/0h/2h]``."""

    xpub: str
    origin: str


class KeySetSettings(_Section, frozen=True, kw_only=True):
    """``wsh(sortedmulti(2, …))`` of three keys; addresses are at ``/branch/index`` below each xpub."""

    name: str
    kind: Literal["hot", "cold"]
    keys: Annotated[tuple[KeySettings, ...], Meta(min_length=3, max_length=3)]


class Tier(_Section, frozen=True, kw_only=True):
    """Deposits up to ``amount_max`` (none: any amount) are confirmed at ``confirmations`` blocks."""

    confirmations: Positive
    amount_max: Natural | None = None


class BandSettings(_Section, frozen=True, kw_only=True):
    """The hot band in base units: above ``high`` is swept to cold down to ``target``.

    All zero means all intake is cold.
    """

    low: Natural = 0
    target: Natural = 0
    high: Natural = 0


class FeeSettings(_Section, frozen=True, kw_only=True):
    """Network fee rates in sat/vB, and what merchants pay, in base units and parts per million."""

    rate_floor: Positive = 1
    rate_ceiling: Positive = 200
    rate_fallback: Positive = 5
    target_blocks: Positive = 6
    stuck_after_blocks: Positive = 6
    payout_fee: Natural = 1_000
    deposit_fee_ppm: Ppm = 0


class AssetSettings(_Section, frozen=True, kw_only=True):
    """One asset that is held on an account chain, named by its CAIP-19 id; the native coin too, where it is accepted.

    ``code`` and ``decimals`` are pinned here, never asked of a contract: a token becomes known by this section. No
    ``tiers``: the chain's. ``par`` names the fiat currency that a stablecoin stands for: its rates are guarded.
    ``closed``: nothing new is taken in it. No invoice and no address is made for it, what still comes is recorded and
    not credited until it is opened again; balances are shown and paid out. A token that ever came is closed, never
    removed: without its decimals its rows could not be read.
    """

    id: str
    code: str
    decimals: Natural
    minimum_deposit: Natural
    payout_fee: Natural
    deposit_fee_ppm: Ppm = 0
    tiers: tuple[Tier, ...] = ()
    band: BandSettings = BandSettings()
    par: str | None = None
    closed: bool = False

    def __post_init__(self) -> None:
        """Make the asset known, or refuse one that is known otherwise."""
        register_asset(Asset(self.id, self.code, self.decimals))
        _check_amounts(self.code, (self.minimum_deposit, self.payout_fee, *_band_amounts(self.band)))
        if self.par is not None:
            fiat_by_code(self.par)

    @property
    def asset(self) -> Asset:
        """The asset itself."""
        return asset_by_id(self.id)


class EthereumSettings(_Section, frozen=True, kw_only=True):
    """What an EVM chain has besides: its nodes, our contracts there, and the accounts that pay gas.

    A block counts when ``agree_min`` of the nodes name the same hash; 1 is for test chains only. Deposits are confirmed
    by depth, or when their block is ``finalized`` by the chain. Addresses are checksummed (EIP-55). Amounts are wei.
    ``pending``: ``auto`` looks every second at the pending block of the first endpoint that has one, so that payments
    are seen before they are in a block; ``none`` asks no endpoint for it.
    ``l1_fee_margin`` is what a rollup may take for one call beside its gas (Base and Optimism: the L1 data fee, which a
    chain tx does not bound); it counts, in a relayer's balance and the day's budget, until the real fee is known.
    """

    rpc_urls: Annotated[tuple[str, ...], Meta(min_length=1)]
    factory: str
    cold_safe: str
    hot_safe: str
    allowance: str
    multisend: str
    agree_min: Positive = 2
    confirm_by: Literal["depth", "finalized"] = "depth"
    traces: Literal["auto", "trace", "debug", "none"] = "auto"
    pending: Literal["auto", "none"] = "auto"
    relayer_key_files: Annotated[tuple[Path, ...], Meta(max_length=2)] = ()
    gas_budget_per_day: Natural = 10**17
    gas_low: Natural = 10**16
    fee_ceiling_gwei: Positive = 200
    l1_fee_margin: Natural = 0
    logs_range_max: Positive = 2000

    def __post_init__(self) -> None:
        """Refuse what is no address, one address in two roles, and a quorum of more nodes than there are."""
        if len(self.contracts()) < len(_CONTRACTS):
            message = f"{', '.join(_CONTRACTS)} are five different addresses"
            raise ValueError(message)
        if len(set(self.rpc_urls)) < len(self.rpc_urls) or self.agree_min > len(self.rpc_urls):
            message = f"rpc_urls has to name {self.agree_min} different nodes at least, as agree_min says"
            raise ValueError(message)

    def address(self, role: Contract) -> bytes:
        """Give the 20 bytes of one of our contracts."""
        try:
            return parse_address(getattr(self, role), _keccak)
        except InvalidCallError as error:
            message = f"{role}: {error.message}"
            raise ValueError(message) from None

    def contracts(self) -> set[bytes]:
        """Give the addresses of all our contracts there."""
        return set(map(self.address, _CONTRACTS))


def dust_of(chain_id: str) -> int:
    """Say below how many base units nodes of a bitcoin-like relay no output, of any script; Litecoin's is ten times."""
    return _LITECOIN_DUST if chain_id in {LITECOIN.id, LITECOIN_REGTEST.id} else _DUST


class ChainSettings(_Section, frozen=True, kw_only=True, dict=True):
    """One chain: its nodes, how much it is believed, and what we hold on it; no ``tiers`` or ``dust``: its defaults.

    Bitcoin-likes have one coin, described here (``rpc_url`` to ``key_sets``); an EVM chain has ``ethereum`` and
    ``assets`` instead.
    """

    id: str
    rpc_url: str = ""
    cookie_file: Path = Path()
    zmq_url: str | None = None
    poll_seconds: float = 2.0
    start_height: Natural = 0
    horizon: Positive = 12
    coinbase_maturity: Positive = 100
    tiers: tuple[Tier, ...] = ()
    minimum_deposit: Natural = 1_000
    dust: Natural | None = None
    payouts_per_tx_max: Positive = 100
    fees: FeeSettings = FeeSettings()
    band: BandSettings = BandSettings()
    key_sets: tuple[KeySetSettings, ...] = ()
    ethereum: EthereumSettings | None = None
    assets: tuple[AssetSettings, ...] = ()

    def __post_init__(self) -> None:
        """Refuse parts of the other kind of chain, and what only a test chain may do."""
        if self.chain.is_evm:
            self._check_evm()
        elif self.ethereum is not None or self.assets or not self.rpc_url or self.cookie_file == Path():
            message = (
                f"{self.chain.name} needs rpc_url and cookie_file, and has no [chains.ethereum] or [[chains.assets]]"
            )
            raise ValueError(message)

    def _check_evm(self) -> None:
        name = self.chain.name
        if self.ethereum is None or not self.assets or self.key_sets or self.rpc_url or self.zmq_url:
            message = (
                f"{name} needs [chains.ethereum] with rpc_urls and one of [[chains.assets]] at least, and has no "
                "rpc_url, zmq_url or [[chains.key_sets]]"
            )
            raise ValueError(message)
        if self.ethereum.agree_min < 2 and not self.chain.test:  # noqa: PLR2004 - one node alone is believed by nobody
            message = f"agree_min = 1 is for test chains only: {name} needs two nodes that agree"
            raise ValueError(message)
        if any(tier.amount_max is not None for tier in self.tiers):
            message = f"tiers with an amount_max belong to one asset: put them into [[chains.assets.tiers]] of {name}"
            raise ValueError(message)
        if len({item.id for item in self.assets}) < len(self.assets):
            message = f"an asset of {name} is named twice"
            raise ValueError(message)
        if stray := [item.id for item in self.assets if item.asset.chain_id != self.id]:
            message = f"{stray[0]} does not live on {name} ({self.id})"
            raise ValueError(message)

    @property
    def chain(self) -> Chain:
        """The chain of ``id``."""
        return chain_by_id(self.id)

    @property
    def label(self) -> str:
        """A short name for loops and logs: the coin's code, of an EVM chain its own name, since several have ETH."""
        return self.chain.name if self.is_evm else self.asset.code

    @property
    def is_evm(self) -> bool:
        """Whether it is an account chain of the Ethereum kind."""
        return self.chain.is_evm

    @property
    def asset(self) -> Asset:
        """The coin of the chain, which pays its network fees; held only if it is among ``held_assets``."""
        return native_asset(self.chain)

    @property
    def relay_minimum(self) -> int:
        """The least amount, in base units, that nodes relay: the dust limit of a bitcoin-like, 1 on account chains."""
        if self.is_evm:
            return 1
        return dust_of(self.id) if self.dust is None else self.dust

    @cached_property
    def held_assets(self) -> tuple[AssetSettings, ...]:
        """What merchants can be paid in and pay in on this chain; of a bitcoin-like its one coin."""
        return self.assets if self.is_evm else (self._coin(),)

    @property
    def open_assets(self) -> tuple[AssetSettings, ...]:
        """What is taken now: all that is held and not closed."""
        return tuple(item for item in self.held_assets if not item.closed)

    def asset_settings(self, asset_id: str) -> AssetSettings:
        """Find what is set for a held asset by its CAIP-19 id. Raises ``SettingsError``."""
        for item in self.held_assets:
            if item.id == asset_id:
                return item
        message = f"{asset_id} is not held on {self.chain.name}: add it to [[chains.assets]]"
        raise SettingsError(message)

    def _coin(self) -> AssetSettings:
        coin = self.asset
        return AssetSettings(
            id=coin.id,
            code=coin.code,
            decimals=coin.decimals,
            minimum_deposit=self.minimum_deposit,
            payout_fee=self.fees.payout_fee,
            deposit_fee_ppm=self.fees.deposit_fee_ppm,
            tiers=self.tiers,
            band=self.band,
        )


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def _band_amounts(band: BandSettings) -> tuple[int, int, int]:
    return band.low, band.target, band.high


def _check_amounts(code: str, amounts: Iterable[int]) -> None:
    if max(amounts) > MAX_BASE_UNITS:
        message = f"an amount of {code} cannot be above 2**256 - 1 base units"
        raise ValueError(message)


class SignerSettings(_Section, frozen=True, kw_only=True):
    """A signer: its name, and the unix socket or ``tls://host:port`` it listens on (with certificate files)."""

    name: str
    address: str
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class RateSettings(_Section, frozen=True, kw_only=True):
    """Prices: which sources, how they must agree, how long a lock holds. ``fixed`` maps ``BTC/EUR`` to decimal text.

    A stablecoin (``par`` of its asset) further than ``par_band_ppm`` from its par is depegged, and is at par again once
    it was no further than ``par_back_ppm`` for ``par_back_seconds`` on end.
    """

    sources: tuple[Literal["fixed", "kraken", "coinbase"], ...] = ("fixed",)
    fixed: dict[str, str] = {}
    spread_ppm: Ppm = 5_000
    deviation_max_ppm: Ppm = 20_000
    stale_after_seconds: Positive = 120
    sources_min: Positive = 1
    poll_seconds: Positive = 20
    par_band_ppm: Ppm = 20_000
    par_back_ppm: Ppm = 10_000
    par_back_seconds: Positive = 300

    def __post_init__(self) -> None:
        """Refuse a way back that is wider than the band: a price on its edge would go in and out of it."""
        if self.par_back_ppm > self.par_band_ppm:
            message = "par_back_ppm cannot be above par_band_ppm"
            raise ValueError(message)


class InvoiceSettings(_Section, frozen=True, kw_only=True):
    """Defaults of invoices; ``tolerance_ppm`` is how far below the price still counts as paid."""

    expires_in_seconds: Positive = 900
    monitor_seconds: Positive = 86_400
    tolerance_ppm: Ppm = 5_000


class WebhookSettings(_Section, frozen=True, kw_only=True):
    """Delivery; private destinations are refused unless allowed here (a demonstration's own loopback).

    ``key_file`` holds the key that endpoints' secrets are derived from; made at the first start where it is absent.
    """

    key_file: Path = Path("webhook.key")

    allow_private_destinations: bool = False
    timeout_seconds: Positive = 10
    concurrency: Positive = 32


class MetricsSettings(_Section, frozen=True, kw_only=True):
    """Where the worker shows its gauges to Prometheus; port 0: nowhere. They tell sums, so keep them off the street."""

    host: str = "127.0.0.1"
    port: Natural = 0
    refresh_seconds: Positive = 10


class Settings(_Section, frozen=True, kw_only=True, dict=True):
    """The whole file. ``deployment`` is the name that payment intents carry."""

    deployment: str
    data_dir: Path
    database: DatabaseSettings
    api: ApiSettings = ApiSettings()
    chains: tuple[ChainSettings, ...] = ()
    signers: tuple[SignerSettings, ...] = ()
    rates: RateSettings = RateSettings()
    invoices: InvoiceSettings = InvoiceSettings()
    webhooks: WebhookSettings = WebhookSettings()
    metrics: MetricsSettings = MetricsSettings()

    def __post_init__(self) -> None:
        """Refuse a chain that is named twice."""
        if len({chain.id for chain in self.chains}) < len(self.chains):
            message = "a chain is named twice"
            raise ValueError(message)

    @property
    def held_assets(self) -> tuple[Asset, ...]:
        """All assets that merchants can be paid in and pay in, in the order of the file."""
        return tuple(item.asset for chain in self.chains for item in chain.held_assets)

    @cached_property  # asked for by every request that names an asset
    def open_assets(self) -> tuple[Asset, ...]:
        """All assets that merchants can be paid in now, in the order of the file; those that are closed are not."""
        return tuple(item.asset for chain in self.chains for item in chain.open_assets)

    def asset_settings(self, asset_id: str) -> AssetSettings:
        """Find what is set for a held asset of any chain by its CAIP-19 id. Raises ``SettingsError``."""
        return self.chain(asset_id.partition("/")[0]).asset_settings(asset_id)

    def chain(self, chain_id: str) -> ChainSettings:
        """Find a chain's settings by its CAIP-2 id. Raises ``SettingsError``."""
        for chain in self.chains:
            if chain.id == chain_id:
                return chain
        message = f"the settings have no chain {chain_id}"
        raise SettingsError(message)

    def dsn(self, role: Role) -> str:
        """Give the connection URL of a process's role; the password goes by file, not by text."""
        database = self.database
        return (
            f"host={database.host} port={database.port} dbname={database.name} user=strongroom_{role} "
            f"passfile={database.passwords / role}"
        )


def load_settings(path: Path | None = None) -> Settings:
    """Read and check the file at ``path``, or where ``STRONGROOM_CONFIG`` says. Raises ``SettingsError``."""
    place = path or Path(os.environ.get(ENVIRONMENT_VARIABLE, "strongroom.toml"))
    try:
        return msgspec.toml.decode(place.read_bytes(), type=Settings, dec_hook=_decode)
    except FileNotFoundError:
        message = f"no settings at {place}: run `strongroom up` once, or point {ENVIRONMENT_VARIABLE} at the file"
        raise SettingsError(message) from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{place}: {error}"
        raise SettingsError(message) from None


def _decode(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError
