"""Settings: one TOML file, checked in full before anything starts.

Secrets are files that it points to, never values in it. Amounts are whole base units of the chain's coin.
``STRONGROOM_CONFIG`` names the file where no argument does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from strongroom_core.assets import Asset, Chain, chain_by_id, native_asset
from strongroom_core.errors import StrongroomError

ENVIRONMENT_VARIABLE: Final = "STRONGROOM_CONFIG"
Natural = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Ppm = Annotated[int, Meta(ge=0, le=1_000_000)]
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
    """Where the API listens, and how the world reaches it."""

    host: str = "127.0.0.1"
    port: Positive = 8420
    workers: Positive = 1
    public_url: str = "http://127.0.0.1:8420"
    rate_limit_per_minute: Positive = 6000


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


class ChainSettings(_Section, frozen=True, kw_only=True):
    """One chain: its nodes, how much it is believed, and what we hold on it; no ``tiers``: the chain's own defaults."""

    id: str
    rpc_url: str
    cookie_file: Path
    zmq_url: str | None = None
    poll_seconds: float = 2.0
    start_height: Natural = 0
    horizon: Positive = 12
    coinbase_maturity: Positive = 100
    tiers: tuple[Tier, ...] = ()
    minimum_deposit: Natural = 1_000
    dust: Natural = 546
    payouts_per_tx_max: Positive = 100
    fees: FeeSettings = FeeSettings()
    band: BandSettings = BandSettings()
    key_sets: tuple[KeySetSettings, ...] = ()

    @property
    def chain(self) -> Chain:
        """The chain of ``id``."""
        return chain_by_id(self.id)

    @property
    def asset(self) -> Asset:
        """The coin of the chain."""
        return native_asset(self.chain)


class SignerSettings(_Section, frozen=True, kw_only=True):
    """A signer: its name, and the unix socket or ``tls://host:port`` it listens on (with certificate files)."""

    name: str
    address: str
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class RateSettings(_Section, frozen=True, kw_only=True):
    """Prices: which sources, how they must agree, how long a lock holds. ``fixed`` maps ``BTC/EUR`` to decimal text."""

    sources: tuple[Literal["fixed", "kraken", "coinbase"], ...] = ("fixed",)
    fixed: dict[str, str] = {}
    spread_ppm: Ppm = 5_000
    deviation_max_ppm: Ppm = 20_000
    stale_after_seconds: Positive = 120
    sources_min: Positive = 1
    poll_seconds: Positive = 20


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


class Settings(_Section, frozen=True, kw_only=True):
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
