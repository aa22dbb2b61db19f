"""MISP events (JSON): attributes of the types btc, xmr and dash, and the addresses of coin-address objects.

MISP has no type for Ethereum: such addresses stand in coin-address objects, as ``address-crypto`` with a ``symbol``, or
as plain text attributes, which are taken where the whole value is an EVM address. Source: MISP's attribute types and
its object template coin-address. Lines of problems are numbers of attributes in the order of the event.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from pymisp import MISPEvent, PyMISPError

from strongroom_tracing.tags.encodings import looks_evm
from strongroom_tracing.tags.errors import BadListError
from strongroom_tracing.tags.imports.reading import NOTHING, Gathering, Given, whole_text
from strongroom_tracing.tags.model import Problem, Tag
from strongroom_tracing.tags.vocabulary import category

# It logs what stands in files; with no handler set that goes to the terminal as it is, control characters and all.
logging.getLogger("pymisp").setLevel(logging.CRITICAL)

_CURRENCIES: Final = {"btc": "BTC", "xmr": "XMR", "dash": "DASH"}
_TEXTS: Final = ("text", "other")
_ADDRESSES: Final = ("address", "address-crypto", "address-xmr")


def read(path: Path, given: Given = NOTHING, *, problems: list[Problem] | None = None) -> list[Tag]:
    """Read one event: its organisation is the source, its info the label, its date (or the attribute's) the day.

    Raises ``BadListError`` for what is no event, ``BadLinesError`` on bad addresses that nobody takes.
    """
    event = MISPEvent()
    try:
        event.from_json(whole_text(path))
    except (PyMISPError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        message = f"{path.name} is no MISP event: {error}"
        raise BadListError(message) from error
    gathering = Gathering(path, given)
    for number, (attribute, currency) in enumerate(_attributes(event), 1):
        if currency is not None:
            _put(gathering, number, event, attribute, currency)
    return gathering.done(problems)


def _attributes(event: MISPEvent) -> Iterator[tuple[Any, str | None]]:
    """Give every attribute with its currency: empty where the form tells it, None where it is no address."""
    for attribute in event.attributes:
        yield attribute, _currency(attribute)
    for holder in event.objects:
        is_coin = holder.name == "coin-address"
        symbol = next((str(one.value) for one in holder.attributes if one.object_relation == "symbol"), "")
        for attribute in holder.attributes:
            if is_coin and attribute.object_relation in _ADDRESSES:
                yield attribute, symbol or _CURRENCIES.get(attribute.type, "")
            else:
                yield attribute, None if is_coin else _currency(attribute)


def _currency(attribute: Any) -> str | None:
    if attribute.type in _TEXTS and looks_evm(str(attribute.value).strip()):
        return "ETH"
    return _CURRENCIES.get(attribute.type)


def _put(gathering: Gathering, number: int, event: MISPEvent, attribute: Any, currency: str) -> None:
    organisation = getattr(event, "Orgc", None) or getattr(event, "Org", None)
    gathering.put(
        number,
        str(attribute.value),
        currency=currency,
        label=str(getattr(attribute, "comment", "") or event.info),
        category=category(_words(event, attribute)),
        source=gathering.given.source or str(getattr(organisation, "name", "")),
        source_date=_day(event, attribute),
        note=f"MISP attribute {attribute.uuid}" if getattr(attribute, "uuid", None) else "",
    )


def _words(event: MISPEvent, attribute: Any) -> Iterator[str]:
    """Give the words of its tags.

    Of ``namespace:predicate="value"`` the value, else what stands after the namespace.
    """
    for tag in [*attribute.tags, *event.tags]:
        rest = str(tag.name).rpartition(":")[2]
        yield rest.partition("=")[2].strip('"') or rest


def _day(event: MISPEvent, attribute: Any) -> date | None:
    stamp = getattr(attribute, "timestamp", None)
    if isinstance(stamp, datetime) and stamp.timestamp() > 0:
        return stamp.astimezone(UTC).date()
    said = getattr(event, "date", None)
    return said if isinstance(said, date) else None
