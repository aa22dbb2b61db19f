"""What an answer rests on, as its commands tell it: lists with their ages, chain, provenance."""

from __future__ import annotations

from datetime import date
from typing import Any

from strongroom_core.assets import network_name
from strongroom_tracing.cli.context import coin_of, note, say
from strongroom_tracing.provenance import Provenance, tool_name
from strongroom_tracing.tags.store import TagStore


def heading(question: str, facts: Provenance) -> str:
    """Give the first line of an answer."""
    return f"{question}, {network_name(coin_of(facts.chain))} ({facts.chain}) through height {facts.height}"


def tell_lists(facts: Provenance, on: date, without: str) -> None:
    """Tell which lists were checked and how old they are; ``without``: what it means that there were none."""
    ages = facts.ages(on)
    if not ages:
        say(f"Lists checked: none, so {without}.")
        return
    said = (f"{item.name} ({item.tags} tags, as of {item.as_of.isoformat()}, {days} days old)" for item, days in ages)
    say(f"Lists checked: {', '.join(said)}. An address that is on none of them is not thereby clean.")


def tell_provenance(facts: Provenance) -> None:
    """Tell the name of all that an answer rests on."""
    say(f"provenance {facts.sha256} ({tool_name()})")


def lists_json(facts: Provenance, on: date) -> dict[str, Any]:
    """Give the lists that were checked with their ages on a day, beside the provenance, in which no clock stands."""
    checked = [{"name": item.name, "as_of": item.as_of.isoformat(), "days": days} for item, days in facts.ages(on)]
    return {"on": on.isoformat(), "lists_checked": checked}


def note_lists(store: TagStore | None, on: date) -> None:
    """Note beside what is watched which lists say what a service is, and how old they are."""
    lists = () if store is None else store.lists()
    said = [f"{item.name} ({item.tags} tags, as of {item.as_of}, {(on - item.as_of).days} days old)" for item in lists]
    note(f"Lists checked: {', '.join(said) or 'none, so no service is known by them'}")


def lists_of(store: TagStore | None) -> dict[str, Any]:
    """Give the lists by which a move's service was told, and their days."""
    lists = () if store is None else store.lists()
    return {"lists_checked": [{"name": item.name, "as_of": item.as_of.isoformat()} for item in lists]}


def share(value: int, whole: int) -> str:
    """Write a part of a whole in per cent, rounded down to a tenth."""
    if not whole:
        return ""
    tenths = value * 1000 // whole
    return f"{tenths // 10}.{tenths % 10} %"
