"""Fetching a list into a file: within a size, within a time, by https, and the file that its checksum names."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, date
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlsplit

import httpx

from strongroom_tracing.tags.errors import ChecksumError, FetchError, SettingsError
from strongroom_tracing.tags.imports.elements import XML_BYTES_MAX
from strongroom_tracing.tags.imports.formats import Format
from strongroom_tracing.tags.imports.reading import FILE_BYTES_MAX, opened
from strongroom_tracing.tags.redirects import followed
from strongroom_tracing.tags.settings import ListSetting, check_url, is_loopback

_REDIRECTS_MAX: Final = 5
_PATIENCE_SECONDS: Final = 30.0  # for one answer of the server; the whole is bounded by the setting
_CHECKSUM_BYTES: Final = 1 << 16
_DIGEST: Final = re.compile(r"\b[0-9a-fA-F]{64}\b")
_CHUNK: Final = 1 << 20
# Packed by the server, a list could grow a thousandfold in memory before its size is compared.
_AS_IT_IS: Final = "identity"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file, and the day on which its server says that it was last changed."""

    path: Path
    modified: date | None


def fetch(setting: ListSetting, folder: Path) -> Fetched:
    """Fetch a list into a folder, under the name that its URL ends in, and verify its checksum where one is set.

    Raises ``FetchError`` (no answer, another status than 200, too large, too slow, a redirect that is not allowed) and
    ``ChecksumError``.
    """
    deadline = time.monotonic() + setting.seconds_max
    name = re.sub(r"[^-._a-zA-Z0-9]", "_", urlsplit(setting.url).path.rpartition("/")[2]) or "list"
    path = folder / f"fetched-{name}"
    modified = _download(setting.url, path, setting.bytes_max, deadline)
    wanted = setting.sha256 or _published(setting, folder, deadline)
    if wanted:
        _verify(path, wanted, _unpacked_max(setting), deadline)
    return Fetched(path, modified)


def _download(url: str, path: Path, bytes_max: int, deadline: float) -> date | None:
    try:
        for _ in range(_REDIRECTS_MAX + 1):
            # A proxy of the environment is for the world outside, not for this machine.
            outside = not is_loopback(urlsplit(check_url(url)).hostname or "")
            with (
                httpx.Client(timeout=_PATIENCE_SECONDS, trust_env=outside) as client,
                client.stream("GET", url, headers={"accept-encoding": _AS_IT_IS}) as answer,
            ):
                if answer.has_redirect_location:
                    url = followed(url, answer.headers["location"])
                    continue
                return _save(answer, path, bytes_max, deadline)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        message = f"{url} cannot be fetched: {str(error) or type(error).__name__}"
        raise FetchError(message) from error
    except SettingsError as error:
        message = f"a redirect is not followed: {error.message}"
        raise FetchError(message) from error
    message = f"{url} is redirected more than {_REDIRECTS_MAX} times"
    raise FetchError(message)


def _save(answer: httpx.Response, path: Path, bytes_max: int, deadline: float) -> date | None:
    if answer.status_code != httpx.codes.OK:
        message = f"{answer.url} answers {answer.status_code}, not 200"
        raise FetchError(message)
    packing = answer.headers.get("content-encoding", _AS_IT_IS).strip().lower()
    if packing not in ("", _AS_IT_IS):
        message = f"{answer.url} is packed by its server ({packing[:50]}), and was asked for as it is"
        raise FetchError(message)
    taken = 0
    with path.open("wb") as file:
        for chunk in answer.iter_raw():
            taken += len(chunk)
            if taken > bytes_max:
                message = f"{answer.url} has more than {bytes_max} bytes (bytes_max)"
                raise FetchError(message)
            if time.monotonic() > deadline:
                message = f"{answer.url} took longer than is allowed (seconds_max)"
                raise FetchError(message)
            file.write(chunk)
    return _modified(answer.headers.get("last-modified"))


def _modified(header: str | None) -> date | None:
    try:
        return parsedate_to_datetime(header).astimezone(UTC).date() if header else None
    except (ValueError, OverflowError):  # no day, or one beyond the calendar
        return None


def _published(setting: ListSetting, folder: Path, deadline: float) -> str:
    """Give the digest that is published beside the list; empty where none is set."""
    if not setting.checksum_url:
        return ""
    path = folder / "fetched-checksum"
    _download(setting.checksum_url, path, _CHECKSUM_BYTES, deadline)
    found = _DIGEST.search(path.read_text(encoding="utf-8", errors="replace"))
    if found is None:
        message = f"{setting.checksum_url} holds no SHA-256 of 64 hex digits"
        raise ChecksumError(message)
    return found.group().lower()


def _unpacked_max(setting: ListSetting) -> int:
    return XML_BYTES_MAX if setting.format is Format.OFAC_XML else FILE_BYTES_MAX


def _verify(path: Path, wanted: str, bytes_max: int, deadline: float) -> None:
    """Compare with the file as it came, and only then unpacked: publishers name the digest of either.

    No more is unpacked than the list's reader takes, and not for longer than fetching it may last.
    """
    with path.open("rb") as file:
        if _digest(file, sys.maxsize, deadline) == wanted:
            return
    try:
        with opened(path) as file:
            if _digest(file, bytes_max, deadline) == wanted:
                return
    except (OSError, EOFError):
        pass  # what cannot be unpacked is not what the checksum names
    message = f"{path.name} is not the file that its checksum names ({wanted}); what stands remains in use"
    raise ChecksumError(message)


def _digest(file: BinaryIO, bytes_max: int, deadline: float) -> str:
    """Give the SHA-256 in hex; empty beyond that many bytes or that time."""
    digest, taken = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        taken += len(chunk)
        if taken > bytes_max or time.monotonic() > deadline:
            return ""
        digest.update(chunk)
    return digest.hexdigest()
