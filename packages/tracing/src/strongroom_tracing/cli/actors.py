"""`tags actors`: the parties that TagPacks name by their ids."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strongroom_tracing.cli.context import TAGS_DEFAULT, AsJson, TagsFolder, emit, say
from strongroom_tracing.tags.service import import_actors
from strongroom_tracing.tags.store import TagStore


def actors(
    path: Annotated[Path, typer.Argument(help="An ActorPack (YAML).")],
    folder: TagsFolder = TAGS_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Read an ActorPack, before the TagPacks that name its parties; it takes the place of the one before."""
    count = import_actors(TagStore.open(folder), path)
    if as_json:
        emit({"actors": count})
    else:
        say(f"{count} actors; tags that name them show who they are")
