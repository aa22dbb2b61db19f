"""Secrets come from files, descriptors and prompts, one line each."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from strongroom_client import secrets_input
from strongroom_client.errors import SecretInputError


def pipe(data: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    return reading


def file_of(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("data", [b"secret", b"secret\n", b"secret\r\n"])
def test_one_line_is_the_secret(tmp_path: Path, data: bytes) -> None:
    assert secrets_input.from_descriptor(pipe(data), "token") == b"secret"
    assert secrets_input.from_file(file_of(tmp_path, data), "token") == b"secret"


@pytest.mark.parametrize("data", [b"", b"\n", b"a\nb", b"a\n\n", b"a\0b", b"x" * 1025])
def test_what_is_not_one_line_is_refused_without_being_shown(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SecretInputError, match="one line") as caught:
        secrets_input.from_descriptor(pipe(data), "token")
    assert "xxx" not in caught.value.message
    with pytest.raises(SecretInputError, match="one line"):
        secrets_input.from_file(file_of(tmp_path, data), "token")


def test_the_descriptor_is_closed_behind_it() -> None:
    descriptor = pipe(b"secret")
    secrets_input.from_descriptor(descriptor, "token")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_descriptor_that_is_not_open_is_named() -> None:
    descriptor = pipe(b"")
    os.close(descriptor)
    with pytest.raises(SecretInputError, match=f"descriptor {descriptor}"):
        secrets_input.from_descriptor(descriptor, "token")


def test_a_descriptor_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "x", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(SecretInputError, match=f"descriptor {descriptor}"):
        secrets_input.from_descriptor(descriptor, "token")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SecretInputError, match="chmod 600"):
        secrets_input.from_file(file_of(tmp_path, b"secret", mode), "token")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretInputError, match="No such file"):
        secrets_input.from_file(tmp_path / "none", "token")


def terminal(monkeypatch: pytest.MonkeyPatch, *typed: str) -> None:
    answers = iter(typed)
    ask: Callable[[str], str] = lambda _: next(answers)  # noqa: E731 -- one line of a fake prompt
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(getpass, "getpass", ask)


def test_a_prompt_asks_once_for_an_old_and_twice_for_a_new_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, "one", "two", "two")
    assert secrets_input.from_prompt("passphrase") == b"one"
    assert secrets_input.from_prompt("passphrase", twice=True) == b"two"


def test_a_new_secret_typed_in_two_ways_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, "one", "two")
    with pytest.raises(SecretInputError, match="two different ways"):
        secrets_input.from_prompt("passphrase", twice=True)


def test_an_empty_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, "")
    with pytest.raises(SecretInputError):
        secrets_input.from_prompt("passphrase")


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(SecretInputError, match="file descriptor"):
        secrets_input.from_prompt("passphrase")
