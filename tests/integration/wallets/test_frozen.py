"""A breach of the books freezes what is handed out from hot, from the moment that it is committed."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, BreachKind, LedgerTransaction, Posting
from strongroom.wallets import pools, service
from strongroom.wallets import store as own
from strongroom.wallets.errors import HotFrozenError
from strongroom.wallets.model import AddressRequest, KeySetKind, Purpose, WalletAddress
from strongroom_core.amounts import Amount
from strongroom_core.ids import MerchantId

HOT, COLD = KeySetKind.HOT, KeySetKind.COLD


def landing(chain: ChainSettings, key: str, merchant: MerchantId, units: int) -> LedgerTransaction:
    accounts = (
        Account(AccountType.CHAIN_HOT, chain.asset),
        Account(AccountType.MERCHANT_AVAILABLE, chain.asset, merchant),
    )
    return LedgerTransaction("deposit-credit", key, (Posting(*accounts, Amount(chain.asset, units)),))


def sweep(chain: ChainSettings, key: str, units: int) -> LedgerTransaction:
    accounts = (Account(AccountType.CHAIN_COLD, chain.asset), Account(AccountType.CHAIN_HOT, chain.asset))
    return LedgerTransaction("outbound-final", key, (Posting(*accounts, Amount(chain.asset, units)),))


async def book(pool: Pool, *transactions: LedgerTransaction) -> None:
    async with transaction(pool) as connection:
        await ledger.post(connection, transactions)


async def invoice(pool: Pool, chain: ChainSettings, merchant: MerchantId, count: int = 1) -> list[WalletAddress]:
    async with transaction(pool) as connection:
        return await service.hand_out(connection, chain.id, merchant, Purpose.INVOICE, "inv", count)


@pytest.fixture
async def hot_intake(treasury: Pool, chain: ChainSettings) -> None:
    async with transaction(treasury) as connection:
        until = datetime.now(UTC) + timedelta(hours=1)
        await service.set_intake(connection, chain.id, HOT, until)


@pytest.mark.usefixtures("hot_intake")
async def test_nothing_is_handed_out_from_hot_while_a_breach_stands(
    api: Pool, worker: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    assert [item.kind for item in await invoice(api, chain, merchants[0])] == [HOT]
    await book(worker, landing(chain, "d", merchants[0], 7))
    assert [item.kind for item in await invoice(api, chain, merchants[0], 2)] == [COLD, COLD]
    async with transaction(api) as connection:
        assert await service.intake(connection, chain.id) is COLD
    await book(worker, sweep(chain, "s", 7))
    assert [item.kind for item in await invoice(api, chain, merchants[0])] == [HOT]


@pytest.mark.usefixtures("hot_intake")
async def test_a_breach_of_another_chains_asset_freezes_nothing_here(
    api: Pool, worker: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    async with transaction(worker) as connection:
        await ledger.report_breach(connection, "bip122:other/slip44:0", BreachKind.CHAIN_SHORT, 1, "a test")
    assert [item.kind for item in await invoice(api, chain, merchants[0])] == [HOT]


@pytest.mark.usefixtures("hot_intake")
async def test_change_and_house_addresses_are_handed_out_still(
    treasury: Pool, worker: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    await book(worker, landing(chain, "d", merchants[0], 7))
    async with transaction(treasury) as connection:
        assert (await service.next_change(connection, chain.id, HOT)).kind is HOT


@pytest.mark.usefixtures("hot_intake")
async def test_a_breach_that_comes_between_the_choice_and_the_hand_out_turns_it_to_cold(
    api: Pool, worker: Pool, chain: ChainSettings, merchants: list[MerchantId], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = own.take
    taken: list[KeySetKind] = []

    async def late(
        connection: Connection, kind: KeySetKind, branches: Sequence[int], wanted: Sequence[AddressRequest]
    ) -> dict[int, WalletAddress]:
        if not taken:
            await book(worker, landing(chain, "d", merchants[0], 7))  # committed by another process meanwhile
        taken.append(kind)
        return await real(connection, kind, branches, wanted)

    monkeypatch.setattr(own, "take", late)
    assert [item.kind for item in await invoice(api, chain, merchants[0], 3)] == [COLD] * 3
    assert taken == [HOT, COLD]


async def test_the_statement_that_hands_out_refuses_by_itself(
    api: Pool, worker: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    await book(worker, landing(chain, "d", merchants[0], 7))
    request = AddressRequest(chain.id, merchants[0], Purpose.INVOICE, "inv")
    with pytest.raises(HotFrozenError):
        async with transaction(api) as connection:
            await pools.hand_out(connection, HOT, [(2, request)])


@pytest.mark.usefixtures("hot_intake")
async def test_whoever_asks_after_the_commit_gets_cold_however_many_ask(
    api: Pool, worker: Pool, chain: ChainSettings, merchants: list[MerchantId]
) -> None:
    committed = asyncio.Event()
    late: list[KeySetKind] = []
    early: list[KeySetKind] = []

    async def shopper(number: int) -> None:
        asked_late = 0
        for turn in itertools.count():
            after = committed.is_set()
            [found] = await invoice(api, chain, merchants[number % 3])
            (late if after else early).append(found.kind)
            asked_late += after
            if asked_late == 3:
                return
            await asyncio.sleep(0.01 * (turn % 3))

    async def breach() -> None:
        while len(early) < 8:  # noqa: ASYNC110 -- a count is waited for, which no event tells
            await asyncio.sleep(0.005)
        await book(worker, landing(chain, "d", merchants[0], 7))
        committed.set()

    await asyncio.wait_for(asyncio.gather(breach(), *(shopper(number) for number in range(8))), 100)
    assert HOT in early
    assert len(late) == 3 * 8
    assert set(late) == {COLD}
