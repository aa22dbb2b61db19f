"""What the console calls things: states in plain words, and how each feels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from strongroom.payouts.model import Moment, PayoutState
from strongroom_core.amounts import Amount
from strongroom_core.assets import asset_by_id, chain_by_id, network_name


@dataclass(frozen=True, slots=True)
class Word:
    """A state in words; ``mood`` is wait, good, bad or still, and is shown by colour beside the words."""

    text: str
    mood: str


INVOICE: Final = {
    "new": Word("Waiting", "wait"),
    "processing": Word("Confirming", "wait"),
    "paid": Word("Paid", "good"),
    "expired": Word("Expired", "still"),
    "invalid": Word("Invalid", "bad"),
}
EXCEPTION: Final = {
    "none": "",
    "underpaid": "Underpaid",
    "overpaid": "Overpaid",
    "paid-twice": "Paid twice",
    "late": "Late",
    "wrong-asset": "Wrong asset",
    "depegged": "Not at par",
}
REASON: Final = {
    "cancelled": "cancelled",
    "unconfirmed": "its payment never confirmed",
    "payment-vanished": "its payment vanished from the network",
    "depegged": "its asset did not come back to its par",
}
DEPOSIT: Final = {
    "seen": Word("Seen", "wait"),
    "confirming": Word("Confirming", "wait"),
    "confirmed": Word("Confirmed", "wait"),
    "held": Word("Held", "wait"),
    "credited": Word("Credited", "good"),
    "reversed": Word("Reversed", "bad"),
    "dropped": Word("Dropped", "bad"),
}
PAYOUT: Final = {
    "queued": Word("Queued", "wait"),
    "hot-short": Word("Waiting for hot funds", "wait"),
    "planned": Word("Planned", "wait"),
    "signed": Word("Signed", "wait"),
    "broadcast": Word("Broadcast", "wait"),
    "confirmed": Word("Confirmed", "good"),
    "final": Word("Final", "good"),
    "refused": Word("Refused", "bad"),
    "cancelled": Word("Cancelled", "still"),
    "expired": Word("Expired", "still"),
}
PAYOUT_MEANING: Final = {
    "queued": "Your signed intent was taken; amount and fee are held",
    "hot-short": "The hot balance does not cover it yet",
    "planned": "Coins and fee are chosen; it goes to the signers",
    "signed": "Two independent signers judged it and co-signed",
    "broadcast": "Sent to the network",
    "confirmed": "In a block",
    "final": "So deep in the chain that it cannot be undone",
    "refused": "It was refused, and the hold given back",
    "cancelled": "Taken back, and the hold given back",
    "expired": "Its time ran out before it was signed; the hold was given back",
}
DELIVERY: Final = {
    "pending": Word("Pending", "wait"),
    "delivered": Word("Delivered", "good"),
    "exhausted": Word("Given up", "bad"),
}
_WAY: Final = ("queued", "planned", "signed", "broadcast", "confirmed", "final")
_ENDED: Final = frozenset({"final", "refused", "cancelled", "expired"})


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """One step of a payout's life; ``at`` is none for one that is still to come."""

    word: Word
    meaning: str
    at: datetime | None
    reason: str
    current: bool


def timeline(moments: Sequence[Moment]) -> list[TimelineStep]:
    """Show a payout's life: what happened, and what is still to come if all goes well."""
    steps = [_step(item.status, item.at, item.reason) for item in moments]
    last = moments[-1].status.value if moments else ""
    if steps:
        steps[-1] = _step(moments[-1].status, moments[-1].at, moments[-1].reason, current=True)
    if last in _ENDED:
        return steps
    reached = _WAY.index(last) if last in _WAY else 0
    return steps + [_step(PayoutState(name), None, "") for name in _WAY[reached + 1 :]]


def _step(state: PayoutState, at: datetime | None, reason: str, *, current: bool = False) -> TimelineStep:
    return TimelineStep(PAYOUT[state.value], PAYOUT_MEANING[state.value], at, reason, current)


def money(base_units: int | str, asset_id: str) -> str:
    """Write base units as exact decimal text with the asset's code; of coins without the zeros at the end."""
    asset = asset_by_id(asset_id)
    units = int(base_units)
    text = Amount(asset, abs(units)).format()
    return f"{'-' if units < 0 else ''}{text if asset.is_fiat else short(text)} {asset.code}"


def short(text: str) -> str:
    """Leave out the zeros that end a decimal text; the number stays exact."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def asset_network(asset_id: str) -> str:
    """Name the network that an asset lives on, in a word or two."""
    return network_name(asset_by_id(asset_id))


def network(chain_id: str) -> str:
    """Name the network in words."""
    chain = chain_by_id(chain_id)
    return f"{chain.name}: a test network, coins have no value" if chain.test else chain.name


def when(at: datetime) -> str:
    """Write a time for people, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
