"""Tags in a folder: one file for each list, and a manifest that is replaced as a whole.

What is open is one state of the store, as of its opening or its own last change: another process's change is seen by
the next ``open``. Files are named by their content and never changed, so that a crash leaves the old list or the new
one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace as with_fields
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import pyarrow as pa

from strongroom_tracing.files import replace_file, take_lock
from strongroom_tracing.tags import actors, manifest
from strongroom_tracing.tags.addresses import asked, canonical, key, prefix
from strongroom_tracing.tags.errors import BadListError, StoreBusyError, StoreDamagedError, UnknownListError
from strongroom_tracing.tags.model import Actor, Answered, Change, Delisting, ListAge, Listed, ListInfo, Tag
from strongroom_tracing.tags.table import Rows, arranged, content_sha256, from_parquet, to_parquet

_FILES: Final = "lists"
_LOCK: Final = "lock"
_LIST_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
Check = Callable[[ListInfo, Sequence[Tag]], None]  # what stands under the name, and its tags
_ATTEMPTS: Final = 5  # a reader whose files are replaced between manifest and file reads the manifest again


class TagStore:
    """All lists of a folder. Look-ups are by binary search in each list; conflicts between lists are kept."""

    def __init__(self, folder: Path) -> None:
        """Take a folder; ``open`` reads it."""
        self._folder = folder
        self._entries: dict[str, manifest.Entry] = {}
        self._rows: dict[str, Rows] = {}
        self._actors: dict[str, Actor] = {}

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read a store; one that is not there yet is empty. Raises ``StoreDamagedError``."""
        store = cls(folder)
        store._load()
        return store

    def refresh(self) -> None:
        """See other processes' changes; lists that did not change are not read again.

        Raises ``StoreDamagedError``, also where all that stood is gone: without it every service would be unknown.
        """
        if self._entries and not manifest.stands(self._folder):
            message = f"the lists of {self._folder} are gone: bring them back, or import them again"
            raise StoreDamagedError(message)
        self._load()

    def lookup(self, chain: str, address: str) -> tuple[Tag, ...]:
        """Give all that is said of an address (of an EVM address: on every EVM chain), by list.

        Bad text finds nothing.
        """
        return tuple(listed.tag for listed in self.listed(chain, address))

    def listed(self, chain: str, address: str) -> tuple[Listed, ...]:
        """Give all that is said of an address, with the list that says it."""
        wanted = asked(chain, address)
        return tuple(Listed(name, tag) for name in sorted(self._rows) for tag in self._rows[name].find(wanted))

    def answered(self, chain: str, address: str, on: date) -> Answered:
        """Answer about an address on a day: tags, delistings, and every list that was checked with its age.

        Raises ``BadAddressError`` for what is no address of the chain, so that a slip of the pen is not taken for
        "nothing known".
        """
        known = canonical(chain, address)
        wanted = key(chain, known)
        delisted = (one for entry in self._entries.values() for one in entry.delisted)
        return Answered(
            chain=chain,
            address=known,
            on=on,
            tags=self.listed(chain, known),
            delisted=tuple(one for one in delisted if key(one.chain, one.address) == wanted),
            lists=tuple(ListAge(info, (on - info.as_of).days) for info in self.lists()),
            tags_hash=self.hash,
        )

    @property
    def actors(self) -> Mapping[str, Actor]:
        """The parties that tags name as ``actor``, by id: whom to ask, and where they sit."""
        return MappingProxyType(self._actors)

    def replace_actors(self, named: Mapping[str, Actor]) -> None:
        """Put parties in the place of those that stood. Raises ``StoreBusyError``."""
        with self._changing():
            actors.write(self._folder, named)
            self._load()

    def lists(self) -> tuple[ListInfo, ...]:
        """Give what stands, by name."""
        return tuple(self._entries[name].info for name in sorted(self._entries))

    def info(self, list_name: str) -> ListInfo:
        """Give what is known of one list. Raises ``UnknownListError``."""
        if list_name not in self._entries:
            message = f"there is no list {list_name!r}; there are: {', '.join(sorted(self._entries)) or 'none'}"
            raise UnknownListError(message)
        return self._entries[list_name].info

    @property
    def hash(self) -> str:
        """The sha256 of what stands: each list's name, day and content. Same hash, same answers (but for ages)."""
        said = [[info.name, info.as_of.isoformat(), info.sha256] for info in self.lists()]
        return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()

    def all(self, chain: str) -> tuple[Tag, ...]:
        """Give all tags that count on a chain (CAIP-2), by list and address.

        On an EVM chain those of every EVM chain.
        """
        return tuple(listed.tag for listed in self.all_listed(chain))

    def all_listed(self, chain: str) -> tuple[Listed, ...]:
        """Give all tags that count on a chain, with their lists."""
        begin = prefix(chain)
        return tuple(Listed(name, tag) for name in sorted(self._rows) for tag in self._rows[name].starting_with(begin))

    def replace(self, list_name: str, tags: Iterable[Tag], info: ListInfo, *, check: Check | None = None) -> Change:
        """Put a list in the place of what stood under its name, whole and atomically.

        ``info.name``, ``.tags`` and ``.sha256`` are filled in. Addresses that the new issue no longer names are
        reported and remembered as delisted. ``check`` is shown what stands at that moment, while nobody else can change
        it; where it raises, nothing is replaced. Raises ``BadListError``, ``StoreBusyError``, ``StoreDamagedError``.
        """
        if not _LIST_NAME.fullmatch(list_name):
            message = f"{list_name!r} is no list name: lower-case letters, digits and . _ - make one, up to 64"
            raise BadListError(message)
        rows = arranged(tags)
        if not rows:
            message = f"{list_name} has no tags: an empty list replaces nothing"
            raise BadListError(message)
        filled = with_fields(info, name=list_name, tags=len(rows), sha256=content_sha256(rows))
        with self._changing():
            before = self._rows[list_name].every() if list_name in self._rows else []
            if check is not None and before:
                check(self.info(list_name), before)
            change = self._compare(before, rows, filled)
            self._put(rows, filled, change.delisted)
        return change

    def remove(self, list_name: str) -> None:
        """Take a list away. Raises ``UnknownListError``, ``StoreBusyError``."""
        with self._changing():
            self.info(list_name)
            entries = {name: entry for name, entry in self._entries.items() if name != list_name}
            manifest.write(self._folder, entries)
            self._load()
            self._clear()

    def _compare(self, before: Sequence[Tag], after: Sequence[Tag], info: ListInfo) -> Change:
        old = {key(tag.chain, tag.address): tag for tag in before}
        new = {key(tag.chain, tag.address): tag for tag in after}
        gone = tuple(
            Delisting(info.name, tag.chain, tag.address, tag.label, self.info(info.name).as_of, info.as_of)
            for wanted, tag in sorted(old.items())
            if wanted not in new
        )
        added = sorted((tag.chain, tag.address) for wanted, tag in new.items() if wanted not in old)
        return Change(info.name, len(before), len(after), tuple(added), gone)

    def _put(self, rows: Sequence[Tag], info: ListInfo, gone: tuple[Delisting, ...]) -> None:
        data = to_parquet(rows)
        stood = self._entries.get(info.name)
        named = {key(tag.chain, tag.address) for tag in rows}
        earlier = tuple(one for one in stood.delisted if key(one.chain, one.address) not in named) if stood else ()
        entry = manifest.Entry(info, hashlib.sha256(data).hexdigest(), (*earlier, *gone))
        (self._folder / _FILES).mkdir(exist_ok=True)
        replace_file(self._folder / _FILES / entry.file, data)
        manifest.write(self._folder, {**self._entries, info.name: entry})
        self._load()
        self._clear()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not take_lock(lock):
                message = f"another process is changing {self._folder}: try again when it is done"
                raise StoreBusyError(message)
            self._load()
            yield
        finally:
            os.close(lock)

    def _load(self) -> None:
        for attempt in range(_ATTEMPTS):
            entries = manifest.read(self._folder)
            try:
                rows = {name: self._read(entry) for name, entry in entries.items()}
            except FileNotFoundError as error:
                if attempt + 1 < _ATTEMPTS:
                    continue
                message = f"{error.filename} is missing: import its list again"
                raise StoreDamagedError(message) from error
            self._entries, self._rows, self._actors = entries, rows, actors.read(self._folder)
            return

    def _read(self, entry: manifest.Entry) -> Rows:
        stood = self._entries.get(entry.info.name)
        if stood is not None and stood.names_what(entry):
            return self._rows[entry.info.name]
        path = self._folder / _FILES / entry.file
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() == entry.file_sha256:
            try:
                return _checked(from_parquet(data), entry.info)
            except (pa.ArrowException, OSError):
                pass  # told below, as any other damage
        message = f"{path} is damaged: import the list {entry.info.name!r} again"
        raise StoreDamagedError(message)

    def _clear(self) -> None:
        """Remove files that no list names, those of an interrupted change too."""
        named = {entry.file for entry in self._entries.values()}
        for path in (self._folder / _FILES).iterdir():
            if path.name not in named:
                path.unlink(missing_ok=True)


def _checked(rows: Rows, info: ListInfo) -> Rows:
    """See that a list is the one that the manifest names: ``TagStore.hash``, which answers rest on, is of its words."""
    if len(rows.keys) != info.tags or rows.sha256() != info.sha256 or not rows.is_keyed():
        message = (
            f"the tags of the list {info.name!r} are not those that the manifest names ({info.tags} tags, content "
            f"{info.sha256}), so an answer would say that it rests on what it does not: import the list again"
        )
        raise StoreDamagedError(message)
    return rows
