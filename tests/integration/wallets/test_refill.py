"""Pools are refilled before they run dry, and hand-out starts where the waiting ones begin."""

from __future__ import annotations

from pathlib import Path

from strongroom.infra.database import Pool, transaction
from strongroom.infra.settings import ChainSettings, DatabaseSettings, Settings
from strongroom.wallets import jobs, service
from strongroom.wallets.model import Purpose
from strongroom_core.ids import MerchantId
from tests.fixtures.postgres import Database


def settings_of(chain: ChainSettings) -> Settings:
    place = Path("/nonexistent")
    return Settings(deployment="test", data_dir=place, database=DatabaseSettings(passwords=place), chains=(chain,))


async def refill(worker: Pool, chain: ChainSettings) -> int:
    derived = 0
    while found := await jobs.refill_pools(worker, settings_of(chain)):
        derived += found
    return derived


def waiting(pg: Database, merchant: MerchantId) -> object:
    statement = "SELECT count(*) FROM wallet_address WHERE merchant_id = %s AND kind = 'cold' AND handed_out_at IS NULL"
    return pg.execute(statement, merchant)[0][0]


async def test_a_full_pool_is_left_alone_and_a_half_empty_one_is_filled_to_its_target(
    api: Pool, worker: Pool, pg: Database, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    assert await refill(worker, chain) == 0
    async with transaction(api) as connection:
        await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv", count=5)
    assert await refill(worker, chain) == 0
    async with transaction(api) as connection:
        await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv")
    assert await refill(worker, chain) == 6
    assert waiting(pg, merchants[0]) == 10


async def test_a_pool_emptied_again_at_once_grows_and_a_large_refill_goes_on_over_several_batches(
    api: Pool, worker: Pool, pg: Database, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    pg.execute("UPDATE wallet_branch SET pool_target = 600, refilled_at = now() WHERE branch = 2 AND kind = 'cold'")
    async with transaction(api) as connection:
        await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv", count=10)
    assert await refill(worker, chain) == 1_200
    assert waiting(pg, merchants[0]) == 1_200
    low = pg.execute("SELECT low_index, pool_target FROM wallet_branch WHERE branch = 2 AND kind = 'cold'")
    assert low == [(10, 1_200)]


async def test_an_uncommitted_hand_out_is_never_lost_below_the_mark(
    api: Pool, worker: Pool, pg: Database, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async with api.connection() as connection:
        first = await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv", count=3)
        async with transaction(api) as other:
            await service.hand_out(other, chain.id, merchants[0], Purpose.INVOICE, "inv", count=6)
        assert await refill(worker, chain) > 0
        await connection.rollback()
    async with transaction(api) as connection:
        again = await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv", count=3)
    assert [item.index for item in again] == [item.index for item in first] == [0, 1, 2]
