"""A real node, a real watcher, real reorganisations: each payment is in the books exactly once, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from strongroom.deposits.model import Deposit, DepositState
from strongroom.infra.database import transaction
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind
from tests.fixtures.bitcoin import MiningNode
from tests.fixtures.crashes import Lot
from tests.fixtures.forked import fork
from tests.integration.chains.support import Scene, scene_of, until, watching
from tests.integration.deposits import run_worker
from tests.integration.deposits.bank import Bank

AMOUNT, NET = 40_000, 39_600  # one confirmation


@pytest.fixture
async def scene(bank: Bank, fresh_bitcoin_node: MiningNode) -> AsyncIterator[Scene]:
    async with scene_of(fresh_bitcoin_node, bank.pg) as made:
        yield made


async def becomes(bank: Bank, state: DepositState, cycle: int = 1) -> Deposit:
    """Follow until the only deposit is in a state, and give it."""

    async def there() -> bool:
        await bank.follow()
        found = await bank.deposits()
        return [(item.state, item.cycle) for item in found] == [(state, cycle)]

    await until(there)
    return await bank.the_deposit()


async def test_the_node_derives_the_same_addresses_from_our_scan_descriptors(
    bank: Bank, fresh_bitcoin_node: MiningNode
) -> None:
    async with transaction(bank.worker) as connection:
        found = await wallets.scan_descriptors(connection, bank.chain.id)
    assert len(found) == 8  # hot and cold: change, house, two merchants
    rows = bank.pg.execute("SELECT address FROM wallet_address")
    theirs: set[str] = set()
    for item in found:
        checksum = fresh_bitcoin_node.rpc("getdescriptorinfo", item.descriptor)["checksum"]
        assert item.descriptor.endswith(f"#{checksum}")
        theirs.update(fresh_bitcoin_node.rpc("deriveaddresses", item.descriptor, [0, item.last_index]))
    assert theirs == {row[0] for row in rows}


async def test_a_payment_that_moves_to_another_block_is_credited_once_per_cycle(bank: Bank, scene: Scene) -> None:
    address = await bank.address()
    async with watching(scene):
        txid = scene.node.pay(address.address, AMOUNT)
        seen = await becomes(bank, DepositState.SEEN)
        assert (seen.txid, seen.rbf) == (txid, True)
        scene.node.mine()
        first = await becomes(bank, DepositState.CREDITED)
        scene.node.reorganise(1)
        second = await becomes(bank, DepositState.CREDITED, cycle=2)
    assert first.block_hash != second.block_hash
    assert bank.postings() == [(2, 1)]
    assert await bank.available() == NET


async def test_a_payment_left_out_by_the_new_chain_is_reversed_until_it_is_mined_again(
    bank: Bank, scene: Scene
) -> None:
    address = await bank.address()
    async with watching(scene):
        scene.node.pay(address.address, AMOUNT)
        scene.node.mine()
        await becomes(bank, DepositState.CREDITED)
        scene.node.reorganise(1, keep_mempool=False)
        await becomes(bank, DepositState.REVERSED)
        assert await bank.available() == 0
        scene.node.mine()
        await becomes(bank, DepositState.CREDITED, cycle=2)
    assert await bank.available() == NET


async def test_a_credited_payment_that_is_double_spent_is_gone_from_the_books(bank: Bank, scene: Scene) -> None:
    address = await bank.address()
    txid, vout, amount = scene.coin()
    elsewhere = scene.node.new_address()
    first = scene.spend([(txid, vout)], {address.address: AMOUNT, elsewhere: amount - AMOUNT - 1_000})
    second = scene.spend([(txid, vout)], {elsewhere: amount - 2_000})
    async with watching(scene):
        scene.send(first)
        scene.node.mine()
        await becomes(bank, DepositState.CREDITED)
        tip = scene.node.rpc("getbestblockhash")
        scene.node.rpc("invalidateblock", tip)
        for _ in range(2):
            scene.node.rpc("generateblock", elsewhere, [second] if not _ else [])
        gone = await becomes(bank, DepositState.DROPPED)
    assert gone.exception == "double-spent"
    assert bank.postings() == [(1, 1)]
    assert (await bank.available(), await bank.owed()) == (0, 0)


@pytest.mark.slow
async def test_a_worker_killed_again_and_again_credits_what_the_node_shows_exactly_once(
    bank: Bank, scene: Scene, lot: Lot, tmp_path: Path
) -> None:
    addresses = [(await bank.address(merchant)).address for merchant in (0, 1)]
    rounds = 0
    async with watching(scene):
        for chance in lot.rounds(5):
            rounds += 1
            process = fork(tmp_path / "said", run_worker.main, bank.pg.dsn("worker"))
            for address in addresses:
                scene.node.pay(address, chance.randrange(1_000, 50_000))
            scene.node.mine(1)
            await asyncio.sleep(0.05 + chance.random())
            scene.node.reorganise(1, keep_mempool=chance.random() < 0.5)
            await asyncio.sleep(chance.random() * 0.2)
            process.kill()
            process.join()
            process.close()
        scene.node.mine(3)
        await scene.synced()
        await bank.follow()
    deposits = [*await bank.deposits(), *await bank.deposits(1)]
    assert len(deposits) == 2 * rounds
    assert {item.state for item in deposits} == {DepositState.CREDITED}
    async with transaction(bank.worker) as connection:
        descriptors = await wallets.scan_descriptors(connection, bank.chain.id)
        held = (await wallets.holdings(connection, bank.chain.id))[KeySetKind.COLD].confirmed
    wanted = [{"desc": item.descriptor, "range": item.last_index} for item in descriptors]
    scan = scene.node.rpc("scantxoutset", "start", wanted)
    assert int(scan["total_amount"] * 10**8) == held == sum(item.amount for item in deposits)
    net = sum(item.credited for item in deposits)
    assert await bank.available() + await bank.available(1) == net
    fees = bank.pg.execute("SELECT balance FROM ledger_account WHERE type = 'house-fees'")
    assert fees == [(held - net,)]
