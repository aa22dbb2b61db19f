"""A private apt root: download Debian packages, checked by apt, without root and without a change to the system.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCES = Path("/etc/apt")


class FetchError(Exception):
    """Something could not be fetched; the message says what to do."""


def require_apt() -> None:
    """Refuse early where apt, dpkg or the archive's keys are absent."""
    missing = [program for program in ("apt-get", "dpkg", "dpkg-deb") if shutil.which(program) is None]
    if missing or not KEYRING.exists():
        absent = missing or [str(KEYRING)]
        message = f"needs a Debian with {', '.join(absent)} (packages: apt, dpkg, debian-archive-keyring)"
        raise FetchError(message)


def machine_mirror(suite: str | None = None) -> tuple[str, Path]:
    """Return the Debian mirror that this machine's apt sources name, and the keyring that they trust for it."""
    codename = machine_codename()
    entries = [entry for path in source_files() for entry in parse_sources(path)]
    for uri, suites, keyring in entries:
        if codename in suites or suite in suites:
            return uri, keyring if keyring.is_file() else KEYRING
    message = f"no source of suite {codename or suite!r} in {SOURCES}; is this a Debian?"
    raise FetchError(message)


def machine_codename() -> str:
    """Return the name of this machine's Debian release, such as `bookworm`; empty where there is none."""
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return dict(line.partition("=")[::2] for line in lines).get("VERSION_CODENAME", "").strip('"')


def source_files() -> list[Path]:
    """List the machine's apt sources, the main file first."""
    parts = sorted((SOURCES / "sources.list.d").glob("*"))
    return [
        path for path in (SOURCES / "sources.list", *parts) if path.suffix in {".list", ".sources"} and path.is_file()
    ]


def parse_sources(path: Path) -> list[tuple[str, list[str], Path]]:
    """Parse one file of apt sources (sources.list(5): one-line or deb822) into (uri, suites, keyring)."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return parse_deb822(text) if path.suffix == ".sources" else parse_one_line(text)


def parse_deb822(text: str) -> list[tuple[str, list[str], Path]]:
    """Parse stanzas of fields; comment lines may stand between them, and a stanza may be switched off."""
    found = []
    for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields = {key.lower(): value.strip() for key, value in re.findall(r"(?m)^([\w-]+):(.*(?:\n[ \t].*)*)", stanza)}
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() not in {"no", "false"}:
            keyring = Path(fields.get("signed-by", "").split("\n")[0] or KEYRING)
            found += [(uri, fields.get("suites", "").split(), keyring) for uri in fields.get("uris", "").split()]
    return found


def parse_one_line(text: str) -> list[tuple[str, list[str], Path]]:
    """Parse `deb [options] uri suite components` lines."""
    found = []
    for line in text.splitlines():
        match = re.match(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)", line.strip())
        if match:
            signed = re.search(r"signed-by=([^\s,]+)", match[1] or "", re.IGNORECASE)
            found.append((match[2], [match[3]], Path(signed[1]) if signed else KEYRING))
    return found


def private_apt(work: Path, mirror: str, suites: tuple[str, ...], keyring: Path) -> list[str]:
    """Make an apt root of our own and return the command that uses it; apt's proxy settings stay the machine's."""
    for folder in ("etc/sources.list.d", "etc/preferences.d", "lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()  # nothing counts as installed, so the closure is complete
    lines = "".join(f"deb [signed-by={keyring}] {mirror} {suite} main\n" for suite in suites)
    (work / "etc" / "sources.list").write_text(lines, encoding="utf-8")
    options = {
        "Dir::Etc": work / "etc",
        "Dir::Etc::SourceList": work / "etc/sources.list",
        "Dir::Etc::SourceParts": work / "etc/sources.list.d",
        "Dir::State": work,
        "Dir::State::lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Acquire::Languages": "none",
        "Acquire::AllowInsecureRepositories": "false",
        "APT::Get::AllowUnauthenticated": "false",
        "APT::Update::Error-Mode": "any",
        **({"APT::Sandbox::User": "root"} if os.geteuid() == 0 else {}),
    }
    return ["apt-get", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]


def run(argv: list[str], folder: Path | None = None) -> str:
    """Run a program and return its output; FetchError with its words when it fails."""
    result = subprocess.run(
        argv, cwd=folder, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False
    )
    if result.returncode:
        message = f"{Path(argv[0]).name} failed:\n{result.stdout}{result.stderr}".rstrip()
        raise FetchError(message)
    return result.stdout
