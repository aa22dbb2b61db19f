"""A signer's view of Bitcoin by its own nodes: joined, cut off, poisoned, late, down, reorganised, on another chain."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strongroom_signer.bitcoin_nodes import BitcoinNode, NodeError
from strongroom_signer.bitcoin_view import BitcoinView
from strongroom_signer.headers import hash_of
from strongroom_signer.links import NodeUrl
from strongroom_signer.merkle import prove_tx
from strongroom_signer.policy import ChainPolicy
from tests.fixtures.bitcoin import MiningNode, NodeFactory
from tests.unit.signer.bitcoin_blocks import proof_of, read_block
from tests.unit.signer.kit import CHAIN, POLICY

CONFIRMATIONS = 2
VIEW_SECONDS = 600  # long enough that no slow machine makes an agreement old
ANSWER_SECONDS = 30.0
JOIN_SECONDS = 90.0  # a node that tried while it was off tries again after a minute


class Host:
    """A signer's host in small: its nodes, its clock, its view."""

    def __init__(self, nodes: list[MiningNode], folder: Path, **changes: object) -> None:
        self.nodes = nodes
        self.ahead = 0
        self.store = folder / "headers.bin"
        settings: dict[str, Any] = {
            "confirmations": CONFIRMATIONS,
            "nodes_min": 2,
            "view_seconds": VIEW_SECONDS,
            **changes,
        }
        self.policy: ChainPolicy = replace(POLICY.chains[CHAIN], **settings)
        self.view = self.open()

    def open(self) -> BitcoinView:
        links = [link_to(node) for node in self.nodes]
        self.view = BitcoinView(
            self.policy, [BitcoinNode(link, ANSWER_SECONDS) for link in links], self.store, self.clock
        )
        return self.view

    def clock(self) -> int:
        return int(time.time()) + self.ahead

    def refreshed(self) -> BitcoinView:
        self.view.refresh()
        return self.view


def link_to(node: MiningNode) -> NodeUrl:
    return NodeUrl(f"http://127.0.0.1:{node.rpc_port}", node.cookie_file)


def name_of(node: MiningNode) -> str:
    return f"127.0.0.1:{node.rpc_port}"


def best(node: MiningNode) -> bytes:
    return bytes.fromhex(str(node.rpc("getbestblockhash")))[::-1]


def wait_until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + JOIN_SECONDS
    while not done():
        assert time.monotonic() < end, "the nodes did not come to agree in time"
        time.sleep(0.05)


def together(*nodes: MiningNode) -> None:
    wait_until(lambda: len({best(node) for node in nodes}) == 1)


def cut_off(node: MiningNode) -> None:
    """Leave the others' links alone: a node that tries one while it is off waits a minute before it tries again."""
    node.rpc("setnetworkactive", False)
    wait_until(lambda: not node.rpc("getpeerinfo"))


@pytest.fixture
def three(make_bitcoin_node: NodeFactory) -> list[MiningNode]:
    first = make_bitcoin_node()
    others = [make_bitcoin_node(connect=(first,), prepare=False) for _ in range(2)]
    together(first, *others)
    return [first, *others]


def test_nodes_agree_headers_grow_and_are_kept(three: list[MiningNode], tmp_path: Path):
    host = Host(three, tmp_path)
    view = host.view
    assert (view.height, view.block(0), "not asked" in view.trouble) == (-1, None, True)
    host.refreshed()
    assert (view.height, view.trouble, set(view.nodes.values())) == (101, "", {""})
    three[0].mine(3)
    together(*three)
    host.refreshed()
    for height in (0, 1, 103, 104):
        block = bytes.fromhex(str(three[0].rpc("getblockhash", height)))[::-1]
        header = bytes.fromhex(str(three[0].rpc("getblockheader", block[::-1].hex(), False)))
        assert (view.block(height), view.header(height), view.height_of(block)) == (block, header, height)
    assert view.median_time == three[0].rpc("getblockheader", best(three[0])[::-1].hex())["mediantime"]
    assert (view.block(105), view.header(-1), view.height_of(bytes(32))) == (None, None, None)
    assert host.store.stat().st_size == 105 * 80
    assert host.store.stat().st_mode & 0o077 == 0
    again = host.open()
    # Known from the disk, but nothing is signed on it before nodes agreed again.
    assert (again.height, again.block(104), "not asked" in again.trouble) == (104, best(three[0]), True)
    host.refreshed()
    assert again.trouble == ""


def test_a_poisoned_node_stops_everything_and_is_named(three: list[MiningNode], tmp_path: Path):
    honest, other, poisoned = three
    host = Host(three, tmp_path)
    cut_off(poisoned)
    # The thief gives that node blocks of his own, whose work is trivial here; the others do not have them.
    poisoned.rpc("createwallet", "thief")
    thief = str(poisoned.rpc("getnewaddress", wallet="thief"))
    forged = [bytes.fromhex(block)[::-1] for block in poisoned.mine(6, thief)]
    view = host.refreshed()
    # Alone it is only ahead: too few nodes have these blocks, and nobody contradicts them yet.
    assert (view.height, view.height_of(forged[0])) == (101, None)
    real = [bytes.fromhex(block)[::-1] for block in honest.mine(CONFIRMATIONS + 1)]
    together(honest, other)
    host.refreshed()
    assert "contradict" in view.trouble
    assert name_of(poisoned) in view.trouble
    assert [view.height_of(block) for block in (*forged, *real)] == [None] * 9
    assert view.height == 101
    # Cured: it follows the others again, and so does the view.
    poisoned.rpc("invalidateblock", forged[0][::-1].hex())
    poisoned.rpc("setnetworkactive", True)
    poisoned.rpc("addnode", f"127.0.0.1:{honest.p2p_port}", "onetry")
    together(*three)
    host.refreshed()
    assert (view.trouble, view.height, view.height_of(real[-1])) == ("", 104, 104)


def test_a_poisoned_majority_of_less_work_is_not_followed(three: list[MiningNode], tmp_path: Path):
    host = Host(three, tmp_path)
    three[0].mine(10)
    together(*three)
    agreed = best(three[0])
    host.refreshed()
    for node in three:
        cut_off(node)
    for node in three:
        node.rpc("invalidateblock", node.rpc("getblockhash", 105))
    for node in three[:2]:
        node.rpc("setmocktime", int(time.time()) + 60)
    forged = [str(three[0].rpc("generateblock", three[0].new_address(), [])["hash"]) for _ in range(4)]
    for block in forged:
        three[1].rpc("submitblock", three[0].rpc("getblock", block, 0))
    view = host.refreshed()
    assert (view.height, "contradict" in view.trouble) == (104, True)
    assert (view.height_of(agreed), view.height_of(bytes.fromhex(forged[-1])[::-1])) == (None, None)


def test_a_late_node_only_holds_back_and_then_is_named(three: list[MiningNode], tmp_path: Path):
    late, first, second = three[2], three[0], three[1]
    host = Host(three, tmp_path, nodes_min=3)
    host.refreshed()
    cut_off(late)
    first.mine(CONFIRMATIONS + 1)
    together(first, second)
    view = host.refreshed()
    assert (view.height, view.trouble) == (101, "")
    assert view.nodes[name_of(late)] == "3 blocks behind"
    host.ahead = VIEW_SECONDS + 1
    host.refreshed()
    assert f"{name_of(late)}: 3 blocks behind" in view.trouble
    # Two of three are enough for another policy.
    two = Host(three, tmp_path / "two", nodes_min=2)
    assert (two.refreshed().height, two.view.trouble) == (104, "")


def test_one_down_is_fine_two_are_not_and_after_a_while_it_says_so(three: list[MiningNode], tmp_path: Path):
    host = Host(three, tmp_path)
    host.refreshed()
    three[2].stop()
    three[0].mine(1)
    together(three[0], three[1])
    view = host.refreshed()
    assert (view.height, view.trouble) == (102, "")
    assert "does not answer" in view.nodes[name_of(three[2])]
    three[1].stop()
    three[0].mine(1)
    host.refreshed()
    assert (view.height, view.trouble) == (102, "")
    host.ahead = VIEW_SECONDS + 1
    host.refreshed()
    assert view.trouble.startswith(f"no 2 own nodes agreed in the last {VIEW_SECONDS} seconds")
    assert view.block(102) is not None
    host.ahead = -3_600
    assert view.trouble, "a clock set back makes no old agreement a new one"


def test_a_race_of_tips_is_no_trouble_and_a_reorganisation_is_followed(three: list[MiningNode], tmp_path: Path):
    host = Host(three, tmp_path)
    host.refreshed()
    first, second, third = three
    cut_off(third)
    lost = [bytes.fromhex(block)[::-1] for block in first.mine(2)]
    third.rpc("setmocktime", int(time.time()) + 30)
    won = [bytes.fromhex(str(third.rpc("generatetoaddress", 1, first.new_address())[0]))[::-1] for _ in range(2)]
    together(first, second)
    view = host.refreshed()
    assert (view.height, view.trouble) == (101, "")
    assert [view.height_of(block) for block in (*lost, *won)] == [None] * 4
    won.append(bytes.fromhex(str(third.rpc("generatetoaddress", 1, first.new_address())[0]))[::-1])
    third.rpc("setnetworkactive", True)
    third.rpc("addnode", f"127.0.0.1:{first.p2p_port}", "onetry")
    together(*three)
    host.refreshed()
    assert (view.height, view.trouble) == (104, "")
    assert [view.height_of(block) for block in (*lost, *won)] == [None, None, 102, 103, 104]
    assert host.open().block(104) == won[-1]


def test_a_deep_reorganisation_of_all_nodes_is_followed_to_the_most_work(three: list[MiningNode], tmp_path: Path):
    host = Host(three, tmp_path)
    three[0].mine(20)
    together(*three)
    host.refreshed()
    old = [host.view.block(height) for height in range(102, 122)]
    for node in three[1:]:
        cut_off(node)
    three[0].reorganise(20, keep_mempool=False)
    view = host.refreshed()
    assert ("contradict" in view.trouble, view.height) == (True, 101)
    for node in three[1:]:
        node.rpc("setnetworkactive", True)
        node.rpc("addnode", f"127.0.0.1:{three[0].p2p_port}", "onetry")
    together(*three)
    host.refreshed()
    assert (view.trouble, view.height, view.block(122)) == ("", 122, best(three[0]))
    assert [view.height_of(block) for block in old if block] == [None] * 20
    assert host.store.read_bytes()[-80:] == view.header(122)


def test_a_node_of_another_chain_stops_everything(
    three: list[MiningNode], make_bitcoin_node: NodeFactory, tmp_path: Path
):
    other = make_bitcoin_node(prepare=False, chain="signet", options=("-connect=0",))
    host = Host([three[0], three[1], other], tmp_path)
    view = host.refreshed()
    assert "a node lies" in view.trouble
    assert f"{name_of(other)}: it is a node of another chain" in view.trouble


def test_a_checkpoint_that_the_nodes_do_not_have_stops_everything(three: list[MiningNode], tmp_path: Path):
    header = bytes.fromhex(str(three[0].rpc("getblockheader", three[0].rpc("getblockhash", 50), False)))
    good = Host(three, tmp_path, checkpoint=header, checkpoint_height=50)
    assert (good.refreshed().height, good.view.block(50), good.view.block(49)) == (101, hash_of(header), None)
    assert good.view.trouble == ""
    wrong = Host(three, tmp_path / "w", checkpoint=header, checkpoint_height=51)
    assert "lacks the checkpoint" in wrong.refreshed().trouble
    ahead = Host(three, tmp_path / "a", checkpoint=header, checkpoint_height=5_000)
    assert "no 2 own nodes agreed" in ahead.refreshed().trouble
    assert "only 101" in ahead.view.trouble


def test_stored_headers_are_checked_again(three: list[MiningNode], tmp_path: Path):
    host = Host(three, tmp_path)
    host.refreshed()
    whole = host.store.read_bytes()
    for damaged, height in (
        (whole[: 40 * 80 + 17], 39),
        (whole[: 60 * 80] + bytes(80) + whole[61 * 80 :], 59),
        (bytes(80) + whole[80:], -1),
        (whole[:4072] + bytes([whole[4072] ^ 1]) + whole[4073:], 49),
        (b"", -1),
    ):
        host.store.write_bytes(damaged)
        assert host.open().height == height
        assert (host.refreshed().height, host.view.trouble) == (101, "")
        assert host.store.read_bytes() == whole


def test_a_deposit_is_proven_against_the_view(three: list[MiningNode], tmp_path: Path):
    host = Host(three, tmp_path)
    txids = [three[0].pay(three[0].new_address(), 10_000 + at) for at in range(7)]
    block = three[0].mine(1)[0]
    three[0].mine(1)
    together(*three)
    view = host.refreshed()
    raw = read_block(bytes.fromhex(str(three[0].rpc("getblock", block, 0))))
    for position, txid in enumerate(raw.txids):
        proof = proof_of(raw.txs, position, bytes.fromhex(block)[::-1], 102)
        proven = prove_tx(proof, view, CONFIRMATIONS)
        assert (proven.txid, proven.height) == (txid[::-1].hex(), 102)
    assert set(txids) < {txid[::-1].hex() for txid in raw.txids}


def test_a_long_chain_is_read_in_rounds(make_bitcoin_node: NodeFactory, tmp_path: Path):
    first = make_bitcoin_node(prepare=False)
    address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    for _ in range(5):
        first.mine(1_000, address)
    second = make_bitcoin_node(connect=(first,), prepare=False)
    together(first, second)
    host = Host([first, second], tmp_path)
    assert (host.refreshed().height, bool(host.view.trouble)) == (4_032, True)
    assert (host.refreshed().height, host.view.trouble) == (5_000, "")


# A node that is none: it drips, it floods, it talks nonsense, it lets nobody in.


class Answering(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    body: Callable[[], Iterator[bytes]]


@pytest.fixture
def false_node() -> Iterator[Callable[[Callable[[], Iterator[bytes]]], NodeUrl]]:
    servers: list[Answering] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                self.request.recv(65_536)
                for part in self.server.body():  # type: ignore[attr-defined] # a field of Answering
                    self.request.sendall(part)
            except OSError:
                return

    def make(body: Callable[[], Iterator[bytes]]) -> NodeUrl:
        server = Answering(("127.0.0.1", 0), Handler)
        server.body = body
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return NodeUrl(f"http://user:open-sesame@127.0.0.1:{server.server_address[1]}", None)

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def said(body: bytes, status: str = "200 OK") -> Callable[[], Iterator[bytes]]:
    return lambda: iter([b"HTTP/1.1 %s\r\nConnection: close\r\n\r\n%s" % (status.encode(), body)])


def drip() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    for _ in range(1_000):  # a hundred seconds
        yield b" "
        time.sleep(0.1)


def flood() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    for _ in range(100):
        yield b"[" * 65_536


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(drip, id="drips"),
        pytest.param(flood, id="floods"),
        pytest.param(said(b"<html>"), id="no JSON"),
        pytest.param(said(b"[" * 100_000), id="nested"),
        pytest.param(said(b"{}"), id="no batch"),
        pytest.param(said(b"[]"), id="empty"),
        pytest.param(said(b'[{"id":0,"result":5},{"id":1,"result":null}]'), id="no hashes"),
        pytest.param(said(b'[{"id":0,"result":"' + b"g" * 64 + b'"},{"id":1,"result":"00"}]'), id="no hex"),
        pytest.param(said(b'[{"id":0,"error":{"code":-28,"message":"warming up"}},{"id":1}]'), id="refuses"),
        pytest.param(said(b"", "401 Unauthorized"), id="lets nobody in"),
        pytest.param(said(b"", "302 Found"), id="sends elsewhere"),
        pytest.param(lambda: iter([]), id="hangs up"),
        pytest.param(lambda: iter([b"what?\r\n\r\n"]), id="no HTTP"),
    ],
)
def test_a_false_node_is_named_in_time_and_its_password_never(
    body: Callable[[], Iterator[bytes]],
    false_node: Callable[[Callable[[], Iterator[bytes]]], NodeUrl],
    bitcoin_node: MiningNode,
    tmp_path: Path,
):
    link = false_node(body)
    began = time.monotonic()
    with pytest.raises(NodeError) as caught:
        BitcoinNode(link, 1.0).tip()
    assert time.monotonic() - began < ANSWER_SECONDS
    assert link.name in caught.value.message
    assert "sesame" not in caught.value.message
    # One good node is enough for this policy, and the false one takes nothing from it.
    host = Host([bitcoin_node], tmp_path, nodes_min=1)
    nodes = [BitcoinNode(link_to(bitcoin_node), ANSWER_SECONDS), BitcoinNode(link, 1.0)]
    view = BitcoinView(host.policy, nodes, None, host.clock)
    view.refresh()
    assert (view.height, view.trouble) == (bitcoin_node.rpc("getblockcount"), "")
    assert view.nodes[link.name]
    assert "sesame" not in str(view.nodes)
