"""The index of a real node's chain: followed, reorganised, read from its files."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_tracing.columns import UNSPENT
from strongroom_tracing.index.builder import build
from strongroom_tracing.index.errors import SourceError
from strongroom_tracing.index.model import Tip
from strongroom_tracing.index.service import Index
from strongroom_tracing.index.sources.blk_files import BlkFiles
from strongroom_tracing.index.sources.node import NodeSource
from tests.fixtures.bitcoin import MiningNode
from tests.unit.tracing.index.comparing import same_data

PARTITION = 20


@pytest.fixture
def place(scratch: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix="index-", dir=scratch))


@contextlib.contextmanager
def source_of(node: MiningNode, first_height: int = 0) -> Iterator[NodeSource]:
    with NodeSource(url_of(node), node.cookie_file, first_height=first_height) as source:
        yield source


def url_of(node: MiningNode) -> str:
    return f"http://127.0.0.1:{node.rpc_port}/"


def follow(folder: Path, node: MiningNode, first_height: int = 0) -> Path:
    with source_of(node, first_height) as source:
        build(folder, source, partition=PARTITION)
    return folder


def traffic(node: MiningNode, blocks: int) -> None:
    for number in range(blocks):
        for kind in ("legacy", "p2sh-segwit", "bech32", "bech32m"):
            node.pay(node.new_address(kind), 100_000 + number)
        node.mine()


def test_the_index_says_what_the_node_says(place: Path, fresh_bitcoin_node: MiningNode):
    node = fresh_bitcoin_node
    traffic(node, 3)
    with Index.open(follow(place / "index", node)) as index:
        columns = index.columns
        assert index.chain == BITCOIN_REGTEST.id
        assert index.tip == Tip(node.rpc("getblockcount"), node.rpc("getbestblockhash"))
        stats = node.rpc("gettxoutsetinfo")
        unspent = columns.output_spending == UNSPENT
        spendable = np.array([not index.script(number).startswith(b"\x6a") for number in range(columns.addresses)])
        # The genesis coinbase is no coin: nodes never put it into their set.
        counted = np.flatnonzero(unspent & spendable[columns.output_address])[1:]
        assert len(counted) == stats["txouts"]
        assert int(columns.output_value[counted].sum()) == int(stats["total_amount"] * 10**8)
        for height in (0, 101, index.tip.height):
            block = node.rpc("getblock", node.rpc("getblockhash", height), 2)
            for tx in block["tx"]:
                number = index.find_tx(tx["txid"])
                assert number is not None
                assert columns.height_of_tx(number) == height
                for out in tx["vout"]:
                    output = index.find_output(f"{tx['txid']}:{out['n']}")
                    assert columns.output_value[output] == int(out["value"] * 10**8)
                    address = index.address_text(int(columns.output_address[output]))
                    assert address == out["scriptPubKey"].get("address", f"script:{out['scriptPubKey']['hex']}")


def test_following_through_reorgs(place: Path, fresh_bitcoin_node: MiningNode):
    node = fresh_bitcoin_node
    traffic(node, 2)
    follow(place / "index", node)
    for depth, keep in ((1, True), (3, False), (30, True)):
        traffic(node, 1)
        follow(place / "index", node)
        node.reorganise(depth, keep_mempool=keep)
        follow(place / "index", node)
        with Index.open(place / "index") as index:
            assert index.tip.hash == node.rpc("getbestblockhash")
    same_data(follow(place / "fresh", node), place / "index")


def test_the_files_of_a_node_make_the_same_index(place: Path, fresh_bitcoin_node: MiningNode):
    node = fresh_bitcoin_node
    traffic(node, 1)
    node.reorganise(2)
    follow(place / "index", node)
    node.stop()  # or it keeps its last blocks in its memory
    (files,) = node.datadir.rglob("blk00000.dat")
    assert (files.parent / "xor.dat").exists()
    build(place / "files", BlkFiles(files.parent), partition=PARTITION)

    same_data(place / "index", place / "files")


def test_an_index_from_some_height_on_knows_what_came_in(place: Path, fresh_bitcoin_node: MiningNode):
    node = fresh_bitcoin_node
    traffic(node, 3)
    first = int(node.rpc("getblockcount")) - 1
    with Index.open(follow(place / "whole", node)) as whole, Index.open(follow(place / "part", node, first)) as part:
        assert part.status().first_height == first
        assert part.tip == whole.tip
        outside = part.columns.input_spent < -1
        assert np.any(outside)
        spent = whole.columns.input_spent[-len(outside) :]
        values = part.columns.external_value[-2 - part.columns.input_spent[outside]]
        assert np.array_equal(values, whole.columns.output_value[spent[outside]])


def test_credentials_are_in_a_file_and_nowhere_else(place: Path, fresh_bitcoin_node: MiningNode):
    node = fresh_bitcoin_node
    secret = place / "wrong"
    secret.write_text("somebody:super-secret-word")
    with pytest.raises(SourceError, match="refuses the credentials") as caught:
        NodeSource(url_of(node), secret)
    assert "super-secret-word" not in caught.value.message
    with pytest.raises(SourceError, match="leave user and password out") as caught:
        NodeSource("http://somebody:super-secret-word@127.0.0.1:1/", secret)
    assert "super-secret-word" not in caught.value.message
    with pytest.raises(SourceError, match="cannot be read"):
        NodeSource(url_of(node), place / "absent")
    with source_of(node) as source:
        node.stop()
        with pytest.raises(SourceError, match="cannot be reached"):
            source.tip()
