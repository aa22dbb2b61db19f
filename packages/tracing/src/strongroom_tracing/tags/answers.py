"""An answer as plain data, for reports, evidence and ``--json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from strongroom_tracing.tags.model import Actor, Answered, ListInfo


def as_json(answered: Answered, actors: Mapping[str, Actor]) -> dict[str, Any]:
    """Give an answer in JSON's types: dates in ISO 8601, no floats; a tag's party with its name and where it sits."""
    return {
        "chain": answered.chain,
        "address": answered.address,
        "on": answered.on.isoformat(),
        "tags": [
            {"list": listed.list_name, **_plain(asdict(listed.tag)), **_party(actors.get(listed.tag.actor))}
            for listed in answered.tags
        ],
        "conflicts": [str(category) for category in answered.conflicts],
        "delisted": [_plain(asdict(one)) for one in answered.delisted],
        "lists": [{**list_json(age.info), "days": age.days} for age in answered.lists],
        "tags_hash": answered.tags_hash,
    }


def list_json(info: ListInfo) -> dict[str, Any]:
    """Give what is known of a list in JSON's types: what every result says of the lists that it used."""
    return _plain(asdict(info))


def _party(actor: Actor | None) -> dict[str, Any]:
    return {} if actor is None else {"actor_name": actor.label, "jurisdictions": list(actor.jurisdictions)}


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date | datetime) else value for name, value in fields.items()}
