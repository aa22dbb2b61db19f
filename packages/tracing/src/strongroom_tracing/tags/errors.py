"""What can go wrong with tags; each with a stable code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from strongroom_tracing.errors import TracingError
from strongroom_tracing.tags.model import Problem

_SHOWN = 5


class TagsError(TracingError):
    """The base of this room's errors."""

    code = "tags"


class BadAddressError(TagsError):
    """A text that is no address of the chain that it is said to be of."""

    code = "tags-address"


class BadListError(TagsError):
    """A file that is not of the format that it is said to be, or that lacks what a list needs."""

    code = "tags-list"


class BadLinesError(BadListError):
    """A list of which some lines cannot be read, where the caller takes no report of such lines."""

    code = "tags-lines"

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        """Name the first of them."""
        first = "; ".join(map(str, problems[:_SHOWN]))
        super().__init__(f"{path.name}: {len(problems)} lines cannot be read (take their report to go on): {first}")
        self.problems = tuple(problems)


class StoreDamagedError(TagsError):
    """A store whose files are not what its manifest says. Fetch or import the list again."""

    code = "tags-store-damaged"


class StoreBusyError(TagsError):
    """Another process is changing the store."""

    code = "tags-store-busy"


class UnknownListError(TagsError):
    """No list of that name is in the store or the settings."""

    code = "tags-list-unknown"


class ListShrunkError(TagsError):
    """A new issue of a list that lost more than half of its addresses; it is kept only where told to."""

    code = "tags-list-shrunk"


class ListOlderError(TagsError):
    """A new issue of a list that is older than what stands; it is kept only where told to."""

    code = "tags-list-older"


class SettingsError(TagsError):
    """Settings of updates that cannot be used."""

    code = "tags-settings"


class FetchError(TagsError):
    """A list that could not be fetched; what stands remains in use."""

    code = "tags-fetch"


class ChecksumError(FetchError):
    """A fetched file that is not the one that its checksum names."""

    code = "tags-checksum"
