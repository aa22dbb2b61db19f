"""A signer's view of an EVM chain over real HTTP: it follows nodes that agree, and stops where one contradicts."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from strongroom_signer.evm_nodes import MAX_ANSWER_BYTES, EvmNode, NodeError
from strongroom_signer.evm_view import EvmView
from strongroom_signer.links import NodeUrl
from strongroom_signer.policy import parse_policy
from tests.fixtures.ethereum import DevNode
from tests.integration.chains.evm_support import Proxy, proxy_of, serving
from tests.unit.signer import safe_kit
from tests.unit.signer.kit import Clock

VIEW_SECONDS = 60
ANSWER_SECONDS = 30.0  # a node that answers does so in milliseconds; a machine under load may need long
Answer = dict[str, Any]


@dataclass
class Own:
    """A signer's three own nodes, which are one node behind three proxies, and its view by two that agree."""

    node: DevNode
    proxies: list[Proxy]
    urls: list[str]
    nodes_min: int = 2
    clock: Clock = field(default_factory=Clock)
    view: EvmView = field(init=False)

    def __post_init__(self) -> None:
        text = safe_kit.policy_text(nodes_min=self.nodes_min, view_seconds=VIEW_SECONDS)
        nodes = [EvmNode(NodeUrl(url, None), safe_kit.NUMBER, timeout_seconds=ANSWER_SECONDS) for url in self.urls]
        self.view = EvmView(parse_policy(text).safes[safe_kit.CHAIN], nodes, self.clock)

    def look(self) -> str:
        self.view.refresh()
        return self.view.trouble

    def hash_of(self, number: int) -> bytes:
        return bytes.fromhex(self.node.rpc("eth_getBlockByNumber", hex(number), False)["hash"][2:])

    def name(self, number: int) -> str:
        return self.urls[number].removeprefix("http://")


@pytest.fixture
def own(fresh_ethereum_node: DevNode) -> Iterator[Own]:
    fresh_ethereum_node.mine(10)
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(proxy_of(fresh_ethereum_node.rpc_url)) for _ in range(3)]
        made = Own(fresh_ethereum_node, [proxy for proxy, _ in pairs], [url for _, url in pairs])
        yield made
        made.view.close()


def changed(where: Callable[[Answer], bool], **changes: str) -> Callable[[Answer, Answer], Answer]:
    """Forge fields of the blocks for which ``where`` holds."""

    def forge(question: Answer, answer: Answer) -> Answer:
        block = answer.get("result")
        if question["method"] != "eth_getBlockByNumber" or not block or not where(block):
            return answer
        return answer | {"result": block | changes}

    return forge


def lagging(blocks: int, node: DevNode) -> Callable[[Answer, Answer], Answer]:
    """Hold an older block for final, and know none after it."""
    at = node.block_number("finalized") - blocks

    def forge(question: Answer, answer: Answer) -> Answer:
        if question["method"] != "eth_getBlockByNumber":
            return answer
        if question["params"][0] == "finalized":
            return answer | {"result": node.rpc("eth_getBlockByNumber", hex(at), False)}
        return answer if int(question["params"][0], 16) <= at else answer | {"result": None}

    return forge


def test_nodes_that_agree_are_followed(own: Own) -> None:
    assert (own.view.height, own.view.median_time, own.view.block(0)) == (-1, 0, None)
    assert "not agreed on a block yet" in own.view.trouble
    for _ in range(2):
        assert own.look() == ""
        finalized = own.node.block_number("finalized")
        assert own.view.height == finalized
        block = own.node.rpc("eth_getBlockByNumber", hex(finalized), False)
        assert own.view.median_time == int(block["timestamp"], 16)
        for number in (0, 1, finalized):
            assert own.view.block(number) == own.hash_of(number)
        assert own.view.block(finalized + 1) is None
        assert own.view.block(-1) is None
        own.node.mine(2)


def test_one_node_that_is_down_is_no_trouble_and_two_are_once_their_word_is_old(own: Own) -> None:
    assert own.look() == ""
    own.proxies[0].down = True
    own.node.mine()
    assert (own.look(), own.view.height) == ("", own.node.block_number("finalized"))
    own.proxies[1].down = True
    own.node.mine()
    height = own.view.height
    own.clock.now += VIEW_SECONDS
    assert (own.look(), own.view.height) == ("", height)
    own.clock.now += 1
    trouble = own.look()
    assert f"{VIEW_SECONDS + 1} seconds ago" in trouble
    assert own.name(0) in trouble
    assert own.name(1) in trouble
    assert own.name(2) not in trouble
    assert own.view.block(3) is None
    own.proxies[0].down = False
    assert (own.look(), own.view.height) == ("", height + 1)


def test_a_node_that_lies_about_the_finalized_block_stops_the_signer_until_it_does_not(own: Own) -> None:
    assert own.look() == ""
    height = own.view.height
    own.node.mine()
    liar = own.proxies[1]
    liar.forge = changed(lambda block: int(block["number"], 16) == height + 1, hash="0x" + "66" * 32)
    for _ in range(2):
        trouble = own.look()
        assert f"disagree on block {height + 1}" in trouble
        assert own.name(1) in trouble
        assert "66" * 32 in trouble
        assert own.view.height == height
    liar.forge = None
    assert (own.look(), own.view.height) == ("", height + 1)


@pytest.mark.parametrize(
    "changes", [{"hash": "0x" + "66" * 32}, {"timestamp": hex(10**9)}], ids=["another hash", "another time"]
)
def test_one_poisoned_node_while_the_others_are_cut_off_is_not_believed(own: Own, changes: dict[str, str]) -> None:
    assert own.look() == ""
    height = own.view.height
    own.node.mine(3)
    own.proxies[0].down = own.proxies[1].down = True
    own.proxies[2].forge = changed(lambda block: int(block["number"], 16) > height, **changes)
    own.look()
    assert own.view.height == height
    assert own.view.block(height + 1) is None
    own.clock.now += VIEW_SECONDS + 1
    assert own.look()
    own.proxies[0].down = False
    assert "disagree" in own.look()
    assert own.view.height == height


def test_a_lagging_node_neither_stops_the_others_nor_counts_for_what_it_has_not(own: Own) -> None:
    own.proxies[0].forge = lagging(4, own.node)
    assert (own.look(), own.view.height) == ("", own.node.block_number("finalized"))
    own.proxies[1].down = True
    own.node.mine(5)
    height = own.view.height
    own.look()
    assert own.view.height == height, "one that is behind and one that is not are no two at the newest block"
    own.proxies[1].down = False
    own.proxies[1].forge = lagging(2, own.node)
    own.look()
    assert own.view.height == own.node.block_number("finalized") - 2


def test_a_lagging_node_on_another_chain_is_noticed(own: Own) -> None:
    late = lagging(4, own.node)
    lie = changed(lambda _: True, hash="0x" + "77" * 32)
    own.proxies[0].forge = lambda question, answer: lie(question, late(question, answer))
    assert "disagree" in own.look()
    assert own.view.height == -1


def test_a_lie_about_an_old_block_is_noticed_when_a_proof_asks_for_it(own: Own) -> None:
    assert own.look() == ""
    own.proxies[2].forge = changed(lambda block: block["number"] == "0x3", hash="0x" + "88" * 32)
    assert own.view.block(3) is None
    assert "disagree on block 3" in own.view.trouble
    assert "disagree on block 3" in own.look()
    own.proxies[2].forge = None
    assert own.look() == ""
    assert own.view.block(3) == own.hash_of(3)


def test_a_finalized_block_that_changes_on_all_nodes_stops_the_signer_for_good(own: Own) -> None:
    assert own.look() == ""
    height = own.view.height
    own.node.reorganise(own.node.block_number() - height + 2)
    own.node.mine(5)
    assert own.hash_of(height)
    for _ in range(2):
        assert f"finalized block {height} was" in own.look()
        assert own.view.height == height


def test_a_node_of_another_chain_is_left_out_by_name(own: Own) -> None:
    own.proxies[0].forge = own.proxies[1].forge = lambda question, answer: (
        answer | {"result": "0x1"} if question["method"] == "eth_chainId" else answer
    )
    trouble = own.look()
    assert own.view.height == -1
    assert own.name(0) in trouble


ANSWERS = {
    "no JSON": b"not found",
    "another shape": b"[]",
    "an error": json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no"}}).encode(),
    "a result and an error": json.dumps({"result": {}, "error": {"code": 1}}).encode(),
    "a result of another shape": json.dumps({"result": []}).encode(),
    "a number that is none": json.dumps(
        {"result": {"number": 1, "hash": "0x" + "1" * 64, "timestamp": "0x1"}}
    ).encode(),
    "a number with a zero before it": json.dumps(
        {"result": {"number": "0x01", "hash": "0x" + "1" * 64, "timestamp": "0x1"}}
    ).encode(),
    "a short hash": json.dumps({"result": {"number": "0x1", "hash": "0x1", "timestamp": "0x1"}}).encode(),
    "deep nesting": b"[" * 100_000,
    "too much": b" " * (MAX_ANSWER_BYTES + 1),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_any_other_answer_is_a_node_that_failed(name: str) -> None:
    chain = json.dumps({"result": hex(safe_kit.NUMBER)}).encode()
    with serving(lambda body: chain if b"eth_chainId" in body else ANSWERS[name]) as url:
        node = EvmNode(NodeUrl(url.replace("//", "//user:secret-word@"), None), safe_kit.NUMBER)
        with pytest.raises(NodeError) as failed:
            node.finalized()
        assert "secret-word" not in failed.value.message


def test_a_block_of_another_number_than_asked_for_is_refused(own: Own) -> None:
    own.proxies[0].forge = changed(lambda _: True, number="0x2")
    with pytest.raises(NodeError, match="asked for block 1"):
        EvmNode(NodeUrl(own.urls[0], None), safe_kit.NUMBER).block(1)


def test_passwords_and_cookies_are_sent_as_the_node_wants_them(tmp_path: Path) -> None:
    seen: list[str] = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listening.accept()
                with connection:
                    seen.append(connection.recv(65536).decode())
            done.set()

        threading.Thread(target=serve, daemon=True).start()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        cookie = tmp_path / "cookie"
        cookie.write_text("name:value\n", encoding="ascii")
        for link in (NodeUrl(f"http://us%40er:pass@{address}/rpc?key=1", None), NodeUrl(f"http://{address}", cookie)):
            with pytest.raises(NodeError):
                EvmNode(link, 1, timeout_seconds=ANSWER_SECONDS).finalized()
        assert done.wait(ANSWER_SECONDS)
    assert seen[0].startswith("POST /rpc?key=1 HTTP/1.1")
    assert "Authorization: Basic dXNAZXI6cGFzcw==" in seen[0]
    assert "Authorization: Basic bmFtZTp2YWx1ZQ==" in seen[1]


def test_a_node_that_drips_is_given_up_in_time() -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while not stop.wait(0.1):
                    connection.sendall(b" ")

        threading.Thread(target=drip, daemon=True).start()
        started = time.monotonic()
        with pytest.raises(NodeError):
            EvmNode(NodeUrl(f"http://127.0.0.1:{listening.getsockname()[1]}", None), 1, timeout_seconds=0.5).finalized()
        assert time.monotonic() - started < 60  # it would drip for a hundred seconds
        stop.set()


def test_readers_and_refreshes_of_many_threads_agree(own: Own) -> None:
    found: list[bytes | None] = []

    def read() -> None:
        for number in range(8):
            own.view.refresh()
            found.append(own.view.block(number))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert own.view.trouble == ""
    assert set(found) == {own.hash_of(number) for number in range(8)}
