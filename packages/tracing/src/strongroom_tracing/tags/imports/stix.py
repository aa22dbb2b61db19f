"""STIX 2.1 bundles: indicators whose pattern names cryptocurrency wallets, and wallet objects of extensions.

STIX has no wallet of its own, so that publishers differ: ``cryptocurrency-wallet``, ``x-…-wallet`` and the like, with
the address under ``value`` or ``address`` and the currency under ``currency``, ``symbol`` and more. Any object type
with "wallet", "crypto" or "currency" in its name counts. A CAIP-2 id (as our own extension will write) goes before a
currency. Source: STIX 2.1 (OASIS), parts 4 (indicators), 7 (extensions) and 9 (patterns). Lines of problems are numbers
of objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import stix2
from stix2 import patterns
from stix2.exceptions import STIXError
from stix2.pattern_visitor import create_pattern_object

from strongroom_tracing.tags.errors import BadListError
from strongroom_tracing.tags.imports.reading import NOTHING, Gathering, Given, day, whole_text
from strongroom_tracing.tags.model import Problem, Tag
from strongroom_tracing.tags.vocabulary import category

_WALLET: Final = re.compile(r"wallet|crypto|currency", re.IGNORECASE)
_ADDRESS_KEYS: Final = ("address", "value", "wallet_address", "hash")
_CHAIN_KEYS: Final = ("chain", "caip2", "chain_id")
_CURRENCY_KEYS: Final = ("currency", "symbol", "currency_symbol", "asset", "blockchain", "network", "coin")
_CAIP2: Final = re.compile(r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}", re.ASCII)

_Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Wallet:
    address: str
    chain: str
    currency: str


def read(path: Path, given: Given = NOTHING, *, problems: list[Problem] | None = None) -> list[Tag]:
    """Read a bundle's wallets. Revoked objects say nothing any more and are passed over.

    Raises ``BadListError`` for what is no bundle, ``BadLinesError`` on objects and patterns that nobody takes the
    report of.
    """
    gathering = Gathering(path, given)
    objects = _objects(path)
    names = {str(said.get("id")): str(said.get("name", "")) for said in objects if said.get("type") == "identity"}
    for number, raw in enumerate(objects, 1):
        try:
            said: _Object = stix2.parse(dict(raw), allow_custom=True, version="2.1")
            wallets = [] if said.get("revoked") else list(_wallets(said))
        except (STIXError, ValueError, TypeError, LookupError, AttributeError, NameError, RecursionError) as error:
            gathering.refuse(number, str(raw.get("id", "")), f"no valid STIX 2.1: {error}")
            continue
        for wallet in wallets:
            _put(gathering, number, said, wallet, names.get(str(said.get("created_by_ref")), ""))
    return gathering.done(problems)


def _objects(path: Path) -> list[_Object]:
    try:
        bundle = json.loads(whole_text(path))
    except (ValueError, RecursionError) as error:
        message = f"{path.name} is no JSON: {error}"
        raise BadListError(message) from error
    objects = bundle.get("objects") if isinstance(bundle, dict) and bundle.get("type") == "bundle" else None
    if not isinstance(objects, list) or not all(isinstance(said, dict) for said in objects):
        message = f"{path.name} is no STIX bundle with objects"
        raise BadListError(message)
    return objects


def _wallets(said: _Object) -> Iterator[_Wallet]:
    kind = str(said.get("type", ""))
    if kind == "indicator":
        if said.get("pattern_type") == "stix":
            yield from _of_pattern(create_pattern_object(said["pattern"], version="2.1"))
    elif _WALLET.search(kind):
        yield from _of_properties(_flat(said))


def _flat(said: _Object) -> list[tuple[str, str]]:
    """Give an object's own texts and those of its extensions, which speak first."""
    extensions = said.get("extensions") or {}
    inner = [pair for extension in extensions.values() if isinstance(extension, Mapping) for pair in extension.items()]
    return [(key, value) for key, value in [*inner, *said.items()] if isinstance(value, str)]


def _of_properties(pairs: Iterable[tuple[str, str]]) -> Iterator[_Wallet]:
    said = list(pairs)
    chain = next((value for key, value in said if key in _CHAIN_KEYS and _CAIP2.fullmatch(value)), "")
    currency = next((value for key, value in said if key in _CURRENCY_KEYS), "")
    for address in sorted({value for key, value in said if key in _ADDRESS_KEYS}):
        yield _Wallet(address, chain, currency)


def _of_pattern(node: Any) -> Iterator[_Wallet]:
    """Give the wallets of a pattern: of each observation, the comparisons that belong together."""
    if isinstance(node, patterns.ObservationExpression):
        yield from _of_comparison(node.operand)
    for part in _parts(node):
        if not isinstance(node, patterns.ObservationExpression):
            yield from _of_pattern(part)


def _of_comparison(node: Any) -> Iterator[_Wallet]:
    """Give the wallets of one observation: what is joined by AND is of one wallet, each side of an OR of its own."""
    if isinstance(node, patterns.OrBooleanExpression):
        for part in _parts(node):
            yield from _of_comparison(part)
    else:
        yield from _of_properties(_comparisons(node))


def _comparisons(node: Any) -> Iterator[tuple[str, str]]:
    for part in _parts(node):
        yield from _comparisons(part)
    if not hasattr(node, "lhs") or node.negated or not _WALLET.search(node.lhs.object_type_name):
        return
    name = str(node.lhs.property_path[-1].property_name)
    if node.operator == "=":
        yield name, str(node.rhs.value)
    elif node.operator == "IN":
        yield from ((name, str(constant.value)) for constant in node.rhs.value)


def _parts(node: Any) -> list[Any]:
    """Give what a node of a pattern is made of; the library has it as one operand or as a list of them."""
    return [*getattr(node, "operands", ()), *([node.operand] if hasattr(node, "operand") else ())]


def _put(gathering: Gathering, number: int, said: _Object, wallet: _Wallet, creator: str) -> None:
    words = [*said.get("indicator_types", ()), *said.get("labels", ())]
    gathering.put(
        number,
        wallet.address,
        chain=wallet.chain,
        currency=wallet.currency,
        label=str(said.get("name", "")) or ", ".join(words),
        category=category(words),
        source=gathering.given.source or creator,
        source_date=_day_of(said),
        confidence=said.get("confidence"),
        uri=gathering.given.uri or _uri(said),
        note=str(said.get("id", "")),
    )


def _day_of(said: _Object) -> date | None:
    for key in ("modified", "valid_from", "created"):
        if said.get(key):
            return day(str(said[key]))
    return None


def _uri(said: _Object) -> str:
    references = said.get("external_references") or ()
    return next((str(reference["url"]) for reference in references if reference.get("url")), "")
