"""`strongroom-trace evm watch` on a real anvil: each move once, across restarts of both and across reorgs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strongroom_tracing.accounts.building import only_one
from tests.fixtures.ethereum import DevNode, EthereumNodeFactory
from tests.integration.tracing.evm_support import CHAIN, ETHER, Theft
from tests.unit.tracing.cli.commands import Typing

PROGRAM = (sys.executable, "-m", "strongroom_tracing.cli.app")


class Investigator:
    """Types commands in a folder, against one node, about one theft."""

    def __init__(self, folder: Path, scene: Theft, typing: Typing) -> None:
        self.folder, self.scene = folder, scene
        self.typing = typing
        self.node = ("--node", f"http://127.0.0.1:{scene.node.rpc_port}")
        self.asked = ("-c", "case.json", "--index", "eth", *self.node, "--through-services")
        case = {
            "marks": [{"claim": "theft-1", "transfer": f"{scene.txids['theft']}:coin0"}],
            "stops": {scene.exchange: "Exchange"},
            "pools": {scene.pool: "Pool"},
            "genuine": [
                {"chain": CHAIN, "contract": scene.weth, "symbol": "WETH", "decimals": 18, "wraps": True},
                {"chain": CHAIN, "contract": scene.token, "symbol": "TUSD", "decimals": 6},
            ],
        }
        (folder / "case.json").write_text(json.dumps(case))
        said = typing("evm", "index", "--index", "eth", *self.node)
        assert said.code == 0, said.err

    def look(self, *more: str) -> list[dict[str, Any]]:
        said = self.typing("evm", "watch", *self.asked, "--once", "--json", *more)
        assert said.code == 0, said.err
        return [json.loads(line) for line in said.out.splitlines()]

    def say(self, *more: str) -> tuple[str, str]:
        said = self.typing("evm", "watch", *self.asked, "--once", *more)
        return said.out, said.err


Make = Callable[[DevNode], Investigator]


@pytest.fixture
def investigator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Make:
    """A theft of 100 ether, in a block and split by a contract, indexed and marked."""
    monkeypatch.chdir(tmp_path)

    def make(node: DevNode) -> Investigator:
        scene = Theft(node)
        scene.steal()
        return Investigator(tmp_path, scene, Typing(monkeypatch, capsys))

    return make


def _values(lines: list[dict[str, Any]], event: str = "moved") -> set[tuple[str, int]]:
    assert {line["event"] for line in lines} == {event}
    return {(line["to"], int(line["value"])) for line in lines if line["to"] != "gas"}


def test_each_move_is_told_once_and_what_a_reorg_took_back_is_undone(
    investigator: Make, fresh_ethereum_node: DevNode
) -> None:
    looking = investigator(fresh_ethereum_node)
    scene = looking.scene
    first = looking.look()
    split = {(scene.disperse, 99 * ETHER), (scene.mule, 59 * ETHER), (scene.friend, 40 * ETHER)}
    assert _values(first) == {(scene.thief, 100 * ETHER), *split}
    assert looking.look() == []
    scene.launder()
    second = looking.look()
    assert (scene.exchange, 10 * ETHER) in _values(second)
    assert (scene.cold, 50_000) in _values(second)
    assert {line["service"] for line in second} == {None, "Exchange"}
    assert {line["txid"] for line in second} == {scene.txids[name] for name in ("wrap", "swap", "to router", "unwrap")}
    spent = [line for line in second if line["to"] == "gas"]
    assert {line["from"] for line in spent} == {scene.mule}
    assert looking.look() == []

    fresh_ethereum_node.reorganise(4)
    undone = looking.look()
    assert {line["event"] for line in undone} == {"undone"}
    assert {line["id"] for line in undone} == {line["id"] for line in second}
    scene.launder()
    again = looking.look()
    assert _values(again) == _values(second)
    assert not {line["id"] for line in again} & {line["id"] for line in second}  # other blocks
    assert [line["number"] for line in first + second + undone + again] == list(
        range(1, 1 + len(first) + 2 * len(second) + len(again))
    )


def test_the_lists_by_which_services_are_told_are_named_with_their_ages(
    investigator: Make, fresh_ethereum_node: DevNode
) -> None:
    looking = investigator(fresh_ethereum_node)
    looking.typing("tags", "install")
    asked = [word for word in looking.asked if word != "--through-services"]
    said = looking.typing("evm", "watch", *asked, "--once", "--json")
    assert "Lists checked: fbi-bybit (51 tags, as of 2025-02-26, " in said.err
    told = [json.loads(line) for line in said.out.splitlines()]
    assert told
    checked = [{"name": "fbi-bybit", "as_of": "2025-02-26"}, {"name": "ofac-sdn", "as_of": "2025-11-19"}]
    assert all(line["lists_checked"] == checked for line in told)


def test_a_reorg_of_the_theft_itself_is_told_and_the_watch_goes_on(
    investigator: Make, fresh_ethereum_node: DevNode
) -> None:
    looking = investigator(fresh_ethereum_node)
    told = looking.look()
    fresh_ethereum_node.reorganise(2)
    out, err = looking.say("--json")
    undone = [json.loads(line) for line in out.splitlines()]
    assert {line["event"] for line in undone} == {"undone"}
    assert {line["id"] for line in undone} == {line["id"] for line in told}
    assert "absent" in err
    assert looking.scene.txids["theft"] in err
    assert looking.look() == []


def test_what_was_seen_and_not_told_is_told_after_a_restart_and_a_changed_case_revises(
    investigator: Make, fresh_ethereum_node: DevNode
) -> None:
    looking = investigator(fresh_ethereum_node)
    told = looking.look()
    # As if it had been killed between writing down and telling.
    next((looking.folder / "case.json.watch").glob("watch-*.told")).unlink()
    assert looking.look() == told
    case = json.loads((looking.folder / "case.json").read_text())
    case["stops"][looking.scene.friend] = "Another exchange"
    (looking.folder / "case.json").write_text(json.dumps(case))
    (revised,) = looking.look()
    assert (revised["event"], revised["service"], revised["to"]) == (
        "revised",
        "Another exchange",
        looking.scene.friend,
    )
    out, _ = looking.say("--policy", "haircut")
    assert "100.000000000000000000 ETH of theft-1 from" in out  # another method, another log
    assert "gas" in out


def test_what_moved_before_need_not_be_told_and_a_busy_index_is_tried_again(
    investigator: Make, fresh_ethereum_node: DevNode
) -> None:
    looking = investigator(fresh_ethereum_node)
    assert looking.look("--from-now") == []
    looking.scene.launder()
    with only_one(looking.folder / "eth"):
        out, err = looking.say()
    assert out == ""
    assert "accounts-index-busy" in err
    assert (looking.scene.exchange, 10 * ETHER) in _values(looking.look())


def test_each_index_needs_its_node_and_has_to_be_begun(investigator: Make, fresh_ethereum_node: DevNode) -> None:
    looking = investigator(fresh_ethereum_node)
    _, err = looking.say("--node", "http://127.0.0.1:9")
    assert "one --node" in err
    said = looking.typing("evm", "watch", "-c", "case.json", "--index", "none", *looking.node)
    assert (said.code, "begins one" in said.err) == (1, True)


def test_it_survives_the_node_going_away_and_ends_on_a_key_press(
    investigator: Make, make_ethereum_node: EthereumNodeFactory
) -> None:
    node = make_ethereum_node(keep_state=True)
    looking = investigator(node)
    told = looking.look()
    argv = [*PROGRAM, "evm", "watch", *looking.asked, "--every", "0.2", "--json"]
    output, errors = looking.folder / "told.jsonl", looking.folder / "err"
    with output.open("w") as file, errors.open("w") as err:
        program = subprocess.Popen(argv, cwd=looking.folder, stdout=file, stderr=err, text=True, env=os.environ)
    try:
        node.stop()
        _until(lambda: "accounts-source" in errors.read_text())
        node.start()
        looking.scene.launder()
        _until(lambda: looking.scene.txids["unwrap"] in output.read_text())
        program.send_signal(signal.SIGINT)
        assert program.wait(60) == 130
    finally:
        program.kill()
        program.wait(30)
    assert "Traceback" not in errors.read_text()
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    # The key press may come between two lines of the last look, or before the last one is noted as told: the next look
    # goes on there, under the same numbers, and nothing is missing.
    lines += [line for line in looking.look() if line["number"] > lines[-1]["number"]]
    assert [line["number"] for line in lines] == list(range(len(told) + 1, len(told) + 1 + len(lines)))
    assert (looking.scene.exchange, 10 * ETHER) in _values(lines)
    assert (looking.scene.cold, 50_000) in _values(lines)
    assert looking.look() == []


def _until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_node_that_is_silent_hides_nothing_of_the_other_chain(
    make_ethereum_node: EthereumNodeFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    here, there = make_ethereum_node(), make_ethereum_node(chain_id=10)
    victim, thief = here.dev_accounts()[:2]
    typing = Typing(monkeypatch, capsys)
    nodes = [part for node in (there, here) for part in ("--node", f"http://127.0.0.1:{node.rpc_port}")]
    for name, url in (("there", nodes[1]), ("here", nodes[3])):
        assert typing("evm", "index", "--index", name, "--node", url).code == 0
    stolen = here.transact(thief, sender=victim, value=9 * ETHER)["transactionHash"]
    mark = {"claim": "p", "transfer": f"{CHAIN}/{stolen}:coin0"}
    (tmp_path / "case.json").write_text(json.dumps({"marks": [mark]}))
    there.stop()
    folders = ("--index", "there", "--index", "here")
    said = typing(
        "evm", "watch", "-c", "case.json", *folders, *nodes, "--through-services", "--once", "--json"
    )  # fmt: skip
    assert [json.loads(line)["to"] for line in said.out.splitlines()] == [thief.lower()]
    assert "accounts-source" in said.err


def test_two_chains_are_watched_together_over_a_bridge_that_comes_later(
    make_ethereum_node: EthereumNodeFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    here, there = make_ethereum_node(), make_ethereum_node(chain_id=10)
    victim, thief, gate, mule = here.dev_accounts()[:4]
    typing, folders = Typing(monkeypatch, capsys), ("--index", "here", "--index", "there")
    urls = [f"http://127.0.0.1:{node.rpc_port}" for node in (here, there)]
    for name, url in zip(("here", "there"), urls, strict=True):
        assert typing("evm", "index", "--index", name, "--node", url).code == 0
    stolen = here.transact(thief, sender=victim, value=9 * ETHER)["transactionHash"]
    paid = here.transact(gate, sender=thief, value=8 * ETHER)["transactionHash"]
    mark = {"claim": "p", "transfer": f"{CHAIN}/{stolen}:coin0"}
    (tmp_path / "case.json").write_text(json.dumps({"marks": [mark]}))

    def look() -> list[tuple[str, str, int]]:
        nodes = ("--node", urls[0], "--node", urls[1])
        said = typing("evm", "watch", "-c", "case.json", *folders, *nodes, "--through-services", "--once", "--json")
        assert said.code == 0, said.err
        lines = [json.loads(line) for line in said.out.splitlines()]
        return [(line["chain"], line["to"], int(line["value"])) for line in lines if line["to"] != "gas"]

    assert look() == [(CHAIN, thief.lower(), 9 * ETHER), (CHAIN, gate.lower(), 8 * ETHER)]
    got = there.transact(mule, sender=gate, value=7 * ETHER)["transactionHash"]
    bridge = {"paid_in": f"{CHAIN}/{paid}:coin0", "paid_out": f"eip155:10/{got}:coin0", "evidence": "seen"}
    case = {"marks": [mark], "bridges": [{**bridge, "confidence": 80}]}
    (tmp_path / "case.json").write_text(json.dumps(case))
    assert look() == [("eip155:10", mule.lower(), 7 * ETHER)]
    there.reorganise(1)
    assert look() == [("eip155:10", mule.lower(), 7 * ETHER)]  # undone: the bridge is absent, and said so
