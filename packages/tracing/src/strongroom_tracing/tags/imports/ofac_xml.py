"""OFAC's Specially Designated Nationals List, "advanced" XML (plain or bzip2), read as a stream.

Source of the format: US Treasury, OFAC's Sanctions List Service, ADVANCED_XML. An address is a feature of a party whose
type is called "Digital Currency Address - CODE"; programmes stand in the measures of the party's sanctions entry, at
the end. Every tag is of the list's date of issue: the day on which the Treasury says so.

What the Treasury lists is never dropped. The list of 2025-11-19 has a Tron address under XBT, and under XMR something
that is no address: the first is kept on the chain of its form, the second as written under ``currency:XMR-UNVERIFIED``;
both are noted on the tag.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final
from xml.sax.xmlreader import AttributesImpl

from strongroom_tracing.tags.addresses import place, recognise
from strongroom_tracing.tags.currencies import unregistered
from strongroom_tracing.tags.errors import BadAddressError, BadListError
from strongroom_tracing.tags.imports.elements import Elements, parse
from strongroom_tracing.tags.imports.reading import NOTHING, Gathering, Given
from strongroom_tracing.tags.model import Category, Problem, Tag
from strongroom_tracing.tags.vocabulary import CONFIDENCE_AUTHORITY

SOURCE: Final = "US Treasury, OFAC: Specially Designated Nationals List"
LICENCE: Final = "public domain (work of the US government)"
URI: Final = "https://ofac.treasury.gov/sanctions-list-service"
_FEATURE: Final = "Digital Currency Address - "
_PROGRAMME: Final = "Program"


def read(path: Path, given: Given = NOTHING, *, problems: list[Problem] | None = None) -> list[Tag]:
    """Read the list: one tag for each digital currency address, with the party's primary name and its programmes.

    Raises ``BadListError`` for what is not this XML (entities and DTDs are refused), that has no date of issue, or that
    names no address at all; ``BadLinesError`` on bad lines that nobody takes.
    """
    sdn = _Sdn()
    parse(path, sdn)
    issued = sdn.issued()
    if issued is None or not sdn.found:
        message = f"{path.name} has no date of issue or no digital currency address: it is not the advanced SDN list"
        raise BadListError(message)
    gathering = Gathering(path, given)
    for entry in sdn.found:
        _put(gathering, entry, issued, sorted(sdn.programmes[entry.profile]))
    return gathering.done(problems)


@dataclass(slots=True)
class _Entry:
    line: int
    profile: str
    currency: str
    address: str
    name: str = ""


@dataclass(slots=True)
class _Party:
    """What is known of the party that is being read."""

    profile: str = ""
    primary: bool = False  # inside its primary alias
    named: bool = False  # that alias's first written form is done (a second one is another script)
    name: list[str] = field(default_factory=list)
    currency: str = ""
    found: list[_Entry] = field(default_factory=list)


def _put(gathering: Gathering, entry: _Entry, issued: date, programmes: list[str]) -> None:
    said = [f"programme {', '.join(programmes)}"] if programmes else []
    known = _form_is_known(entry)
    gathering.put(
        entry.line,
        entry.address,
        chain="" if known else unregistered(f"{entry.currency}-unverified"),
        currency=entry.currency,
        label=entry.name,
        category=Category.SANCTIONED,
        actor=entry.name,
        source=SOURCE,
        source_date=issued,
        confidence=CONFIDENCE_AUTHORITY,
        licence=gathering.given.licence or LICENCE,
        uri=URI,
        note="; ".join(said if known else [*said, "no chain's form of an address"]),
    )


def _form_is_known(entry: _Entry) -> bool:
    for find in (partial(place, entry.currency), recognise):
        try:
            find(entry.address)
        except BadAddressError:
            continue
        return True
    return False


class _Sdn(Elements):
    """Collects the date of issue, the addresses with their parties' names, and programmes by profile."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[_Entry] = []
        self.programmes: defaultdict[str, set[str]] = defaultdict(set)
        self._issued: dict[str, str] = {}
        self._in_issue = False
        self._type = ""  # the id of the type that is being read
        self._currencies: dict[str, str] = {}  # id of a feature's type -> code
        self._programme_types: set[str] = set()
        self._party = _Party()
        self._profiles: set[str] = set()  # of parties with addresses
        self._entry = ""  # the profile whose sanctions entry is being read
        self._in_programme = False
        parts = ("Year", "Month", "Day")
        self.starts = {
            "DateOfIssue": self._issue_begins,
            **dict.fromkeys(parts, self._part_begins),
            **dict.fromkeys(("FeatureType", "SanctionsType"), self._type_begins),
            "DistinctParty": self._party_begins,
            "Profile": self._profile_begins,
            "Alias": self._alias_begins,
            "NamePartValue": self._name_begins,
            "Feature": self._feature_begins,
            "VersionDetail": self._detail_begins,
            "SanctionsEntry": self._entry_begins,
            "SanctionsMeasure": self._measure_begins,
            "Comment": self._comment_begins,
        }
        parts_end: dict[str, Callable[[str], None]] = {part: partial(self._part_ends, part) for part in parts}
        self.ends = {
            "DateOfIssue": self._issue_ends,
            **parts_end,
            "FeatureType": self._feature_type_ends,
            "SanctionsType": self._sanctions_type_ends,
            "NamePartValue": self._name_ends,
            "DocumentedName": self._documented_name_ends,
            "VersionDetail": self._detail_ends,
            "DistinctParty": self._party_ends,
            "SanctionsMeasure": self._measure_ends,
            "Comment": self._comment_ends,
        }

    def issued(self) -> date | None:
        """Give the list's date of issue; None where it has none."""
        try:
            return date(int(self._issued["Year"]), int(self._issued["Month"]), int(self._issued["Day"]))
        except (KeyError, ValueError):
            return None

    def _issue_begins(self, _attributes: AttributesImpl) -> bool:
        self._in_issue = True
        return False

    def _issue_ends(self, _text: str) -> None:
        self._in_issue = False

    def _part_begins(self, _attributes: AttributesImpl) -> bool:
        return self._in_issue

    def _part_ends(self, part: str, text: str) -> None:
        if self._in_issue:
            self._issued[part] = text

    def _type_begins(self, attributes: AttributesImpl) -> bool:
        self._type = attributes.get("ID", "")
        return True

    def _feature_type_ends(self, text: str) -> None:
        if text.startswith(_FEATURE):
            self._currencies[self._type] = text.removeprefix(_FEATURE)

    def _sanctions_type_ends(self, text: str) -> None:
        if text == _PROGRAMME:
            self._programme_types.add(self._type)

    def _party_begins(self, _attributes: AttributesImpl) -> bool:
        self._party = _Party()
        return False

    def _profile_begins(self, attributes: AttributesImpl) -> bool:
        self._party.profile = attributes.get("ID", "")
        return False

    def _alias_begins(self, attributes: AttributesImpl) -> bool:
        self._party.primary = attributes.get("Primary") == "true" and not self._party.named
        return False

    def _name_begins(self, _attributes: AttributesImpl) -> bool:
        return self._party.primary

    def _name_ends(self, text: str) -> None:
        if self._party.primary:
            self._party.name.append(text)

    def _documented_name_ends(self, _text: str) -> None:
        if self._party.primary:
            self._party.named, self._party.primary = True, False

    def _feature_begins(self, attributes: AttributesImpl) -> bool:
        self._party.currency = self._currencies.get(attributes.get("FeatureTypeID", ""), "")
        return False

    def _detail_begins(self, _attributes: AttributesImpl) -> bool:
        return bool(self._party.currency)

    def _detail_ends(self, text: str) -> None:
        if text:
            self._party.found.append(_Entry(self.line(), self._party.profile, self._party.currency, text))

    def _party_ends(self, _text: str) -> None:
        for entry in self._party.found:
            entry.name = " ".join(self._party.name)
            self._profiles.add(entry.profile)
        self.found += self._party.found

    def _entry_begins(self, attributes: AttributesImpl) -> bool:
        profile = attributes.get("ProfileID", "")
        self._entry = profile if profile in self._profiles else ""
        return False

    def _measure_begins(self, attributes: AttributesImpl) -> bool:
        self._in_programme = bool(self._entry) and attributes.get("SanctionsTypeID") in self._programme_types
        return False

    def _measure_ends(self, _text: str) -> None:
        self._in_programme = False

    def _comment_begins(self, _attributes: AttributesImpl) -> bool:
        return self._in_programme

    def _comment_ends(self, text: str) -> None:
        if self._in_programme and text:
            self.programmes[self._entry].add(text)
