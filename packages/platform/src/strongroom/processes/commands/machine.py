"""`doctor`: looks at this machine and says what to do."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from strongroom.demo.environment import API_PORT, DEFAULT_FOLDER, Environment
from strongroom.infra.components.anvil import find_anvil
from strongroom.infra.components.bitcoind import find_bitcoind
from strongroom.infra.components.errors import ComponentError
from strongroom.infra.components.hosting import LOOPBACK, folder_owner
from strongroom.infra.components.postgres_programs import program
from strongroom.infra.database import UNREACHABLE
from strongroom.infra.settings import Settings, load_settings
from strongroom.processes.commands import signers
from strongroom.processes.commands.context import AsJson, print_json, print_table, transaction_as
from strongroom.processes.commands.evm import draw_rows, relayer_rows
from strongroom_core.errors import StrongroomError

PYTHON: Final = (3, 11)
DISK_MIB: Final = 1_024
MEMORY_MIB: Final = 1_500
NOWHERE: Final = Path("/nonexistent")
EARLIEST: Final = 1_735_689_600  # 2025-01-01: a clock before this release was written is wrong
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``advice`` says what to do where it is not well."""

    name: str
    well: bool
    found: str
    advice: str = ""
    needed: bool = True


def doctor(*, as_json: AsJson = False) -> None:
    """Check this machine, and say what to do."""
    findings = [check() for check in CHECKS]
    if as_json:
        print_json([{"name": f.name, "ok": f.well, "found": f.found, "advice": f.advice} for f in findings])
    else:
        marks = {True: "[green]ok[/green]", False: "[red]no[/red]"}
        rows: list[tuple[object, ...]] = [(marks[f.well], f.name, f.found, f.advice) for f in findings]
        print_table("This machine", ("", "what", "found", "what to do"), rows)
    if any(finding.needed and not finding.well for finding in findings):
        raise typer.Exit(1)


def _judge(name: str, found: str, advice: str, *, well: bool, needed: bool = True) -> Finding:
    return Finding(name, well, found, "" if well else advice, needed)


def _fine(name: str, found: str) -> Finding:
    return _judge(name, found, "", well=True)


def _bad(name: str, found: str, advice: str) -> Finding:
    return _judge(name, found, advice, well=False)


def _linux() -> Finding:
    found = f"{platform.system()} {platform.machine()}"
    return _judge("Linux", found, "run it on Linux, or in a Linux container", well=platform.system() == "Linux")


def _python() -> Finding:
    well = sys.version_info >= PYTHON
    return _judge("Python 3.11 or newer", platform.python_version(), "install a newer python3", well=well)


def _owner() -> Finding:
    name = "a user for PostgreSQL"
    if os.geteuid() != 0:
        return _fine(name, "this one")
    try:
        owner = folder_owner(NOWHERE).name
    except ComponentError as error:
        return _bad(name, error.message, "do not run as root, or make a user `postgres`")
    well = shutil.which("setpriv") is not None
    return _judge(name, f"root becomes {owner}", "apt-get install util-linux, for setpriv", well=well)


def _postgres() -> Finding:
    try:
        return _fine("PostgreSQL", str(program("postgres", folder_owner(NOWHERE))))
    except ComponentError as error:
        return _bad("PostgreSQL", error.message, "make up")


def _bitcoind() -> Finding:
    try:
        return _fine("bitcoind", str(find_bitcoind()))
    except ComponentError as error:
        return _bad("bitcoind", error.message, "make up fetches one")


def _anvil() -> Finding:
    try:
        return _fine("anvil", str(find_anvil()))
    except ComponentError as error:
        return _bad("anvil", error.message, "make up fetches one")


def _relayers() -> Finding:
    """Whether the relayers of a demonstration that runs have gas; in operation, `status` and metrics tell."""
    return _running("relayers' gas", _ask_relayers)


def _draws() -> Finding:
    """Whether signers and chain agree on what a day may draw; in operation, `status` tells."""
    return _running("limits of draws", _ask_draws)


def _running(name: str, ask: Callable[[str, Settings], Awaitable[Finding]]) -> Finding:
    """Look at the demonstration that runs, where one does."""
    environment = Environment.read(DEFAULT_FOLDER)
    if environment.lock_holder() is None:
        return _fine(name, "no demonstration runs")

    async def body() -> Finding:
        return await ask(name, load_settings(environment.settings_file))

    try:
        return asyncio.run(body())
    except (StrongroomError, *UNREACHABLE) as error:
        return _judge(name, str(error).strip(), "strongroom status", well=False, needed=False)


async def _ask_relayers(name: str, settings: Settings) -> Finding:
    async with transaction_as(settings, "auditor") as connection:
        rows = await relayer_rows(connection)
    alarms = [f"{row['relayer']}: {row['alarms']}" for row in rows if row["alarms"]]
    found = "; ".join(alarms) or ", ".join(row["gas"] for row in rows) or "none yet"
    return _judge(name, found, "send gas to it, or see `strongroom status`", well=not alarms, needed=False)


async def _ask_draws(name: str, settings: Settings) -> Finding:
    return judge_draws(name, await draw_rows(settings, signers.draws(await signers.ask(settings))))


def judge_draws(name: str, rows: list[dict[str, Any]]) -> Finding:
    """Name every difference between the chain's limits of draws and the signers' own."""
    differs = [f"{row['chain']}, {row['draws in 24 h']}: {row['differs']}" for row in rows if row["differs"]]
    found = "; ".join(differs) or ", ".join(row["draws in 24 h"] for row in rows) or "no EVM chain"
    advice = "make them equal: `strongroom cold propose` sets the chain's, a new policy the signers'"
    return _judge(name, found, advice, well=not differs, needed=False)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free // 2**20
    return _judge("disk", f"{free} MiB free", f"make room for {DISK_MIB} MiB", well=free >= DISK_MIB)


def _memory() -> Finding:
    rows = dict(row.split(":", 1) for row in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    free = int(rows["MemAvailable"].split()[0]) // 1024
    return _judge("memory", f"{free} MiB available", f"free {MEMORY_MIB} MiB", well=free >= MEMORY_MIB)


def _clock() -> Finding:
    now = time.time()
    found = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    return _judge("clock", found, "set the clock: signers refuse to sign by a wrong one", well=now > EARLIEST)


def _ports() -> Finding:
    environment = Environment.read(DEFAULT_FOLDER)
    holder = environment.lock_holder()
    if holder is not None:
        return _fine("ports", f"`strongroom up` runs (process {holder}) at {environment.api_url}")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, 0))
        except OSError as error:
            return _bad("ports", str(error), f"make the loopback address {LOOPBACK} usable")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        taken = probe.connect_ex((LOOPBACK, API_PORT)) == 0
    return _fine("ports", f"{API_PORT} is taken; another is used" if taken else f"{API_PORT} is free")


def _browser() -> Finding:
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    advice = "only tests need it: make test installs one, or says how"
    return _judge("Chromium, for tests", found or "none", advice, well=found is not None, needed=False)


CHECKS: Final[tuple[Callable[[], Finding], ...]] = (
    _linux,
    _python,
    _owner,
    _postgres,
    _bitcoind,
    _anvil,
    _disk,
    _memory,
    _clock,
    _ports,
    _browser,
    _relayers,
    _draws,
)
