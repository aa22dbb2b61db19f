"""Fetch a real bitcoind into `.tools/bitcoin`, with no change to the system and no root.

Debian's `bitcoin-knots` (the code of Bitcoin Core 29) and every library it needs come from the suites `trixie` and
`trixie-backports` of the mirror that this machine's own apt sources name, through a private apt root. apt checks the
archive's signature (keyring: debian-archive-keyring) and every file's hash. See docs/decisions/0003.

Standard library only: this runs before anything is installed. Run twice, it does nothing the second time.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from private_apt import FetchError, machine_mirror, private_apt, require_apt, run

CHECKOUT = Path(__file__).resolve().parent.parent
TARGET = CHECKOUT / ".tools" / "bitcoin"
SUITE = "trixie"
PACKAGE = "bitcoin-knots"
# Of the closure only these are needed to run a node; the rest is systemd and its like.
LIBRARY = re.compile(r"^(lib|zlib1g)")
NOT_NEEDED = re.compile(r"^lib(systemd|apparmor|seccomp|pam|audit|cap|mount|blkid|smartcols|selinux|pcre)")
LAUNCHER = """#!/bin/sh
# Debian 13's programs on an older Debian need Debian 13's own loader and libraries.
here=$(dirname "$(readlink -f "$0")")
exec "$here/{loader}" --library-path "$here/{libraries}" "$here/usr/bin/{name}" "$@"
"""


def main() -> int:
    """Fetch the node unless it is there; 0 when `.tools/bitcoin/bitcoind` runs afterwards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--force", action="store_true", help="fetch again even if a working one is there")
    arguments = parser.parse_args()
    try:
        if not arguments.force and present():
            return 0
        fetch()
    except (FetchError, OSError) as error:
        sys.stderr.write(f"fetch-bitcoind: {error}\n")
        sys.stderr.write("  Instead: put a bitcoind (29 or newer) on the PATH, or set STRONGROOM_BITCOIND to one.\n")
        return 1
    return 0


def present() -> bool:
    """Whether a node is there already."""
    for program in (os.environ.get("STRONGROOM_BITCOIND"), shutil.which("bitcoind"), str(TARGET / "bitcoind")):
        if program and os.access(program, os.X_OK):
            return True
    return False


def fetch() -> None:
    """Download, check, unpack and try the node; the target appears only when all of that went well."""
    require_apt()
    started = time.monotonic()
    TARGET.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=TARGET.parent) as name:
        work = Path(name)
        mirror, keyring = machine_mirror(SUITE)
        say(f"private apt root on {mirror} ({SUITE}, {SUITE}-backports), signatures by {keyring}")
        apt = private_apt(work, mirror, (SUITE, f"{SUITE}-backports"), keyring)
        run([*apt, "-qq", "update"])
        packages = closure(apt)
        say(f"downloading {PACKAGE} and {len(packages) - 1} libraries")
        debs = download(apt, work / "debs", packages)
        unpacked = unpack(debs, work / "root")
        version = finish(unpacked, packages)
        shutil.rmtree(TARGET, ignore_errors=True)
        unpacked.rename(TARGET)
    say(f"{version} in {TARGET.relative_to(CHECKOUT)} after {time.monotonic() - started:.1f} s")


def closure(apt: list[str]) -> list[str]:
    """Return `name=version` of the node's package and of the libraries it needs, as apt resolves them."""
    wanted = f"{PACKAGE}/{SUITE}-backports"
    plan = run([*apt, "--simulate", "--no-install-recommends", "install", wanted])
    found = re.findall(r"(?m)^Inst (\S+) \((\S+) ", plan)
    needed = [(name, version) for name, version in found if LIBRARY.match(name) and not NOT_NEEDED.match(name)]
    packages = [f"{name}={version}" for name, version in [*needed, *(pair for pair in found if pair[0] == PACKAGE)]]
    if not any(package.startswith(PACKAGE) for package in packages):
        message = f"the mirror has no {wanted}"
        raise FetchError(message)
    return packages


def download(apt: list[str], folder: Path, packages: list[str]) -> list[Path]:
    """Download packages; apt refuses what its signed lists do not vouch for."""
    folder.mkdir()
    run([*apt, "-qq", "download", *packages], folder)
    return sorted(folder.glob("*.deb"))


def unpack(debs: list[Path], root: Path) -> Path:
    """Unpack archives over each other, without running any of their scripts."""
    root.mkdir(mode=0o755)
    for deb in debs:
        run(["dpkg-deb", "-x", str(deb), str(root)])
    shutil.rmtree(root / "usr/share", ignore_errors=True)
    return root


def finish(root: Path, packages: list[str]) -> str:
    """Write the launchers and the record of versions, run the node once and return the version it states."""
    loader = next(iter(sorted(root.glob("usr/lib/*/ld-linux*.so.*"))), None)
    if loader is None:
        message = f"no loader in the libc6 of {SUITE} for this machine"
        raise FetchError(message)
    for name in ("bitcoind", "bitcoin-cli"):
        program = root / name
        places = {"loader": loader.relative_to(root), "libraries": loader.parent.relative_to(root)}
        program.write_text(LAUNCHER.format(name=name, **places), encoding="utf-8")
        program.chmod(0o755)
    version = run([str(root / "bitcoind"), "-version"]).splitlines()[0]
    (root / "VERSION").write_text("\n".join([version, *packages]) + "\n", encoding="utf-8")
    return version


def say(text: str) -> None:
    """Show progress on standard error, so that a command's own output stays clean."""
    sys.stderr.write(f"fetch-bitcoind: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
