"""Books, a real chain's balances and two signers' journals agree on an EVM chain, and each planted fault is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from strongroom.chains.ethereum.model import Receipt
from strongroom.infra.database import Connection, make_pool, transaction
from strongroom.infra.stops import Stop, clear_stop, set_stop
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.outbound.ethereum import books
from strongroom.outbound.ethereum.model import RelayNonce
from strongroom.reconciliation import service
from strongroom.reconciliation.model import DifferenceName, Report
from strongroom.reconciliation.service import JournalSource
from strongroom.wallets import service as wallets
from strongroom.wallets.model import Purpose
from strongroom_core.amounts import Amount
from strongroom_core.assets import DEVNET_ETH
from strongroom_core.evm import ZERO_ADDRESS
from strongroom_core.messages import JournalRow
from tests.fixtures.ethereum_house import stranger
from tests.integration.outbound.safe.world import CHAIN, ETH, HORIZON, UNIT, SafeWorld, Shop
from tests.integration.reconciliation.test_reconciliation import chained

pytestmark = pytest.mark.slow
Rows = Sequence[JournalRow]


async def report(world: SafeWorld, change: Callable[[str, Rows], Rows] = lambda _, rows: rows) -> Report:
    """Reconcile as the auditor, with each signer's rows as `change` gives them."""
    journals = await service.read_journals(cast("Sequence[JournalSource]", world.signers))
    changed = {name: change(name, rows) for name, rows in journals.items()}
    async with make_pool(world.pg.dsn("auditor"), size=2) as pool:
        return await service.reconcile(world.settings, pool, {CHAIN: world.rpc}, changed)


def unexplained(found: Report) -> list[DifferenceName]:
    return [item.name for item in found.unexplained]


async def paid(world: SafeWorld) -> Shop:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.turn()
    return shop


async def test_everything_agrees_at_every_stage_of_money(world: SafeWorld) -> None:
    assert (await report(world)).differences == ()
    shop = await world.shop()
    async with transaction(world.api) as connection:
        (address,) = await wallets.hand_out(connection, CHAIN, shop.id, Purpose.INVOICE, "test")
    async with transaction(world.worker) as connection:
        await set_stop(connection, Stop.CREDIT, "test", "test")
    world.place.house.pay(world.place.usdt, address.script, 1_000 * UNIT)
    await world.mine()
    waiting = await report(world)
    assert waiting.clean
    named = [(item.name, item.asset, item.found) for item in waiting.differences]
    assert named == [(DifferenceName.DEPOSIT_UNCREDITED, world.usdt, 1_000 * UNIT)]

    async with transaction(world.worker) as connection:
        await clear_stop(connection, Stop.CREDIT, "test", "test")
    await world.mine()
    assert (await report(world)).differences == ()
    await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.turn()
    flying = await report(world)
    assert flying.clean
    assert [(item.name, item.found) for item in flying.differences] == [(DifferenceName.IN_FLIGHT, 250 * UNIT)]
    await world.mine(HORIZON)
    assert (await report(world)).differences == ()
    await world.gather()
    await world.relay()
    await world.mine()
    assert (await report(world)).differences == ()


@pytest.mark.parametrize("safe", ["hot_safe", "cold_safe"])
@pytest.mark.parametrize("token", ["usdt", "ether"])
async def test_one_planted_wei_is_named(world: SafeWorld, safe: str, token: str) -> None:
    coin = ZERO_ADDRESS if token == "ether" else world.place.usdt
    world.place.house.pay(coin, getattr(world.place.house.deployment, safe), 1)
    await world.synced()
    (found,) = (await report(world)).unexplained
    asset = ETH if token == "ether" else world.usdt
    assert (found.name, found.asset, found.found - found.expected) == (DifferenceName.BOOKS_CHAIN, asset, 1)
    assert safe.removesuffix("_safe") in found.detail


async def test_a_missing_intent_and_an_extra_row_and_another_draw_are_named(world: SafeWorld) -> None:
    await paid(world)
    await world.mine(HORIZON)

    def bodies(rows: Rows) -> list[dict[str, object]]:
        return [json.loads(row.body) for row in rows]

    def changed(edit: Callable[[dict[str, object]], None]) -> Callable[[str, Rows], Rows]:
        def change(name: str, rows: Rows) -> Rows:
            found = bodies(rows)
            for body in found:
                if name == "A" and body["kind"] == "safe-signed":
                    edit(body)
            return chained([json.dumps(body).encode() for body in found])

        return change

    assert unexplained(await report(world)) == []
    no_intent = await report(world, changed(lambda body: body.update(payments=[])))
    assert unexplained(no_intent) == [DifferenceName.JOURNAL_MISSING_INTENT]
    other_draw = await report(world, changed(lambda body: body.update(draws=[{"asset": world.usdt, "amount": 1}])))
    assert unexplained(other_draw) == [DifferenceName.JOURNAL_MOVEMENT]

    def doubled(name: str, rows: Rows) -> Rows:
        found = bodies(rows)
        extra = next(body for body in found if body["kind"] == "safe-signed") | {"txid": "0x" + "ab" * 32}
        return chained([json.dumps(body).encode() for body in ([*found, extra] if name == "B" else found)])

    assert unexplained(await report(world, doubled)) == [DifferenceName.JOURNAL_EXTRA_ROW]


async def test_a_token_that_moved_nothing_is_seen_before_and_after_it_is_final(world: SafeWorld) -> None:
    await paid(world)
    hot = world.place.house.deployment.hot_safe
    assert await world.balance(AccountType.SUSPENSE, world.usdt) == 0
    world.place.house.pay(world.place.usdt, hot, 7)
    await world.synced()
    assert unexplained(await report(world)) == [DifferenceName.BOOKS_CHAIN]


async def test_a_wei_that_nobody_recorded_on_a_forwarder_that_was_handed_out_is_named(world: SafeWorld) -> None:
    """Nothing was ever paid there by any fact: coin that came without a call, or that the watcher has missed."""
    shop = await world.shop()
    async with transaction(world.api) as connection:
        (address,) = await wallets.hand_out(connection, CHAIN, shop.id, Purpose.INVOICE, "test")
    await world.synced()
    assert (await report(world)).differences == ()
    world.node.rpc("anvil_setBalance", f"0x{address.script.hex()}", "0x1")
    await world.mine()
    (found,) = (await report(world)).unexplained
    assert (found.name, found.asset, found.found - found.expected) == (DifferenceName.BOOKS_CHAIN, ETH, 1)


@pytest.mark.parametrize("times", [0, 2])
async def test_gas_that_is_posted_never_or_twice_is_named(
    world: SafeWorld, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    async def otherwise(connection: Connection, nonce: RelayNonce, receipt: Receipt) -> None:
        fees, capital = (Account(kind, DEVNET_ETH) for kind in (AccountType.NETWORK_FEES, AccountType.HOUSE_CAPITAL))
        legs = (Posting(fees, capital, Amount(DEVNET_ETH, receipt.fee)),)
        for number in range(times):
            key = f"gas {nonce.relayer.hex()} {nonce.nonce} {number}"
            await ledger.post(connection, [LedgerTransaction("relay-gas", key, legs, {})])

    monkeypatch.setattr(books, "post_gas", otherwise)
    await paid(world)
    await world.mine(HORIZON)
    await world.relay()
    (found,) = (await report(world)).unexplained
    assert (found.name, found.asset) == (DifferenceName.RELAY_GAS, ETH)
    assert found.expected > 0
    assert found.found == times * found.expected
