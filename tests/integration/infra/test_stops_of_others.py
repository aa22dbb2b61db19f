"""A stop that another release set, for a chain or of a kind that this one does not know, is cleared as it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.platform import NO_NODE, write_settings
from tests.fixtures.postgres import Database
from tests.integration.infra.test_stops_command import resume, shown


@pytest.fixture
def config(pg: Database, tmp_path: Path) -> str:
    return str(write_settings(tmp_path, pg, 1, deployment="test", rates={"BTC/EUR": "50000"}, chain=NO_NODE))


def planted(pg: Database, what: str, scope: str) -> None:
    pg.execute(
        "INSERT INTO stop_switch (name, scope, reason, set_by) VALUES (%s, %s, 'why', 'another release')", what, scope
    )


@pytest.mark.parametrize(
    ("what", "scope"),
    [
        ("credit", "bip122:ffffffffffffffffffffffffffffffff"),
        ("payouts", "eip155:999999999"),
        ("credit", "a chain [of] no/form"),
        ("settlements", "*"),
        ("settlements", "eip155:999999999"),
    ],
)
def test_what_status_shows_is_what_resume_takes(pg: Database, config: str, what: str, scope: str) -> None:
    planted(pg, what, scope)
    planted(pg, "credit", "eip155:1")
    [(shown_what, shown_scope, *_), other] = shown(config)
    assert (shown_what, shown_scope) == (what, scope)

    done = resume(config, "--what", shown_what, "--chain", shown_scope)

    assert (done.returncode, scope in done.stdout) == (0, True), done.stderr
    assert shown(config) == [other]


def test_a_kind_that_nobody_stopped_is_refused_with_a_code(pg: Database, config: str) -> None:
    planted(pg, "credit", "eip155:1")
    wrong = resume(config, "--what", "settlements")
    assert (wrong.returncode, "not-stopped" in wrong.stderr) == (1, True), wrong.stderr
    assert len(shown(config)) == 1
