"""How the takes of drills are followed: each has a way, and what is not the take is never marked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trace_drill
from trace_accounts import sums_of
from trace_drill_coins import fees_of, parts_of
from trace_drill_play import Played
from trace_follow import DemonstrationError, where
from trace_play import Coin

from drills.catalogue import DRILLS
from drills.model import Drill, Finding
from strongroom.demo.progress import Progress
from strongroom_core.amounts import Amount
from strongroom_core.assets import DEVNET_ETH
from strongroom_tracing.taint.model import Policy

OURS, STRANGE = "bcrt1qours", "bcrt1qstrange"


def coin(value: int, number: int = 0) -> Coin:
    return Coin("ab" * 32, number, value, "thief")


def played(drill: Drill, take: int) -> Played:
    finding = Finding(take, 0, 0, 0, None, "", 0.0)
    measured: Any = SimpleNamespace(finding=finding)
    nowhere: Any = None
    return Played(drill, nowhere, Path(), measured, ())


def told(drill: Drill, take: int) -> dict[str, Any]:
    silent: Any = None
    return asyncio.run(trace_drill.follow(played(drill, take), Progress(silent)))


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: str(drill.number))
def test_every_drill_can_be_asked_for_and_a_take_of_nothing_is_said_plainly(drill: Drill) -> None:
    assert trace_drill.find(drill.number) is drill
    assert drill.measure in trace_drill.WAYS
    answer = told(drill, 0)
    assert list(answer) == ["nothing"]
    assert f"drill {drill.number} ({drill.name}) the thief took nothing" in where(answer)


def test_goods_that_were_shipped_are_on_no_chain() -> None:
    answer = told(trace_drill.find(14), 502_500)
    assert "goods worth 0.00502500" in answer["nothing"]
    assert "nothing to follow on a chain" in answer["nothing"]


@pytest.mark.parametrize("number", [-1, 0, 19, 700])
def test_a_drill_that_there_is_not_is_refused_with_those_that_there_are(number: int) -> None:
    with pytest.raises(DemonstrationError) as refused:
        trace_drill.find(number)
    assert refused.value.message == f"there is no drill {number}; there are {', '.join(map(str, range(1, 19)))}"


@pytest.mark.parametrize(
    ("values", "take", "expected"),
    [
        ([7], 7, [(0, 7)]),
        ([50, 50], 50, [(1, 50)]),  # the older was paid honestly
        ([50, 30, 20], 40, [(1, 20), (2, 20)]),  # a part of one
        ([5, 5], 10, [(0, 5), (1, 5)]),
    ],
)
def test_the_newest_coins_are_the_take(values: list[int], take: int, expected: list[tuple[int, int]]) -> None:
    coins = [coin(value, number) for number, value in enumerate(values)]
    assert [(part.number, units) for part, units in parts_of(coins, take)] == expected


def test_a_take_that_is_not_on_the_chain_is_an_error() -> None:
    with pytest.raises(DemonstrationError, match="measured 11 satoshi, and only 10"):
        parts_of([coin(5), coin(5, 1)], 11)


def block(*txs: tuple[str, str, tuple[str, ...]]) -> dict[str, Any]:
    found: list[dict[str, Any]] = [{"txid": "cb" * 32, "vin": [{"coinbase": "00"}], "vout": [{"value": "50.0003"}]}]
    for txid, fee, spent in txs:
        prevouts = [{"prevout": {"scriptPubKey": {"address": address}}} for address in spent]
        found.append({"txid": txid, "fee": fee, "vin": prevouts})
    return {"tx": found}


def test_fees_are_those_of_chain_txs_that_spend_ours_alone() -> None:
    chain = {
        1: block(("a", "0.0001", (OURS, OURS)), ("b", "0.0002", (OURS,)), ("c", "0.4", (STRANGE,))),
        2: block(("d", "0.5", (OURS, STRANGE))),
        3: block(),
        4: block(("e", "0.7", (OURS,))),
    }
    calls: dict[str, Callable[..., Any]] = {
        "getblockhash": lambda height: height,
        "getblock": lambda height, _: chain[height],
    }

    def rpc(method: str, *params: Any) -> Any:
        return calls[method](*params)

    assert [(made.outpoint, made.value, fees) for made, fees in fees_of(rpc, {OURS}, 1, 3)] == [
        (f"{'cb' * 32}:0", 5_000_030_000, 30_000)
    ]


def test_where_the_money_is_is_told_in_the_takes_own_asset() -> None:
    usdt = trace_drill.find(6).asset
    report = {"where": {"fifo": {"total": {"marked": "7000000", "held": "7000000", "gas": "0"}}}, "asset": usdt.id}
    said = where({**report, "folder": "/here", "report": "/here/fifo.html"})
    assert f"marked {Amount(usdt, 7_000_000)}, held 7.000000 USDT" in said


def sums(policy: Policy, *held: tuple[str, int]) -> dict[str, int]:
    """What an answer comes to in which 10 wei were marked and these are held."""
    rows = dict.fromkeys(("services", "gas", "left", "contested"), ())
    marked = (SimpleNamespace(asset=DEVNET_ETH.id, value=10),)
    found = tuple(SimpleNamespace(asset=asset, value=value) for asset, value in held)
    answer: Any = SimpleNamespace(question=SimpleNamespace(policy=policy), marked=marked, held=found, **rows)
    return sums_of(answer, DEVNET_ETH, 10)


def test_all_of_a_take_is_somewhere_in_its_own_asset_under_every_policy_but_poison() -> None:
    ether = DEVNET_ETH.id
    assert sums(Policy.FIFO, (ether, 4), (ether, 6))["held"] == 10
    assert sums(Policy.POISON, (ether, 70))["held"] == 70
    for policy, held in ((Policy.HAIRCUT, 9), (Policy.FIFO, 11)):
        with pytest.raises(DemonstrationError, match=f"10 were marked and {held} found"):
            sums(policy, (ether, held))
    with pytest.raises(DemonstrationError, match="came up where"):
        sums(Policy.POISON, (f"{DEVNET_ETH.chain_id}/erc20:0x{'11' * 20}", 10))
