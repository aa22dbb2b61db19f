"""A theft on a real anvil: indexed by each kind of trace, followed forward and backward, and through reorgs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from strongroom_tracing.accounts import service
from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.errors import NodeRefusesError, SourceError
from strongroom_tracing.accounts.model import Kind, Mark, Question
from strongroom_tracing.accounts.sources.rpc import RpcSource, Traces
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Direction, Policy
from tests.fixtures.ethereum import DevNode
from tests.integration.tracing.evm_support import CHAIN, ETHER, Theft
from tests.unit.tracing.accounts.support import every
from tests.unit.tracing.accounts.test_building import contents

ETH = f"{CHAIN}/slip44:60"


def _url(node: DevNode) -> str:
    return f"http://127.0.0.1:{node.rpc_port}"


@pytest.fixture(scope="module")
def theft(ethereum_node: DevNode) -> Theft:
    scene = Theft(ethereum_node)
    scene.steal()
    scene.launder()
    scene.cash()
    return scene


@pytest.fixture(scope="module")
def folder(theft: Theft, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("evm")
    with RpcSource(_url(theft.node)) as source:
        assert source.traces == Traces.DEBUG
        service.build(where, source, batch=4)
    return where


@pytest.fixture(scope="module")
def index(theft: Theft, folder: Path) -> Transfers:
    return service.open_indexes(folder, genuine=theft.genuine)


def _question(theft: Theft, policy: Policy, **more: object) -> Question:
    marks = (Mark("theft", f"{theft.txids['theft']}:coin0"),)
    stops, pools = {theft.exchange: "Exchange"}, {theft.pool: "Pool"}
    return Question(policy, Direction.FORWARD, marks, stops=stops, pools=pools, **more)  # type: ignore[arg-type]


def test_the_index_knows_the_balance_of_whoever_began_with_nothing(theft: Theft, index: Transfers) -> None:
    coin: Counter[int] = Counter()
    for row in every(index):
        if index.numbers.contract_of(row.asset) == -1:  # each of the chain's rows, also those that wraps stand for
            coin[row.recipient] += row.value * int(row.kind != Kind.GAS)
            coin[row.sender] -= row.value * int(row.kind != Kind.TIP)
    rich = {name.lower() for name in theft.node.dev_accounts()}
    seen = 0
    for number, amount in coin.items():
        who = index.address_text(number)
        if who not in rich and who != "0x" + "00" * 20:
            assert theft.node.balance_wei(who) == amount, who
            seen += amount > 0
        elif who in rich:
            assert theft.node.balance_wei(who) == 10_000 * ETHER + amount
    assert seen >= 3


def test_the_other_form_of_traces_gives_the_same_index(theft: Theft, folder: Path, tmp_path: Path) -> None:
    with RpcSource(_url(theft.node), traces=Traces.TRACE) as source:
        service.build(tmp_path, source)
    assert contents(tmp_path) == contents(folder)


def _gas(answer: AccountAnswer, address: str) -> int:
    return sum(row.value for row in answer.gas if row.address == address)


@pytest.mark.parametrize("policy", [policy for policy in Policy if policy != Policy.POISON])
def test_the_money_is_followed_through_contracts_wraps_and_a_swap(
    theft: Theft, index: Transfers, policy: Policy
) -> None:
    """No other money is known of anybody here, so that every policy but poison says the same, to the wei."""
    answer = service.trace(index, _question(theft, policy))
    assert {(row.address, row.asset): row.value for row in answer.held} == {
        (theft.thief, ETH): ETHER - _gas(answer, theft.thief),
        (theft.mule, ETH): (59 - 30 - 20 - 5 - 1 - 1) * ETHER - _gas(answer, theft.mule),
        (theft.friend, ETH): 40 * ETHER,
        (theft.cold, f"{CHAIN}/erc20:{theft.token}"): 50_000,
        (theft.mule, f"{CHAIN}/erc20:{theft.weth}"): 20 * ETHER,
    }
    at_exchange = {row.transfer.partition(":")[0]: row.value for row in answer.services}
    assert at_exchange == {
        theft.txids["unwrap"]: 10 * ETHER,
        theft.txids["cash"]: 5 * ETHER,
        theft.txids["ending"]: 2 * ETHER,  # with what was paid and undone before, and stayed in the contract
    }
    kinds = sorted((row.kind, row.paid, row.got) for row in answer.converted)
    assert kinds == [
        ("swap", 20 * ETHER, 50_000),
        ("unwrap", 10 * ETHER, 10 * ETHER),
        ("wrap", 20 * ETHER, 20 * ETHER),
        ("wrap", 30 * ETHER, 30 * ETHER),
    ]
    assert answer.unknown == ()
    assert answer.untraced == ()


def test_poison_marks_each_payment_whole(theft: Theft, index: Transfers) -> None:
    exact = service.trace(index, _question(theft, Policy.FIFO))
    answer = service.trace(index, _question(theft, Policy.POISON))
    assert {row.transfer for row in exact.moves} <= {row.transfer for row in answer.moves}
    assert all(row.value == index.value(row.number) for row in answer.moves)


def test_what_the_mule_had_before_is_unknown_unless_stated(theft: Theft, index: Transfers) -> None:
    with RpcSource(_url(theft.node)) as source:
        before = source.balance(theft.mule, 0)
    assert before == 10_000 * ETHER
    answer = service.trace(index, _question(theft, Policy.FIFO, openings={(theft.mule, ETH): before}))
    held = {(row.address, row.asset): row.value for row in answer.held}
    assert held == {
        (theft.mule, ETH): 59 * ETHER,  # its own go first
        (theft.friend, ETH): 40 * ETHER,
        (theft.thief, ETH): ETHER - _gas(answer, theft.thief),
    }
    assert not answer.services


def test_backward_the_exchange_finds_the_victim(theft: Theft, index: Transfers) -> None:
    (paid,) = (
        index.name(row)
        for row in index.rows_of_txid(bytes.fromhex(theft.txids["unwrap"][2:]))
        if index.address_text(index.at(row).payee) == theft.exchange
    )
    asked = Question(Policy.LIFO, Direction.BACKWARD, (Mark("p", paid),), pools={theft.pool: "Pool"})
    answer = service.trace(index, asked)
    assert [(row.address, row.value) for row in answer.sources] == [(theft.victim, 10 * ETHER)]
    assert {row.kind for row in answer.converted} == {"unwrap", "wrap"}
    (bought,) = (
        index.name(row)
        for row in index.rows_of_txid(bytes.fromhex(theft.txids["swap"][2:]))
        if index.address_text(index.at(row).payee) == theft.cold
    )
    answer = service.trace(index, Question(Policy.LIFO, Direction.BACKWARD, (Mark("p", bought),), pools=asked.pools))
    assert [(row.address, row.value) for row in answer.sources] == [(theft.victim, 20 * ETHER)]


def test_without_traces_what_moves_inside_is_missing_and_the_answer_says_so(theft: Theft, tmp_path: Path) -> None:
    with RpcSource(_url(theft.node), traces=Traces.NONE) as source:
        service.build(tmp_path, source)
    index = service.open_indexes(tmp_path, genuine=theft.genuine)
    answer = service.trace(index, _question(theft, Policy.FIFO))
    assert answer.untraced == (CHAIN,)
    assert [(row.address, row.value) for row in answer.held] == [
        (theft.thief, ETHER - _gas(answer, theft.thief)),
        (theft.disperse, 99 * ETHER),
    ]


def test_a_reorg_takes_the_laundering_back(fresh_ethereum_node: DevNode, tmp_path: Path) -> None:
    scene = Theft(fresh_ethereum_node)
    scene.steal()
    scene.launder()
    with RpcSource(_url(scene.node)) as source:
        service.build(tmp_path / "followed", source)
        scene.node.reorganise(4)
        service.build(tmp_path / "followed", source, batch=2)
        service.build(tmp_path / "anew", source)
        assert contents(tmp_path / "followed") == contents(tmp_path / "anew")
        index = service.open_indexes(tmp_path / "followed", genuine=scene.genuine)
        answer = service.trace(index, _question(scene, Policy.LIFO))
        held = {row.address: row.value for row in answer.held}
        rest = ETHER - _gas(answer, scene.thief)
        assert held == {scene.mule: 59 * ETHER, scene.friend: 40 * ETHER, scene.thief: rest}
        scene.launder()
        service.build(tmp_path / "followed", source)
        index = service.open_indexes(tmp_path / "followed", genuine=scene.genuine)
        assert service.trace(index, _question(scene, Policy.LIFO)).totals()


def test_a_node_that_is_not_there_or_refuses_is_a_clear_error(theft: Theft) -> None:
    with pytest.raises(SourceError, match="does not answer") as raised:
        RpcSource("http://user:secret@127.0.0.1:9/path-that-is-a-key")
    assert "secret" not in raised.value.message
    assert "path-that-is-a-key" not in raised.value.message
    with RpcSource(_url(theft.node)) as source, pytest.raises(NodeRefusesError, match="refuses"):
        source.call("eth_noSuchMethod")
