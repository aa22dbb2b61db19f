"""`strongroom-trace watch` on a real node: each move once, across restarts of both and across a reorg."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from strongroom_tracing.watching import Log
from tests.fixtures.bitcoin import MiningNode
from tests.unit.tracing.cli.commands import Typing

PROGRAM = (sys.executable, "-m", "strongroom_tracing.cli.app")


class Investigator:
    """Types commands in a folder, against one node."""

    def __init__(self, folder: Path, node: MiningNode, typing: Typing) -> None:
        self.folder = folder
        self.typing = typing
        self.node = ("--node", node.rpc_url, "--credentials", str(node.cookie_file))

    def run(self, *argv: str) -> list[dict[str, Any]]:
        said = self.typing(*argv)
        assert said.code == 0, said.err
        return [json.loads(line) for line in said.out.splitlines()]

    def say(self, *argv: str) -> str:
        said = self.typing(*argv)
        assert said.code == 0, said.err
        return said.out

    def look(self, *more: str) -> list[dict[str, Any]]:
        return self.run("watch", "-c", "case", *self.node, "--through-services", "--once", "--json", *more)

    def log(self) -> Log:
        (path,) = (self.folder / "case").glob("watch-*.jsonl")
        return Log(self.folder / "case", path.stem.removeprefix("watch-"))


@pytest.fixture
def stolen(
    fresh_bitcoin_node: MiningNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[Investigator, str]:
    """A theft of 3 BTC, in a block, indexed and marked."""
    node = fresh_bitcoin_node
    node.rpc("createwallet", "thief")
    address = node.rpc("getnewaddress", "", "bech32", wallet="thief")
    txid = node.pay(address, 300_000_000)
    node.mine()
    number = next(
        out["n"]
        for out in node.rpc("getrawtransaction", txid, 2, node.rpc("getbestblockhash"))["vout"]
        if out["value"] == 3
    )
    monkeypatch.chdir(tmp_path)
    investigator = Investigator(tmp_path, node, Typing(monkeypatch, capsys))
    investigator.run("index", *investigator.node, "--json")
    mark = ("--claim", "theft-1", "--by", "Ada", "--reported", "2026-01-02")
    investigator.run("mark", f"{txid}:{number}", "-c", "case", *mark, "--json")
    return investigator, f"{txid}:{number}"


def spend_all(node: MiningNode) -> str:
    """The thief moves all that it has; the txid."""
    address = node.rpc("getnewaddress", "", "bech32", wallet="thief")
    return str(node.rpc("sendall", [address], wallet="thief")["txid"])


def test_each_move_is_told_once_and_one_that_a_reorg_took_back_is_told_as_undone(
    stolen: tuple[Investigator, str], fresh_bitcoin_node: MiningNode
):
    investigator, where = stolen
    assert investigator.look() == []
    txid = spend_all(fresh_bitcoin_node)
    assert investigator.look() == []  # in no block yet
    fresh_bitcoin_node.mine()

    told = investigator.look()
    assert {(line["event"], line["txid"], line["from"]) for line in told} == {("moved", txid, where)}
    assert sum(int(line["value"]) for line in told) == 300_000_000
    assert sorted(line["to"] == "fee" for line in told) == [False, True]
    assert investigator.look() == []

    fresh_bitcoin_node.reorganise(1, keep_mempool=False)
    undone = investigator.look()
    assert [line["event"] for line in undone] == ["undone", "undone"]
    assert {line["id"] for line in undone} == {line["id"] for line in told}
    fresh_bitcoin_node.mine()
    again = investigator.look()
    assert [line["event"] for line in again] == ["moved", "moved"]
    assert {line["txid"] for line in again} == {txid}
    assert [line["number"] for line in told + undone + again] == [1, 2, 3, 4, 5, 6]


def test_the_lists_by_which_services_are_told_are_named_with_their_ages(
    stolen: tuple[Investigator, str], fresh_bitcoin_node: MiningNode
):
    investigator, _ = stolen
    investigator.say("tags", "install")
    spend_all(fresh_bitcoin_node)
    fresh_bitcoin_node.mine()
    said = investigator.typing("watch", "-c", "case", *investigator.node, "--once", "--json")
    assert "Lists checked: fbi-bybit (51 tags, as of 2025-02-26, " in said.err
    assert " days old), ofac-sdn (760 tags, as of 2025-11-19, " in said.err
    checked = [{"name": "fbi-bybit", "as_of": "2025-02-26"}, {"name": "ofac-sdn", "as_of": "2025-11-19"}]
    told = [json.loads(line) for line in said.out.splitlines()]
    assert [line["lists_checked"] for line in told] == [checked, checked]
    assert [line["lists_checked"] for line in investigator.look()] == [[], []]  # through services: a log of its own


def test_a_reorg_of_the_theft_itself_is_told_and_the_watch_goes_on(
    stolen: tuple[Investigator, str], fresh_bitcoin_node: MiningNode
):
    investigator, where = stolen
    txid = spend_all(fresh_bitcoin_node)
    fresh_bitcoin_node.mine()
    assert len(investigator.look()) == 2
    taken = [fresh_bitcoin_node.rpc("gettransaction", one, wallet="thief")["hex"] for one in (where[:64], txid)]
    fresh_bitcoin_node.reorganise(2, keep_mempool=False)
    assert [line["event"] for line in investigator.look()] == ["undone", "undone"]
    (traced,) = investigator.run("trace", "-c", "case", "--through-services", "--json")
    assert [row["where"] for row in traced["tables"]["absent"]] == [where]
    assert "absent" in investigator.say("trace", "-c", "case", "--through-services")
    assert investigator.look() == []
    for raw in taken:  # the node forgot what spends a coinbase that was too young again for a while
        fresh_bitcoin_node.rpc("sendrawtransaction", raw)
    fresh_bitcoin_node.mine()
    assert {line["txid"] for line in investigator.look()} == {txid}


def test_what_was_seen_and_not_told_is_told_after_a_restart(
    stolen: tuple[Investigator, str], fresh_bitcoin_node: MiningNode
):
    investigator, _ = stolen
    spend_all(fresh_bitcoin_node)
    fresh_bitcoin_node.mine()
    told = investigator.look()
    # As if it had been killed between writing down and telling.
    next((investigator.folder / "case").glob("watch-*.told")).unlink()
    assert investigator.look() == told
    assert investigator.log().untold() == []


def test_what_moved_before_need_not_be_told(stolen: tuple[Investigator, str], fresh_bitcoin_node: MiningNode):
    investigator, _ = stolen
    spend_all(fresh_bitcoin_node)
    fresh_bitcoin_node.mine()
    assert investigator.look("--from-now") == []
    assert investigator.look() == []
    txid = spend_all(fresh_bitcoin_node)
    fresh_bitcoin_node.mine()
    assert {line["txid"] for line in investigator.look("--from-now", "--every", "1")} == set()
    assert [line.move["txid"] for line in investigator.log().lines()][2:] == [txid, txid]


def test_it_survives_the_node_going_away_and_ends_on_a_key_press(
    stolen: tuple[Investigator, str], fresh_bitcoin_node: MiningNode
):
    investigator, _ = stolen
    argv = [*PROGRAM, "watch", "-c", "case", *investigator.node, "--through-services", "--every", "0.2", "--json"]
    output = investigator.folder / "told.jsonl"
    with output.open("w") as file, (investigator.folder / "err").open("w") as err:
        program = subprocess.Popen(argv, cwd=investigator.folder, stdout=file, stderr=err, text=True, env=os.environ)
    try:
        _until(lambda: any((investigator.folder / "case").glob(".watch-*-fifo-forward-absorbed-through.lock")))
        fresh_bitcoin_node.stop()
        _until(lambda: "source-unreadable" in (investigator.folder / "err").read_text())
        fresh_bitcoin_node.start()
        fresh_bitcoin_node.rpc("loadwallet", "thief")
        fresh_bitcoin_node.rpc("loadwallet", "miner")
        txid = spend_all(fresh_bitcoin_node)
        fresh_bitcoin_node.mine()
        _until(lambda: output.read_text().count("\n") == 2)
        assert {json.loads(line)["txid"] for line in output.read_text().splitlines()} == {txid}
        program.send_signal(signal.SIGINT)
        assert program.wait(60) == 130
    finally:
        program.kill()
        program.wait(30)
    told = [json.loads(line) for line in output.read_text().splitlines()]
    # A key press between telling the last line and noting that may have it told again, under the same number.
    assert [line for line in investigator.look() if line != told[-1]] == []
    assert investigator.look() == []


def _until(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
