"""The parties of an ActorPack, kept beside the lists: one file, replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from strongroom_tracing.files import replace_file
from strongroom_tracing.tags.errors import StoreDamagedError
from strongroom_tracing.tags.model import Actor, Category

_NAME: Final = "actors.json"


def read(folder: Path) -> dict[str, Actor]:
    """Read the parties by id; none where there is no file. Raises ``StoreDamagedError``."""
    path = folder / _NAME
    try:
        return {raw["id"]: _actor(raw) for raw in json.loads(path.read_bytes())}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{path} cannot be read ({error}): import the ActorPack again"
        raise StoreDamagedError(message) from error


def write(folder: Path, actors: Mapping[str, Actor]) -> None:
    """Replace the parties."""
    rows = [asdict(actors[name]) for name in sorted(actors)]
    replace_file(folder / _NAME, json.dumps(rows, sort_keys=True, ensure_ascii=False).encode() + b"\n")


def _actor(raw: Mapping[str, Any]) -> Actor:
    return Actor(raw["id"], raw["label"], Category(raw["category"]), tuple(raw["jurisdictions"]), raw["uri"])
