"""What is installed beside the keys is exactly the committed list, seen by installing the signer alone."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from bootstrap import index_settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[3]
CLOSURE = CHECKOUT / "packages" / "signer" / "closure.txt"
LOCK = CHECKOUT / "requirements" / "signer.txt"
OWN = {"strongroom-signer": "signer", "strongroom-core": "core"}


def _committed() -> set[str]:
    lines = (line.partition("#")[0].strip() for line in CLOSURE.read_text(encoding="utf-8").splitlines())
    return {line for line in lines if line}


def _required(name: str, seen: set[str]) -> set[str]:
    """Walk the installed packages' own statements of what they need on this platform."""
    if name not in seen:
        seen.add(name)
        for text in importlib.metadata.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                _required(canonicalize_name(requirement.name), seen)
    return seen


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def test_the_metadata_of_what_the_signer_needs_equals_the_committed_list() -> None:
    assert _required("strongroom-signer", set()) == _committed()


def test_the_lock_of_the_signer_alone_equals_the_committed_list() -> None:
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    locked = {line.partition("==")[0] for line in lines if "==" in line and not line.startswith(("#", " "))}
    assert locked | set(OWN) == _committed()


@pytest.mark.timeout(400)
def test_an_environment_with_the_signer_alone_holds_exactly_the_committed_list(
    tmp_path: Path,
) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, symlinks=True, with_pip=False)
    python = environment / "bin" / "python"
    _install(python, tmp_path)
    listing = (
        "import importlib.metadata as m, json, strongroom_signer, strongroom_core;"
        "print(json.dumps(sorted(d.metadata['Name'].lower() for d in m.distributions())))"
    )
    result = subprocess.run([str(python), "-c", listing], capture_output=True, text=True, check=True, timeout=60)
    assert {canonicalize_name(name) for name in json.loads(result.stdout)} == _committed()


def _install(python: Path, scratch: Path) -> None:
    """Install the signer as a merchant's operator would: built, not editable, everything else by its locked hash."""
    uv = _uv()
    assert uv, "uv is not in the environment: run `make dev`"
    sources = []
    for folder in OWN.values():  # a copy: the build writes beside the sources
        ignore = shutil.ignore_patterns("__pycache__")
        sources.append(str(shutil.copytree(CHECKOUT / "packages" / folder, scratch / folder, ignore=ignore)))
    common = [uv, "pip", "install", "--quiet", "--python", str(python)]
    environment = {**os.environ, **index_settings()}
    _run([*common, "--require-hashes", "-r", str(LOCK)], _offline_if_possible([*common, "-r", str(LOCK)], environment))
    environment["UV_OFFLINE"] = "1"
    # Without --no-deps: anything that our own packages need beyond the lock would be missing offline and fail here.
    builder = {**environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"}
    wheels = scratch / "wheels"
    for source in sources:
        _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)], builder, Path(source))
    _run([*common, *map(str, wheels.glob("*.whl"))], environment)


def _offline_if_possible(command: list[str], environment: dict[str, str]) -> dict[str, str]:
    """Use uv's cache, which the set-up filled; where somebody has emptied it, let uv fetch the locked files again."""
    offline = {**environment, "UV_OFFLINE": "1"}
    result = subprocess.run([*command, "--dry-run"], env=offline, capture_output=True, check=False, timeout=300)
    return environment if result.returncode else offline


def _run(command: list[str], environment: dict[str, str], folder: Path | None = None) -> None:
    result = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
