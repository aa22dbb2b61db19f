"""What all commands share: the signer's folder, and a passphrase that is never in an argument or the environment."""

from __future__ import annotations

import argparse
import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from strongroom_signer.errors import KeyFileError
from strongroom_signer.host import Folder

if TYPE_CHECKING:
    from collections.abc import Callable

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 -- argparse has no public name for it

MAX_PASSPHRASE_BYTES: Final = 1024


def folder_of(arguments: argparse.Namespace) -> Folder:
    """Give the folder that a command is about."""
    return Folder(arguments.dir)


def command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], object], text: str, *, secret: bool = False
) -> argparse.ArgumentParser:
    """Add a command about a folder; ``secret`` where it may ask for a passphrase."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=run)
    parser.add_argument("--dir", required=True, type=Path, help="the signer's folder")
    if secret:
        parser.add_argument("--passphrase-fd", type=int, help="read the passphrase from this file descriptor")
    return parser


def passphrase_of(arguments: argparse.Namespace, *, twice: bool = False) -> bytes:
    """Read it from a file descriptor, up to a line's end, or ask on the terminal; never from argv or environment."""
    if arguments.passphrase_fd is not None:
        return _read_descriptor(arguments.passphrase_fd)
    passphrase = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Again: ") != passphrase:
        message = "the two passphrases differ"
        raise KeyFileError(message)
    return passphrase.encode()


def _read_descriptor(descriptor: int) -> bytes:
    data = b""
    try:
        while len(data) <= MAX_PASSPHRASE_BYTES and b"\n" not in data and (part := os.read(descriptor, 4096)):
            data += part
        os.close(descriptor)
    except OSError as error:
        message = f"file descriptor {descriptor} cannot be read: {error.strerror}"
        raise KeyFileError(message) from None
    if len(data) > MAX_PASSPHRASE_BYTES:
        message = f"a passphrase has at most {MAX_PASSPHRASE_BYTES} bytes"
        raise KeyFileError(message)
    return data.split(b"\n", 1)[0].removesuffix(b"\r")
