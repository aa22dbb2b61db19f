"""One test for every kind of posting in a signer's own books, and one for every rule that looks at them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from strongroom_core.proof_messages import BooksAre, BooksRequest
from strongroom_signer.balances import HOUSE
from tests.unit.signer import safe_kit
from tests.unit.signer.books_kit import (
    BTC,
    DEPTH,
    ETH,
    FEE,
    HORIZON,
    HOUSE_PLACE,
    MINER,
    OPERATORS,
    OTHER_PLACE,
    USDT,
    USDT_FEE,
    World,
    after_restart,
    foreign,
    house_intent,
    net,
    order,
    segwit,
    signed_by,
    txid_text,
)
from tests.unit.signer.kit import (
    CHAIN,
    COLD,
    HOT,
    MERCHANT,
    OTHER_KEY,
    OTHER_MERCHANT,
    SATS,
    SHOP,
    Coin,
    Draft,
    Pay,
    change,
    intent,
    payout,
    sign,
)
from tests.unit.signer.safe_kit import UNITS


def test_a_deposit_credits_the_merchant_of_its_branch_and_its_fee_the_house(world: World):
    world.fund(3 * SATS)
    assert world.balance(MERCHANT) == net(3 * SATS)
    assert world.balance(HOUSE) == SATS + 3 * SATS // 100
    world.fund(777, OTHER_PLACE, key_set=COLD)
    assert world.balance(OTHER_MERCHANT) == 777 - 7
    after_restart(world)


def test_outputs_of_strangers_on_the_branches_of_house_and_change_are_the_houses_whole(
    make_world: Callable[..., World],
):
    world = make_world()
    world.fund(SATS, HOUSE_PLACE)
    world.fund(SATS, 0)
    assert world.bench.signer.books.balances == {(HOUSE, BTC): 2 * SATS}


def test_what_is_proven_already_names_its_row_and_counts_once(world: World):
    coin = world.fund(SATS)
    rows = world.bench.signer.journal.count
    again = world.prove_all(*[world.proof_of(coin)] * 3)
    assert {item.row for item in again} == {rows}
    assert world.bench.signer.journal.count == rows
    fresh = world.coin(SATS)
    world.bitcoin.mine(DEPTH, fresh.previous)
    both = world.prove_all(world.proof_of(fresh), world.proof_of(fresh))
    assert [item.row for item in both] == [rows + 1] * 2
    assert world.balance(MERCHANT) == 2 * net(SATS)


def test_a_refused_proof_stops_no_other_and_one_row_holds_all_that_were_taken(world: World):
    coins = [world.coin(SATS, index=number) for number in range(3)]
    world.bitcoin.mine(DEPTH - 1, *(coin.previous for coin in coins[:2]))
    world.bitcoin.mine(1, coins[2].previous)
    first, second, shallow = (world.proof_of(coin) for coin in coins)
    results = world.prove_all(first, shallow, second)
    assert [item.tag for item in results] == ["", "proof-depth", ""]
    assert results[0].row == results[2].row == world.bench.signer.journal.count


def test_a_branch_of_nobody_is_refused_and_can_be_proven_once_it_is_enrolled(world: World):
    coin = world.coin(SATS, branch=9)
    world.bitcoin.mine(DEPTH, coin.previous)
    rows = world.bench.signer.journal.count
    assert world.prove(coin).tag == "proof-place"
    assert world.bench.signer.journal.count == rows
    merchant = world.bench.enrolment[OTHER_MERCHANT]
    world.bench.enrolment = {
        **world.bench.enrolment,
        OTHER_MERCHANT: type(merchant)(OTHER_MERCHANT, 9, merchant.public_key, merchant.caps),
    }
    world.restart()
    assert world.prove(coin).tag == ""
    assert world.balance(OTHER_MERCHANT) == net(SATS)


def test_change_of_our_own_chain_tx_is_no_deposit_and_an_output_that_an_intent_paid_is(world: World):
    coin = world.fund(3 * SATS)
    payment = intent(amount=SATS, destination=segwit(HOT.script(OTHER_PLACE, 4)))
    draft = payout(payment, coins=(coin,), fee=MINER)
    assert world.bench.tag(draft.request()) == "signed"
    raw = bytes(draft.tx.serialize())
    world.bitcoin.mine(DEPTH, raw)
    paid, rest = world.bitcoin.proof(raw, 0, ("hot", OTHER_PLACE, 4)), world.bitcoin.proof(raw, 1, ("hot", 0, 0))
    before = world.balance(HOUSE)
    assert [item.tag for item in world.prove_all(rest, paid)] == ["proof-own", ""]
    assert world.balance(OTHER_MERCHANT) == net(SATS)
    assert world.balance(HOUSE) == before + SATS // 100


def test_a_twin_of_a_payment_on_the_change_branch_is_change_but_for_as_many_as_intents_asked(world: World):
    coin = world.fund(3 * SATS)
    own = segwit(HOT.script(0, 7))
    payment = intent(amount=SATS, destination=own)
    twin = change(SATS, 7)
    rest = change(SATS - MINER, 8)
    draft = Draft((coin,), (Pay(SATS, HOT.script(0, 7), (HOT, 0, 7)), twin, rest), (sign(payment),))
    assert world.bench.tag(draft.request()) == "signed"
    raw = bytes(draft.tx.serialize())
    world.bitcoin.mine(DEPTH, raw)
    proofs = [world.bitcoin.proof(raw, number, ("hot", 0, 7)) for number in (0, 1)]
    assert [item.tag for item in world.prove_all(*proofs)] == ["", "proof-own"]


def test_a_ceremonys_chain_tx_moves_coins_of_ours_and_brings_nothing_but_costs_the_house_its_fee(world: World):
    cold = world.fund(2 * SATS, key_set=COLD)
    total = sum(world.bench.signer.books.balances.values())
    house = world.balance(HOUSE)
    raw = foreign(change(SATS), change(SATS - 700, 1, key_set=COLD), spends=((cold.txid, cold.index),))
    world.bitcoin.mine(HORIZON, raw)
    back = world.bitcoin.proof(raw, 0, ("hot", 0, 0)), world.bitcoin.proof(raw, 1, ("cold", 0, 1))
    assert {item.tag for item in world.prove_all(*back)} == {""}
    assert world.balance(HOUSE) == house - 700
    assert sum(world.bench.signer.books.balances.values()) == total - 700
    refilled = Coin(raw, txid_text(raw), 0, SATS, 0, 0)
    draft = payout(intent(amount=SATS // 2), coins=(refilled,), fee=MINER)
    assert world.bench.tag(draft.request()) == "signed"
    after_restart(world)


def test_a_payout_costs_amount_and_flat_fee_once_and_the_house_bears_the_dearest_version(world: World):
    coins = (world.fund(3 * SATS), world.fund(SATS))
    start, house = world.balance(MERCHANT), world.balance(HOUSE)
    payment = intent(amount=SATS)
    draft = payout(payment, coins=coins[:1], fee=MINER)
    for request in (draft, draft, payout(payment, coins=coins, fee=4 * MINER), payout(payment, coins=coins, fee=MINER)):
        assert world.bench.tag(request.request()) == "signed"
    assert world.balance(MERCHANT) == start - SATS - FEE
    assert world.balance(HOUSE) == house + FEE - 4 * MINER
    after_restart(world)


def test_sweeps_and_change_cost_the_miners_fee_only(world: World):
    coin = world.fund(3 * SATS)
    start, house = world.balance(MERCHANT), world.balance(HOUSE)
    draft = Draft((coin,), (change(3 * SATS - MINER, key_set=COLD),))
    assert world.bench.tag(draft.request()) == "signed"
    assert (world.balance(MERCHANT), world.balance(HOUSE)) == (start, house - MINER)


def test_a_refund_is_a_payout_of_the_same_kind(world: World):
    coin = world.fund(3 * SATS)
    start = world.balance(MERCHANT)
    assert world.bench.tag(payout(intent(amount=SATS, destination=SHOP), coins=(coin,)).request()) == "signed"
    assert world.balance(MERCHANT) == start - SATS - FEE


def test_the_house_pays_out_by_a_quorum_of_operators_and_only_its_own(world: World):
    coin = world.fund(5 * SATS)
    payment = house_intent(amount=SATS // 2)
    draft = payout(payment, coins=(coin,), fee=MINER)
    cases = {
        "intent-unsigned": signed_by(payment, OTHER_KEY, OPERATORS[0]),
        "approvals-missing": signed_by(payment, OPERATORS[0]),
        "intent-repeated": signed_by(payment, OPERATORS[0], OPERATORS[0]),
    }
    for tag, evidence in cases.items():
        assert world.bench.tag(draft.but(evidence=evidence).request()) == tag
    house, merchant = world.balance(HOUSE), world.balance(MERCHANT)
    good = draft.but(evidence=signed_by(payment, OPERATORS[2], OPERATORS[0]))
    assert [world.bench.tag(good.request()) for _ in range(2)] == ["signed"] * 2
    assert world.balance(HOUSE) == house - SATS // 2 - MINER
    assert world.balance(MERCHANT) == merchant
    other = world.fund(SATS)
    for over, answer in ((1, "balance-house"), (0, "signed")):
        more = house_intent(amount=world.balance(HOUSE) + over - MINER)
        greedy = payout(more, coins=(other,), fee=MINER).but(evidence=signed_by(more, *OPERATORS[:2]))
        assert world.bench.tag(greedy.request()) == answer
    after_restart(world)


def test_a_conversion_books_both_legs_against_the_house(world: World):
    world.fund(SATS)
    world.sweep_in(USDT, 80_000 * UNITS, HOUSE_PLACE)
    house = world.balance(HOUSE)
    made = order()
    assert world.convert(made) == "converted"
    rows = world.bench.signer.journal.count
    assert world.convert(made) == "converted"
    assert world.bench.signer.journal.count == rows
    assert world.balance(MERCHANT) == net(SATS) - SATS // 2
    assert world.balance(MERCHANT, USDT) == made.buy_amount
    assert world.balance(HOUSE) == house + SATS // 2
    assert world.balance(HOUSE, USDT) == 80_000 * UNITS - made.buy_amount
    after_restart(world)


def test_a_sweep_event_of_a_forwarder_credits_what_the_treasury_measured(world: World):
    assert world.sweep_in(USDT, 1_000 * UNITS).tag == ""
    assert world.sweep_in(ETH, 10**20 + 7, OTHER_PLACE).tag == ""
    assert world.balance(MERCHANT, USDT) == net(1_000 * UNITS)
    assert world.balance(OTHER_MERCHANT, ETH) == net(10**20 + 7)
    proof = world.evm.blocks[8].proof(0, branch=2)
    assert world.prove_receipts(proof, proof)[1].row < world.bench.signer.journal.count
    assert world.balance(MERCHANT, USDT) == net(1_000 * UNITS)
    after_restart(world)


def test_a_payout_of_a_safe_costs_amount_and_fee_and_draws_cost_nothing(world: World):
    world.sweep_in(USDT, 1_000 * UNITS)
    payment = safe_kit.intent(amount=900 * UNITS)
    token = safe_kit.HOUSE.usdt
    draft = safe_kit.payout(payment, more=(safe_kit.draw(token, 900 * UNITS),))
    assert [world.bench.tag(draft.request()) for _ in range(2)] == ["safe-signed"] * 2
    assert world.balance(MERCHANT, USDT) == net(1_000 * UNITS) - 900 * UNITS - USDT_FEE
    assert world.balance(HOUSE, USDT) == 10 * UNITS + USDT_FEE
    poor = safe_kit.payout(safe_kit.intent(amount=100 * UNITS), nonce=1)
    assert world.bench.tag(poor.request()) == "balance-merchant"


def test_balance_merchant_a_payout_and_its_fee_are_covered_by_proof(world: World):
    mine, others = world.fund(SATS), world.fund(5 * SATS, OTHER_PLACE)
    most = net(SATS) - FEE
    assert world.bench.tag(payout(intent(amount=most + 1), coins=(mine, others)).request()) == "balance-merchant"
    two = (intent(amount=most - 1_000), intent(amount=1_001))
    assert world.bench.tag(payout(*two, coins=(mine, others)).request()) == "balance-merchant"
    assert world.bench.tag(payout(intent(amount=most), coins=(mine, others)).request()) == "signed"
    assert world.balance(MERCHANT) == 0


def test_balance_house_the_miners_fee_is_covered_by_the_house(make_world: Callable[..., World]):
    world = make_world()
    coin = world.fund(3 * SATS, key_set=HOT)
    assert world.balance(HOUSE) == 3 * SATS // 100
    spend = house_intent(amount=3 * SATS // 100 - 2_000)
    draft = payout(spend, coins=(coin,), fee=2_001).but(evidence=signed_by(spend, *OPERATORS))
    assert world.bench.tag(draft.request()) == "balance-house"
    draft = payout(spend, coins=(coin,), fee=2_000).but(evidence=signed_by(spend, *OPERATORS))
    assert world.bench.tag(draft.request()) == "signed"
    assert world.balance(HOUSE) == 0
    other = world.fund(2 * SATS, OTHER_PLACE)
    payment = intent(amount=SATS, merchant=OTHER_MERCHANT)
    house = world.balance(HOUSE)
    assert house == 2 * SATS // 100
    assert world.bench.tag(payout(payment, coins=(other,), fee=MINER).request()) == "signed"


def test_coin_unproven_only_own_change_and_deep_deposits_are_spent(world: World):
    world.fund(SATS)
    shallow = world.coin(3 * SATS)
    world.bitcoin.mine(HORIZON - 1, shallow.previous)
    assert world.prove(shallow).tag == ""
    draft = payout(intent(amount=SATS), coins=(shallow,))
    assert world.bench.tag(draft.request()) == "coin-unproven"
    world.bitcoin.mine()
    assert world.bench.tag(draft.request()) == "signed"
    rest = Coin(bytes(draft.tx.serialize()), draft.tx.txid().hex(), 1, 2 * SATS - 5_000, 0, 0)
    assert world.bench.tag(payout(intent(amount=SATS), coins=(rest,)).request()) == "signed"
    unknown = world.coin(SATS)
    assert world.bench.tag(payout(intent(amount=600), coins=(unknown,)).request()) == "coin-unproven"
    stranger = Coin(bytes(draft.tx.serialize()), draft.tx.txid().hex(), 0, SATS, 0, 0)
    assert world.bench.tag(payout(intent(amount=600), coins=(stranger,)).request()) == "input-foreign"


def test_chain_view_stops_first_signings_and_new_versions_and_not_the_same_bytes(world: World):
    coin = world.fund(3 * SATS)
    payment = intent(amount=SATS)
    draft = payout(payment, coins=(coin,))
    assert world.bench.tag(draft.request()) == "signed"
    world.bitcoin.trouble = "the nodes disagree"
    for request in (payout(payment, coins=(coin,), fee=9_000), payout(intent(amount=600), coins=(coin,))):
        assert world.bench.tag(request.request()) == "chain-view"
    assert world.bench.tag(draft.request()) == "signed"
    world.bench.signer.views = {}
    assert world.bench.tag(payout(payment, coins=(coin,), fee=9_000).request()) == "chain-view"
    assert world.bench.tag(safe_kit.cancel().request()) == "chain-view"
    assert world.bench.tag(draft.request()) == "signed"


@pytest.mark.parametrize(
    ("tag", "what"),
    [
        ("balance-merchant", {"amount": 4 * SATS}),
        ("coin-unproven", {"amount": SATS}),
        ("chain-view", {"amount": SATS}),
    ],
)
def test_a_rule_that_is_switched_off_is_not_heard(make_world: Callable[..., World], tag: str, what: dict[str, int]):
    for off, answer in (((), tag), ((tag,), "signed")):
        world = make_world(*off)
        world.fund(SATS, HOUSE_PLACE)
        coin = world.fund(6 * SATS, OTHER_PLACE)
        world.fund(2 * SATS)
        if tag == "coin-unproven":
            coin = world.coin(6 * SATS)
        if tag == "chain-view":
            world.bitcoin.trouble = "no"
        assert world.bench.tag(payout(intent(**what), coins=(coin,)).request()) == answer


def test_books_are_told_in_pages_as_of_a_row(world: World):
    world.fund(SATS)
    world.sweep_in(USDT, 1_000 * UNITS, OTHER_PLACE)
    found: list[tuple[str, str, int]] = []
    after = ("", "")
    while True:
        page = world.bench.ask(BooksRequest("req", *after, 2))
        assert isinstance(page, BooksAre)
        assert page.row == world.bench.signer.journal.count
        if not page.balances:
            break
        found += [(item.holder, item.asset, int(item.amount)) for item in page.balances]
        after = (found[-1][0], found[-1][1])
    assert found == sorted(found)
    assert {(holder, asset): amount for holder, asset, amount in found} == world.bench.signer.books.balances


def test_a_house_that_was_reorged_below_zero_earns_its_way_out(make_world: Callable[..., World]):
    world = make_world()
    coin = world.fund(3 * SATS)
    world.fund(SATS, HOUSE_PLACE)
    first = payout(intent(amount=SATS), coins=(coin,), fee=MINER)
    assert world.bench.tag(first.request()) == "signed"
    spend = house_intent(amount=SATS)
    rest = Coin(bytes(first.tx.serialize()), first.tx.txid().hex(), 1, 2 * SATS - MINER, 0, 0)
    draft = payout(spend, coins=(rest,), fee=MINER).but(evidence=signed_by(spend, *OPERATORS))
    assert world.bench.tag(draft.request()) == "signed"
    world.bitcoin.cut(HORIZON)
    world.bitcoin.mine(HORIZON)
    world.bench.signer.on_view_change(CHAIN)
    assert world.balance(HOUSE) < 0
    last = Coin(bytes(draft.tx.serialize()), draft.tx.txid().hex(), 1, SATS - 2 * MINER, 0, 0)
    dear, cheap = (payout(intent(amount=1_000), coins=(last,), fee=fee) for fee in (1_001, 999))
    assert world.bench.tag(dear.request()) == "balance-house"
    assert world.bench.tag(cheap.request()) == "signed"
