"""Functions over columns, compiled to machine code; every other file is plain Python."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., Any])
_SETTINGS: Final[Any] = numba.config
_COMPILE: Final[Any] = numba.njit
_PACKAGE: Final = Path(__file__).parent
_OURS: Final = (b"strongroom_tracing.compiled", b"Read by compiled code.")  # stands in every file that matters here


def _folder() -> str:
    """Give the folder of machine code, one for each state of the sources.

    Numba keeps the code of a function until the function's own file changes, with what it calls from other files in it.
    """
    digest = hashlib.sha256()
    for source in sorted(_PACKAGE.rglob("*.py")):
        text = source.read_bytes()
        if any(words in text for words in _OURS):
            digest.update(text)
    beside = _PACKAGE if os.access(_PACKAGE, os.W_OK) else Path.home() / ".cache" / "strongroom-tracing"
    parent = _SETTINGS.CACHE_DIR or beside / "__pycache__"
    return str(Path(parent) / f"compiled-{digest.hexdigest()[:16]}")


_FOLDER: Final = _folder()


def compiled(function: _F) -> _F:
    """Compile a function of numbers and arrays at its first call; the machine code is kept beside the source.

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
    _SETTINGS.CACHE_DIR = _FOLDER
    try:
        return cast("_F", _COMPILE(cache=True, nogil=True, **options)(function))
    finally:
        _SETTINGS.CACHE_DIR = elsewhere
