"""The gauges over real HTTP: read by the auditor's role from a real database, served by a real worker process."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from strongroom.infra.components.hosting import free_port
from strongroom.infra.database import make_pool
from strongroom.infra.settings import MetricsSettings, Settings
from strongroom.metrics.jobs import Exporter
from strongroom.metrics.model import Gauge
from strongroom.rates import jobs as rates
from strongroom_core.assets import DEVNET
from tests.fixtures.devnet import TOKEN, devnet, token
from tests.fixtures.platform import NO_NODE, running, tail, write_settings
from tests.fixtures.postgres import Database
from tests.integration.invoices.shop import Shop, open_shop

CHAIN = DEVNET.id
RELAYER = "11" * 20
SECONDS = 90.0


@pytest.fixture
async def shop(pg: Database) -> AsyncIterator[Shop]:
    async with open_shop(pg, (devnet(assets=(token(par="USD"),)),)) as opened:
        fixed = {**opened.settings.rates.fixed, "USDT/USD": "0.9"}
        opened.settings = msgspec.structs.replace(
            opened.settings, rates=msgspec.structs.replace(opened.settings.rates, fixed=fixed)
        )
        yield opened


def with_metrics(settings: Settings, port: int, host: str = "127.0.0.1") -> Settings:
    return msgspec.structs.replace(settings, metrics=MetricsSettings(host=host, port=port))


async def scrape(port: int) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every gauge by its name and its labels' values."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            name = sample.name.removeprefix("strongroom_")
            names = Gauge[name.upper()].labels if sample.labels else ()
            found[name, tuple(sample.labels[label] for label in names)] = sample.value
    return found


async def scraped(port: int, log: Path) -> dict[tuple[str, tuple[str, ...]], float]:
    """Scrape a process that is still starting."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            return await scrape(port)
        except httpx.TransportError:
            await asyncio.sleep(0.1)
    raise AssertionError(tail(log))


async def read(shop: Shop, pg: Database) -> dict[tuple[str, tuple[str, ...]], float]:
    port = free_port()
    async with make_pool(pg.dsn("auditor"), size=1) as auditor:
        exporter = Exporter(with_metrics(shop.settings, port), auditor, shop.clock)
        try:
            await exporter.step()
            return await scrape(port)
        finally:
            await exporter.close()


def fill(pg: Database, shop: Shop) -> None:
    """Rows as the other processes would have written them."""
    ago = shop.clock.now() - timedelta(minutes=10)
    status = "INSERT INTO chain_status (chain, status, height, node_height, finalized_height, updated_at) "
    pg.execute(f"{status} VALUES (%s, 'syncing', 90, 100, 64, %s)", CHAIN, ago)
    pg.execute("INSERT INTO treasury_band VALUES (%s, %s, 9007199254740993, 400, 300, %s, %s)", CHAIN, TOKEN, ago, ago)
    relayer = (
        "INSERT INTO outbound_relayer (chain, address, position, next_nonce, chain_nonce, balance, gas_low, alarms) "
    )
    pg.execute(f"{relayer} VALUES (%s, decode(%s, 'hex'), 0, 7, 5, 12345, 99999, '{{gas-low}}')", CHAIN, RELAYER)
    pg.execute("INSERT INTO outbound_signer (name, state, checked_at) VALUES ('A', 'halted', %s)", ago)
    pg.execute("INSERT INTO stop_switch (name, scope, reason, set_by) VALUES ('payouts', '*', 'secret why', 'me')")
    run = "INSERT INTO reconciliation_run (at, clean, chains, journal_rows, differences) VALUES (%s, false, 1, 5, '[]')"
    pg.execute(run, ago)


async def test_every_gauge_tells_what_the_database_has(shop: Shop, pg: Database) -> None:
    fill(pg, shop)
    found = await read(shop, pg)
    assert found["chain_height", (CHAIN,)] == 90
    assert found["chain_lag", (CHAIN,)] == 10
    assert found["chain_finalized", (CHAIN,)] == 64
    assert found["chain_status", (CHAIN, "syncing")] == 1
    assert found["chain_status", (CHAIN, "ok")] == 0
    assert found["chain_status_age", (CHAIN,)] == 600
    assert found["hot", (CHAIN, TOKEN)] == float(9007199254740993)
    assert (found["hot_above", (CHAIN, TOKEN)], found["hot_above_age", (CHAIN, TOKEN)]) == (300, 600)
    assert found["relayer_balance", (CHAIN, f"0x{RELAYER}")] == 12345
    assert found["relayer_alarms", (CHAIN, f"0x{RELAYER}")] == 1
    assert (found["signer", ("A", "halted")], found["signer", ("A", "ok")]) == (1, 0)
    assert found["stopped", ("payouts", "*")] == 1
    assert (found["reconciled", ()], found["reconciled_age", ()]) == (0, 600)
    assert found["metrics_age", ()] < 10


async def test_backlogs_and_a_stablecoin_that_lost_its_par_are_told(shop: Shop, pg: Database) -> None:
    await rates.poll_rates(shop.worker, shop.settings, rates.sources_of(shop.settings.rates), shop.clock)
    await shop.invoice("0.01", "BTC")
    pg.execute("UPDATE outbox_event SET attempts = 2 WHERE topic = 'invoice.created'")
    found = await read(shop, pg)
    assert found["par", (TOKEN, "USD")] == 0
    assert found["par_price", (TOKEN, "USD")] == 0.9
    assert found["outbox", ("failing",)] == 1
    waiting: Any
    ((waiting,),) = pg.execute("SELECT count(*) FROM outbox_event WHERE handled_at IS NULL AND attempts = 0")
    assert found["outbox", ("waiting",)] == waiting > 0
    assert found["webhooks", ("waiting",)] == 0


async def test_a_port_that_is_taken_costs_the_gauges_alone(shop: Shop, pg: Database) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with make_pool(pg.dsn("auditor"), size=1) as auditor:
            exporter = Exporter(with_metrics(shop.settings, port), auditor, shop.clock)
            assert await exporter.step() == 0
            taken.close()
            await exporter.step()
            assert (await scrape(port))["metrics_age", ()] >= 0
            await exporter.close()


async def test_a_worker_serves_its_gauges_on_loopback_and_no_secret_with_them(pg: Database, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "worker.log"
    config = write_settings(tmp_path, pg, free_port(), deployment="test", rates={"BTC/EUR": "50000"}, chain=NO_NODE)
    with config.open("a", encoding="utf-8") as file:
        file.write(f"[metrics]\nport = {port}\n")
    with running("worker", config, log):
        found = await scraped(port, log)
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    assert found["metrics_age", ()] >= 0
    password = (pg.cluster.passwords_dir / "worker").read_text(encoding="utf-8").strip().rpartition(":")[2]
    assert password
    assert password not in text


async def test_nothing_is_served_unless_a_port_is_named(shop: Shop, pg: Database) -> None:
    async with make_pool(pg.dsn("auditor"), size=1) as auditor:
        silent = Exporter(shop.settings, auditor, shop.clock)
        await silent.step()
        assert silent._server is None
    assert MetricsSettings().host == "127.0.0.1"


def test_gauges_have_few_labels_and_names_of_their_own() -> None:
    names = [gauge.full_name for gauge in Gauge]
    assert len(set(names)) == len(names)
    assert len({gauge.text for gauge in Gauge}) == len(names)
    assert max(len(gauge.labels) for gauge in Gauge) <= 3
    assert not {"merchant", "merchant_id", "address", "payout", "invoice", "txid"} & {
        label for gauge in Gauge for label in gauge.labels
    }
