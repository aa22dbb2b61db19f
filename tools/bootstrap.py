"""Make `.venv` and what belongs in it, from nothing but Python 3.11 or newer; `make` calls this before everything else.

`bootstrap.py runtime` sets up what `strongroom up` needs, `bootstrap.py trace` what `strongroom-trace` needs beside it,
`bootstrap.py dev` what the tests and checks need too. Every package is locked by hash (requirements/). A stamp
remembers what was installed, so that the next run does nothing.

Standard library only.
"""

from __future__ import annotations

import configparser
import hashlib
import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path

from private_apt import FetchError, machine_codename, machine_mirror, private_apt, require_apt, run

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
REQUIREMENTS = CHECKOUT / "requirements"
PACKAGES = ("core", "client", "signer", "platform", "tracing")
LOCKS = {
    "runtime": ("runtime.txt", "signer.txt"),
    "trace": ("runtime.txt", "signer.txt", "tracing.txt"),
    "dev": ("dev.txt",),
}
WIDER = {"runtime": ("trace", "dev"), "trace": ("dev",), "dev": ()}  # environments that hold all of another
OLDEST_PYTHON = (3, 11)
SYSTEM_WHEELS = Path("/usr/share/python-wheels")


def main() -> int:
    """Set up one of the two environments; 0 when it is ready."""
    kind = sys.argv[1] if len(sys.argv) > 1 else "runtime"
    if sys.version_info < OLDEST_PYTHON:
        return fail(f"needs Python 3.11 or newer, and this is {sys.version.split()[0]}: make PYTHON=python3.11 …")
    if kind not in LOCKS:
        return fail(f"no environment {kind!r}; there are {', '.join(LOCKS)}")
    try:
        prepare(kind)
    except (FetchError, OSError, subprocess.CalledProcessError) as error:
        return fail(str(error))
    return 0


def prepare(kind: str) -> None:
    """Install whatever of an environment is missing or out of date."""
    if any(is_current(enough) for enough in (kind, *WIDER[kind])):
        return
    started = time.monotonic()
    if not works(VENV / "bin" / "python"):
        say("making .venv")
        venv.create(VENV, clear=VENV.exists(), symlinks=True, with_pip=False)
    uv = VENV / "bin" / "uv"
    if not stamp("bootstrap", ("bootstrap.txt",)).exists() or not uv.exists():
        install_uv()
        stamp("bootstrap", ("bootstrap.txt",)).touch()
    say(f"installing {' + '.join(LOCKS[kind])}, every file checked against its hash")
    locks = [part for name in LOCKS[kind] for part in ("-r", str(REQUIREMENTS / name))]
    uv_pip("install", "--require-hashes", "--no-deps", *locks)
    editable = [part for name in PACKAGES for part in ("-e", str(CHECKOUT / "packages" / name))]
    uv_pip("install", "--no-deps", "--no-build-isolation", "--offline", *editable)
    forget(kind)
    stamp(kind, LOCKS[kind]).touch()
    say(f"ready after {time.monotonic() - started:.1f} s")


def is_current(kind: str) -> bool:
    """Whether an environment was set up from exactly today's locks."""
    return stamp(kind, LOCKS[kind]).exists() and works(VENV / "bin" / "python")


def works(python: Path) -> bool:
    """Whether the interpreter that the environment was made from is still there."""
    return python.exists() and os.access(python, os.X_OK)


def stamp(kind: str, locks: tuple[str, ...]) -> Path:
    """Name the file that says: installed from these locks and package descriptions, at this place."""
    inputs = [REQUIREMENTS / name for name in locks]
    inputs += [CHECKOUT / "packages" / name / "pyproject.toml" for name in PACKAGES] if kind != "bootstrap" else []
    digest = hashlib.sha256(str(CHECKOUT).encode())
    for path in inputs:
        digest.update(path.read_bytes())
    return VENV / f".strongroom-{kind}-{digest.hexdigest()[:16]}"


def forget(kind: str) -> None:
    """Remove the stamps of older locks."""
    for old in VENV.glob(f".strongroom-{kind}-*"):
        old.unlink()


def install_uv() -> None:
    """Install the locked uv and the build backend by pip, wherever a pip can be found."""
    with tempfile.TemporaryDirectory() as scratch:
        pip = pip_wheel(Path(scratch))
        say(f"installing uv by {pip.name}")
        command = [str(VENV / "bin" / "python"), f"{pip}/pip", "--disable-pip-version-check", "install", "-qq"]
        lock = str(REQUIREMENTS / "bootstrap.txt")
        subprocess.run([*command, "--require-hashes", "--no-deps", "--only-binary=:all:", "-r", lock], check=True)


def pip_wheel(scratch: Path) -> Path:
    """Find pip's wheel: Python's own, the system's, or Debian's package python3-pip-whl through a private apt root."""
    folders = [Path(folder) for folder in (sysconfig.get_config_var("WHEEL_PKG_DIR"), SYSTEM_WHEELS) if folder]
    ensurepip = importlib.util.find_spec("ensurepip")
    if ensurepip is not None and ensurepip.origin is not None:
        folders.append(Path(ensurepip.origin).parent / "_bundled")
    for folder in folders:
        for wheel in sorted(folder.glob("pip-*.whl"), reverse=True):
            return wheel
    say("this Python has no pip; taking Debian's python3-pip-whl through a private apt root")
    require_apt()
    mirror, keyring = machine_mirror()
    apt = private_apt(scratch, mirror, (machine_codename(),), keyring)
    run([*apt, "-qq", "update"])
    run([*apt, "-qq", "download", "python3-pip-whl"], scratch)
    run(["dpkg-deb", "-x", str(next(scratch.glob("*.deb"))), str(scratch / "root")])
    return next((scratch / "root").rglob("pip-*.whl"))


def uv_pip(*arguments: str) -> None:
    """Run `uv pip` on the environment, with the index that pip is configured to use."""
    command = [str(VENV / "bin" / "uv"), "pip", *arguments, "--quiet", "--python", str(VENV / "bin" / "python")]
    subprocess.run(command, check=True, cwd=CHECKOUT, env={**os.environ, **index_settings()})


def index_settings() -> dict[str, str]:
    """Translate pip's configured indexes into uv's, where uv has none of its own; the hashes make any index safe."""
    configured = configparser.ConfigParser(interpolation=None)
    configured.read([Path("/etc/pip.conf"), Path.home() / ".pip/pip.conf", Path.home() / ".config/pip/pip.conf"])
    main = os.environ.get("PIP_INDEX_URL") or configured.get("global", "index-url", fallback="")
    extra = os.environ.get("PIP_EXTRA_INDEX_URL") or configured.get("global", "extra-index-url", fallback="")
    found = {"UV_DEFAULT_INDEX": main, "UV_INDEX": extra, "UV_INDEX_STRATEGY": "unsafe-best-match"}
    return {name: value for name, value in found.items() if value and name not in os.environ}


def say(text: str) -> None:
    """Show progress on standard error, so that a command's own output stays clean."""
    sys.stderr.write(f"set-up: {text}\n")
    sys.stderr.flush()


def fail(text: str) -> int:
    """Say why there is no environment."""
    sys.stderr.write(f"set-up failed: {text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
