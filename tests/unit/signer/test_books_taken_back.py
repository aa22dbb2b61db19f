"""What a signer's own books give back and take back: lost slots and nonces, blocks that left the chain."""

from __future__ import annotations

from strongroom_signer.balances import HOUSE
from tests.unit.signer import safe_kit
from tests.unit.signer.books_kit import (
    FEE,
    HORIZON,
    MINER,
    OTHER_PLACE,
    USDT,
    USDT_FEE,
    World,
    after_restart,
    foreign,
    net,
)
from tests.unit.signer.kit import (
    CHAIN,
    MERCHANT,
    OTHER_MERCHANT,
    SATS,
    SHOP,
    Coin,
    change,
    intent,
    payout,
    sign,
    to,
    void,
)
from tests.unit.signer.safe_kit import UNITS


def test_what_was_executed_at_a_nonce_gives_back_what_else_was_signed_there(world: World):
    world.sweep_in(USDT, 1_000 * UNITS)
    start, house = world.balance(MERCHANT, USDT), world.balance(HOUSE, USDT)
    first, second = (safe_kit.intent(amount=amount * UNITS) for amount in (300, 200))
    both, one = safe_kit.payout(first, second), safe_kit.payout(first)
    for draft in (both, one):
        assert world.bench.tag(draft.request()) == "safe-signed"
    assert world.execute(one.hash).tag == ""
    assert world.balance(MERCHANT, USDT) == start - 300 * UNITS - USDT_FEE
    assert world.balance(HOUSE, USDT) == house + USDT_FEE
    rows = world.bench.signer.journal.count
    assert world.execute(one.hash).row == rows
    assert world.bench.signer.journal.count == rows
    after_restart(world)
    again = safe_kit.payout(second, nonce=1)
    assert world.bench.tag(again.request()) == "intent-void"
    assert world.bench.tag(safe_kit.payout(safe_kit.intent()).request()) == "nonce-behind"
    assert world.execute(b"\x07" * 32).tag == "proof-conflict"
    assert world.execute(both.hash, safe=safe_kit.HOUSE.cold_safe).tag == "proof-place"


def test_a_cancelled_nonce_gives_all_of_it_back(world: World):
    world.sweep_in(USDT, 1_000 * UNITS)
    start = world.balance(MERCHANT, USDT)
    assert world.bench.tag(safe_kit.payout(safe_kit.intent()).request()) == "safe-signed"
    assert world.bench.tag(safe_kit.cancel().request()) == "safe-signed"
    assert world.execute(safe_kit.cancel().hash).tag == ""
    assert world.balance(MERCHANT, USDT) == start


def test_a_conflict_beyond_the_horizon_gives_payments_and_miners_fee_back_once(world: World):
    coin = world.fund(3 * SATS)
    start, house = world.balance(MERCHANT), world.balance(HOUSE)
    payment = intent(amount=SATS)
    draft = payout(payment, coins=(coin,), fee=MINER)
    assert world.bench.tag(draft.request()) == "signed"
    thief = foreign(to(SHOP, 3 * SATS - 9), spends=((coin.txid, coin.index),))
    world.bitcoin.mine(HORIZON - 1, thief)
    assert world.conflict(thief)[0].tag == "proof-depth"
    world.bitcoin.mine()
    assert world.conflict(thief, thief)[1].tag == ""
    rows = world.bench.signer.journal.count
    assert world.conflict(thief)[0].row == rows
    assert (world.balance(MERCHANT), world.balance(HOUSE)) == (start, house)
    after_restart(world)
    other = world.fund(SATS * 2)
    assert world.bench.tag(payout(payment, coins=(other,)).request()) == "intent-void"
    assert world.bench.tag(payout(payment, coins=(coin, other), fee=2 * MINER).request()) == "intent-void"
    assert world.bench.tag(void(sign(payment))) == "intent-signed"


def test_a_slots_own_version_gives_nothing_back_and_what_it_starves_does(world: World):
    coin, more = world.fund(3 * SATS), world.fund(SATS)
    payment = intent(amount=SATS)
    first, second = payout(payment, coins=(coin,), fee=MINER), payout(payment, coins=(coin, more), fee=2 * MINER)
    assert [world.bench.tag(draft.request()) for draft in (first, second)] == ["signed"] * 2
    child = intent(amount=SATS // 2)
    rest = 2 * SATS - MINER
    coin_of_first = Coin(bytes(first.tx.serialize()), first.tx.txid().hex(), 1, rest, 0, 0)
    assert world.bench.tag(payout(child, coins=(coin_of_first,), fee=MINER).request()) == "signed"
    start, house = world.balance(MERCHANT), world.balance(HOUSE)
    world.bitcoin.mine(HORIZON, bytes(second.tx.serialize()))
    # The change of the first version will never be, so the child cannot be paid any more; its parent was.
    assert world.conflict(bytes(second.tx.serialize()))[0].tag == ""
    assert world.balance(MERCHANT) == start + SATS // 2 + FEE
    assert world.balance(HOUSE) == house - FEE + MINER
    lone = payout(intent(amount=SATS // 4), coins=(world.fund(SATS),), fee=MINER)
    assert world.bench.tag(lone.request()) == "signed"
    raw = bytes(lone.tx.serialize())
    world.bitcoin.mine(HORIZON, raw)
    assert world.conflict(raw)[0].tag == "proof-conflict"


def test_a_coin_that_only_a_later_version_added_kills_nothing(world: World):
    coin, more = world.fund(3 * SATS), world.fund(SATS)
    payment = intent(amount=SATS)
    for draft in (payout(payment, coins=(coin,)), payout(payment, coins=(coin, more), fee=2 * MINER)):
        assert world.bench.tag(draft.request()) == "signed"
    raw = foreign(to(SHOP, 5), spends=((more.txid, more.index),))
    world.bitcoin.mine(HORIZON, raw)
    assert world.conflict(raw)[0].tag == "proof-conflict"


def test_a_conflict_that_may_have_paid_the_slots_payment_gives_nothing_back(world: World):
    coin = world.fund(3 * SATS)
    payment = intent(amount=SATS)
    assert world.bench.tag(payout(payment, coins=(coin,)).request()) == "signed"
    raw = foreign(to(SHOP, SATS), change(SATS), spends=((coin.txid, coin.index),))
    world.bitcoin.mine(HORIZON, raw)
    assert world.conflict(raw)[0].tag == "proof-conflict"


def test_a_reorged_deposit_is_taken_back_and_freezes_the_merchant_until_it_is_proven_again(world: World):
    safe = world.fund(SATS // 2)
    coin = world.fund(2 * SATS)
    payment = intent(amount=SATS)
    draft = payout(payment, coins=(safe, coin), fee=MINER)
    assert world.bench.tag(draft.request()) == "signed"
    start = world.balance(MERCHANT)
    [raw] = world.bitcoin.cut(HORIZON)
    world.bitcoin.mine(HORIZON)
    world.bench.signer.on_view_change(CHAIN)
    assert world.balance(MERCHANT) == start - net(2 * SATS) < 0
    rows = world.bench.signer.journal.count
    world.bench.signer.on_view_change(CHAIN)
    assert world.bench.signer.journal.count == rows
    other = world.fund(SATS, OTHER_PLACE)
    for request in (payout(intent(amount=600), coins=(other,)), payout(payment, coins=(safe, coin), fee=2 * MINER)):
        assert world.bench.tag(request.request()) == "merchant-frozen"
    assert world.bench.tag(payout(intent(merchant=OTHER_MERCHANT, amount=600), coins=(other,)).request()) == "signed"
    after_restart(world)
    world.bitcoin.mine(HORIZON, raw)
    assert world.prove(coin).tag == ""
    assert world.balance(MERCHANT) == start
    assert world.bench.tag(payout(payment, coins=(safe, coin), fee=2 * MINER).request()) == "signed"
    after_restart(world)


def test_a_decision_sees_a_reorg_that_the_hook_was_not_called_for(world: World):
    coin = world.fund(3 * SATS)
    gone = world.fund(3 * SATS)
    world.bitcoin.cut(HORIZON)
    world.bitcoin.mine(HORIZON + 3)
    draft = payout(intent(amount=4 * SATS), coins=(coin, gone))
    assert world.bench.tag(draft.request()) == "coin-unproven"
    assert world.balance(MERCHANT) == net(3 * SATS)


def test_a_final_block_that_changed_takes_its_sweeps_back(world: World):
    world.sweep_in(USDT, 100 * UNITS)
    world.sweep_in(USDT, 30 * UNITS)
    world.evm.blocks[8] = world.evm.blocks[9]
    world.restart()
    world.bench.signer.on_view_change(safe_kit.CHAIN)
    assert world.balance(MERCHANT, USDT) == net(30 * UNITS)


def test_a_height_that_is_not_agreed_takes_nothing_back(world: World):
    world.fund(SATS)
    kept, world.bitcoin.blocks = world.bitcoin.blocks, world.bitcoin.blocks[:3]
    world.bench.signer.on_view_change(CHAIN)
    assert world.balance(MERCHANT) == net(SATS)
    world.bitcoin.blocks = kept
