"""Addresses of an account chain: keyless forwarders, always cold, derived into pools like any other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from strongroom.chains import service as chains
from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.wallets import jobs, service
from strongroom.wallets.errors import BranchUnknownError, KeySetChangedError
from strongroom.wallets.model import AddressRequest, KeySetKind, Purpose
from strongroom_core.assets import DEVNET, DEVNET_ETH
from strongroom_core.ids import MerchantId
from tests.fixtures.devnet import CONTRACTS, TOKEN, devnet, ethereum
from tests.fixtures.postgres import Database

CHAIN = devnet()
FACTORY, TREASURY = (bytes.fromhex(CONTRACTS[role][2:]) for role in ("factory", "cold_safe"))
VECTORS = Path(__file__).parents[2] / "vectors" / "forwarder_v1.json"


@pytest.fixture
async def worker(pg: Database) -> AsyncIterator[Pool]:
    async with make_pool(pg.dsn("worker"), size=4, name="worker") as pool:
        async with transaction(pool) as connection:
            await service.sync_key_sets(connection, CHAIN)
        yield pool


@pytest.fixture
async def merchant(worker: Pool) -> MerchantId:
    made = MerchantId.new()
    async with transaction(worker) as connection:
        await service.prepare_merchant(connection, CHAIN, made, 7, count=5)
    return made


def test_addresses_are_derived_as_the_vectors_say() -> None:
    stored = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert stored["cases"]
    for case in stored["cases"]:
        factory, treasury, forwarder = (bytes.fromhex(case[name]) for name in ("factory", "treasury", "forwarder"))
        branch, index = int(case["branch"]), int(case["index"])
        assert chains.forwarder_addresses(factory, treasury, branch, range(index, index + 1)) == [forwarder]


async def test_an_address_is_the_forwarder_of_its_branch_and_index_and_is_watched(
    worker: Pool, merchant: MerchantId, pg: Database
) -> None:
    async with transaction(worker) as connection:
        found = await service.hand_out(connection, DEVNET.id, merchant, Purpose.INVOICE, "inv_1", count=8)
        await service.prepare_merchant(connection, CHAIN, merchant, 7)
    assert [item.index for item in found] == list(range(8))
    assert {(item.kind, item.branch, item.key_set) for item in found} == {(KeySetKind.COLD, 7, "forwarders")}
    assert [item.script for item in found] == chains.forwarder_addresses(FACTORY, TREASURY, 7, range(8))
    assert [chains.address_to_script(DEVNET.id, item.address) for item in found] == [item.script for item in found]
    watched = {bytes(row[0]) for row in pg.execute("SELECT script FROM chain_watch WHERE chain = %s", DEVNET.id)}  # type: ignore[call-overload]
    assert {item.script for item in found} <= watched


async def test_one_reference_has_one_standing_address_for_all_assets_of_the_chain(
    worker: Pool, merchant: MerchantId
) -> None:
    async with transaction(worker) as connection:
        first = await service.standing_address(connection, DEVNET.id, merchant, "customer 1")
        again = await service.standing_address(connection, DEVNET.id, merchant, "customer 1")
    assert first == again
    assert first.asset is None


async def test_intake_is_cold_even_where_somebody_chose_hot(worker: Pool, merchant: MerchantId, pg: Database) -> None:
    async with make_pool(pg.dsn("treasury"), size=1, name="treasury") as pool, transaction(pool) as connection:
        await service.set_intake(connection, DEVNET.id, KeySetKind.HOT)
    async with transaction(worker) as connection:
        (found,) = await service.hand_out(connection, DEVNET.id, merchant, Purpose.INVOICE, "inv_1")
    assert found.kind is KeySetKind.COLD


async def test_the_house_has_branch_1_and_nothing_is_change(worker: Pool) -> None:
    async with transaction(worker) as connection:
        house = await service.house_address(connection, DEVNET.id, KeySetKind.COLD)
    assert (house.branch, house.script) == (1, chains.forwarder_addresses(FACTORY, TREASURY, 1, range(1))[0])
    with pytest.raises(BranchUnknownError):
        async with transaction(worker) as connection:
            await service.next_change(connection, DEVNET.id, KeySetKind.COLD)
    async with transaction(worker) as connection:
        assert await service.scan_descriptors(connection, DEVNET.id) == []


@pytest.mark.parametrize("role", ["factory", "cold_safe"])
async def test_another_factory_or_treasury_is_refused_and_the_recorded_one_stays(
    worker: Pool, merchant: MerchantId, role: str
) -> None:
    other = devnet(ethereum=ethereum(**{role: f"0x{'99' * 20}"}))
    with pytest.raises(KeySetChangedError, match="put the settings back"):
        async with transaction(worker) as connection:
            await service.sync_key_sets(connection, other)
    async with transaction(worker) as connection:
        await service.sync_key_sets(connection, CHAIN)
        (found,) = await service.hand_out(connection, DEVNET.id, merchant, Purpose.INVOICE, "inv_1")
    assert found.script == chains.forwarder_addresses(FACTORY, TREASURY, 7, range(1))[0]


async def test_the_record_cannot_be_changed_by_hand(worker: Pool, pg: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        pg.execute("UPDATE wallet_key_set SET treasury = factory")


async def test_pools_are_refilled(worker: Pool, merchant: MerchantId) -> None:
    async with transaction(worker) as connection:
        await service.hand_out(connection, DEVNET.id, merchant, Purpose.INVOICE, "inv_1", count=4)
    settings = type("Settings", (), {"chains": (CHAIN,)})()
    assert await jobs.refill_pools(worker, settings) > 0
    assert await jobs.follow_coins(worker, CHAIN) == 0


async def test_the_coin_is_looked_for_by_balance_whatever_is_expected_and_for_as_long(
    worker: Pool, merchant: MerchantId, pg: Database
) -> None:
    until = datetime(2030, 1, 1, tzinfo=UTC)
    wanted = [
        AddressRequest(DEVNET.id, merchant, Purpose.INVOICE, f"inv_{number}", 1, until + timedelta(days=number), asset)
        for number, asset in enumerate((DEVNET_ETH.id, TOKEN, DEVNET_ETH.id))
    ]
    async with transaction(worker) as connection:
        one, token, two = await service.hand_out_many(connection, wanted)
        standing = await service.standing_address(connection, DEVNET.id, merchant, "customer 1")
    rows = pg.execute("SELECT script, until FROM chain_balance_watch ORDER BY until")
    assert [(bytes(row[0]), row[1]) for row in rows] == [  # type: ignore[call-overload]
        (one.script, until),
        (token.script, until + timedelta(days=1)),
        (two.script, until + timedelta(days=2)),
        (standing.script, datetime(9999, 1, 1, tzinfo=UTC)),
    ]
