"""Where the program begins: a key press ends it in peace, also while it is still being loaded or compiled."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from dataclasses import dataclass
from types import FrameType
from typing import Final

_INTERRUPTED: Final = 130
_STOPPED: Final = "stopped; the same command goes on from here\n"
_SHOW_CURSOR: Final = "\x1b[?25h"  # which a progress bar had hidden (DECTCEM)
_COMPILERS: Final = ("numba", "llvmlite")  # an exception that is raised in their midst may be lost, or become another


def main() -> None:
    """Load the commands, which takes a second, and run one."""
    key = _Key()
    # Whoever started us may have us ignore the signal (nohup, or a job in the background).
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded:
        signal.signal(signal.SIGINT, key.pressed)
    app = importlib.import_module("strongroom_tracing.cli.app")
    key.at_once = False
    try:
        app.main()
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            _leave()
        raise
    finally:
        if heeded:  # the command is done: nothing is left to be stopped
            signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(slots=True)
class _Key:
    """Ctrl-C: at once while there is nothing to wind up, and when it is pressed again."""

    at_once: bool = True

    def pressed(self, _signal: int, frame: FrameType | None) -> None:
        if self.at_once or _compiles(frame):
            cursor = _SHOW_CURSOR if sys.stderr.isatty() else ""
            os.write(2, (cursor + _STOPPED).encode())
            os._exit(_INTERRUPTED)
        self.at_once = True
        raise KeyboardInterrupt


def _compiles(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in _COMPILERS:
            return True
        frame = frame.f_back
    return False


def _leave() -> None:
    """End without waiting for what other threads still parse: what is on the disk is whole at any moment."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads any more
            stream.flush()
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
