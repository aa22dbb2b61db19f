"""What to offer, when to offer more, who pays, and what a node's refusal means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.chains.ethereum.model import GasPrices
from strongroom.outbound.ethereum import rules
from strongroom.outbound.ethereum.model import (
    NONCE_MOVES,
    RELAY_MOVES,
    Account,
    Fees,
    NonceState,
    RelayNonce,
    RelayState,
    RelayVersion,
    Spending,
    VersionKind,
    VersionState,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AMOUNTS = st.integers(0, 10**15)


def version(number: int = 1, *, max_fee: int = 100, tip: int = 10, gas_limit: int = 21_000) -> RelayVersion:
    return RelayVersion(
        number=number,
        kind=VersionKind.CALL,
        to=bytes(20),
        data=b"",
        gas_limit=gas_limit,
        fees=Fees(max_fee, tip),
        state=VersionState.BROADCAST,
        raw=b"raw",
        txid=f"0x{number}",
        offered_at=NOW,
        created_at=NOW,
    )


def nonce(number: int = 7, **changes: object) -> RelayNonce:
    made = RelayNonce(
        id=number,
        chain="eip155:1",
        relayer=bytes(20),
        nonce=number,
        relay_id=1,
        state=NonceState.OPEN,
        emptied=False,
        underpriced=False,
        attempts=0,
        mined_number=None,
        mined_height=None,
        mined_hash=None,
        sent_height=100,
        sent_at=NOW,
        missed_height=None,
        missed_hash=None,
        created_at=NOW,
        versions=(version(),),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@given(AMOUNTS, AMOUNTS, st.integers(1, 10**15))
def test_first_fees_get_into_the_next_block_and_stay_below_the_ceiling(base_fee: int, tip: int, ceiling: int) -> None:
    fees = rules.first_fees(GasPrices(base_fee, tip), ceiling)
    if base_fee + tip > ceiling:
        assert fees is None
    else:
        assert fees is not None
        assert max(1, base_fee + tip) <= fees.max_fee <= ceiling
        assert fees.tip <= fees.max_fee


@given(st.builds(lambda fee, tip: Fees(max(fee, tip), tip), AMOUNTS, AMOUNTS), AMOUNTS, AMOUNTS, AMOUNTS)
def test_a_replacement_pays_an_eighth_more_of_both_and_never_more_than_the_ceiling(
    before: Fees, base_fee: int, tip: int, ceiling: int
) -> None:
    fees = rules.raised_fees(before, GasPrices(base_fee, tip), ceiling)
    if fees is None:
        assert ceiling < max(before.max_fee * 9 // 8 + 1, base_fee + tip)
        return
    assert base_fee + tip <= fees.max_fee <= ceiling
    assert fees.max_fee * 8 >= before.max_fee * 9
    assert fees.tip * 8 >= before.tip * 9
    assert fees.max_fee > before.max_fee
    assert fees.tip > before.tip
    assert fees.tip <= fees.max_fee


@pytest.mark.parametrize(
    ("height", "minutes", "base_fee", "raised"),
    [
        (100, 60, 1000, False),  # no block since
        (105, 0, 1000, False),  # not long enough
        (106, 0, 1000, True),
        (106, 0, 50, False),  # the next block would take it: it only waited for an earlier one
        (101, 3, 50, True),  # and has not, for long
        (106, 0, 96, True),  # less than half a tip is left
    ],
)
def test_a_nonce_is_raised_once_blocks_passed_that_would_not_take_it(
    height: int, minutes: int, base_fee: int, raised: bool
) -> None:
    now = NOW + timedelta(minutes=minutes)
    assert rules.is_to_be_raised(nonce(), height, now, 6, GasPrices(base_fee, 10)) is raised


def test_a_version_refused_as_too_cheap_is_raised_at_once_and_one_not_sent_never() -> None:
    prices = GasPrices(1, 1)
    refused = nonce(underpriced=True, versions=(replace(version(), state=VersionState.SIGNED),))
    assert rules.is_to_be_raised(refused, 100, NOW, 6, prices)
    planned = nonce(underpriced=True, versions=(replace(version(), state=VersionState.PLANNED, raw=None),))
    assert not rules.is_to_be_raised(planned, 200, NOW, 6, prices)


def test_a_call_that_no_node_ever_takes_gives_its_nonce_up() -> None:
    refused = nonce(attempts=rules.REFUSALS_MAX, versions=(replace(version(), state=VersionState.SIGNED),))
    assert rules.is_hopeless(refused, rules.Refusal.OTHER)
    assert not rules.is_hopeless(refused, rules.Refusal.NO_GAS), "it waits for gas"
    assert not rules.is_hopeless(replace(refused, attempts=rules.REFUSALS_MAX - 1), rules.Refusal.OTHER)
    taken = replace(refused, versions=(version(),))
    assert not rules.is_hopeless(taken, rules.Refusal.OTHER), "a node has taken it before"


def test_only_the_nonce_that_the_chain_takes_next_is_first() -> None:
    nonces = [nonce(5, state=NonceState.MINED), nonce(6), nonce(7)]
    assert rules.first_open(nonces, 6) == nonces[1]
    assert rules.first_open(nonces, 5) is None
    assert rules.first_open(nonces, 8) is None


def test_a_gap_is_what_nobody_knows_of_below_our_highest_open_nonce() -> None:
    nonces = [nonce(9), nonce(12)]
    assert rules.gaps(nonces, {9, 12}, 7, 7, NOW) == [7, 8, 10, 11]
    assert rules.gaps(nonces, {7, 8, 9, 12}, 7, 7, NOW) == [10, 11]
    assert rules.gaps(nonces, {9, 12}, 7, 8, NOW) == [8, 10, 11], "the mempool has 7"
    assert rules.gaps(nonces, {9, 12}, 7, 8, NOW + rules.STUCK_AFTER) == [7, 8, 10, 11], "and keeps us waiting"
    assert rules.gaps([], {9}, 7, 7, NOW) == []
    assert rules.gaps([nonce(9, state=NonceState.MINED)], {9}, 7, 7, NOW) == []
    assert len(rules.gaps([nonce(60)], set(), 0, 0, NOW)) == rules.OPEN_NONCES_MAX


def account(position: int, balance: int, committed: int = 0, chain_nonce: int = 0) -> Account:
    return Account(bytes([position] * 20), position, 0, chain_nonce, balance, committed)


def test_the_spare_pays_where_the_active_relayer_cannot() -> None:
    active, spare = account(0, 100), account(1, 100)
    assert rules.choose_relayer([spare, active], {}, 100) == active
    assert rules.choose_relayer([spare, active], {}, 101) is None
    assert rules.choose_relayer([spare, replace(active, committed=1)], {}, 100) == spare
    full = {active.address: rules.OPEN_NONCES_MAX}
    assert rules.choose_relayer([spare, active], full, 100) == spare
    odd = replace(active, chain_nonce=rules.NONCE_JUMP_MAX + 1)
    assert rules.choose_relayer([odd, spare], {}, 100) == spare
    assert rules.choose_relayer([replace(odd, chain_nonce=rules.NONCE_JUMP_MAX)], {}, 100) is not None


@pytest.mark.parametrize(
    ("accounts", "busy", "code"),
    [
        ([], 0, "key-missing"),
        ([account(0, 5)], 0, "gas-low"),
        ([account(0, 100)], rules.OPEN_NONCES_MAX, "5 nonces are open"),
        ([account(0, 100, chain_nonce=1000)], 0, "nonce-foreign"),
    ],
)
def test_why_nobody_can_send_is_said(accounts: list[Account], busy: int, code: str) -> None:
    open_nonces = {item.address: busy for item in accounts}
    assert rules.choose_relayer(accounts, open_nonces, 10) is None
    assert rules.why_none(accounts, open_nonces, 10).startswith(code)


def test_a_nonce_never_goes_back() -> None:
    assert Account(bytes(20), 0, 5, 3, 0, 0).nonce == 5
    assert Account(bytes(20), 0, 3, 5, 0, 0).nonce == 5


def test_the_budget_is_a_bound_not_a_wish() -> None:
    assert rules.fits(Spending(100, 60), 40)
    assert not rules.fits(Spending(100, 60), 41)
    assert Spending(100, 130).left == 0


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("nonce too low: next nonce 5, tx nonce 4", rules.Refusal.USED),
        ("replacement transaction underpriced", rules.Refusal.UNDERPRICED),
        ("transaction underpriced: gas tip cap 1, minimum needed 2", rules.Refusal.UNDERPRICED),
        ("max fee per gas less than block base fee", rules.Refusal.UNDERPRICED),
        ("Insufficient funds for gas * price + value", rules.Refusal.NO_GAS),
        ("txpool is full", rules.Refusal.OTHER),
    ],
)
def test_a_node_s_words_are_read(said: str, meant: rules.Refusal) -> None:
    assert rules.read_refusal(said) is meant


def test_every_state_has_an_exit_but_the_last_ones() -> None:
    assert {state for state, moves in RELAY_MOVES.items() if not moves} == {RelayState.FINAL}
    assert {state for state, moves in NONCE_MOVES.items() if not moves} == {NonceState.FINAL}
    assert RelayState.PLANNED not in RELAY_MOVES[RelayState.MINED], "what a block has is never planned again"


def test_a_nonce_costs_at_most_what_its_dearest_version_does() -> None:
    both = nonce(versions=(version(1, max_fee=100, gas_limit=90_000), version(2, max_fee=200)))
    assert both.worst == 9_000_000
    assert both.version_of("0x2") == both.newest
    assert both.version_of("0x9") is None
