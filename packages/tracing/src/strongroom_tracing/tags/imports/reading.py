"""What all imports share: what the importer says of a list, the collection of tags, the report of bad lines."""

from __future__ import annotations

import bz2
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import BinaryIO, Final

from strongroom_tracing.tags.addresses import canonical, place, recognise
from strongroom_tracing.tags.errors import BadAddressError, BadLinesError, BadListError
from strongroom_tracing.tags.model import Category, Problem, Tag
from strongroom_tracing.tags.vocabulary import CONFIDENCE_UNKNOWN

# What a reader that needs the whole text takes, unpacked: YAML, JSON and CSV become many times larger in memory, and
# some hundred bytes of bzip2 become as many megabytes. (Large XML is read as a stream, and has a limit of its own.)
FILE_BYTES_MAX: Final = 32 << 20
_CHAIN: Final = re.compile(r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}", re.ASCII)
_BZ2: Final = b"BZh"
_SHOWN: Final = 128
_DATE_LENGTH: Final = len("2025-11-19")


@dataclass(frozen=True, slots=True)
class Given:
    """What the one who imports a list says of it, used where the list is silent; ``confidence`` in per cent."""

    source: str = ""
    licence: str = ""
    as_of: date | None = None
    label: str = ""
    category: Category | None = None
    currency: str = ""
    actor: str = ""
    confidence: int = CONFIDENCE_UNKNOWN
    uri: str = ""


NOTHING: Final = Given()


@dataclass(slots=True)
class Gathering:
    """The tags and the bad lines of one file, as they are read."""

    path: Path
    given: Given
    tags: list[Tag] = field(default_factory=list)
    bad: list[Problem] = field(default_factory=list)

    def put(
        self,
        line: int,
        text: str,
        *,
        chain: str = "",
        currency: str = "",
        label: str = "",
        category: Category = Category.OTHER,
        actor: str = "",
        source: str = "",
        source_date: date | None = None,
        confidence: int | None = None,
        licence: str = "",
        uri: str = "",
        note: str = "",
    ) -> None:
        """Take one claim; what it leaves open is filled from what was given, and a bad address is kept as a problem.

        The chain (CAIP-2) goes before the currency; without either, or where the address has not the currency's form
        but another chain's, its form and checksum tell the chain (noted on the tag). Raises ``BadListError`` where no
        date, label or source is known, since a tag without them is worth nothing.
        """
        given, said = self.given, currency or self.given.currency
        try:
            chain, address, doubt = _placed(chain, said, text)
        except BadAddressError as error:
            self.refuse(line, text, error.message)
            return
        if category is Category.OTHER and given.category is not None:
            category = given.category
        made = Tag(
            chain=chain,
            address=address,
            label=self._needed("label", label or given.label or actor or given.actor),
            category=category,
            actor=actor or given.actor,
            source=self._needed("source", source or given.source),
            source_date=source_date or self._day(),
            confidence=given.confidence if confidence is None else confidence,
            licence=licence or given.licence,
            uri=uri or given.uri,
            currency=said,
            note="; ".join(part for part in (note, doubt) if part),
        )
        if _writable(made):
            self.tags.append(made)
        else:
            self.refuse(line, text, "it holds half of a surrogate pair, which no file can")

    def refuse(self, line: int, text: str, reason: str) -> None:
        """Keep a line that cannot be read."""
        self.bad.append(Problem(line, text[:_SHOWN], reason))

    def done(self, problems: list[Problem] | None) -> list[Tag]:
        """Give the tags. Bad lines go to ``problems``; raises ``BadLinesError`` where nobody takes them."""
        if problems is not None:
            problems.extend(self.bad)
        elif self.bad:
            raise BadLinesError(self.path, self.bad)
        return self.tags

    def _day(self) -> date:
        if self.given.as_of is None:
            message = f"{self.path.name} does not say of which day it is: give its date"
            raise BadListError(message)
        return self.given.as_of

    def _needed(self, what: str, text: str) -> str:
        if not text:
            message = f"{self.path.name} has a tag without a {what}: give one for the list"
            raise BadListError(message)
        return text


def _writable(tag: Tag) -> bool:
    try:
        f"{tag.address}{tag.label}{tag.actor}{tag.source}{tag.licence}{tag.uri}{tag.currency}{tag.note}".encode()
    except UnicodeEncodeError:
        return False
    return True


def _placed(chain: str, currency: str, text: str) -> tuple[str, str, str]:
    """Give chain, canonical address, and what is odd about them."""
    if chain:
        if not _CHAIN.fullmatch(chain):
            message = f"{chain[:_SHOWN]!r} is no CAIP-2 chain id, as eip155:1 is"
            raise BadAddressError(message)
        return chain, canonical(chain, text), ""
    if not currency:
        return *recognise(text), ""
    try:
        return *place(currency, text), ""
    except BadAddressError as error:
        try:
            return *recognise(text), f"listed as {currency}, of which it has not the form"
        except BadAddressError:
            raise error from None


def whole(path: Path) -> bytes:
    """Give a file's bytes, unpacked where it is bzip2. Raises ``BadListError`` beyond ``FILE_BYTES_MAX``."""
    try:
        with opened(path) as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except (OSError, EOFError) as error:
        message = f"{path} cannot be read: {error}"
        raise BadListError(message) from error
    if len(data) > FILE_BYTES_MAX:
        message = f"{path.name} has more than {FILE_BYTES_MAX} bytes unpacked"
        raise BadListError(message)
    return data


def whole_text(path: Path) -> str:
    """Give a file's text (UTF-8, with or without a byte order mark). Raises ``BadListError``."""
    try:
        return whole(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{path.name} is no UTF-8 text: {error}"
        raise BadListError(message) from error


def opened(path: Path) -> BinaryIO:
    """Open a file, unpacked on the way where it is bzip2. Raises ``OSError``."""
    with path.open("rb") as file:
        packed = file.read(len(_BZ2)) == _BZ2
    return bz2.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value] # BZ2File reads as one


def day(text: str) -> date | None:
    """Give the day of an ISO 8601 date or time; None for anything else."""
    try:
        return date.fromisoformat(text.strip()[:_DATE_LENGTH])
    except ValueError:
        return None
