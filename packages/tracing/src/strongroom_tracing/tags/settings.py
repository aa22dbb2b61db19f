"""The lists that updates fetch: a TOML file that the user may write.

```toml
[[list]]
name = "ofac-sdn"
url = "https://…/SDN_ADVANCED.XML"
format = "ofac-xml"  # tagpack, ofac-xml, addresses, fbi, forta, stix, misp, csv
licence = "public domain (work of the US government)"
checksum_url = "https://…"  # or sha256 = "…"; also: source, label, category, currency, actor, uri, confidence, as_of,
                            # bytes_max, seconds_max
```
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from strongroom_tracing.tags.errors import SettingsError, UnknownListError
from strongroom_tracing.tags.imports.formats import Format
from strongroom_tracing.tags.imports.reading import Given
from strongroom_tracing.tags.model import CONFIDENCE_MAX, Category

BYTES_MAX: Final = 256 << 20  # OFAC's list, the largest we know, has 121 MB
SECONDS_MAX: Final = 600
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_GIVEN: Final = tuple(field.name for field in fields(Given))


@dataclass(frozen=True, slots=True)
class ListSetting:
    """One list to fetch; ``sha256`` or ``checksum_url`` may be empty, limits are in bytes and seconds."""

    name: str
    url: str
    format: Format
    given: Given
    sha256: str = ""
    checksum_url: str = ""
    bytes_max: int = BYTES_MAX
    seconds_max: int = SECONDS_MAX


def read(path: Path) -> tuple[ListSetting, ...]:
    """Read the settings. Raises ``SettingsError``, which names the list and the field."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {error}"
        raise SettingsError(message) from error
    lists = raw.get("list")
    if not isinstance(lists, list) or not lists or set(raw) != {"list"}:
        message = f"{path} holds [[list]] tables and nothing else, at least one"
        raise SettingsError(message)
    settings = tuple(_setting(said) for said in lists)
    names = [setting.name for setting in settings]
    if len(set(names)) < len(names):
        message = f"{path} names a list twice"
        raise SettingsError(message)
    return settings


def chosen(settings: tuple[ListSetting, ...], name: str) -> ListSetting:
    """Give the setting of one list. Raises ``UnknownListError``."""
    for setting in settings:
        if setting.name == name:
            return setting
    message = f"the settings have no list {name!r}"
    raise UnknownListError(message)


def check_url(url: str) -> str:
    """Give back a URL that may be fetched: https, or http on this machine; without credentials.

    Raises ``SettingsError``.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    if not host or parts.username is not None or parts.password is not None:
        message = f"{url[:200]!r} is no URL of a host, without a user's name in it"
        raise SettingsError(message)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        message = f"{url[:200]!r}: a list is fetched by https (http only from this machine), or anybody may change it"
        raise SettingsError(message)
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _setting(raw: Any) -> ListSetting:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("name"), str):
        message = "every [[list]] has a name"
        raise SettingsError(message)
    unknown = sorted(set(raw) - {field.name for field in fields(ListSetting)} - set(_GIVEN) | {"given"} & set(raw))
    if unknown or not {"url", "format"} <= set(raw):
        message = f"list {raw['name']!r} needs url and format, and has unknown fields: {', '.join(unknown) or 'none'}"
        raise SettingsError(message)
    try:
        read = {name: _READERS[name](value) for name, value in raw.items()}
    except (ValueError, TypeError) as error:
        message = f"list {raw['name']!r}: {error}"
        raise SettingsError(message) from error
    given = Given(**{name: read.pop(name) for name in _GIVEN if name in read})
    return ListSetting(given=given, **read)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        message = f"{value!r} is no text"
        raise TypeError(message)
    return value


def _number(value: Any) -> int:
    if type(value) is not int or value <= 0:
        message = f"{value!r} is no whole number above zero"
        raise ValueError(message)
    return value


def _confidence(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= CONFIDENCE_MAX:
        message = f"confidence {value!r} is no whole number from 0 to {CONFIDENCE_MAX}"
        raise ValueError(message)
    return value


def _day(value: Any) -> date:
    return date.fromisoformat(str(value))


def _digest(value: Any) -> str:
    if not _SHA256.fullmatch(_text(value).lower()):
        message = f"sha256 {value!r} has not 64 hex digits"
        raise ValueError(message)
    return _text(value).lower()


def _url(value: Any) -> str:
    return check_url(_text(value))


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("name", "source", "licence", "label", "currency", "actor", "uri"), _text),
    **dict.fromkeys(("url", "checksum_url"), _url),
    **dict.fromkeys(("bytes_max", "seconds_max"), _number),
    "format": Format,
    "category": Category,
    "confidence": _confidence,
    "as_of": _day,
    "sha256": _digest,
}
