"""What `strongroom status` says of money above the hot band, of voids nobody promises and of proofs not taken."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fixtures.forked import STRONGROOM, command
from tests.fixtures.platform import NO_NODE, write_settings
from tests.fixtures.postgres import Database
from tests.unit.signer.kit import ASSET, CHAIN

VOID = """INSERT INTO outbound_void (payout_id, merchant_id, chain, amount, fee, hold_id, script, intent, public_key,
    signature, outcome, tag, reason, detail, attempts)
VALUES ('pay_x', 'mer_x', %s, 1, 0, 'hld_x', '', '', '', '', 'cancelled', '', '', 'A does not answer', 3)"""
BAND = """INSERT INTO treasury_band (chain, asset, held, high, above, since, measured_at)
VALUES (%s, %s, 500000000, 200000000, 300000000, now() - interval '1 hour', now())"""

SILENT = """INSERT INTO proof_signer (signer, chain, tag, reason, attempts, retry_at, asked_at)
VALUES ('A', %s, 'chain-view', 'its nodes disagree', 2, now(), now())"""
OPEN = """INSERT INTO proof_wanted (subject, kind, chain, txid, place, height, block_hash)
VALUES ('slt_x', 'conflict', %s, '', 0, 7, '')"""


def status(config: Path, folder: Path, *options: str) -> str:
    answer = command(STRONGROOM, "status", "--config", str(config), "--dir", str(folder), *options)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_status_shows_size_and_age_above_the_band_and_voids_that_wait(pg: Database, tmp_path: Path) -> None:
    config = write_settings(tmp_path, pg, 1, deployment="test", rates={"BTC/EUR": "50000"}, chain=NO_NODE)
    empty = json.loads(status(config, tmp_path, "--json"))
    assert (empty["hot band"], empty["voids"]) == ([], [])

    pg.execute(BAND, CHAIN, ASSET)
    pg.execute(VOID, CHAIN)
    told = json.loads(status(config, tmp_path, "--json"))
    [band] = told["hot band"]
    assert (band["hot"], band["band"], band["above"]) == ("5.00000000 BTC", "2.00000000 BTC", "3.00000000 BTC")
    assert 3600 <= band["age_seconds"] < 3700
    [void] = told["voids"]
    assert (void["payout"], void["attempts"], void["detail"]) == ("pay_x", 3, "A does not answer")
    table = status(config, tmp_path)
    assert "Hot band" in table
    assert "pay_x" in table


def test_status_shows_what_a_signer_has_not_been_shown_and_why(pg: Database, tmp_path: Path) -> None:
    config = write_settings(tmp_path, pg, 1, deployment="test", rates={"BTC/EUR": "50000"}, chain=NO_NODE)
    assert json.loads(status(config, tmp_path, "--json"))["unproven"] == []

    pg.execute(SILENT, CHAIN)
    pg.execute(OPEN, CHAIN)
    [row] = json.loads(status(config, tmp_path, "--json"))["unproven"]
    assert (row["signer"], row["waiting"], row["refused"], row["said"]) == ("A", 1, 0, "its nodes disagree")
    assert row["since"] is not None
