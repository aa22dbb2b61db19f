"""Forta's labelled datasets (CSV): Etherscan's malicious labels, phishing scams, malicious contracts. Ethereum only.

The files hold no date: give the day of the copy. A row without a name keeps its dataset's word as label.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from strongroom_tracing.tags.errors import BadListError
from strongroom_tracing.tags.imports.reading import NOTHING, Gathering, Given, whole_text
from strongroom_tracing.tags.model import Category, Problem, Tag
from strongroom_tracing.tags.vocabulary import CONFIDENCE, category

_SOURCE: Final = "Forta labelled datasets"
_URI: Final = "https://github.com/forta-network/labelled-datasets"
_CONFIDENCE: Final = CONFIDENCE["web_crawl"]  # Etherscan's labels, collected
_WORDS: Final = ("exploit", "heist", "phish-hack")

_Row = Mapping[str, str]


def read(path: Path, given: Given = NOTHING, *, problems: list[Problem] | None = None) -> list[Tag]:
    """Read one of Forta's three files, told apart by their headers.

    A malicious contract's creator is tagged too, as what its own label says. Raises ``BadListError`` for other columns
    or without a date, and ``BadLinesError`` on bad lines that nobody takes.
    """
    gathering = Gathering(path, given)
    rows = csv.DictReader(io.StringIO(whole_text(path)), restval="", restkey="")
    try:
        columns = set(rows.fieldnames or ())
        take = next((reader for needed, reader in _READERS.items() if needed in columns), None)
        if take is None:
            message = f"{path.name} has none of the columns {', '.join(_READERS)}"
            raise BadListError(message)
        for row in rows:
            take(gathering, rows.line_num, row)
    except csv.Error as error:
        message = f"{path.name} is no CSV: {error}"
        raise BadListError(message) from error
    return gathering.done(problems)


def _labelled(gathering: Gathering, line: int, row: _Row) -> None:
    source = row.get("data_source", "")
    word = next((word for word in _WORDS if word in source), "")
    _put(gathering, line, row["banned_address"], row.get("wallet_tag") or source, category([word]), source)


def _phishing(gathering: Gathering, line: int, row: _Row) -> None:
    word = row.get("etherscan_labels", "")
    _put(gathering, line, row["address"], row.get("etherscan_tag") or word, category([word]), word)


def _contract(gathering: Gathering, line: int, row: _Row) -> None:
    creator_tag, word = row.get("contract_creator_tag", ""), row.get("contract_creator_etherscan_label", "")
    notes = row.get("notes", "")
    label = row.get("contract_tag") or notes or f"contract of {creator_tag or 'a malicious creator'}"
    _put(gathering, line, row["contract_address"], label, Category.MALICIOUS_CONTRACT, notes)
    if row.get("contract_creator"):
        label = creator_tag or notes or "creator of a malicious contract"
        _put(gathering, line, row["contract_creator"], label, category([word]), word or notes)


def _put(gathering: Gathering, line: int, address: str, label: str, said: Category, note: str) -> None:
    gathering.put(
        line,
        address,
        currency="ETH",
        label=label,
        category=said,
        source=gathering.given.source or _SOURCE,
        confidence=_CONFIDENCE,
        uri=gathering.given.uri or _URI,
        note=note,
    )


_READERS: Final[dict[str, Callable[[Gathering, int, _Row], None]]] = {
    "banned_address": _labelled,
    "contract_address": _contract,
    "etherscan_tag": _phishing,
}
