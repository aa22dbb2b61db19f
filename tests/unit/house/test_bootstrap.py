"""What runs before anything is installed: reading apt's sources, and knowing what is up to date."""

import subprocess
import sys
from pathlib import Path

import bootstrap
import private_apt
import pytest

CHECKOUT = Path(__file__).resolve().parents[3]


def test_deb822_sources_are_read() -> None:
    text = (
        "# a comment\nTypes: deb deb-src\n# http://old.example/debian\nURIs: http://mirror.example/debian http://b.example/d\n"
        "Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /usr/share/keyrings/k.gpg\n\n"
        "Types: deb\nURIs: http://off.example/debian\nSuites: bookworm\nEnabled: no\n\n"
        "Types: deb-src\nURIs: http://src.example/debian\nSuites: bookworm\n"
    )
    suites, keyring = ["bookworm", "bookworm-updates"], Path("/usr/share/keyrings/k.gpg")
    assert private_apt.parse_deb822(text) == [
        ("http://mirror.example/debian", suites, keyring),
        ("http://b.example/d", suites, keyring),
    ]


def test_one_line_sources_are_read() -> None:
    text = (
        "# deb http://off.example/debian bookworm main\n"
        "deb http://mirror.example/debian bookworm main contrib\n"
        "deb [arch=amd64 signed-by=/etc/k.gpg] https://m.example/debian bookworm-updates main\n"
        "deb-src http://src.example/debian bookworm main\n"
    )
    assert private_apt.parse_one_line(text) == [
        ("http://mirror.example/debian", ["bookworm"], private_apt.KEYRING),
        ("https://m.example/debian", ["bookworm-updates"], Path("/etc/k.gpg")),
    ]


def test_the_mirror_is_the_one_of_this_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://other.example/x nodistro main\n", encoding="utf-8")
    (tmp_path / "sources.list.d" / "a.list").write_text("deb http://m.example/debian ours main\n", encoding="utf-8")
    monkeypatch.setattr(private_apt, "SOURCES", tmp_path)
    monkeypatch.setattr(private_apt, "machine_codename", lambda: "ours")
    assert private_apt.machine_mirror()[0] == "http://m.example/debian"
    monkeypatch.setattr(private_apt, "machine_codename", lambda: "theirs")
    with pytest.raises(private_apt.FetchError, match="theirs"):
        private_apt.machine_mirror()


def test_another_lock_makes_an_environment_out_of_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dev.txt", "runtime.txt", "signer.txt"):
        (tmp_path / name).write_text("a==1\n", encoding="utf-8")
    monkeypatch.setattr(bootstrap, "REQUIREMENTS", tmp_path)
    before = bootstrap.stamp("dev", ("dev.txt",))
    (tmp_path / "dev.txt").write_text("a==2\n", encoding="utf-8")
    assert bootstrap.stamp("dev", ("dev.txt",)) != before
    (tmp_path / "dev.txt").write_text("a==1\n", encoding="utf-8")
    assert bootstrap.stamp("dev", ("dev.txt",)) == before


def test_pips_index_becomes_uvs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_STRATEGY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").write_text("[global]\nindex-url = http://i.example/%s\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert bootstrap.index_settings()["UV_DEFAULT_INDEX"] == "http://i.example/%s"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://own.example")
    assert "UV_DEFAULT_INDEX" not in bootstrap.index_settings()


def test_requirements_are_all_locked_by_hash_and_name_no_address() -> None:
    for path in sorted((CHECKOUT / "requirements").glob("*.txt")):
        blocks = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        packages = [line for line in blocks if line and not line.lstrip().startswith("#")]
        assert packages, path
        assert all("==" in line and "--hash=sha256:" in line for line in packages), path
        assert "://" not in path.read_text(encoding="utf-8"), path


def test_the_locks_agree_on_every_version() -> None:
    def versions(name: str) -> dict[str, str]:
        lines = (CHECKOUT / "requirements" / name).read_text(encoding="utf-8").splitlines()
        pins = (line.partition(" ")[0].partition("==") for line in lines if "==" in line and line[0].isalnum())
        return {package: version for package, _, version in pins}

    everything = versions("dev.txt")
    for name in ("runtime.txt", "signer.txt", "tracing.txt"):
        assert versions(name).items() <= everything.items(), name
    shared = versions("bootstrap.txt").keys() & everything.keys()
    assert {key: versions("bootstrap.txt")[key] for key in shared} == {key: everything[key] for key in shared}


@pytest.mark.parametrize("words", [(), ("help",)])
def test_every_target_explains_itself(words: tuple[str, ...]) -> None:
    """Every one that is not just a step of another, which say so by what they need."""
    text = subprocess.run(["make", "-s", *words], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    told = {line.split()[1]: line.split()[2:] for line in text.splitlines() if line.startswith("  make ")}
    declared = (CHECKOUT / "Makefile").read_text(encoding="utf-8").partition(".PHONY: ")[2].splitlines()[0].split()
    assert told.keys() == set(declared) - {"tools", "trace", "dev", "browser"}
    assert {"up", "test", "check", "bench", "clean", "demo", "mutants"} <= told.keys()
    assert all(len(explained) >= 3 for explained in told.values())


def test_an_unknown_environment_is_refused() -> None:
    command = [sys.executable, str(CHECKOUT / "tools" / "bootstrap.py"), "nonsense"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "nonsense" in result.stderr
