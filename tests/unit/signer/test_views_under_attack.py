"""Views of chains when somebody wants them to be busy, full, or alone: limits, and the age of what they know."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from strongroom_core.assets import BITCOIN, ETHEREUM
from strongroom_core.proof_messages import AttestRequest, ProveReceiptsRequest
from strongroom_signer import bitcoin_view, evm_view
from strongroom_signer.bitcoin_view import BitcoinView
from strongroom_signer.chains import PARAMETERS
from strongroom_signer.decide import MAX_AT_ONCE
from strongroom_signer.errors import RefusedError
from strongroom_signer.evm_chains import EVM_PARAMETERS
from strongroom_signer.evm_nodes import Block
from strongroom_signer.evm_view import MAX_ASKED, MAX_DISPUTES, EvmView, Rationed
from strongroom_signer.headers import HeaderTree, hash_of
from strongroom_signer.policy import parse_policy
from tests.unit.signer import books_kit, kit, safe_kit
from tests.unit.signer.kit import Clock
from tests.unit.signer.test_headers import recorded_blocks

TOP = 100
BORN = kit.NOW - TOP


@dataclass(eq=False)
class Node:
    """A node of an EVM chain whose blocks come every second; ``liar`` has others, ``stuck`` finds no old ones."""

    name: str
    liar: bool = False
    stuck: threading.Event | None = None
    asked: list[int] = field(default_factory=list)

    def finalized(self) -> Block:
        return self._block(TOP)

    def block(self, number: int) -> Block:
        self.asked.append(number)
        if self.stuck is not None and number < TOP:
            self.stuck.wait(60)
        return self._block(number)

    def _block(self, number: int) -> Block:
        lies = self.liar and number < TOP
        return Block(number, number.to_bytes(31, "big") + bytes([lies]), BORN + number)


@dataclass
class Own:
    nodes: list[Node] = field(default_factory=lambda: [Node("1"), Node("2"), Node("3")])
    main: bool = False
    clock: Clock = field(default_factory=Clock)
    view: EvmView = field(init=False)

    def __post_init__(self) -> None:
        policy = parse_policy(safe_kit.policy_text(nodes_min=2, view_seconds=60)).safes[safe_kit.CHAIN]
        if self.main:
            policy = replace(policy, parameters=EVM_PARAMETERS[ETHEREUM.id])
        self.view = EvmView(policy, self.nodes, self.clock)  # type: ignore[arg-type]

    def look(self) -> str:
        self.view.refresh()
        return self.view.trouble


def test_one_liar_makes_a_few_disputes_however_many_blocks_proofs_name() -> None:
    own = Own()
    assert own.look() == ""
    own.nodes[2].liar = True
    assert all(own.view.block(number) is None for number in range(60))
    own.nodes[0].asked.clear()
    assert "disagree on block 0" in own.look()
    assert len(own.nodes[0].asked) <= MAX_DISPUTES
    own.nodes[2].liar = False
    assert own.look() == ""
    assert own.view.block(59) is not None


def test_one_request_asks_about_few_blocks_and_what_is_known_costs_nothing() -> None:
    own = Own()
    own.look()
    for number in range(10):
        own.view.block(number)
    rationed = Rationed(own.view)
    own.nodes[0].asked.clear()
    for _ in range(2):
        assert all(rationed.block(number) is not None for number in range(10 + MAX_ASKED))
    assert own.nodes[0].asked == list(range(10, 10 + MAX_ASKED))
    with pytest.raises(RefusedError, match="at most"):
        rationed.block(90)
    assert rationed.block(3) is not None
    assert rationed.block(TOP + 1) is None
    assert Rationed(own.view).block(90) is not None


def test_what_nobody_agrees_on_is_asked_once_a_request() -> None:
    own = Own([Node("1"), Node("2", liar=True)])
    own.look()
    rationed = Rationed(own.view)
    assert [rationed.block(5), rationed.block(5)] == [None, None]
    assert own.nodes[0].asked == [5]


def test_proofs_that_wait_for_slow_nodes_keep_no_refresh_waiting() -> None:
    own, stuck = Own(), threading.Event()
    own.look()
    for node in own.nodes:
        node.stuck = stuck
    asking = [threading.Thread(target=own.view.block, args=(number,)) for number in range(20)]
    for thread in asking:
        thread.start()
    try:
        assert own.look() == ""
        # They wait still: the refresh did not wait for them.
        assert all(thread.is_alive() for thread in asking)
    finally:
        stuck.set()
        for thread in asking:
            thread.join()


@pytest.mark.parametrize("main", [True, False])
def test_an_evm_chain_that_stands_still_for_two_hours_is_trouble_where_money_is_real(main: bool) -> None:
    own = Own(main=main)
    assert own.look() == ""
    own.clock.now = BORN + TOP + evm_view.MAX_AGE_SECONDS
    assert own.look() == ""
    own.clock.now += 1
    assert ("cut off" in own.look()) is main


@dataclass
class Recorded:
    """A node that has recorded headers."""

    name: str
    raws: list[bytes]

    def tip(self) -> tuple[bytes, bytes]:
        return hash_of(self.raws[0]), hash_of(self.raws[-1])

    def height(self) -> int:
        return len(self.raws) - 1

    def hashes(self, heights: range) -> list[bytes]:
        return [hash_of(self.raws[height]) for height in heights]

    def headers(self, blocks: list[bytes]) -> list[bytes]:
        found = {hash_of(raw): raw for raw in self.raws}
        return [found[block] for block in blocks]


def test_a_bitcoin_whose_blocks_are_three_hours_old_is_trouble(shared_data: Path) -> None:
    raws = [raw[:80] for raw in recorded_blocks(shared_data / "btc_blocks" / "bitcoinj_first-100k-blocks.dat")]
    main = PARAMETERS[BITCOIN.id]
    tree = HeaderTree(main, raws[0], 0)
    median = tree.median_time([tree.add(raw, kit.NOW) for raw in raws[1:]][-1])
    test = parse_policy(kit.policy_text()).chains[kit.CHAIN]
    policy = replace(test, parameters=main, checkpoint=raws[0], checkpoint_height=0, nodes_min=2)
    clock = Clock(median + bitcoin_view.MAX_AGE_SECONDS)
    nodes = [Recorded(name, raws) for name in "12"]
    view = BitcoinView(policy, nodes, None, clock)  # type: ignore[arg-type]
    view.refresh()
    assert (view.trouble, view.height, view.median_time) == ("", len(raws) - 1, median)
    clock.now += 1
    view.refresh()
    assert "cut off" in view.trouble
    view.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[books_kit.World]:
    made = books_kit.World(tmp_path)
    yield made
    made.close()


@dataclass
class Busy:
    """A view that takes until two ask it at once and a moment more, and remembers how many did."""

    height: int = TOP
    median_time: int = 0
    trouble: str = ""
    now: int = 0
    most: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def block(self, number: int) -> None:
        del number
        with self.changed:
            self.now += 1
            self.most = max(self.most, self.now)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.most > 1, 60)
        time.sleep(0.05)
        with self.changed:
            self.now -= 1


def test_a_crowd_of_proofs_is_read_two_at_a_time(world: books_kit.World) -> None:
    proof = world.evm.put(books_kit.swept(books_kit.USDT, 1, books_kit.SHOP_PLACE)).proof(0)
    busy = Busy()
    world.bench.signer.views = {books_kit.EVM: busy}  # type: ignore[dict-item]
    request = ProveReceiptsRequest("req", books_kit.EVM, (proof,))
    crowd = [threading.Thread(target=world.bench.ask, args=(request,)) for _ in range(8)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert busy.most == MAX_AT_ONCE == 2


def test_addresses_wait_for_proofs_and_a_halt_for_neither(world: books_kit.World) -> None:
    for _ in range(MAX_AT_ONCE):
        world.bench.signer._proving.acquire()
    request = AttestRequest("req", kit.CHAIN, str(kit.MERCHANT), "hot", 0, 1)
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(world.bench.tag(request)))
    waiting.start()
    world.bench.signer.halt("stop", "req")
    assert (answers, world.bench.signer.books.halted) == ([], True)
    for _ in range(MAX_AT_ONCE):
        world.bench.signer._proving.release()
    waiting.join(60)
    assert answers == ["attested"]
