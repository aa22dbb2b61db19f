"""Addresses: handed out once, to one merchant, from the key set that the intake says; derived when a pool is dry."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from strongroom.infra.database import Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.infra.stops import Stop, set_stop
from strongroom.wallets import pools, service
from strongroom.wallets.errors import (
    AddressNotFoundError,
    BranchUnknownError,
    KeySetChangedError,
    KeySetInvalidError,
)
from strongroom.wallets.model import AddressRequest, KeySet, KeySetKind, Purpose
from strongroom_core.ids import MerchantId
from tests.fixtures.postgres import Database
from tests.integration.wallets.key_sets import chain_settings, key_set


async def test_an_invoice_gets_a_cold_address_unless_the_treasury_chose_hot(
    api: Pool, treasury: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async with transaction(api) as connection:
        cold = await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv_1")
    async with transaction(treasury) as connection:
        await service.set_intake(connection, chain.id, KeySetKind.HOT, datetime.now(UTC) + timedelta(hours=1))
    async with transaction(api) as connection:
        hot = await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv_2")
    assert [cold[0].kind, hot[0].kind] == [KeySetKind.COLD, KeySetKind.HOT]
    assert (hot[0].branch, hot[0].merchant_id, hot[0].reference) == (2, merchants[0], "inv_2")


async def test_a_hot_intake_that_was_not_renewed_or_is_stopped_means_cold(
    api: Pool, treasury: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async with transaction(treasury) as connection:
        await service.set_intake(connection, chain.id, KeySetKind.HOT, datetime.now(UTC) - timedelta(seconds=1))
        assert await service.intake(connection, chain.id) is KeySetKind.COLD
        await service.set_intake(connection, chain.id, KeySetKind.HOT)
        assert await service.intake(connection, chain.id) is KeySetKind.HOT
        await set_stop(connection, Stop.HOT_INTAKE, "incident", "operator", chain.id)
    async with transaction(api) as connection:
        found = await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv_1")
    assert found[0].kind is KeySetKind.COLD


async def test_open_hot_hand_outs_count_what_they_may_bring(
    api: Pool, treasury: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    now = datetime.now(UTC)
    wanted = [
        AddressRequest(chain.id, merchants[0], Purpose.INVOICE, "inv_1", 700, now + timedelta(hours=1)),
        AddressRequest(chain.id, merchants[1], Purpose.INVOICE, "inv_2", 50, now + timedelta(hours=9)),
    ]
    async with transaction(api) as connection:
        await service.hand_out_many(connection, wanted)
        assert await service.expected_hot(connection, chain.id, now) == 0
    async with transaction(treasury) as connection:
        await service.set_intake(connection, chain.id, KeySetKind.HOT)
    async with transaction(api) as connection:
        await service.hand_out_many(connection, wanted)
        assert await service.expected_hot(connection, chain.id, now) == 750
        assert await service.expected_hot(connection, chain.id, now + timedelta(hours=2)) == 50


async def test_a_batch_of_many_merchants_is_answered_in_the_order_asked_even_beyond_the_pools(
    api: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    wanted = [
        AddressRequest(chain.id, merchants[number % 3], Purpose.INVOICE, f"inv_{number}") for number in range(100)
    ]
    async with transaction(api) as connection:
        found = await service.hand_out_many(connection, wanted)
    assert [(item.merchant_id, item.reference) for item in found] == [
        (request.merchant_id, request.reference) for request in wanted
    ]
    assert len({item.address for item in found}) == 100


async def test_32_callers_never_get_the_same_address_while_pools_run_dry(
    api: Pool, pg: Database, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async def one(number: int) -> list[str]:
        got = []
        for turn in range(6):
            async with transaction(api) as connection:
                merchant = merchants[(number + turn) % 3]
                found = await service.hand_out(connection, chain.id, merchant, Purpose.INVOICE, f"inv_{number}_{turn}")
                assert found[0].merchant_id == merchant
                got.append(found[0].address)
        return got

    async with asyncio.timeout(100):
        answers = await asyncio.gather(*(one(number) for number in range(32)))
    addresses = Counter(address for answer in answers for address in answer)
    assert len(addresses) == 32 * 6
    assert set(addresses.values()) == {1}
    handed = pg.execute("SELECT count(*), count(DISTINCT reference) FROM wallet_address WHERE purpose = 'invoice'")
    assert handed == [(192, 192)]


async def test_a_rolled_back_hand_out_leaves_its_address_to_the_next(
    api: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async with api.connection() as connection:
        first = await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv_1")
        await connection.rollback()
    async with transaction(api) as connection:
        second = await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv_2")
    assert first[0].address == second[0].address
    assert second[0].reference == "inv_2"


async def test_an_address_handed_out_cannot_be_handed_out_again_even_by_hand(
    api: Pool, pg: Database, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async with transaction(api) as connection:
        found = await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv_1")
    with (
        psycopg.connect(pg.dsn("api")) as thief,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"),
    ):
        thief.execute("UPDATE wallet_address SET reference = 'mine' WHERE id = %s", [found[0].id])


@pytest.mark.parametrize("role", ["api", "worker", "treasury"])
def test_no_process_can_change_the_script_of_an_address_or_delete_one(pg: Database, role: str) -> None:
    for statement in (
        "UPDATE wallet_address SET script = ''",
        "UPDATE wallet_address SET merchant_id = 'x'",
        "UPDATE wallet_key_set SET xpubs = '{a,b,c}'",
        "DELETE FROM wallet_address",
        "TRUNCATE wallet_address",
    ):
        with (
            psycopg.connect(pg.dsn(role)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())


async def test_the_same_reference_has_the_same_cold_address_for_concurrent_callers_and_another_merchants_differs(
    api: Pool, treasury: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async with transaction(treasury) as connection:
        await service.set_intake(connection, chain.id, KeySetKind.HOT)

    async def ask(merchant: MerchantId, reference: str) -> str:
        async with transaction(api) as connection:
            found = await service.standing_address(connection, chain.id, merchant, reference)
            assert found.kind is KeySetKind.COLD
            return found.address

    answers = await asyncio.gather(*(ask(merchants[0], "customer-7") for _ in range(12)))
    others = await asyncio.gather(ask(merchants[1], "customer-7"), ask(merchants[0], "customer-8"))
    assert len(set(answers)) == 1
    assert len({answers[0], *others}) == 3
    async with transaction(api) as connection:
        listed = await service.list_standing(connection, merchants[0], None, 10)
        rest = await service.list_standing(connection, merchants[0], listed[0].id, 10)
    assert {item.reference for item in listed} == {"customer-7", "customer-8"}
    assert rest == listed[1:]


async def test_an_address_is_shown_to_its_merchant_only(
    api: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async with transaction(api) as connection:
        found = await service.standing_address(connection, chain.id, merchants[0], "customer-7")
        assert await service.merchant_address(connection, merchants[0], found.id) == found
        with pytest.raises(AddressNotFoundError):
            await service.merchant_address(connection, merchants[1], found.id)


async def test_change_sweep_and_house_addresses_are_fresh_each_time_and_on_their_branches(
    treasury: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async with transaction(treasury) as connection:
        change = [await service.next_change(connection, chain.id, KeySetKind.HOT) for _ in range(60)]
        sweep = await service.sweep_address(connection, chain.id)
        house = await service.house_address(connection, chain.id, KeySetKind.HOT)
    assert {(item.branch, item.kind) for item in change} == {(0, KeySetKind.HOT)}
    assert [item.index for item in change] == list(range(60))
    assert (sweep.branch, sweep.kind, sweep.merchant_id) == (0, KeySetKind.COLD, None)
    assert (house.branch, house.purpose) == (1, Purpose.HOUSE)


async def test_every_address_is_watched_from_the_commit_that_made_it(
    api: Pool, pg: Database, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async with transaction(api) as connection:
        await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv", count=40)
    unwatched = pg.execute(
        "SELECT count(*) FROM wallet_address AS a LEFT JOIN chain_watch AS w USING (chain, script) WHERE w.id IS NULL"
    )
    assert unwatched == [(0,)]


async def test_scripts_are_found_again_with_their_merchant(
    api: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async with transaction(api) as connection:
        found = (await service.hand_out(connection, chain.id, merchants[2], Purpose.INVOICE, "inv_1"))[0]
        by_script = await service.find_by_scripts(connection, chain.id, [found.script, b"\x00\x14" + bytes(20)])
    assert by_script == {found.script: found}


async def test_the_same_merchant_can_be_prepared_again_and_another_cannot_take_its_branch(
    api: Pool, pg: Database, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    before = pg.execute("SELECT count(*) FROM wallet_address")
    async with transaction(api) as connection:
        await service.prepare_merchant(connection, chain, merchants[0], 2, count=10)
    assert pg.execute("SELECT count(*) FROM wallet_address") == before
    for merchant, branch in ((MerchantId.new(), 2), (merchants[0], 9), (MerchantId.new(), 1)):
        with pytest.raises(BranchUnknownError):
            async with transaction(api) as connection:
                await service.prepare_merchant(connection, chain, merchant, branch)


async def test_a_merchant_that_was_not_prepared_gets_a_clear_error(
    api: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    with pytest.raises(BranchUnknownError, match="prepare"):
        async with transaction(api) as connection:
            await service.hand_out(connection, chain.id, MerchantId.new(), Purpose.INVOICE, "inv_1")


async def test_a_changed_key_set_is_refused_and_the_recorded_one_stays(
    worker: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    other = chain_settings(key_sets=(key_set("hot", ("signer-a", "signer-b", "thief")), key_set("cold")))
    with pytest.raises(KeySetChangedError):
        async with transaction(worker) as connection:
            await service.sync_key_sets(connection, other)
    async with transaction(worker) as connection:
        await service.sync_key_sets(connection, chain)
        keys = await pools.scheme(connection, chain.id, KeySetKind.HOT)
    assert isinstance(keys, KeySet)
    assert keys.xpubs == tuple(key.xpub for key in chain.key_sets[0].keys)


async def test_equal_keys_are_refused(worker: Pool) -> None:
    other = chain_settings(key_sets=(key_set("hot", ("signer-a", "signer-a", "recovery")),))
    with pytest.raises(KeySetInvalidError, match="twice"):
        async with transaction(worker) as connection:
            await service.sync_key_sets(connection, other)


async def test_a_pool_of_the_wrong_merchant_is_never_drawn_on(
    api: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async with transaction(api) as connection:
        found = await service.hand_out(connection, chain.id, merchants[0], Purpose.INVOICE, "inv", count=35)
    assert {(item.merchant_id, item.branch) for item in found} == {(merchants[0], 2)}
