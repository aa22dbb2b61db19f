"""Invoices created through HTTP, durably, beside a bare single-row insert through the same server in the same run.

The two take turns, and the median of the turns counts. One API worker, 32 clients, a durable PostgreSQL (fsync on), all
on this machine. `python -m benchmarks.invoices` prints the rows.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.world import World, open_world

CLIENTS: Final = 32
SECONDS: Final = 6.0
ROUNDS: Final = 3
PER_SECOND_MIN: Final = 960
READY_SECONDS: Final = 30
BODY: Final = json.dumps({"amount": "12.50", "currency": "EUR"})


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn measured."""

    per_second: float
    p99_ms: float


@contextmanager
def server(module: str, world: World, port: int, ready: str) -> Iterator[None]:
    """Run a server process until the block ends."""
    config = world.config(port)
    with (world.folder / f"{module}.log").open("wb") as log:
        environment = {**os.environ, "STRONGROOM_CONFIG": str(config)}
        process = subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}{ready}", process)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    message = f"{url} does not answer"
    raise RuntimeError(message)


def load(world: World, port: int, path: str) -> Turn:
    """Run the load generator in a process of its own."""
    arguments = ["127.0.0.1", str(port), path, str(world.token_file), str(CLIENTS), str(SECONDS), BODY]
    command = [sys.executable, "-m", "benchmarks.load", *arguments]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=SECONDS + 60).stdout)
    assert found["failed"] == 0, found
    return Turn(found["answered"] / found["seconds"], found["p99_ms"])


def run() -> list[dict[str, Any]]:
    """Measure both servers in turns; rows of name, value, unit, baseline, ratio."""
    ours: list[Turn] = []
    bare: list[Turn] = []
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder:
        world = asyncio.run(open_world(Path(folder)))
        try:
            ports = world.free_port(), world.free_port()
            with (
                server("strongroom.processes.api", world, ports[0], "/healthz"),
                server("benchmarks.bare_app", world, ports[1], "/bare"),
            ):
                for _ in range(ROUNDS):
                    ours.append(load(world, ports[0], "/v1/invoices"))
                    bare.append(load(world, ports[1], "/bare"))
        finally:
            world.close()
    return _rows(ours, bare)


def _rows(ours: list[Turn], bare: list[Turn]) -> list[dict[str, Any]]:
    rate, ceiling = (statistics.median(turn.per_second for turn in turns) for turns in (ours, bare))
    p99, bare_p99 = (statistics.median(turn.p99_ms for turn in turns) for turns in (ours, bare))
    return [
        _row("invoices created over HTTP, 32 clients (baseline: bare insert)", rate, "1/s", ceiling),
        _row("invoices created over HTTP (baseline: the goal)", rate, "1/s", PER_SECOND_MIN),
        _row("invoice creation p99, 32 clients (baseline: bare insert)", p99, "ms", bare_p99),
    ]


def _row(name: str, value: float, unit: str, baseline: float) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "baseline": round(baseline, 2),
        "ratio": round(value / baseline, 3),
    }


if __name__ == "__main__":
    for row in run():
        print(json.dumps(row))
