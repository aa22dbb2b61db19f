"""The fixtures themselves: real servers, separate databases, loopback only."""

import socket
import time
from collections.abc import Callable
from decimal import Decimal

import psycopg
import pytest

from tests.fixtures.bitcoin import MiningNode, NodeFactory
from tests.fixtures.postgres import Database
from tests.fixtures.sockets import OutsideConnectionError


def _wait(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_an_empty_database_of_its_own(pg: Database, turn: int) -> None:
    pg.execute("CREATE TABLE mine (turn int)")
    pg.execute("INSERT INTO mine VALUES (%s)", turn)
    assert pg.execute("SELECT turn FROM mine") == [(turn,)]


def test_the_database_is_migrated(pg: Database) -> None:
    assert pg.execute("SELECT count(*) FROM outbox_event") == [(0,)]


def test_a_role_logs_in_with_its_own_password_and_is_no_superuser(database_url: Callable[[str], str]) -> None:
    with psycopg.connect(database_url("api")) as connection:
        assert connection.execute("SELECT current_user, current_setting('is_superuser')").fetchone() == (
            "strongroom_api",
            "off",
        )


def test_the_superuser_is_refused_over_tcp(pg: Database) -> None:
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        psycopg.connect(host="127.0.0.1", port=pg.cluster.port, user="postgres", dbname=pg.name, password="x")


def test_a_role_without_its_password_is_refused(pg: Database) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host="127.0.0.1", port=pg.cluster.port, user="strongroom_api", dbname=pg.name, password="x")


def test_the_shared_node_mines_and_pays_whole_satoshis(bitcoin_node: MiningNode) -> None:
    address = bitcoin_node.new_address()
    txid = bitcoin_node.pay(address, 12_345)
    bitcoin_node.mine()
    received = bitcoin_node.rpc("gettransaction", txid, wallet="miner")
    assert received["confirmations"] == 1
    assert {Decimal("0.00012345"), Decimal("-0.00012345")} == {item["amount"] for item in received["details"]}


def test_joined_nodes_agree_and_a_reorganisation_reaches_the_other(make_bitcoin_node: NodeFactory) -> None:
    first = make_bitcoin_node()
    second = make_bitcoin_node(connect=(first,), prepare=False)
    _wait(lambda: bool(second.rpc("getbestblockhash") == first.rpc("getbestblockhash")))
    before = first.rpc("getbestblockhash")
    new = first.reorganise(2, keep_mempool=False)
    _wait(lambda: bool(second.rpc("getbestblockhash") == new[-1]))
    assert second.rpc("getblockheader", before)["confirmations"] == -1


def test_another_machine_is_out_of_reach() -> None:
    with socket.socket() as outside, pytest.raises(OutsideConnectionError, match="loopback"):
        outside.connect(("192.0.2.1", 80))
    with pytest.raises(OutsideConnectionError, match="loopback"):
        socket.create_connection(("198.51.100.7", 443), timeout=1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside, pytest.raises(OutsideConnectionError):
        outside.sendto(b"x", ("192.0.2.1", 53))
