"""Reads tokens and passphrases from a file, a file descriptor or a prompt; never from argv or the environment.

Those two are shown by process lists and inherited by every child.
"""

from __future__ import annotations

import getpass
import os
import stat
import sys
from pathlib import Path
from typing import Final

from strongroom_client.errors import SecretInputError

MAX_SECRET_BYTES: Final = 1024


def from_descriptor(descriptor: int, what: str) -> bytes:
    """Read a secret from an open file descriptor up to its end. Raises ``SecretInputError``."""
    try:
        with os.fdopen(descriptor, "rb", closefd=descriptor > sys.stderr.fileno()) as file:
            data = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        message = f"cannot read the {what} from file descriptor {descriptor}: {error.strerror}"
        raise SecretInputError(message) from None
    return _checked(data, what)


def from_file(path: Path, what: str) -> bytes:
    """Read a secret from a file that only its owner may read. Raises ``SecretInputError``."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        message = f"cannot read the {what} from {path}: {error.strerror}"
        raise SecretInputError(message) from None
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        message = f"other users may read {path}: run `chmod 600 {path}`"
        raise SecretInputError(message)
    return _checked(data, what)


def from_prompt(what: str, *, twice: bool = False) -> bytes:
    """Ask on the terminal without showing what is typed. Raises ``SecretInputError`` where there is no terminal."""
    if not sys.stdin.isatty():
        message = f"there is no terminal to ask for the {what}; give it by file descriptor"
        raise SecretInputError(message)
    typed = getpass.getpass(f"{what}: ")
    if twice and getpass.getpass(f"{what}, again: ") != typed:
        message = f"the {what} was typed in two different ways"
        raise SecretInputError(message)
    return _checked(typed.encode(), what)


def _checked(data: bytes, what: str) -> bytes:
    # One line end belongs to the editor or to echo, not to the secret.
    secret = data.removesuffix(b"\n").removesuffix(b"\r")
    if not secret or len(secret) > MAX_SECRET_BYTES or b"\n" in secret or b"\0" in secret:
        message = f"the {what} must be one line of 1 to {MAX_SECRET_BYTES} bytes"
        raise SecretInputError(message)
    return secret
