"""GraphSense's TagPacks (YAML): fields of the header hold for every tag that does not say otherwise.

Source of the format: GraphSense's TagPack tool and its schema. Confidence names become that taxonomy's levels in per
cent (one that the taxonomy has not is ``unknown``); of ``abuse``, ``category`` and ``concepts`` the gravest word
decides (``vocabulary``). ``currency`` (or ``network``, in newer packs) places the address. Tags of chain txs are no
tags of addresses and are reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from yaml import Node

from strongroom_tracing.tags.errors import BadListError
from strongroom_tracing.tags.imports import nodes
from strongroom_tracing.tags.imports.reading import NOTHING, Gathering, Given, day
from strongroom_tracing.tags.model import Actor, Category, Problem, Tag
from strongroom_tracing.tags.vocabulary import CONFIDENCE, CONFIDENCE_UNKNOWN, category

_NO_ACTORS: Final[Mapping[str, Actor]] = MappingProxyType({})


def read(
    path: Path,
    given: Given = NOTHING,
    *,
    actors: Mapping[str, Actor] = _NO_ACTORS,
    problems: list[Problem] | None = None,
) -> list[Tag]:
    """Read a TagPack; a tag without a category of its own takes that of its actor, where an ActorPack knows it.

    Raises ``BadListError`` for what is no TagPack, and ``BadLinesError`` on bad lines that nobody takes.
    """
    header = nodes.document(path)
    if "tags" not in header:
        message = f"{path.name} is no TagPack: it has no tags"
        raise BadListError(message)
    gathering = Gathering(path, given)
    for node in nodes.items(header.get("tags")):
        _tag(gathering, nodes.line(node), {**header, **nodes.mapping(node)}, actors)
    return gathering.done(problems)


def _tag(gathering: Gathering, line: int, fields: Mapping[str, Node], actors: Mapping[str, Actor]) -> None:
    address = nodes.text(fields.get("address"))
    confidence = nodes.text(fields.get("confidence"))
    if not address:
        gathering.refuse(line, nodes.text(fields.get("tx_hash")), "the tag names no address")
    else:
        actor = nodes.text(fields.get("actor"))
        gathering.put(
            line,
            address,
            currency=nodes.text(fields.get("network")) or nodes.text(fields.get("currency")),
            label=nodes.text(fields.get("label")),
            category=_category(fields, actors.get(actor)),
            actor=actor,
            source=_source(fields),
            source_date=day(nodes.text(fields.get("lastmod"))),
            confidence=CONFIDENCE.get(confidence, CONFIDENCE_UNKNOWN) if confidence else None,
            uri=nodes.text(fields.get("source")),
            note=nodes.text(fields.get("context")),
        )


def _category(fields: Mapping[str, Node], actor: Actor | None) -> Category:
    said = category(word for name in ("abuse", "category", "concepts") for word in nodes.texts(fields.get(name)))
    return actor.category if said is Category.OTHER and actor is not None else said


def _source(fields: Mapping[str, Node]) -> str:
    named = (nodes.text(fields.get("creator")), nodes.text(fields.get("title")))
    return ": ".join(word for word in named if word)
