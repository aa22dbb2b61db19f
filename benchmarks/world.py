"""A durable database with one merchant, its token and its addresses, for benchmarks of the API."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from embit import bip32
from embit.networks import NETWORKS

from strongroom.infra.clock import SystemClock
from strongroom.infra.components.hosting import free_port, write_private
from strongroom.infra.components.postgres import PostgresCluster
from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.schema import ROLES, create_roles, migrate
from strongroom.infra.settings import Settings, load_settings
from strongroom.merchants import service as merchants
from strongroom.merchants.model import Scope
from strongroom.rates import jobs as rates
from strongroom.wallets import service as wallets
from strongroom_core.assets import BITCOIN_REGTEST

ADDRESSES: Final = 60_000
_PATH: Final = "m/48h/1h/0h/2h"


@dataclass(frozen=True, slots=True)
class World:
    """A running cluster and the files that processes start from."""

    folder: Path
    cluster: PostgresCluster
    token_file: Path

    def config(self, port: int) -> Path:
        """Write the settings of a process that listens on ``port``."""
        path = self.folder / f"settings-{port}.toml"
        path.write_text(_settings(self.folder, self.cluster, port), encoding="utf-8")
        return path

    @staticmethod
    def free_port() -> int:
        """Find a port on loopback that nobody uses."""
        return free_port()

    def close(self) -> None:
        """Stop the cluster and remove its files."""
        self.cluster.stop()
        shutil.rmtree(self.cluster.data_dir, ignore_errors=True)


async def open_world(folder: Path, addresses: int = ADDRESSES) -> World:
    """Make the cluster, one merchant with ``addresses`` derived in advance, and a token with every scope."""
    cluster = PostgresCluster(folder / "pg", free_port())
    cluster.start()
    await create_roles(cluster.dsn())
    for role in ROLES:
        cluster.give_password(role)
    with cluster.superuser() as connection:
        connection.execute("CREATE DATABASE strongroom")
    await migrate(cluster.dsn("postgres", "strongroom"))
    world = World(folder, cluster, folder / "token")
    settings = load_settings(world.config(1))
    async with (
        make_pool(cluster.dsn("postgres", "strongroom"), size=2) as owner,
        make_pool(settings.dsn("worker"), size=2) as worker,
    ):
        await _seed(owner, worker, settings, world.token_file, addresses)
    return world


async def _seed(owner: Pool, worker: Pool, settings: Settings, token_file: Path, addresses: int) -> None:
    async with transaction(owner) as connection:
        await connection.execute(
            "CREATE TABLE bench_bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
            "amount text NOT NULL, currency text NOT NULL, at timestamptz NOT NULL DEFAULT now())"
        )
        await connection.execute("GRANT INSERT, SELECT ON bench_bare TO strongroom_api")
        chain = settings.chains[0]
        await wallets.sync_key_sets(connection, chain)
        merchant = await merchants.create_merchant(connection, "Bench")
        await wallets.prepare_merchant(connection, chain, merchant.id, merchant.branch, addresses)
        _, token = await merchants.create_token(connection, merchant.id, list(Scope), "bench")
    write_private(token_file, token)
    await rates.poll_rates(worker, settings, rates.sources_of(settings.rates), SystemClock())


def _settings(folder: Path, cluster: PostgresCluster, port: int) -> str:
    sets = "\n".join(_key_set(kind) for kind in ("hot", "cold"))
    return f"""
deployment = "bench"
data_dir = "{folder}"
[database]
port = {cluster.port}
passwords = "{cluster.passwords_dir}"
[api]
port = {port}
rate_limit_per_minute = 100000000
[rates]
fixed = {{ "BTC/EUR" = "50000" }}
stale_after_seconds = 36000
[webhooks]
allow_private_destinations = true
key_file = "{folder / "webhook.key"}"
[[chains]]
id = "{BITCOIN_REGTEST.id}"
rpc_url = "http://127.0.0.1:1"
cookie_file = "/nonexistent"
{sets}
"""


def _key_set(kind: str) -> str:
    keys = ", ".join(_key(f"{kind} {holder}") for holder in ("a", "b", "recovery"))
    return f'[[chains.key_sets]]\nname = "{kind}-1"\nkind = "{kind}"\nkeys = [{keys}]'


def _key(words: str) -> str:
    root = bip32.HDKey.from_seed(words.ljust(64).encode(), version=NETWORKS["regtest"]["xprv"])
    xpub = root.derive(_PATH).to_public().to_base58()
    return f'{{ xpub = "{xpub}", origin = "[{root.my_fingerprint.hex()}/{_PATH[2:]}]" }}'
