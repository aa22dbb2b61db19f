"""The store's table of contents: which lists stand, in which files; replaced as a whole, so that it is never half."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from strongroom_tracing.files import replace_file
from strongroom_tracing.tags.errors import StoreDamagedError
from strongroom_tracing.tags.model import Delisting, ListInfo

_NAME: Final = "manifest.json"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One list: what is known of it, the digest of its file, and the addresses that it no longer names."""

    info: ListInfo
    file_sha256: str
    delisted: tuple[Delisting, ...]

    @property
    def file(self) -> str:
        """The file's name: that of its bytes, so that a file never changes."""
        return f"{self.file_sha256}.parquet"

    def names_what(self, other: Entry) -> bool:
        """Whether both say the same of the list's tags."""
        return (self.file_sha256, self.info.sha256, self.info.tags) == (
            other.file_sha256,
            other.info.sha256,
            other.info.tags,
        )


def stands(folder: Path) -> bool:
    """Whether there is a store in a folder."""
    return (folder / _NAME).exists()


def read(folder: Path) -> dict[str, Entry]:
    """Read the lists by name; none where the store is new. Raises ``StoreDamagedError``."""
    path = folder / _NAME
    try:
        raw = json.loads(path.read_bytes())
        if raw["format"] != _FORMAT:
            message = f"{path} has format {raw['format']!r}; this version reads {_FORMAT}"
            raise StoreDamagedError(message)
        return {name: _entry(name, said) for name, said in raw["lists"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path} cannot be read ({error}): move it away and import the lists again"
        raise StoreDamagedError(message) from error


def write(folder: Path, entries: Mapping[str, Entry]) -> None:
    """Replace the manifest: whoever reads sees the old one or the new one, after a power cut too."""
    lists = {name: _raw(entry) for name, entry in sorted(entries.items())}
    text = json.dumps({"format": _FORMAT, "lists": lists}, indent=1, sort_keys=True, ensure_ascii=False)
    replace_file(folder / _NAME, text.encode() + b"\n")


def _raw(entry: Entry) -> dict[str, Any]:
    info = {key: value for key, value in asdict(entry.info).items() if key != "name"}
    fetched = entry.info.fetched_at
    return {
        **info,
        "as_of": entry.info.as_of.isoformat(),
        "fetched_at": None if fetched is None else fetched.isoformat(),
        "file_sha256": entry.file_sha256,
        "delisted": [
            [one.chain, one.address, one.label, one.listed_as_of.isoformat(), one.gone_as_of.isoformat()]
            for one in entry.delisted
        ],
    }


def _entry(name: str, raw: Mapping[str, Any]) -> Entry:
    fetched = raw["fetched_at"]
    info = ListInfo(
        name=name,
        source=raw["source"],
        as_of=date.fromisoformat(raw["as_of"]),
        fetched_at=None if fetched is None else datetime.fromisoformat(fetched),
        tags=int(raw["tags"]),
        sha256=raw["sha256"],
        licence=raw["licence"],
    )
    delisted = (
        Delisting(name, chain, address, label, date.fromisoformat(listed), date.fromisoformat(gone))
        for chain, address, label, listed, gone in raw["delisted"]
    )
    return Entry(info, raw["file_sha256"], tuple(delisted))
