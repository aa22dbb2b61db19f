"""A token that money is on record in is never taken out of the settings, nor given other decimals: it is closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from strongroom.infra.components.hosting import free_port
from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.wallets import service
from strongroom.wallets.errors import AssetChangedError, AssetMissingError
from strongroom_core.assets import DEVNET
from tests.fixtures.devnet import TOKEN, coin, devnet, token
from tests.fixtures.platform import NO_NODE, running, tail, write_settings
from tests.fixtures.postgres import Database

GONE = f"{DEVNET.id}/erc20:0x{'ab' * 20}"


@pytest.fixture
async def worker(pg: Database) -> AsyncIterator[Pool]:
    async with make_pool(pg.dsn("worker"), size=2, name="worker") as pool:
        yield pool


async def sync(worker: Pool) -> None:
    async with transaction(worker) as connection:
        await service.sync_assets(connection, [devnet()])


def was_held(pg: Database) -> None:
    """A token that an earlier start had in its settings."""
    pg.execute("INSERT INTO wallet_asset (id, chain, code, decimals) VALUES (%s, %s, 'GONE', 7)", GONE, DEVNET.id)


async def test_what_the_settings_hold_is_on_record_and_the_same_again_is_fine(worker: Pool, pg: Database) -> None:
    await sync(worker)
    await sync(worker)
    rows = {row[0]: row[1:] for row in pg.execute("SELECT id, code, decimals FROM wallet_asset")}
    assert rows[TOKEN] == ("USDT", 6)
    assert set(rows) == {item.id for item in devnet().held_assets}


async def test_one_that_is_gone_and_never_came_is_no_matter(worker: Pool, pg: Database) -> None:
    was_held(pg)
    await sync(worker)


def came(pg: Database) -> None:
    """A payment in that token, as a fact."""
    was_held(pg)
    pg.execute(
        "INSERT INTO chain_event (chain, kind, height, block_hash, parent_hash, block_time)"
        " VALUES (%s, 'connected', 1, '0x1', '0x0', now())",
        DEVNET.id,
    )
    pg.execute("INSERT INTO chain_event_tx (event_id, position, txid, rbf) SELECT id, 0, '0xa', false FROM chain_event")
    pg.execute(
        "INSERT INTO chain_event_output (event_id, txid, vout, script, amount, coinbase, asset)"
        " SELECT id, '0xa', 0, '\\x00', 5, false, %s FROM chain_event",
        GONE,
    )


async def test_one_that_is_gone_and_came_once_is_refused_with_what_to_write(worker: Pool, pg: Database) -> None:
    came(pg)
    with pytest.raises(AssetMissingError) as refused:
        await sync(worker)
    assert refused.value.code == "asset-missing"
    for words in (GONE, 'code = "GONE", decimals = 7', "closed = true"):
        assert words in refused.value.message


def test_the_worker_does_not_start_and_says_what_to_write(pg: Database, tmp_path: Path) -> None:
    came(pg)
    config = write_settings(tmp_path, pg, free_port(), deployment="test", rates={}, chain=NO_NODE, more=(devnet(),))
    with running("worker", config, tmp_path / "worker.log") as process:
        assert process.wait(30) != 0
    assert 'code = "GONE", decimals = 7 and, where it is not to be taken any more, closed = true' in tail(
        tmp_path / "worker.log"
    )


async def test_one_that_is_gone_and_was_only_asked_for_is_refused_too(worker: Pool, pg: Database) -> None:
    async with transaction(worker) as connection:
        await service.sync_key_sets(connection, devnet())
    was_held(pg)
    pg.execute(
        "UPDATE wallet_address SET purpose = 'house', handed_out_at = now(), asset = %s"
        " WHERE id = (SELECT min(id) FROM wallet_address)",
        GONE,
    )
    with pytest.raises(AssetMissingError):
        await sync(worker)


async def test_other_decimals_than_on_record_are_refused(worker: Pool, pg: Database) -> None:
    pg.execute("INSERT INTO wallet_asset (id, chain, code, decimals) VALUES (%s, %s, 'USDT', 18)", TOKEN, DEVNET.id)
    with pytest.raises(AssetChangedError, match="18 decimals on record, not 6"):
        await sync(worker)


def test_what_is_closed_is_held_and_not_taken() -> None:
    chain = devnet(assets=(token(closed=True), coin()))
    assert [item.asset.code for item in chain.held_assets] == ["USDT", "ETH"]
    assert [item.asset.code for item in chain.open_assets] == ["ETH"]
