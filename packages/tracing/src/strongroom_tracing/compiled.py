"""Functions over columns, compiled to machine code; every other file is plain Python."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., Any])
_SETTINGS: Final[Any] = numba.config
_COMPILE: Final[Any] = numba.njit
_PACKAGE: Final = Path(__file__).parent
_KEPT_S: Final = 30 * 24 * 3600  # machine code of another state of the sources, since a process last began with it
_NAME: Final = re.compile(r"(compiled-[0-9a-f]{16})(\.gone-\d+)?")
_OURS: Final = (b"strongroom_tracing.compiled", b"Read by compiled code.")  # stands in every file that matters here


def _folder() -> Path | None:
    """Find the folder of machine code, one for each state of the sources; None where nothing can be kept.

    Numba keeps the code of a function until the function's own file changes, with what it calls from other files in it.
    """
    digest = hashlib.sha256()
    for source in sorted(_PACKAGE.rglob("*.py")):
        text = source.read_bytes()
        if any(words in text for words in _OURS):
            digest.update(text)
    name = f"compiled-{digest.hexdigest()[:16]}"
    for parent in [Path(_SETTINGS.CACHE_DIR)] if _SETTINGS.CACHE_DIR else _parents():
        with contextlib.suppress(OSError):
            folder = parent / name
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                os.utime(folder)  # in use, for whoever removes those of other releases
                _forget(folder)
                return folder
    return None


def _parents() -> list[Path]:
    """Where machine code may lie: beside the sources, or in the user's home. Others could write to any other place."""
    places = [_PACKAGE / "__pycache__"] if os.access(_PACKAGE, os.W_OK) else []
    with contextlib.suppress(RuntimeError):  # a user without a home
        places.append(Path.home() / ".cache" / "strongroom-tracing" / "__pycache__")
    return places


def _forget(own: Path) -> None:
    """Remove machine code of other states of the sources that no process began with for long.

    A process that still runs with it compiles anew what it had not loaded yet. Nothing here is worth failing for.
    """
    oldest = time.time() - _KEPT_S
    others: list[Path] = []
    with contextlib.suppress(OSError):
        others.extend(own.parent.iterdir())
    for other in others:
        match = _NAME.fullmatch(other.name)
        with contextlib.suppress(OSError):
            if match and other != own and not other.is_symlink() and other.stat().st_mtime < oldest:
                # In one step: another process sees all of it or nothing.
                gone = other.rename(other.with_name(f"{match[1]}.gone-{os.getpid()}"))
                shutil.rmtree(gone, ignore_errors=True)


_FOLDER: Final = _folder()


def compiled(function: _F) -> _F:
    """Compile a function of numbers and arrays at its first call; the machine code is kept where ``_parents`` says.

    The function may raise nothing and must stay within its arrays: there is no check of bounds. A file of constants
    that it uses says "Read by compiled code." in its docstring.
    """
    return _compiled(function)


def compiled_lean(function: _F) -> _F:
    """Compile a function that makes no array, and calls none that does, without counting references to arrays.

    Elsewhere every function counts them for each array it is given, atomically. In functions of many arrays that call
    each other that is most of the time, and much of the time to compile: without, taint runs 3.8 times as fast.
    """
    return _compiled(function, _nrt=False)


def _compiled(function: _F, **options: bool) -> _F:
    elsewhere = _SETTINGS.CACHE_DIR
    _SETTINGS.CACHE_DIR = str(_FOLDER or "")
    try:
        return cast("_F", _COMPILE(cache=_FOLDER is not None, nogil=True, **options)(function))
    finally:
        _SETTINGS.CACHE_DIR = elsewhere
