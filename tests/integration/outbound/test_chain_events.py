"""What happens on the chain: stuck and replaced, orphaned, spent by somebody else."""

from __future__ import annotations

import hashlib

import wallycore

from strongroom.chains.service import address_to_script, raw_txs
from strongroom.infra.database import transaction
from strongroom.ledger.model import AccountType
from strongroom.outbound import jobs as outbound_jobs
from strongroom.outbound import service as outbound
from strongroom.outbound.model import Draft, OwnOutput, SlotKind
from strongroom.outbound.psbt import build, combine
from strongroom.payouts.model import PayoutState
from strongroom.treasury import keeping
from tests.integration.outbound.world import HORIZON, World
from tests.unit.signer.kit import SATS


def mine_empty(world: World, blocks: int) -> None:
    for _ in range(blocks):
        world.node.rpc("generateblock", world.node.new_address(), [])


def spent_by(world: World, txid: str) -> set[tuple[str, int]]:
    """The coins that a waiting chain tx spends, as the node tells it."""
    return {(item["txid"], item["vout"]) for item in world.node.rpc("getrawtransaction", txid, True)["vin"]}


async def test_a_stuck_payout_is_replaced_by_fee_and_paid_once(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    destination = world.node.new_address()
    payout = await world.pay(shop, shop.intent(SATS, destination))
    await world.turn()
    first = world.node.rpc("getrawmempool")
    spent = spent_by(world, first[0])

    mine_empty(world, 2)
    await world.synced()
    assert await keeping.bump(world.planner) == 1
    assert await keeping.bump(world.planner) == 0  # one replacement at a time
    await world.turn()

    second = world.node.rpc("getrawmempool")
    assert len(second) == 1
    assert second != first
    assert spent_by(world, second[0]) == spent  # so at most one of them can confirm
    assert world.pg.execute(
        "SELECT b.fee > a.fee AND b.rate > a.rate FROM outbound_version a, outbound_version b WHERE a.number < b.number"
    ) == [(True,)]
    fee = world.pg.execute("SELECT fee FROM outbound_version WHERE number = 2")[0][0]
    await world.mine(HORIZON)
    found = await world.payout(shop, payout.id)
    assert (found.state, found.txid) == (PayoutState.FINAL, second[0])
    assert world.received(destination) == [SATS]
    assert world.pg.execute("SELECT state FROM outbound_version ORDER BY number") == [("replaced",), ("final",)]
    assert -await world.balance(AccountType.NETWORK_FEES) == fee


async def test_where_the_old_version_confirms_after_all_its_own_fee_is_booked(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    destination = world.node.new_address()
    payout = await world.pay(shop, shop.intent(SATS, destination))
    await world.turn()
    first = world.node.rpc("getrawmempool")[0]
    mine_empty(world, 2)
    await world.synced()
    await keeping.bump(world.planner)
    await world.sign()  # the replacement is signed, but a block comes before it is sent

    await world.mine(1)
    await outbound_jobs.broadcast(world.treasury, world.chain, world.rpc)
    await world.mine(HORIZON - 1)

    found = await world.payout(shop, payout.id)
    assert (found.state, found.txid) == (PayoutState.FINAL, first)
    assert world.received(destination) == [SATS]
    fee = world.pg.execute("SELECT fee FROM outbound_version WHERE number = 1")[0][0]
    assert -await world.balance(AccountType.NETWORK_FEES) == fee


async def test_a_reorg_takes_a_payout_back_to_broadcast_and_it_is_still_paid_once(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    destination = world.node.new_address()
    payout = await world.pay(shop, shop.intent(SATS, destination))
    await world.turn()
    await world.mine(1)
    assert (await world.payout(shop, payout.id)).state is PayoutState.CONFIRMED

    world.node.reorganise(1, keep_mempool=False)
    await world.synced()
    found = await world.payout(shop, payout.id)
    assert found.state is PayoutState.BROADCAST
    assert "orphaned" in found.reason
    assert await world.balance(AccountType.IN_TRANSIT) == SATS

    await world.turn()
    await world.mine(HORIZON)
    assert (await world.payout(shop, payout.id)).state is PayoutState.FINAL
    assert world.received(destination) == [SATS]
    assert await world.balance(AccountType.IN_TRANSIT) == 0


async def test_coins_spent_by_a_foreign_chain_tx_give_the_money_back_only_beyond_the_horizon(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    destination, thief = world.node.new_address(), world.node.new_address()
    payout = await world.pay(shop, shop.intent(SATS, destination))
    await world.planner.plan()
    await world.sign()
    await world.facts()
    assert (await world.payout(shop, payout.id)).state is PayoutState.SIGNED

    world.node.rpc("sendrawtransaction", (await stolen(world, thief)).hex())
    await world.mine(HORIZON - 1)
    assert await world.balance(AccountType.IN_TRANSIT) == SATS
    assert (await world.payout(shop, payout.id)).state is PayoutState.SIGNED
    await world.mine(1)

    found = await world.payout(shop, payout.id)
    assert (found.state, found.reason_tag) == (PayoutState.REFUSED, "coins-spent-elsewhere")
    assert await world.balance(AccountType.IN_TRANSIT) == 0
    assert await world.balance(AccountType.HOUSE_FEES) == 0
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 3 * SATS
    assert world.received(destination) == []


async def stolen(world: World, address: str) -> bytes:
    """A chain tx by a thief with two keys, over the coins of the only open slot."""
    async with transaction(world.treasury) as connection:
        state = (await outbound.open_slots(connection, world.chain.id))[0]
        previous = await raw_txs(connection, world.chain.id, [coin.txid for coin in state.coins])
    payment = state.payments[0]
    amount = sum(coin.amount for coin in state.coins) - 5_000
    paid = type(payment)(
        payment.payout_id,
        payment.merchant_id,
        amount,
        0,
        payment.hold_id,
        address_to_script(world.chain.id, address),
        payment.evidence,
    )
    own: tuple[OwnOutput, ...] = ()
    draft = Draft(world.chain.id, SlotKind.PAYOUTS, state.coins, (paid,), own, 30)
    built = build(world.chain, draft, previous)
    return combine(built.psbt, [sign_as(built.psbt, "A"), sign_as(built.psbt, "B")])


def sign_as(psbt: bytes, name: str) -> bytes:
    seed = hashlib.sha256(f"test key {name}".encode()).digest()
    key = wallycore.bip32_key_from_seed(seed, wallycore.BIP32_VER_TEST_PRIVATE, 0)
    parsed = wallycore.psbt_from_bytes(psbt, 0)
    wallycore.psbt_sign_bip32(parsed, key, wallycore.EC_FLAG_GRIND_R)
    return bytes(wallycore.psbt_to_bytes(parsed, 0))
