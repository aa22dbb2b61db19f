"""Bringing lists up to date: fetched, read whole, compared, and only then put in the place of what stands.

Nothing here runs unless it is called; without a network, everything goes on with what is there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from strongroom_tracing.tags.errors import TagsError
from strongroom_tracing.tags.fetching import fetch
from strongroom_tracing.tags.service import Imported, import_list
from strongroom_tracing.tags.settings import ListSetting
from strongroom_tracing.tags.store import TagStore

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one list: it was taken in, or an error says why what stood still stands."""

    list_name: str
    imported: Imported | None
    error: TagsError | None


def update(store: TagStore, setting: ListSetting, *, now: datetime, anyway: bool = False) -> Imported:
    """Fetch one list and put it in place; ``now`` (UTC) is when it was fetched.

    A list that names no day is of the day in the settings, else of the server's Last-Modified, else of today. Raises
    ``FetchError``, ``ChecksumError``, ``BadListError``, ``ListShrunkError``, ``ListOlderError``; what stood then
    stands.
    """
    with tempfile.TemporaryDirectory(prefix="strongroom-tags-") as folder:
        fetched = fetch(setting, Path(folder))
        as_of = setting.given.as_of or fetched.modified or now.astimezone(UTC).date()
        given = replace(setting.given, as_of=as_of, uri=setting.given.uri or setting.url)
        return import_list(
            store, setting.name, setting.format, fetched.path, given, fetched_at=now.astimezone(UTC), anyway=anyway
        )


def update_all(
    store: TagStore,
    settings: Sequence[ListSetting],
    *,
    now: datetime,
    anyway: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> tuple[Outcome, ...]:
    """Bring every list up to date; one that fails does not keep the others."""
    outcomes = []
    for done, setting in enumerate(settings):
        progress(done, len(settings))
        try:
            outcomes.append(Outcome(setting.name, update(store, setting, now=now, anyway=anyway), None))
        except TagsError as error:
            outcomes.append(Outcome(setting.name, None, error))
    progress(len(settings), len(settings))
    return tuple(outcomes)
