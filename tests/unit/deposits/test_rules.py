"""Pure decisions about deposits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.chains.model import ChainEvent, EventKind, RemovalReason
from strongroom.deposits import rules
from strongroom.deposits.errors import DepositMoveError
from strongroom.deposits.model import MOVES, Deposit, DepositException, DepositState
from strongroom.wallets.model import KeySetKind, Purpose
from strongroom_core.assets import BITCOIN_REGTEST, REGTEST_BTC, REGTEST_LTC
from strongroom_core.ids import AddressId, DepositId, MerchantId

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MERCHANT = MerchantId.new()
AMOUNT = st.integers(1, 21 * 10**14)
TIERS = [(1, 50_000), (3, 1_000_000), (6, None)]


def deposit(**changes: object) -> Deposit:
    first = Deposit(
        id=DepositId.new(),
        chain=BITCOIN_REGTEST.id,
        asset=REGTEST_BTC.id,
        merchant_id=MERCHANT,
        address_id=AddressId.new(),
        address="bcrt1q",
        kind=KeySetKind.COLD,
        branch=2,
        purpose=Purpose.INVOICE,
        reference="inv_1",
        txid="aa" * 32,
        vout=0,
        amount=5_000,
        coinbase=False,
        rbf=False,
        below_minimum=False,
        wrong_asset=False,
        confirmations_needed=3,
        state=DepositState.CONFIRMING,
        height=100,
        block_hash="bb" * 32,
        confirmations=1,
        cycle=1,
        credited_cycle=0,
        fee=0,
        credited=0,
        exception=None,
        replaced_by=None,
        first_seen_at=NOW,
        credited_at=None,
    )
    return replace(first, **changes)  # type: ignore[arg-type]


def event(kind: EventKind, **changes: object) -> ChainEvent:
    return ChainEvent(id=1, chain=BITCOIN_REGTEST.id, kind=kind, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("before", list(DepositState))
@pytest.mark.parametrize("after", list(DepositState))
def test_only_arrows_of_the_table_exist(before: DepositState, after: DepositState) -> None:
    start = deposit(state=before)
    if after in MOVES[before]:
        assert rules.move(start, after, "why").after.state is after
    else:
        with pytest.raises(DepositMoveError):
            rules.move(start, after, "why")


def test_every_state_has_an_exit_and_credited_leads_to_reversed_only() -> None:
    assert all(MOVES[state] for state in DepositState)
    assert MOVES[DepositState.CREDITED] == {DepositState.REVERSED}


@given(amount=AMOUNT, more=AMOUNT)
def test_a_larger_amount_never_needs_fewer_confirmations(amount: int, more: int) -> None:
    needed = [
        rules.confirmations_needed(TIERS, value, coinbase=False, maturity=100) for value in (amount, amount + more)
    ]
    assert needed == sorted(needed)


@pytest.mark.parametrize(
    ("amount", "needed"), [(1, 1), (50_000, 1), (50_001, 3), (1_000_000, 3), (1_000_001, 6), (10**15, 6)]
)
def test_tiers_hold_up_to_their_highest_amount(amount: int, needed: int) -> None:
    assert rules.confirmations_needed(TIERS, amount, coinbase=False, maturity=100) == needed
    assert rules.confirmations_needed(TIERS[::-1], amount, coinbase=False, maturity=100) == needed


def test_beyond_every_tier_the_strictest_counts_and_a_coinbase_waits_for_maturity() -> None:
    assert rules.confirmations_needed([(2, 10), (4, 100)], 101, coinbase=False, maturity=100) == 4
    assert rules.confirmations_needed(TIERS, 1, coinbase=True, maturity=100) == 100


@given(amount=AMOUNT, ppm=st.integers(0, 1_000_000))
def test_a_fee_is_rounded_up_by_less_than_one_unit_and_never_exceeds_the_amount(amount: int, ppm: int) -> None:
    taken = rules.fee(amount, ppm)
    assert 0 <= taken * 1_000_000 - amount * ppm < 1_000_000
    assert taken <= amount


@given(net=st.integers(0, 10**15), other=st.integers(0, 10**15))
def test_shares_add_up_and_the_debt_is_repaid_first(net: int, other: int) -> None:
    repaid, free = rules.split_credit(net, other)
    assert repaid + free == net
    assert repaid == min(net, other)
    taken, owed = rules.split_reversal(net, other)
    assert taken + owed == net
    assert taken <= other
    assert owed == 0 or taken == other


def test_a_reversal_takes_nothing_from_a_balance_below_zero() -> None:
    assert rules.split_reversal(5, -3) == (0, 5)


def test_small_deposits_wait_until_their_merchants_sum_reaches_the_minimum_and_go_together() -> None:
    small = [deposit(state=DepositState.CONFIRMED, amount=400, below_minimum=True) for _ in range(3)]
    other = deposit(state=DepositState.CONFIRMED, amount=900, below_minimum=True, merchant_id=MerchantId.new())
    large = deposit(state=DepositState.CONFIRMED, amount=1_000)
    house = deposit(state=DepositState.CONFIRMED, amount=5, below_minimum=True, merchant_id=None, branch=1)
    minimums = {REGTEST_BTC.id: 1_000}
    assert rules.creditable([*small[:2], other, large, house], minimums) == [large, house]
    assert rules.creditable([*small, other], minimums) == small


def test_small_deposits_of_one_asset_do_not_wait_for_those_of_another() -> None:
    btc = [deposit(state=DepositState.CONFIRMED, amount=600, below_minimum=True) for _ in range(2)]
    ltc = [replace(item, id=DepositId.new(), asset=REGTEST_LTC.id) for item in btc]
    assert rules.creditable([btc[0], ltc[0]], {REGTEST_BTC.id: 1_000, REGTEST_LTC.id: 1_000}) == []
    assert rules.creditable([*btc, ltc[0]], {REGTEST_BTC.id: 1_000, REGTEST_LTC.id: 601}) == btc
    assert rules.creditable([btc[0], *ltc], {REGTEST_BTC.id: 601, REGTEST_LTC.id: 1_200}) == ltc


def test_what_is_in_an_asset_that_is_not_held_waits() -> None:
    assert rules.creditable([deposit(state=DepositState.CONFIRMED)], {REGTEST_LTC.id: 1}) == []


def test_a_final_block_confirms_and_nothing_else_does() -> None:
    assert rules.finalize(deposit(), 150, None) is None
    assert rules.finalize(deposit(), 150, 99) is None
    change = rules.finalize(deposit(), 150, 100)
    assert change is not None
    assert (change.after.state, change.after.confirmations, change.reason) == (DepositState.CONFIRMED, 51, "finalized")
    assert rules.finalize(deposit(), 99, 120) is None  # what we have heard of the chain does not reach it
    confirmed = deposit(state=DepositState.CONFIRMED)
    assert rules.finalize(confirmed, 150, 100) is None
    back = rules.finalize(confirmed, 150, 99)
    assert back is not None
    assert back.after.state is DepositState.CONFIRMING


@pytest.mark.parametrize("state", list(DepositState))
def test_what_a_chain_tx_no_longer_does_in_its_new_block_is_dropped(state: DepositState) -> None:
    change = rules.superseded(deposit(state=state, height=None, block_hash=None), event(EventKind.CONNECTED))
    if state in (DepositState.SEEN, DepositState.REVERSED):
        assert change is not None
        assert (change.after.state, change.after.exception) == (DepositState.DROPPED, DepositException.REPLACED)
    else:
        assert change is None


def test_the_merchant_is_told_of_the_chain_first_then_of_the_asset_then_of_the_address() -> None:
    assert deposit().told_exception is None
    assert deposit(wrong_asset=True).told_exception == "wrong-asset"
    assert deposit(purpose=None).told_exception == "unmatched"
    assert deposit(wrong_asset=True, exception=DepositException.ORPHANED).told_exception == "orphaned"
    assert deposit(merchant_id=None, purpose=None).told_exception is None


def test_a_block_confirms_what_was_seen_dropped_or_reversed_and_starts_the_next_cycle() -> None:
    block = event(EventKind.CONNECTED, height=7, block_hash="cc" * 32)
    for state, done in (("seen", 0), ("dropped", 0), ("dropped", 2), ("reversed", 1)):
        start = deposit(
            state=DepositState(state), height=None, block_hash=None, cycle=max(1, done), credited_cycle=done
        )
        change = rules.connected(start, block)
        assert change is not None
        assert (change.after.state, change.after.cycle, change.after.height) == (DepositState.CONFIRMING, done + 1, 7)


def test_an_orphaned_block_takes_a_credit_back_and_anything_else_to_unconfirmed() -> None:
    orphaned = event(EventKind.DISCONNECTED, height=100, block_hash="bb" * 32)
    credited = deposit(state=DepositState.CREDITED, credited=4_950, fee=50, credited_cycle=1)
    for start, end in (
        (credited, DepositState.REVERSED),
        (deposit(), DepositState.SEEN),
        (deposit(state=DepositState.CONFIRMED), DepositState.SEEN),
        (deposit(state=DepositState.HELD), DepositState.SEEN),
    ):
        change = rules.disconnected(start, orphaned)
        assert change is not None
        assert (change.after.state, change.after.credited, change.after.fee) == (end, 0, 0)
        assert change.after.height is None
    assert rules.disconnected(deposit(block_hash="dd" * 32), orphaned) is None


@pytest.mark.parametrize(
    ("reason", "exception"),
    [
        (RemovalReason.REPLACED, DepositException.REPLACED),
        (RemovalReason.CONFLICT, DepositException.DOUBLE_SPENT),
        (RemovalReason.EVICTED, DepositException.EVICTED),
    ],
)
def test_leaving_the_mempool_drops_with_the_reason(reason: RemovalReason, exception: DepositException) -> None:
    gone = event(EventKind.MEMPOOL_REMOVED, reason=reason, replaced_by="ee" * 32)
    for state in (DepositState.SEEN, DepositState.REVERSED):
        change = rules.mempool_removed(deposit(state=state, height=None, block_hash=None), gone)
        assert change is not None
        assert (change.after.state, change.after.exception) == (DepositState.DROPPED, exception)
        assert change.after.replaced_by == "ee" * 32
    assert rules.mempool_removed(deposit(), gone) is None


def test_depth_confirms_at_the_tier_and_not_one_block_before() -> None:
    assert rules.deepen(deposit(), 101) is None
    change = rules.deepen(deposit(), 102)
    assert change is not None
    assert (change.after.state, change.after.confirmations) == (DepositState.CONFIRMED, 3)
    back = rules.deepen(deposit(state=DepositState.CONFIRMED), 101)
    assert back is not None
    assert back.after.state is DepositState.CONFIRMING
    assert rules.deepen(deposit(state=DepositState.CONFIRMED), 102) is None


def test_the_house_pays_no_fee() -> None:
    confirmed = deposit(state=DepositState.CONFIRMED)
    assert rules.credited(confirmed, 10_000, NOW).after.fee == 50
    house = replace(confirmed, merchant_id=None, branch=1)
    assert (rules.credited(house, 10_000, NOW).after.fee, house.is_house) == (0, True)
