"""The formats of lists by name: what settings, commands and updates call them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from strongroom_tracing.tags.errors import BadListError
from strongroom_tracing.tags.imports import address_lists, csv, fbi, forta, ofac_xml, tagpack
from strongroom_tracing.tags.imports.reading import Given
from strongroom_tracing.tags.model import Actor, Problem, Tag


class Format(StrEnum):
    """A format that lists come in."""

    TAGPACK = "tagpack"
    OFAC_XML = "ofac-xml"
    ADDRESSES = "addresses"
    FBI = "fbi"
    FORTA = "forta"
    STIX = "stix"
    MISP = "misp"
    CSV = "csv"


_READERS: Final[dict[Format, Callable[..., list[Tag]]]] = {
    Format.OFAC_XML: ofac_xml.read,
    Format.ADDRESSES: address_lists.read,
    Format.FBI: fbi.read,
    Format.FORTA: forta.read,
    Format.CSV: csv.read,
}
# Their libraries take 0.8 s to load, which only those pay who read such a file.
_HEAVY: Final = {
    Format.STIX: "strongroom_tracing.tags.imports.stix",
    Format.MISP: "strongroom_tracing.tags.imports.misp",
}
#: What libraries raise on files that are not what they expect; no error of ours is among them.
_BROUGHT_TO: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
_SHOWN: Final = 200


def read(
    kind: Format, path: Path, given: Given, problems: list[Problem] | None = None, *, actors: Mapping[str, Actor]
) -> list[Tag]:
    """Read a file of a format; TagPacks name ``actors`` by id.

    Raises what its reader raises: ``BadListError``, ``BadLinesError``. Whatever else a hostile file brings readers or
    their libraries to is a ``BadListError`` too, so that one list never keeps others from being brought up to date.
    """
    try:
        if kind is Format.TAGPACK:
            return tagpack.read(path, given, actors=actors, problems=problems)
        reader = _READERS.get(kind) or importlib.import_module(_HEAVY[kind]).read
        tags: list[Tag] = reader(path, given, problems=problems)
    except _BROUGHT_TO as error:
        message = f"{path.name} cannot be read as {kind}: {type(error).__name__}: {str(error)[:_SHOWN]}"
        raise BadListError(message) from error
    return tags
