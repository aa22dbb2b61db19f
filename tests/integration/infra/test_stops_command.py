"""Whatever was stopped, by whom ever and for whom, `status` names it and `resume` clears it: every stop has an exit."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from strongroom.infra.database import connect
from strongroom.infra.stops import Stop, set_stop
from strongroom_core.assets import BITCOIN_REGTEST
from tests.fixtures.forked import STRONGROOM, command
from tests.fixtures.platform import NO_NODE, write_settings
from tests.fixtures.postgres import Database

CHAIN = BITCOIN_REGTEST.id


@pytest.fixture
def config(pg: Database, tmp_path: Path) -> str:
    return str(write_settings(tmp_path, pg, 1, deployment="test", rates={"BTC/EUR": "50000"}, chain=NO_NODE))


def resume(config: str, *words: str) -> CompletedProcess[str]:
    return command(STRONGROOM, "resume", "looked at it", "--config", config, *words)


def shown(config: str) -> list[tuple[str, str, str, str]]:
    answer = command(STRONGROOM, "status", "--json", "--config", config)
    assert answer.returncode == 0, answer.stderr
    rows = json.loads(answer.stdout)["stops"]
    assert all(row["since"] for row in rows)
    return [(row["stopped"], row["for"], row["reason"], row["by"]) for row in rows]


def stop(pg: Database, role: str, what: Stop, scope: str) -> None:
    async def body() -> None:
        async with await connect(pg.dsn(role)) as connection:
            await set_stop(connection, what, "a reason", role, scope)

    asyncio.run(body())


@pytest.mark.parametrize(
    ("what", "scope"),
    [*((what, CHAIN) for what in Stop), *((what, "*") for what in Stop if what is not Stop.PAYOUTS)],
)
def test_a_stop_is_named_and_cleared_by_its_name_and_scope_alone(
    pg: Database, config: str, what: Stop, scope: str
) -> None:
    stop(pg, "watcher", what, scope)
    other = next(item for item in Stop if item not in {what, Stop.PAYOUTS})
    stop(pg, "api", other, CHAIN)
    assert shown(config) == [(what, scope, "a reason", "watcher"), (other, CHAIN, "a reason", "api")]
    words = ("--what", what, *(("--chain", scope) if scope != "*" else ()))
    done = resume(config, *words)
    assert (done.returncode, what in done.stdout) == (0, True), done.stderr
    assert shown(config) == [(other, CHAIN, "a reason", "api")]
    [(by, why)] = pg.execute("SELECT cleared_by, clear_reason FROM stop_switch WHERE cleared_at IS NOT NULL")
    assert (bool(by), why) == (True, "looked at it")
    again = resume(config, *words)
    assert (again.returncode, "not-stopped" in again.stderr) == (1, True)


def test_payouts_go_on_by_a_bare_resume_and_a_chain_that_is_none_is_refused(pg: Database, config: str) -> None:
    stop(pg, "treasury", Stop.PAYOUTS, "*")
    assert resume(config).returncode == 0
    assert shown(config) == []
    wrong = resume(config, "--what", "credit", "--chain", "bitcoin")
    assert (wrong.returncode, "chain-unknown" in wrong.stderr) == (1, True), wrong.stderr
