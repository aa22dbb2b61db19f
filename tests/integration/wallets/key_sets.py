"""Key sets for tests: three keys each, made from seeds by embit, which the product does not use for this."""

from __future__ import annotations

import hashlib
from pathlib import Path

from embit import bip32
from embit.networks import NETWORKS

from strongroom.infra.settings import BandSettings, ChainSettings, FeeSettings, KeySetSettings, KeySettings, Tier
from strongroom_core.assets import BITCOIN_REGTEST

PATH = "m/48h/1h/0h/2h"
HOLDERS = ("signer-a", "signer-b", "recovery")


def account(kind: str, holder: str) -> tuple[str, str]:
    """An account xpub and its origin."""
    seed = hashlib.sha512(f"strongroom test {kind} {holder}".encode()).digest()
    root = bip32.HDKey.from_seed(seed, version=NETWORKS["regtest"]["xprv"])
    fingerprint = root.my_fingerprint.hex()
    return str(root.derive(PATH).to_public().to_base58()), f"[{fingerprint}/{PATH[2:]}]"


def key_set(kind: str, holders: tuple[str, ...] = HOLDERS) -> KeySetSettings:
    """A key set's settings."""
    found = [account(kind, holder) for holder in holders]
    keys = tuple(KeySettings(xpub=xpub, origin=origin) for xpub, origin in found)
    return KeySetSettings(name=f"{kind}-1", kind=kind, keys=keys)  # type: ignore[arg-type]


def chain_settings(**changes: object) -> ChainSettings:
    """Settings of a regtest chain with a hot and a cold key set."""
    values: dict[str, object] = {
        "id": BITCOIN_REGTEST.id,
        "rpc_url": "http://127.0.0.1:1",
        "cookie_file": Path("/nonexistent"),
        "tiers": (Tier(confirmations=1, amount_max=50_000), Tier(confirmations=3)),
        "minimum_deposit": 1_000,
        "coinbase_maturity": 100,
        "fees": FeeSettings(deposit_fee_ppm=10_000),
        "band": BandSettings(),
        "key_sets": (key_set("hot"), key_set("cold")),
    }
    return ChainSettings(**{**values, **changes})  # type: ignore[arg-type]
