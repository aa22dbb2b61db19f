"""`strongroom asset refused` and `asset accept`: the operator's hand on a token that is not believed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from strongroom_core.assets import DEVNET
from tests.fixtures.devnet import TOKEN, devnet
from tests.fixtures.forked import STRONGROOM, command
from tests.fixtures.platform import NO_NODE, write_settings
from tests.fixtures.postgres import Database

REFUSED = "INSERT INTO chain_refused_token (chain, asset, reason, height) VALUES (%s, %s, 'its balances grow', 7)"


def strongroom(config: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return command(STRONGROOM, *words, "--config", str(config), "--dir", str(folder))


def test_a_refused_token_is_listed_accepted_once_and_then_no_longer_refused(pg: Database, tmp_path: Path) -> None:
    rates = {"BTC/EUR": "50000"}
    config = write_settings(tmp_path, pg, 1, deployment="test", rates=rates, chain=NO_NODE, more=(devnet(),))
    pg.execute(REFUSED, DEVNET.id, TOKEN)

    [told] = json.loads(strongroom(config, tmp_path, "asset", "refused", "--json").stdout)
    assert (told["asset"], told["token"], told["reason"]) == (TOKEN, "USDT", "its balances grow")

    done = strongroom(config, tmp_path, "asset", "accept", TOKEN)
    assert done.returncode == 0, done.stderr
    assert json.loads(strongroom(config, tmp_path, "asset", "refused", "--json").stdout) == []
    again = strongroom(config, tmp_path, "asset", "accept", TOKEN)
    assert again.returncode == 1
    assert "token-not-refused" in again.stderr
