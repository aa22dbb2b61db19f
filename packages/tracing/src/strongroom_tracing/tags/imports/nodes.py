"""YAML as nodes: every value as its writer wrote it, with its line, and no more of the file than is asked for.

Packs hold addresses and dates that YAML would turn into numbers and times; and a hostile pack's aliases are not
unfolded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml
from yaml import Node

from strongroom_tracing.tags.errors import BadListError
from strongroom_tracing.tags.imports.reading import whole_text

_DEPTH_MAX: Final = 32
_NODES_MAX: Final = 1_000_000  # each costs some 300 bytes of memory, also where it is one letter of the file
_NULL: Final = "tag:yaml.org,2002:null"


def document(path: Path) -> dict[str, Node]:
    """Read a file whose one document is a mapping. Raises ``BadListError``."""
    text = whole_text(path)
    try:
        _check_size(path, text)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        message = f"{path.name} is no YAML: {error}"
        raise BadListError(message) from error
    if not isinstance(node, yaml.MappingNode):
        message = f"{path.name} is no mapping at its top"
        raise BadListError(message)
    return mapping(node)


def _check_size(path: Path, text: str) -> None:
    """Refuse what is nested deeper or has more parts than any pack, before they are all in memory.

    Of too deep a nesting the library's own reader would leave the stack, and end the process.
    """
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if count > _NODES_MAX:
            message = f"{path.name} has more than {_NODES_MAX} values: split the pack"
            raise BadListError(message)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH_MAX:
            message = f"{path.name} is nested deeper than {_DEPTH_MAX}: no pack is"
            raise BadListError(message)


def mapping(node: Node | None) -> dict[str, Node]:
    """Give a mapping's values by key; empty for anything else."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def items(node: Node | None) -> list[Node]:
    """Give a sequence's items; empty for anything else."""
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def text(node: Node | None) -> str:
    """Give a scalar as written, without blanks around it; empty for null and anything else."""
    if not isinstance(node, yaml.ScalarNode) or node.tag == _NULL:
        return ""
    return str(node.value).strip()


def texts(node: Node | None) -> list[str]:
    """Give a sequence of scalars, or one scalar, as texts."""
    return [text(item) for item in items(node)] or [said for said in [text(node)] if said]


def line(node: Node) -> int:
    """Give the line that a node begins in, from 1."""
    return int(node.start_mark.line) + 1
