"""The FBI's lists of addresses that hold stolen funds: plain lines, named by the announcement that they come from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

from strongroom_tracing.tags.imports import address_lists
from strongroom_tracing.tags.imports.reading import Given
from strongroom_tracing.tags.model import Category, Problem, Tag
from strongroom_tracing.tags.vocabulary import CONFIDENCE_AUTHORITY

# "North Korea Responsible for $1.5 Billion Bybit Hack": the Ethereum addresses it names.
BYBIT: Final = Given(
    source="FBI, IC3 PSA I-022625",
    licence="public domain (work of the US government)",
    as_of=date(2025, 2, 26),
    label="Bybit theft, February 2025 (TraderTraitor)",
    category=Category.THEFT,
    currency="ETH",
    actor="TraderTraitor (DPRK)",
    confidence=CONFIDENCE_AUTHORITY,
    uri="https://www.ic3.gov/PSA/2025/PSA250226",
)


def read(path: Path, given: Given = BYBIT, *, problems: list[Problem] | None = None) -> list[Tag]:
    """Read one list of the FBI, by default that of the Bybit theft; another needs its own announcement's words.

    Raises ``BadListError`` and ``BadLinesError`` as plain lists do.
    """
    authority = replace(
        given,
        source=given.source or "FBI",
        licence=given.licence or BYBIT.licence,
        category=given.category or Category.THEFT,
        confidence=max(given.confidence, CONFIDENCE_AUTHORITY),
    )
    return address_lists.read(path, authority, problems=problems)
