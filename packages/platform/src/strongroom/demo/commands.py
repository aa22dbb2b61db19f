"""Runs our own commands to their end, as a person would: arguments in argv, secrets by file descriptor."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from strongroom.demo.errors import CommandFailedError

TIMEOUT_SECONDS: Final = 120.0
SIGNER: Final = (sys.executable, "-m", "strongroom_signer.cli")
MERCHANT: Final = (sys.executable, "-m", "strongroom_client.cli")
STRONGROOM: Final = (sys.executable, "-m", "strongroom.processes.cli")


def environment_of(settings_file: Path | None = None) -> Mapping[str, str]:
    """Give a child what it needs of our environment, and no more: no secret of the shell's travels on."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV") if name in os.environ}
    return kept | ({"STRONGROOM_CONFIG": str(settings_file)} if settings_file else {})


async def run_command(
    *argv: str,
    secret: Path | None = None,
    settings: Path | None = None,
    ok: Sequence[int] = (0,),
) -> str:
    """Run a command and give what it printed; ``secret`` names the file of the passphrase that it gets by descriptor.

    Raises ``CommandFailedError`` on an exit code that is not in ``ok``, or after two minutes.
    """
    descriptor = open_secret(secret) if secret else None
    extra = () if descriptor is None else ("--passphrase-fd", str(descriptor))
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            *extra,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment_of(settings),
            pass_fds=() if descriptor is None else (descriptor,),
            start_new_session=True,
        )
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return await _result(process, " ".join(argv[2:5]), ok)


def open_secret(path: Path) -> int:
    """Open a pipe that holds a file's first line; the reading end, for a child."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(path.read_bytes())  # a passphrase is far below what a pipe holds
    return reader


async def _result(process: asyncio.subprocess.Process, name: str, ok: Sequence[int]) -> str:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            output, errors = await process.communicate()
    except TimeoutError:
        message = f"{name}: no end after {TIMEOUT_SECONDS:g} s"
        raise CommandFailedError(message) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode not in ok:
        said = (errors or output).decode(errors="replace").strip()[-1500:]
        message = f"{name} ended with {process.returncode}: {said}"
        raise CommandFailedError(message)
    return output.decode()
