from __future__ import annotations

import itertools
from datetime import UTC, datetime
from enum import StrEnum

import pytest

from strongroom.console import words
from strongroom.deposits.model import DepositState
from strongroom.invoices.model import Anomaly, Reason, Status
from strongroom.payouts.model import PAYOUT_MOVES, Moment, PayoutState
from strongroom.webhooks.model import DeliveryState
from strongroom_core.assets import EUR, REGTEST_BTC, Asset

AT = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("known", "kind"),
    [
        (words.INVOICE, Status),
        (words.EXCEPTION, Anomaly),
        (words.REASON, Reason),
        (words.DEPOSIT, DepositState),
        (words.PAYOUT, PayoutState),
        (words.PAYOUT_MEANING, PayoutState),
        (words.DELIVERY, DeliveryState),
    ],
)
def test_every_state_has_words(known: dict[str, object], kind: type[StrEnum]):
    assert set(known) == {item.value for item in kind}


def life(*states: PayoutState) -> list[words.TimelineStep]:
    return words.timeline([Moment(state, AT, "because") for state in states])


def test_a_timeline_tells_what_happened_and_what_is_to_come():
    steps = life(PayoutState.QUEUED, PayoutState.HOT_SHORT, PayoutState.QUEUED, PayoutState.PLANNED)
    told = [step.word.text for step in steps if step.at]
    assert told == ["Queued", "Waiting for hot funds", "Queued", "Planned"]
    assert [step.word.text for step in steps if not step.at] == ["Signed", "Broadcast", "Confirmed", "Final"]
    assert [step.current for step in steps].index(True) == 3


@pytest.mark.parametrize("end", [state for state, moves in PAYOUT_MOVES.items() if not moves])
def test_nothing_comes_after_an_end(end: PayoutState):
    steps = life(PayoutState.QUEUED, end)
    assert len(steps) == 2
    assert steps[-1].current


@pytest.mark.parametrize("state", PayoutState)
def test_every_payout_that_is_not_over_has_a_way_ahead(state: PayoutState):
    assert any(step.at is None for step in life(state)) == bool(PAYOUT_MOVES[state])


def test_a_payout_without_history_has_no_current_step():
    assert not any(step.current for step in words.timeline([]))


@pytest.mark.parametrize(
    ("units", "asset", "text"),
    [
        (20_000_000, REGTEST_BTC, "0.2 BTC"),
        ("1", REGTEST_BTC, "0.00000001 BTC"),
        (0, REGTEST_BTC, "0 BTC"),
        (-150_000_000, REGTEST_BTC, "-1.5 BTC"),
        (1250, EUR, "12.50 EUR"),
        (800, EUR, "8.00 EUR"),
    ],
)
def test_money_is_written_exactly(units: int | str, asset: Asset, text: str):
    assert words.money(units, asset.id) == text


def test_all_moods_are_known_to_the_style():
    tables = (words.INVOICE, words.DEPOSIT, words.PAYOUT, words.DELIVERY)
    moods = {word.mood for word in itertools.chain.from_iterable(table.values() for table in tables)}
    assert moods <= {"wait", "good", "bad", "still"}
