"""Chain txs that the offline owners signed: they move coins of ours and bring nothing, in whatever order proven."""

from __future__ import annotations

from itertools import permutations

import pytest

from strongroom_signer.balances import HOUSE
from tests.unit.signer.books_kit import (
    BTC,
    HORIZON,
    HOUSE_PLACE,
    MINER,
    OTHER_PLACE,
    SHOP_PLACE,
    World,
    after_restart,
    foreign,
    net,
    txid_text,
)
from tests.unit.signer.kit import CHAIN, COLD, MERCHANT, OTHER_MERCHANT, SATS, SHOP, Coin, change, intent, payout, to


def total(world: World) -> int:
    return sum(amount for (_, asset), amount in world.bench.signer.books.balances.items() if asset == BTC)


def test_money_of_ours_on_a_merchants_branch_is_no_deposit_and_stays_the_houses(world: World):
    cold = world.fund(2 * SATS, OTHER_PLACE, key_set=COLD)
    start, house = total(world), world.balance(HOUSE)
    raw = foreign(change(2 * SATS - 700, 9, branch=SHOP_PLACE), spends=((cold.txid, cold.index),))
    world.bitcoin.mine(HORIZON, raw)
    proof = world.bitcoin.proof(raw, 0, ("hot", SHOP_PLACE, 9))
    for _ in range(2):
        assert {item.tag for item in world.prove_all(proof, proof)} == {"proof-own"}
        assert world.balance(MERCHANT) == 0
        assert world.balance(OTHER_MERCHANT) == net(2 * SATS)
        assert (total(world), world.balance(HOUSE)) == (start - 700, house - 700)
    rows = world.bench.signer.journal.count
    after_restart(world)
    # The coin is known: a second ceremony that spends it brings nothing either, and a payout may spend it.
    second = foreign(change(2 * SATS - 900), spends=((txid_text(raw), 0),))
    world.bitcoin.mine(HORIZON, second)
    assert world.prove_all(world.bitcoin.proof(second))[0].row == rows + 1
    assert total(world) == start - 900


def test_a_refill_that_was_proven_before_its_coin_brings_nothing_once_the_coin_is_proven(world: World):
    start, house = total(world), world.balance(HOUSE)
    cold = world.coin(2 * SATS, SHOP_PLACE, key_set=COLD)
    world.bitcoin.mine(1, cold.previous)
    raw = foreign(change(2 * SATS - 700), spends=((cold.txid, cold.index),))
    world.bitcoin.mine(HORIZON, raw)
    refill = world.bitcoin.proof(raw)
    assert world.prove_all(refill)[0].tag == ""
    assert total(world) == start + 2 * SATS - 700
    assert world.prove(cold).tag == ""
    assert total(world) == start + 2 * SATS - 700
    assert (world.balance(MERCHANT), world.balance(HOUSE)) == (net(2 * SATS), house + 2 * SATS // 100 - 700)
    after_restart(world)
    refilled = Coin(raw, txid_text(raw), 0, 2 * SATS - 700, 0, 0)
    most = world.balance(MERCHANT) - 1_000
    for over, answer in ((1, "balance-merchant"), (0, "signed")):
        assert world.bench.tag(payout(intent(amount=most + over), coins=(refilled,), fee=MINER).request()) == answer


def test_a_merchants_credit_of_our_own_money_is_taken_back_once_its_coin_is_proven(world: World):
    start, house = total(world), world.balance(HOUSE)
    cold = world.coin(2 * SATS, OTHER_PLACE, key_set=COLD)
    world.bitcoin.mine(1, cold.previous)
    raw = foreign(change(2 * SATS - 700, 9, branch=SHOP_PLACE), spends=((cold.txid, cold.index),))
    world.bitcoin.mine(HORIZON, raw)
    proof = world.bitcoin.proof(raw, 0, ("hot", SHOP_PLACE, 9))
    assert world.prove_all(proof)[0].tag == ""
    assert world.balance(MERCHANT) == net(2 * SATS - 700)
    assert world.prove(cold).tag == ""
    assert world.balance(MERCHANT) == 0
    assert (total(world), world.balance(HOUSE)) == (start + 2 * SATS - 700, house + 2 * SATS // 100 - 700)
    assert world.prove_all(proof)[0].tag == "proof-own"
    after_restart(world)
    # The spender alone leaves the chain: the coin is there again, as it was brought.
    world.bitcoin.cut(HORIZON)
    world.bitcoin.mine(HORIZON + 1)
    world.bench.signer.on_view_change(CHAIN)
    assert total(world) == start + 2 * SATS
    assert (world.balance(MERCHANT), world.balance(OTHER_MERCHANT)) == (0, net(2 * SATS))
    after_restart(world)


@pytest.mark.parametrize("order", list(permutations(range(5)))[::9])
@pytest.mark.parametrize("at_once", [False, True])
def test_in_whatever_order_they_are_proven_the_books_are_the_same(
    world: World, order: tuple[int, ...], *, at_once: bool
):
    """Two coins, one ceremony that spends both and a stranger's, with two outputs, and a second that spends one."""
    start, house = total(world), world.balance(HOUSE)
    first, second = world.coin(SATS, SHOP_PLACE, key_set=COLD), world.coin(3 * SATS, OTHER_PLACE, key_set=COLD)
    world.bitcoin.mine(1, first.previous, second.previous)
    coins = ((first.txid, 0), (second.txid, second.index), (first.txid, first.index))
    one = foreign(change(2 * SATS), change(2 * SATS - 500, 5, branch=SHOP_PLACE), spends=coins)
    two = foreign(change(2 * SATS - 600, 1), spends=((txid_text(one), 1),))
    world.bitcoin.mine(1, one)
    world.bitcoin.mine(HORIZON, two)
    proofs = [
        world.proof_of(first),
        world.proof_of(second),
        world.bitcoin.proof(one),
        world.bitcoin.proof(one, 1, ("hot", SHOP_PLACE, 5)),
        world.bitcoin.proof(two, 0, ("hot", 0, 1)),
    ]
    if at_once:
        tags = [item.tag for item in world.prove_all(*(proofs[at] for at in order))]
        assert tags[order.index(3)] == "proof-own"
        assert sum(map(bool, tags)) == 1
    else:
        for at in order:
            world.prove_all(proofs[at])
    assert world.balance(MERCHANT) == net(SATS)
    assert world.balance(OTHER_MERCHANT) == net(3 * SATS)
    assert world.balance(HOUSE) == house + 4 * SATS // 100 - 600
    assert total(world) == start + 4 * SATS - 600
    after_restart(world)
    assert world.prove_all(proofs[3])[0].tag == "proof-own"


def test_a_strangers_chain_tx_of_many_inputs_is_a_deposit(world: World):
    coins = tuple((f"{number:064x}", number) for number in range(900))
    raws = [foreign(change(SATS + number, 2, branch=SHOP_PLACE), spends=coins) for number in range(40)]
    world.bitcoin.mine(HORIZON, *raws)
    rows = world.bench.signer.journal.count
    place = ("hot", SHOP_PLACE, 2)
    results = world.prove_all(*(world.bitcoin.proof(raw, 0, place) for raw in raws))
    # As many rows as keep each of them small enough for the peer, and an answer names the last one.
    assert {(item.tag, item.row) for item in results} == {("", rows + 2)}
    assert world.bench.signer.journal.count == rows + 2
    assert max(len(row.body) for row in world.bench.signer.journal.rows(rows)) < 2**21
    assert world.balance(MERCHANT) == sum(net(SATS + number) for number in range(40))
    after_restart(world)


def test_a_ceremony_that_pays_a_stranger_and_us_costs_the_house_what_it_took(world: World):
    cold, mine = world.fund(2 * SATS, HOUSE_PLACE, key_set=COLD), world.balance(HOUSE)
    raw = foreign(to(SHOP, SATS), change(SATS - 700), spends=((cold.txid, cold.index),))
    world.bitcoin.mine(HORIZON, raw)
    assert world.prove_all(world.bitcoin.proof(raw, 1))[0].tag == ""
    assert world.balance(HOUSE) == mine - SATS - 700
