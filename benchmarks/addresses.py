"""Addresses handed out per second with 1,000 and with 100,000 in use, and derived per second; one JSON line per figure.

Run: python -m benchmarks.addresses. It starts a PostgreSQL of its own (with fsync) in a temporary folder, and stops it.
The figures that belong together are measured in one run, the two fillings alternating, so that a noisy machine is fair.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import wallycore

from strongroom.infra.components.hosting import free_port
from strongroom.infra.components.postgres import PostgresCluster
from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.schema import ROLES, create_roles, migrate
from strongroom.infra.settings import ChainSettings, KeySetSettings, KeySettings
from strongroom.wallets import derivation, pools, service, store
from strongroom.wallets.model import AddressRequest, KeySetKind, Purpose
from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_core.ids import MerchantId

FEW, MANY = 1_000, 100_000
CLIENTS = 8
ROUNDS = 3
PER_ROUND = 200
BATCH = 50
STEP = 500


def _key_set(kind: Literal["hot", "cold"]) -> KeySetSettings:
    keys = []
    for number in range(3):
        seed = hashlib.sha512(f"benchmark {kind} {number}".encode()).digest()
        root = wallycore.bip32_key_from_seed(seed, wallycore.BIP32_VER_TEST_PRIVATE, 0)
        xpub = wallycore.bip32_key_to_base58(root, wallycore.BIP32_FLAG_KEY_PUBLIC)
        keys.append(KeySettings(xpub=xpub, origin="[00000000]"))
    return KeySetSettings(name=kind, kind=kind, keys=(keys[0], keys[1], keys[2]))


CHAIN = ChainSettings(
    id=BITCOIN_REGTEST.id,
    rpc_url="http://127.0.0.1:1",
    cookie_file=Path(os.devnull),
    key_sets=(_key_set("hot"), _key_set("cold")),
)


_IN_USE = """
    INSERT INTO wallet_address
        (id, chain, kind, branch, index, script, address, merchant_id, purpose, reference, handed_out_at)
    SELECT %(merchant)s || n, %(chain)s, 'cold', %(branch)s, n,
        decode('0020', 'hex') || sha256((%(merchant)s || n)::bytea), 'in use', %(merchant)s, 'invoice', 'in use', now()
    FROM generate_series(0, %(used)s - 1) AS n
"""


async def _merchant(pool: Pool, branch: int, used: int, ahead: int) -> MerchantId:
    """A merchant with ``used`` addresses in use (made up: their number matters) and ``ahead`` derived ones."""
    merchant_id = MerchantId.new()
    values = {"merchant": merchant_id, "chain": CHAIN.id, "branch": branch, "used": used}
    async with transaction(pool) as connection:
        await store.make_branch(connection, CHAIN.id, KeySetKind.HOT, branch, merchant_id, 1)
        await store.make_branch(connection, CHAIN.id, KeySetKind.COLD, branch, merchant_id, 1)
        await connection.execute(_IN_USE.encode(), values)
        row = replace(await pools.lock(connection, CHAIN.id, KeySetKind.COLD, branch), next_index=used)
        await store.advance_branch(connection, row)
    for _ in range(0, ahead, STEP):
        async with transaction(pool) as connection:
            row = await pools.lock(connection, CHAIN.id, KeySetKind.COLD, branch)
            await store.advance_branch(connection, await pools.extend(connection, row, STEP))
    return merchant_id


async def _rate(pool: Pool, merchant_id: MerchantId, each: int) -> float:
    """Addresses per second by clients that each commit ``each`` at a time."""
    left = iter(range(PER_ROUND * (1 if each == 1 else 5) // each))

    async def client() -> None:
        for number in left:
            async with transaction(pool) as connection:
                request = AddressRequest(CHAIN.id, merchant_id, Purpose.INVOICE, f"bench {number}")
                await service.hand_out_many(connection, [request] * each)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return PER_ROUND * (1 if each == 1 else 5) / (time.perf_counter() - started)


def _row(name: str, value: float, unit: str, baseline: float | None = None) -> dict[str, Any]:
    ratio = None if baseline is None else round(value / baseline, 3)
    limit = None if baseline is None else round(baseline)
    return {"name": name, "value": round(value), "unit": unit, "baseline": limit, "ratio": ratio}


def _derivation() -> float:
    keys = service._settings_key_set(CHAIN, KeySetKind.HOT)  # noqa: SLF001 -- measured without the database
    started = time.perf_counter()
    derivation.derive(keys, 9, range(2_000))
    return 2_000 / (time.perf_counter() - started)


async def _run(cluster: PostgresCluster) -> list[dict[str, Any]]:
    await create_roles(cluster.dsn())
    for role in ROLES:
        cluster.give_password(role)
    await migrate(cluster.dsn())
    rows = [_row("scripts derived (2 of 3), one core", _derivation(), "1/s")]
    async with make_pool(cluster.dsn("strongroom_worker"), size=CLIENTS) as pool:
        async with transaction(pool) as connection:
            await service.sync_key_sets(connection, CHAIN)
        ahead = ROUNDS * PER_ROUND * 6 + STEP
        few = await _merchant(pool, 2, FEW, ahead)
        many = await _merchant(pool, 3, MANY, ahead)
        for each, label in ((1, "one per commit"), (BATCH, f"{BATCH} per commit")):
            rates: dict[MerchantId, list[float]] = {few: [], many: []}
            for _ in range(ROUNDS):
                for merchant_id, found in rates.items():
                    found.append(await _rate(pool, merchant_id, each))
            base = statistics.median(rates[few])
            flat = statistics.median(rates[many])
            rows.append(_row(f"addresses handed out with {FEW:,} in use, {label}", base, "1/s"))
            rows.append(_row(f"addresses handed out with {MANY:,} in use, {label}", flat, "1/s", base))
    return rows


def run() -> list[dict[str, Any]]:
    """Measure; rows of name, value, unit, baseline (with few in use), ratio."""
    with (
        tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder,
        PostgresCluster(Path(folder) / "pg", free_port()) as cluster,
    ):
        return asyncio.run(_run(cluster))


if __name__ == "__main__":
    for row in run():
        print(json.dumps(row))
