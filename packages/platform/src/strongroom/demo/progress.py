"""How the demonstration tells what happens, whoever listens: a terminal, a log, a test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from strongroom_core.errors import StrongroomError


class Audience(Protocol):
    """Who is told."""

    def begin(self, name: str, title: str) -> None:
        """A step begins."""
        ...

    def end(self, name: str, seconds: float, detail: str) -> None:
        """It happened; ``detail`` says what was seen."""
        ...

    def fail(self, name: str, seconds: float, why: str) -> None:
        """It did not."""
        ...

    def say(self, text: str) -> None:
        """Something worth knowing beside the steps."""
        ...


@dataclass(slots=True)
class Outcome:
    """What a step came to."""

    detail: str = ""


@dataclass(slots=True)
class Progress:
    """Runs steps one after the other, keeps their record and tells the audience."""

    audience: Audience
    steps: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, float | int] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Outcome]:
        """Do one named step; an error is told and raised on."""
        self.audience.begin(name, title)
        start = time.monotonic()
        outcome = Outcome()
        try:
            yield outcome
        except BaseException as error:
            self._record(name, start, ok=False)
            self.audience.fail(name, time.monotonic() - start, _why(error))
            raise
        self._record(name, start, ok=True)
        self.audience.end(name, time.monotonic() - start, outcome.detail)

    def figure(self, name: str, value: float) -> None:
        """Keep a measured figure, rounded to milliseconds where it is a time."""
        self.figures[name] = value if isinstance(value, int) else round(value, 3)

    def _record(self, name: str, start: float, *, ok: bool) -> None:
        self.steps.append({"name": name, "ok": ok, "seconds": round(time.monotonic() - start, 3)})


def _why(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "interrupted"
    return f"{error.code}: {error.message}" if isinstance(error, StrongroomError) else repr(error)
