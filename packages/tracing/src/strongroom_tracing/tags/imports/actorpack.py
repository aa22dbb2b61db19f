"""GraphSense's ActorPacks (YAML): the real-world parties that TagPacks name by id."""

from __future__ import annotations

from pathlib import Path

from yaml import Node

from strongroom_tracing.tags.errors import BadListError
from strongroom_tracing.tags.imports import nodes
from strongroom_tracing.tags.model import Actor
from strongroom_tracing.tags.vocabulary import category


def read(path: Path) -> dict[str, Actor]:
    """Read an ActorPack: actors by id. Raises ``BadListError``."""
    actors = {}
    for node in nodes.items(nodes.document(path).get("actors")):
        actor = _actor(nodes.mapping(node))
        if actor.id:
            actors[actor.id] = actor
    if not actors:
        message = f"{path.name} names no actors"
        raise BadListError(message)
    return actors


def _actor(fields: dict[str, Node]) -> Actor:
    name = nodes.text(fields.get("id"))
    return Actor(
        id=name,
        label=nodes.text(fields.get("label")) or name,
        category=category(nodes.texts(fields.get("categories"))),
        jurisdictions=tuple(nodes.texts(fields.get("jurisdictions"))),
        uri=nodes.text(fields.get("uri")),
    )
