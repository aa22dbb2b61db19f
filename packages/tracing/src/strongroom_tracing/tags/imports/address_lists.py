"""Plain lists: one address a line, everything else said by the importer; ``#`` begins a comment.

The well-known lists of sanctioned addresses are such files, one for each asset (``sanctioned_addresses_ETH.txt``).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from strongroom_tracing.tags.imports.reading import NOTHING, Gathering, Given, whole_text
from strongroom_tracing.tags.model import Category, Problem, Tag

_ASSET: Final = re.compile(r"_([A-Z0-9]+)\.txt$")


def read(path: Path, given: Given = NOTHING, *, problems: list[Problem] | None = None) -> list[Tag]:
    """Read a list; its currency is what is given, else what its file's name ends in (``…_XBT.txt``), else by form.

    Raises ``BadListError`` without a date, source and label, and ``BadLinesError`` on bad lines that nobody takes.
    """
    named = _ASSET.search(path.name)
    if not given.currency and named:
        given = replace(given, currency=named.group(1))
    gathering = Gathering(path, given)
    for number, line in enumerate(whole_text(path).splitlines(), 1):
        address = line.partition("#")[0].strip()
        if address:
            gathering.put(number, address, category=given.category or Category.OTHER)
    return gathering.done(problems)
