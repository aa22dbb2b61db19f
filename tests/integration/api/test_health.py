"""`/readyz` says 503 and why while the database is away or the chain is down, and 200 when they are back."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from strongroom.infra.components.postgres import PostgresCluster
from tests.fixtures.bitcoin import MiningNode
from tests.fixtures.platform import running
from tests.fixtures.ports import reserved_port
from tests.fixtures.postgres import Database, make_database
from tests.integration.api.stage import Stage, open_stage

SECONDS = 90.0


@pytest.fixture
def own_database(scratch: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A server that this test may kill."""
    with (
        reserved_port() as port,
        PostgresCluster(scratch / f"health-{os.getpid()}" / "pg", port, fast=True) as cluster,
    ):
        yield make_database(cluster, "strongroom")


@pytest.fixture
async def watched(pg: Database, fresh_bitcoin_node: MiningNode, tmp_path: Path) -> AsyncIterator[Stage]:
    """The API beside a real watcher of a real node."""
    node = fresh_bitcoin_node
    chain = {"rpc_url": node.rpc_url, "cookie_file": str(node.cookie_file), "poll_seconds": 0.2}
    async with open_stage(pg, tmp_path, chain=chain, more=()) as stage:
        with running("watcher", tmp_path / "strongroom.toml", tmp_path / "watcher.log"):
            yield stage


async def until(client: httpx.AsyncClient, status: int, chain: str | None = None) -> dict[str, Any]:
    """Ask until the status is as told (and the only chain's too); the answer. The process is alive throughout."""
    end = time.monotonic() + SECONDS
    while True:
        answer = await client.get("/readyz")
        told: dict[str, Any] = answer.json()
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        if answer.status_code == status and (chain is None or told["chains"][0]["status"] == chain):
            return told
        assert time.monotonic() < end, f"{answer.status_code} {answer.text}"
        await asyncio.sleep(0.1)


async def test_a_database_that_is_away_is_told_until_it_is_back(own_database: Database, tmp_path: Path) -> None:
    cluster = own_database.cluster
    async with open_stage(own_database, tmp_path) as stage, stage.client("") as client:
        await until(client, 200)
        pid = cluster.server_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        told = await until(client, 503)
        assert (told["code"], told["status"]) == ("not-ready", 503)
        assert "the database does not answer" in told["detail"]
        cluster.stop()
        await asyncio.to_thread(cluster.start)
        assert (await until(client, 200))["status"] == "ok"


async def test_a_chain_that_is_down_is_told_until_it_is_back(watched: Stage, fresh_bitcoin_node: MiningNode) -> None:
    node = fresh_bitcoin_node
    async with watched.client("") as client:
        assert 0 < (await until(client, 200, "ok"))["chains"][0]["height"] <= node.rpc("getblockcount")
        await asyncio.to_thread(node.stop)
        told = await until(client, 503)
        assert told["code"] == "not-ready"
        assert f"{watched.settings.chains[0].id} is down (" in told["detail"]
        assert "no more is known" not in told["detail"]
        async with watched.client() as shop:
            assert (await shop.get("/v1/balances")).status_code == 200  # what needs no chain goes on
        await asyncio.to_thread(node.start)
        await until(client, 200, "ok")


@pytest.mark.parametrize("status", ["wrong-network", "disagree", "reorg-too-deep"])
async def test_a_chain_that_cannot_be_believed_is_told_with_the_watchers_words(stage: Stage, status: str) -> None:
    for number, chain in enumerate(stage.settings.chains):
        async with stage.client("") as client:
            told = (await client.get("/readyz")).json()
        assert told["status"] == ("degraded" if number else "ok")  # the other chain goes on
        stage.database.execute(
            "INSERT INTO chain_status (chain, status, detail) VALUES (%s, %s, 'an operator has to look') "
            "ON CONFLICT (chain) DO UPDATE SET status = excluded.status",
            chain.id,
            status,
        )
    async with stage.client("") as client:
        told = (await client.get("/readyz")).json()
        assert (told["status"], told["code"]) == (503, "not-ready")
        assert f"is {status} (an operator has to look)" in told["detail"]
        stage.database.execute("UPDATE chain_status SET status = 'syncing'")
        assert (await client.get("/readyz")).status_code == 200  # catching up keeps nobody from asking
