"""Taking a list into a store: read, compared with what stands, then put in its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

from strongroom_tracing.tags.errors import BadListError, ListOlderError, ListShrunkError
from strongroom_tracing.tags.imports import actorpack
from strongroom_tracing.tags.imports.formats import Format, read
from strongroom_tracing.tags.imports.reading import Given
from strongroom_tracing.tags.model import Change, ListInfo, Problem, Tag
from strongroom_tracing.tags.store import TagStore

KEPT_AT_LEAST: Final = Fraction(1, 2)  # a list that lost more than half is likelier cut off than delisted


@dataclass(frozen=True, slots=True)
class Imported:
    """A list that was taken in: what stands now, what changed, and the lines that could not be read."""

    info: ListInfo
    change: Change
    problems: tuple[Problem, ...]


def import_list(
    store: TagStore,
    list_name: str,
    kind: Format,
    path: Path,
    given: Given,
    *,
    fetched_at: datetime | None = None,
    anyway: bool = False,
) -> Imported:
    """Read a file whole and put it in the place of the list of that name; bad lines are reported, not fatal.

    The list's day is the latest that one of its tags is of. ``anyway`` takes a list that shrank by more than half or is
    older than what stands. Raises ``BadListError``, ``ListShrunkError``, ``ListOlderError``; what stood then still
    stands.
    """
    problems: list[Problem] = []
    tags = read(kind, path, given, problems, actors=store.actors)
    if not tags:
        message = f"{path.name} has no tag that can be read ({len(problems)} bad lines): nothing is replaced"
        raise BadListError(message)
    info = _info(list_name, tags, given, fetched_at)
    if not anyway:
        _check(store, info, tags)
    change = store.replace(list_name, tags, info)
    return Imported(store.info(list_name), change, tuple(problems))


def import_actors(store: TagStore, path: Path) -> int:
    """Take in an ActorPack, before the TagPacks that name its parties; gives how many there are.

    Raises ``BadListError``.
    """
    actors = actorpack.read(path)
    store.replace_actors(actors)
    return len(actors)


def _info(list_name: str, tags: Sequence[Tag], given: Given, fetched_at: datetime | None) -> ListInfo:
    return ListInfo(
        name=list_name,
        source=given.source or _common([tag.source for tag in tags]),
        as_of=max(tag.source_date for tag in tags),
        fetched_at=fetched_at,
        tags=len(tags),
        sha256="",
        licence=given.licence or _common([tag.licence for tag in tags]),
    )


def _common(words: Sequence[str]) -> str:
    ranked = sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0]))
    return ranked[0][0] if len(ranked) == 1 else f"{ranked[0][0]} and {len(ranked) - 1} more"


def _check(store: TagStore, info: ListInfo, tags: Sequence[Tag]) -> None:
    stands = next((one for one in store.lists() if one.name == info.name), None)
    if stands is None:
        return
    if info.as_of < stands.as_of:
        message = f"{info.name} of {info.as_of} is older than what stands, of {stands.as_of}: not taken unless told to"
        raise ListOlderError(message)
    now = len(set(tags))
    if now < stands.tags * KEPT_AT_LEAST:
        message = (
            f"{info.name} has {now} tags and had {stands.tags}: it lost more than half, and is not taken unless told to"
        )
        raise ListShrunkError(message)
