"""Coin selection, the band, replacements: properties that hold for any coins, and a search of all subsets."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from strongroom.outbound.model import Draft, OwnOutput, Payment, SlotKind, SpentCoin, tx_weight
from strongroom.treasury import replacing, rules
from strongroom.treasury.model import Band, Choice, Payable, PayableState, Queued
from strongroom_core.ids import HoldId, MerchantId, PayoutId
from strongroom_core.intents import SignedIntent

DUST = 546
CHANGE = bytes(34)
SCRIPTS = st.lists(st.sampled_from([bytes(22), bytes(25), bytes(34)]), min_size=1, max_size=5)
AMOUNTS = st.integers(min_value=1, max_value=300_000)
RATES = st.integers(min_value=1, max_value=60)


def coins_of(amounts: list[int]) -> list[SpentCoin]:
    return [SpentCoin(f"{number:064x}", 0, amount, 2, number) for number, amount in enumerate(amounts)]


COINS = st.lists(AMOUNTS, max_size=9).map(coins_of)


def payment(amount: int, script: bytes = bytes(22)) -> Payment:
    evidence = SignedIntent(b"", bytes(32), bytes(64))
    return Payment(PayoutId.new(), MerchantId.new(), amount, 0, HoldId.new(), script, evidence)


def queued(amount: int, *, solo: bool = False) -> Queued:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    payable = Payable(payment(amount), "chain", moment)
    return Queued(payable, PayableState.QUEUED, solo, False, 0, None, moment)


@given(COINS, SCRIPTS, AMOUNTS, RATES)
def test_a_choice_covers_the_payments_and_exactly_its_fee_with_no_dust_change(
    coins: list[SpentCoin], scripts: list[bytes], total: int, rate: int
) -> None:
    choice = rules.select_coins(coins, scripts, total, rate, DUST)
    if choice is None:
        return
    assert set(choice.coins) <= set(coins)
    assert len(set(choice.coins)) == len(choice.coins)
    assert sum(coin.amount for coin in choice.coins) == total + choice.change + choice.fee
    outputs = [*scripts, CHANGE] if choice.change else scripts
    least = -(-tx_weight(len(choice.coins), outputs) // 4) * rate
    assert choice.fee >= least
    assert choice.change == 0 or choice.change > DUST
    if choice.change:
        assert choice.fee == least


@given(COINS, SCRIPTS, AMOUNTS, RATES)
def test_coins_that_suffice_are_found_and_never_wasted_more_than_a_change_output_would_cost(
    coins: list[SpentCoin], scripts: list[bytes], total: int, rate: int
) -> None:
    choice = rules.select_coins(coins, scripts, total, rate, DUST)
    useful = [coin for coin in coins if coin.amount > 105 * rate]
    suffices = sum(coin.amount - 105 * rate for coin in useful) >= total + rules.fee_for(0, scripts, rate)
    assert (choice is not None) or not suffices
    if choice is not None and not choice.change:
        excess = choice.fee - rules.fee_for(len(choice.coins), scripts, rate)
        assert excess <= rules.change_floor(DUST, rate) + 43 * rate


@given(COINS, SCRIPTS, AMOUNTS, st.integers(min_value=11, max_value=60))
def test_the_waste_is_near_the_least_of_all_subsets(
    coins: list[SpentCoin], scripts: list[bytes], total: int, rate: int
) -> None:
    found = rules.select_coins(coins, scripts, total, rate, DUST)
    if found is None:
        return
    least = min(
        rules.waste(choice, scripts, total, rate)
        for size in range(1, len(coins) + 1)
        for subset in itertools.combinations(coins, size)
        if (choice := exact(subset, scripts, total, rate)) is not None
    )
    # At a high rate every needless coin costs; the chosen one is at most a coin and a change output from the best.
    assert rules.waste(found, scripts, total, rate) <= least + 105 * rate * len(found.coins) + 43 * rate + 1_050


def exact(subset: tuple[SpentCoin, ...], scripts: list[bytes], total: int, rate: int) -> Choice | None:
    spare = sum(coin.amount for coin in subset) - total
    change = spare - rules.fee_for(len(subset), [*scripts, CHANGE], rate)
    if change >= rules.change_floor(DUST, rate):
        return Choice(subset, change, spare - change)
    return Choice(subset, 0, spare) if spare >= rules.fee_for(len(subset), scripts, rate) else None


@given(COINS, SCRIPTS, AMOUNTS, RATES, st.randoms())
def test_the_choice_does_not_depend_on_the_order_that_coins_come_in(
    coins: list[SpentCoin], scripts: list[bytes], total: int, rate: int, random: object
) -> None:
    mixed = list(coins)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    once, again = (rules.select_coins(each, scripts, total, rate, DUST) for each in (coins, mixed))
    assert once == again


def test_an_exact_match_needs_no_change() -> None:
    fee = rules.fee_for(2, [bytes(22)], 20)
    coins = coins_of([70_000, 50_000 + fee, 900_000, 33_000])
    choice = rules.select_coins(coins, [bytes(22)], 120_000, 20, DUST)
    assert choice is not None
    assert (choice.change, choice.fee, sorted(coin.amount for coin in choice.coins)) == (0, fee, [50_000 + fee, 70_000])


def test_small_coins_are_merged_while_fees_are_low_and_left_alone_while_they_are_high() -> None:
    coins = coins_of([20_000] * 12 + [5_000_000])
    low = rules.select_coins(coins, [bytes(22)], 150_000, 1, DUST)
    high = rules.select_coins(coins, [bytes(22)], 150_000, 50, DUST)
    assert low is not None
    assert high is not None
    assert len(low.coins) > 5
    assert len(high.coins) == 1


def test_a_payout_that_is_too_large_lets_smaller_ones_behind_it_pass() -> None:
    first, second, third = queued(900_000), queued(50_000), queued(60_000)
    found = rules.choose_batch([first, second, third], coins_of([100_000, 200_000]), 5, DUST, 100)
    assert found is not None
    assert found[0] == [second, third]


def test_a_batch_has_at_most_its_limit_and_a_solo_payout_rides_alone() -> None:
    plenty = coins_of([10_000_000])
    many = [queued(10_000) for _ in range(5)]
    limited = rules.choose_batch(many, plenty, 5, DUST, 3)
    assert limited is not None
    assert limited[0] == many[:3]
    alone = queued(10_000, solo=True)
    first = rules.choose_batch([alone, *many], plenty, 5, DUST, 3)
    assert first is not None
    assert first[0] == [alone]
    later = rules.choose_batch([many[0], alone, many[1]], plenty, 5, DUST, 3)
    assert later is not None
    assert later[0] == [many[0], many[1]]


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_band_never_exceeds_house_capital_less_what_is_in_flight(
    target: int, high: int, capital: int, in_flight: int
) -> None:
    band = rules.band_in_force(Band(target, high), capital, in_flight)
    assert 0 <= band.target <= band.high <= max(0, capital - in_flight)
    assert band.high <= high


@given(st.lists(AMOUNTS, min_size=1, max_size=9).map(coins_of), st.integers(0, 600_000), RATES)
def test_a_sweep_brings_at_most_the_excess_and_never_makes_dust(coins: list[SpentCoin], excess: int, rate: int) -> None:
    found = rules.select_sweep(coins, excess, rate, DUST)
    if found is None:
        return
    choice, arrives = found
    assert sum(coin.amount for coin in choice.coins) == arrives + choice.change + choice.fee
    assert arrives > DUST
    assert choice.change == 0 or choice.change > DUST
    assert choice.fee * 100 <= arrives
    assert arrives + choice.fee <= excess + rules.change_floor(DUST, rate)


@given(st.lists(st.integers(10_000, 300_000), min_size=1, max_size=5).map(coins_of), RATES, RATES, st.booleans())
def test_a_replacement_spends_the_same_coins_pays_the_same_and_beats_the_old_fee(
    coins: list[SpentCoin], old: int, more: int, with_cold: bool
) -> None:
    rate = old + more
    total = sum(coin.amount for coin in coins)
    paid = payment(total // 3)
    size = rules.fee_for(len(coins), [paid.script, CHANGE], 1)
    change = total - paid.amount - size * old
    if change <= DUST:
        return
    own = OwnOutput(CHANGE, change, "cold" if with_cold else "hot", 0, 1)
    made = replacing.replace(coins, [paid], [own], size * old, rate, DUST)
    if made is None:
        assert change < size * more + DUST + 105 * 10 + 1
        return
    draft = Draft("chain", SlotKind.PAYOUTS, made.coins, (paid,), made.own_outputs, made.rate)
    assert set(made.coins) == set(coins)
    assert draft.fee >= size * old + draft.virtual_bytes
    assert draft.fee >= draft.rate * draft.virtual_bytes
    assert all(item.amount > DUST for item in made.own_outputs)


def test_replacement_rates_rise_to_the_ceiling_and_stop_there() -> None:
    assert replacing.replacement_rate(4, 3, 100) == 5
    assert replacing.replacement_rate(4, 40, 100) == 40
    assert replacing.replacement_rate(90, 3, 100) == 100
    assert replacing.replacement_rate(100, 300, 100) is None
    assert replacing.replacement_rate(4, 3, 100, {5, 6}) == 7
    assert replacing.replacement_rate(90, 3, 100, {100}) is None


def test_a_sweep_takes_what_landed_first_and_whole_and_a_larger_coin_only_where_nothing_else_does() -> None:
    old, new = coins_of([400_000, 500_000]), coins_of([300_000, 5_000_000])
    band = Band(500_000, 600_000)

    def swept(settled: list[SpentCoin], landed: list[SpentCoin]) -> tuple[list[int], int] | None:
        held = sum(coin.amount for coin in settled + landed)
        found = rules.choose_sweep(settled, landed, held=held, band=band, wanted=band.target, rate=2, dust=DUST)
        return None if found is None else ([coin.amount for coin in found[0].coins], found[0].change)

    assert swept(old[:1], []) is None
    assert swept(old[1:], new[:1]) == ([300_000], 0)
    assert swept(old, new[1:]) == ([5_000_000], 0)  # leaves more than the target, within the band after the next
    assert swept([], new[1:]) == ([5_000_000], 0)  # whole: no change of ours may stand on a coin that may vanish
    settled = swept(coins_of([2_000_000]), [])
    assert settled is not None
    assert settled[1] == 500_000  # with change, back to the target


@given(st.lists(st.integers(2_000, 400_000), max_size=6).map(coins_of), RATES)
def test_added_coins_pay_a_dearer_version_in_full_and_make_no_dust(more: list[SpentCoin], rate: int) -> None:
    [coin] = coins_of([100_000])
    paid = payment(99_000)
    own = (OwnOutput(CHANGE, 300, "hot", 0, 1),)
    found = replacing.extend([coin], [item for item in more if item != coin], [paid], own, 700, rate, DUST)
    if found is None:
        assert all(item.amount < 500 * rate + 1_000 for item in more if item != coin)
        return
    outputs = (OwnOutput(CHANGE, found.change, "hot", 0, 1),) if found.change else ()
    draft = Draft("chain", SlotKind.PAYOUTS, (coin, *found.added), (paid,), outputs, rate)
    assert draft.fee >= max(700 + draft.virtual_bytes, rate * draft.virtual_bytes)
    assert found.change == 0 or found.change > DUST
    assert found.own_outputs == ()


def test_merging_coins_waits_for_a_low_rate_and_many_coins() -> None:
    coins = coins_of([5_000] * rules.CONSOLIDATE_COINS)
    assert rules.select_consolidation(coins[1:], 1, DUST) is None
    assert rules.select_consolidation(coins, rules.CHEAP_RATE + 1, DUST) is None
    choice = rules.select_consolidation(coins, 1, DUST)
    assert choice is not None
    assert choice.change + choice.fee == 5_000 * rules.CONSOLIDATE_COINS


def test_fee_rates_stay_between_floor_and_ceiling() -> None:
    limits = {"fallback": 5, "floor": 2, "ceiling": 50}
    assert [rules.clamp_rate(rate, **limits) for rate in (None, 1, 20, 90)] == [5, 2, 20, 50]
