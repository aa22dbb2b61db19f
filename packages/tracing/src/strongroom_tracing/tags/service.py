"""Taking a list into a store: read, compared with what stands, then put in its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

from strongroom_tracing.tags.addresses import key
from strongroom_tracing.tags.errors import BadListError, ListOlderError, ListShrunkError
from strongroom_tracing.tags.imports import actorpack
from strongroom_tracing.tags.imports.formats import Format, read
from strongroom_tracing.tags.imports.reading import Given
from strongroom_tracing.tags.model import Change, ListInfo, Problem, Tag
from strongroom_tracing.tags.store import TagStore

KEPT_AT_LEAST: Final = Fraction(1, 2)  # a list that lost more than half is likelier cut off or another's than delisted
_AHEAD: Final = timedelta(days=1)  # where it is tomorrow already


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

    The list's day is the latest that one of its tags is of; it is at most a day after it was fetched (``fetched_at``;
    None: now). ``anyway`` takes a list that has not half of the addresses that stand, or is older than what stands.
    Raises ``BadListError``, ``ListShrunkError``, ``ListOlderError``, ``StoreBusyError``; what stood then still
    stands.
    """
    problems: list[Problem] = []
    tags = read(kind, path, given, problems, actors=store.actors)
    if not tags:
        message = f"{path.name} has no tag that can be read ({len(problems)} bad lines): nothing is replaced"
        raise BadListError(message)
    _check_days(path, tags, (fetched_at or datetime.now(UTC)).date())
    info = _info(list_name, tags, given, fetched_at)
    change = store.replace(list_name, tags, info, check=None if anyway else partial(_check, info, tags))
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


def _check_days(path: Path, tags: Sequence[Tag], today: date) -> None:
    """Refuse a day that is to come: no later issue could take the place of a list of that day."""
    latest = max(tags, key=lambda tag: tag.source_date)
    if latest.source_date > today + _AHEAD:
        message = (
            f"{path.name} has a tag of a day to come, {latest.source_date} ({latest.address}): nothing is replaced"
        )
        raise BadListError(message)


def _check(info: ListInfo, tags: Sequence[Tag], stands: ListInfo, stood: Sequence[Tag]) -> None:
    """Refuse an issue that is older than what stands or has not half of its addresses."""
    if info.as_of < stands.as_of:
        message = f"{info.name} of {info.as_of} is older than what stands, of {stands.as_of}: not taken unless told to"
        raise ListOlderError(message)
    old = {key(tag.chain, tag.address) for tag in stood}
    kept = len(old.intersection(key(tag.chain, tag.address) for tag in tags))
    if kept < len(old) * KEPT_AT_LEAST:
        message = (
            f"{info.name} still names {kept} of the {len(old)} addresses that stand: it lost more than half, "
            "and is not taken unless told to"
        )
        raise ListShrunkError(message)
