"""What the page says: every state of an invoice in plain words, for somebody who has never paid with crypto before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Final

from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, asset_by_id, chain_by_id


class Mood(StrEnum):
    """How a message feels; the page shows it by colour and by sign, never by colour alone."""

    WAIT = "wait"
    GOOD = "good"
    BAD = "bad"


class Step(IntEnum):
    """How far a payment has come, of the four steps that the page names."""

    WAITING = 0
    SEEN = 1
    CONFIRMING = 2
    PAID = 3


STEPS: Final = ("Waiting", "Seen", "Confirming", "Paid")


@dataclass(frozen=True, slots=True)
class Message:
    """A headline and what it means; ``step`` is none where the way to being paid is over; ``pay`` shows how to pay."""

    headline: str
    detail: str
    mood: Mood
    step: Step | None = None
    pay: bool = False


_UNDER_WAY: Final = frozenset({"seen", "confirming", "confirmed", "held"})
_TAKEN_BACK: Final = frozenset({"dropped", "reversed"})
_LATE_HINT: Final = "If you have just paid, do not pay again: what arrives is credited to the merchant, who is told."
_INVALID: Final = {
    "cancelled": ("This invoice was cancelled", "Do not pay it. Ask the merchant for a new one."),
    "unconfirmed": (
        "Your payment never confirmed",
        "The network did not take it. If it confirms later the merchant is credited and told; ask them what to do.",
    ),
    "payment-vanished": (
        "Your payment has vanished from the network",
        "It was replaced or double-spent, so nothing arrived. Ask the merchant for a new invoice.",
    ),
    "depegged": (
        "Your payment was not taken at this price",
        "What you sent was worth less than usual when it arrived. All of it is with the merchant; ask them what to do.",
    ),
}
PAYMENT_STATES: Final = {
    "seen": "Seen, not in a block yet",
    "confirming": "Confirming",
    "confirmed": "Confirmed, being credited",
    "held": "Held for a check",
    "credited": "Credited to the merchant",
    "reversed": "Its block was replaced; waiting for a new one",
    "dropped": "Gone from the network; it does not count",
}


def message(view: Mapping[str, Any], *, depegged: bool = False) -> Message:
    """Say where an invoice stands. ``view`` is its public view; ``depegged``: its stablecoin is not at par now."""
    if depegged and view["status"] == "new":
        return _not_now(view)
    return _BY_STATUS[view["status"]](view)


def network(chain_id: str) -> str:
    """Name the network in words, and warn that the coins of a test network have no value."""
    chain = chain_by_id(chain_id)
    return f"{chain.name}: a test network, coins have no value" if chain.test else f"{chain.name} network"


def coin(view: Mapping[str, Any]) -> Asset:
    """Find the coin or token that an invoice is paid in."""
    return asset_by_id(view["asset_id"])


def short(text: str) -> str:
    """Leave out the zeros that end a decimal text; the amount stays exact."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def amount_text(asset: Asset, base_units: int) -> str:
    """Write base units as exact decimal text with the coin's code."""
    return f"{short(Amount(asset, base_units).format())} {asset.code}"


def _not_now(view: Mapping[str, Any]) -> Message:
    code = view["asset"]
    again = " What has arrived already is with the merchant." if _came(view) else ""
    detail = (
        f"{code} is not worth what it stands for just now, so a payment in it would not settle this invoice. This page "
        f"shows how to pay as soon as that is over; or ask the merchant for another way to pay.{again}"
    )
    return Message(f"Do not pay with {code} now", detail, Mood.BAD, Step.WAITING)


def _new(view: Mapping[str, Any]) -> Message:
    missing = f"{short(view['amount_remaining'])} {view['asset']}"
    if _came(view):
        detail = f"{missing} is still missing. Send the rest to the same address before the time runs out."
        return Message("Part of it has arrived", detail, Mood.WAIT, Step.WAITING, pay=True)
    if stray := _stray(view):
        detail = (
            f"{stray} came, which does not pay this invoice. It goes to the merchant, who is told: ask them what to "
            f"do. To pay, send exactly {missing} to the same address."
        )
        return Message("Something else has arrived", detail, Mood.BAD, Step.WAITING, pay=True)
    if _own(view):
        detail = (
            "A payment that was announced before has left the network and does not count. If your wallet still shows "
            "it as sent, wait for it to come back; otherwise pay again."
        )
        return Message("Your payment was withdrawn", detail, Mood.BAD, Step.WAITING, pay=True)
    detail = f"Send exactly {missing} to the address shown here. This page notices it by itself."
    return Message("Waiting for your payment", detail, Mood.WAIT, Step.WAITING, pay=True)


def _processing(view: Mapping[str, Any]) -> Message:
    states = {item["state"] for item in _own(view)}
    if view["exception"] == "depegged":
        detail = (
            f"All of it is with the merchant, but {view['asset']} is not worth what it stands for just now, so this "
            "invoice is not called paid yet. Do not pay again: it is decided by itself or by a person, and the "
            "merchant is told."
        )
        return Message("Your payment has arrived and waits", detail, Mood.WAIT, Step.CONFIRMING)
    if states and states <= _TAKEN_BACK:
        detail = (
            "That can happen when the chain reorganises or a sender replaces a payment. If it comes back it counts. "
            "Do not pay again yet; this page tells you what becomes of it."
        )
        return Message("Your payment has left the network for now", detail, Mood.BAD, Step.SEEN)
    if "held" in states:
        detail = f"It has arrived and is safe. The merchant's processor looks at it before crediting.{_anomaly(view)}"
        return Message("Your payment is being checked", detail, Mood.WAIT, Step.CONFIRMING)
    close = "You can close this page; the merchant is told either way."
    if any(int(item["confirmations"]) for item in _own(view) if item["state"] in _UNDER_WAY):
        detail = f"{_confirmations(view)} {close}{_anomaly(view)}"
        return Message("Payment confirming", detail, Mood.WAIT, Step.CONFIRMING)
    detail = f"The network has it, with {_confirmations(view)} {close}{_anomaly(view)}"
    return Message("Payment seen", detail, Mood.WAIT, Step.SEEN)


def _paid(view: Mapping[str, Any]) -> Message:
    return Message("Paid", f"Thank you. The merchant has been credited.{_anomaly(view)}", Mood.GOOD, Step.PAID)


def _expired(view: Mapping[str, Any]) -> Message:
    if view["exception"] == "underpaid":
        missing = f"{short(view['amount_remaining'])} {view['asset']}"
        detail = f"{missing} was missing when the time ran out. What arrived goes to the merchant: ask them what to do."
        return Message("Too little arrived in time", detail, Mood.BAD)
    if view["exception"] == "late":
        detail = "It goes to the merchant, who is told and decides what follows. Do not pay again."
        return Message("Your payment came too late", detail, Mood.BAD)
    if stray := _stray(view):
        detail = f"{stray} came, and goes to the merchant, who is told: ask them what to do. Do not pay again."
        return Message("Something else arrived", detail, Mood.BAD)
    return Message("The time to pay has run out", f"Ask the merchant for a new invoice. {_LATE_HINT}", Mood.BAD)


def _invalid(view: Mapping[str, Any]) -> Message:
    headline, detail = _INVALID.get(view["status_reason"] or "", ("This invoice is void", "Do not pay it."))
    late = f" {_LATE_HINT}" if view["exception"] == "late" else ""
    stray = _anomaly(view) if view["exception"] == "wrong-asset" else ""
    return Message(headline, detail + late + stray, Mood.BAD)


_BY_STATUS: Final[Mapping[str, Callable[[Mapping[str, Any]], Message]]] = {
    "new": _new,
    "processing": _processing,
    "paid": _paid,
    "expired": _expired,
    "invalid": _invalid,
}


def _anomaly(view: Mapping[str, Any]) -> str:
    kind = view["exception"]
    if kind in {"overpaid", "paid-twice"}:
        over = amount_text(coin(view), max(0, _came(view) - int(view["amount_due_base_units"])))
        what = "It was paid twice" if kind == "paid-twice" else "More than the price arrived"
        return f" {what}: {over} too much. All of it is with the merchant; ask them to return the difference."
    if kind == "wrong-asset":
        return f" {_stray(view)} came too, which does not count here. It is with the merchant: ask them to return it."
    return _OTHER_ANOMALIES[kind]


_OTHER_ANOMALIES: Final = {
    "none": "",
    "underpaid": " A little less than the price arrived, which the merchant accepts.",
    "late": " Some of it came after the time was over.",
    "depegged": " It is decided yet what it counts for.",
}


def _own(view: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the payments in the asset that the invoice is paid in; others do not count."""
    return [item for item in view["payments"] if item["asset_id"] == view["asset_id"]]


def _stray(view: Mapping[str, Any]) -> str:
    """Name what came in other assets and is there, network included; empty where nothing did."""
    found = [
        f"{short(item['amount'])} {item['asset']} on {chain_by_id(asset_by_id(item['asset_id']).chain_id).name}"
        for item in view["payments"]
        if item["asset_id"] != view["asset_id"] and item["state"] != "dropped"
    ]
    return " and ".join(found)


def _came(view: Mapping[str, Any]) -> int:
    return int(view["amount_paid_base_units"]) + int(view["amount_pending_base_units"])


def _confirmations(view: Mapping[str, Any]) -> str:
    under_way = [item for item in _own(view) if item["state"] in {"seen", "confirming"}]
    if not under_way:
        return "It is being credited."
    return f"{progress(max(under_way, key=_missing))}."


def _missing(payment: Mapping[str, Any]) -> tuple[bool, int]:
    needed = payment["confirmations_needed"]
    return needed is None, int(needed or 0) - int(payment["confirmations"])


def progress(payment: Mapping[str, Any]) -> str:
    """Say how far a payment is confirmed, and what it waits for: a count, or that the network calls its block final."""
    needed, now = payment["confirmations_needed"], int(payment["confirmations"])
    if needed is None:
        return f"{counted(now, 'confirmation')}, waiting for the network to call it final"
    return f"{now} of {counted(int(needed), 'confirmation')}"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun, in the plural where it is due."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
