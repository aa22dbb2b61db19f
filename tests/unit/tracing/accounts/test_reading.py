"""What nodes and files write is read exactly, or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from strongroom_tracing.accounts.errors import SourceError
from strongroom_tracing.accounts.genuine import Genuine
from strongroom_tracing.accounts.model import Kind
from strongroom_tracing.accounts.sources.calls import Call, from_calls, from_parity, from_tree
from strongroom_tracing.accounts.sources.decoding import DEPOSIT, SWAPS, TRANSFER, WITHDRAWAL, Inner, Log, transfer_of
from strongroom_tracing.accounts.sources.reading import address, data, digest, number, unix_time
from strongroom_tracing.accounts.sources.tables import read_transfers, transfers_of
from tests.unit.tracing.accounts.support import CHAIN, text, txid


@pytest.mark.parametrize(
    ("written", "meant"),
    [(7, 7), ("7", 7), ("0x1f", 31), (Decimal("1e24"), 10**24), (2**256 - 1, 2**256 - 1), (0, 0)],
)
def test_numbers_are_read_exactly(written: object, meant: int) -> None:
    assert number(written) == meant


@pytest.mark.parametrize("written", [1.0, True, -1, "-1", "1.5", "0xzz", None, Decimal("1.5"), 2**256, [], ""])
def test_what_is_no_unsigned_integer_is_refused(written: object) -> None:
    with pytest.raises(SourceError, match="unsigned number"):
        number(written)


def test_bytes_of_the_wrong_form_or_length_are_refused() -> None:
    for wrong in ("00", "0x0", "0xgg", 7, None):
        with pytest.raises(SourceError):
            data(wrong)
    for read in (address, digest):
        with pytest.raises(SourceError, match="was due"):
            read("0x1234")


def test_times_of_every_form_are_unix_seconds() -> None:
    naive = datetime(2023, 5, 2, 12, 19, 59)  # noqa: DTZ001 - that is what is tested
    assert unix_time(naive) == unix_time(naive.replace(tzinfo=UTC)) == unix_time("1683029999") == 1683029999
    assert unix_time(naive.replace(tzinfo=timezone(timedelta(hours=2)))) == 1683029999 - 7200


def _log(*topics: bytes, payload: bytes = b"") -> Log:
    return Log(txid(1), 0, 5, b"\x09" * 20, topics, payload)


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_events_are_read_in_every_form_that_tokens_use() -> None:
    kinds = {
        Kind.TOKEN: [
            _log(TRANSFER, _word(1), _word(2), payload=_word(3)),
            _log(TRANSFER, payload=_word(1) + _word(2) + _word(3)),  # nothing indexed: some old tokens
        ],
        Kind.NFT: [_log(TRANSFER, _word(1), _word(2), _word(3))],
        Kind.WRAP: [_log(DEPOSIT, _word(2), payload=_word(3))],
        Kind.UNWRAP: [_log(WITHDRAWAL, _word(1), payload=_word(3))],
    }
    for kind, logs in kinds.items():
        for log in logs:
            row = transfer_of(1, log)
            assert row is not None
            assert (row.kind, row.value, row.place) == (kind, 3, 5)
            assert row.contract == log.address
    swap = transfer_of(1, _log(min(SWAPS), payload=b"\x01"))
    assert swap is not None
    assert (swap.kind, swap.sender) == (Kind.SWAP, b"\x09" * 20)


@pytest.mark.parametrize(
    "log",
    [
        _log(),
        _log(TRANSFER, _word(1), _word(2)),
        _log(TRANSFER, _word(1), _word(2), payload=_word(3)[:-1]),
        _log(TRANSFER, _word(2**200), _word(2), payload=_word(3)),  # no address fills more than 20 bytes
        _log(DEPOSIT, payload=_word(3)),
        _log(_word(7), _word(1), _word(2), payload=_word(3)),
    ],
)
def test_events_that_only_look_alike_are_passed_over(log: Log) -> None:
    assert transfer_of(1, log) is None


def test_a_chain_tx_that_failed_as_a_whole_moved_nothing() -> None:
    paid = {"type": "CALL", "value": "0x5", **_ENDS}
    assert [one.value for one in from_tree({"calls": [paid]}) or ()] == [5]
    assert from_tree({"error": "reverted", "calls": [paid]}) is None
    flat = {"type": "call", "traceAddress": [], "action": {"callType": "call", "value": "0x5", **_ENDS}}
    assert from_calls([from_parity(flat)]) == []
    assert from_calls([from_parity({**flat, "error": "Reverted"})]) is None


def test_what_failed_calls_called_is_undone_and_nothing_else() -> None:
    def call(*place: int, failed: bool = False) -> Call:
        return Call(place, failed, Inner(bytes(20), bytes(20), 1 + sum(place)))

    calls = [
        call(),
        call(0),
        call(1, failed=True),
        call(1, 0, failed=True),
        call(1, 1),
        call(1, 1, 0),
        call(2),
        call(10),
    ]
    assert [one.value for one in from_calls(reversed(calls)) or ()] == [1, 3, 11]


def test_a_chain_tx_of_very_many_failed_calls_takes_no_time() -> None:
    class Counted(tuple[int, ...]):
        __slots__ = ()
        looks = 0

        def __getitem__(self, key: Any) -> Any:
            Counted.looks += 1
            return super().__getitem__(key)

    calls = [Call(Counted((place,)), place < 500, None if place < 500 else _PAID) for place in range(1000)]
    assert len(from_calls([Call((), False, None), *calls]) or ()) == 500
    assert Counted.looks <= 2 * len(calls)


_PAID = Inner(bytes(20), bytes(20), 1)
_ENDS = {"from": text("ann"), "to": text("bob")}


def test_a_table_of_ones_own_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    one, two = "0x" + "01" * 32, "0x" + "02" * 32
    path.write_text(
        "block,txid,from,to,value,contract,kind\n"
        f"8,{two},{text('ann')},{text('bob')},7,,\n"
        f"8,{one},{text('bob')},{text('cy')},5,{text('token')},\n"
        f"8,{one},{text('bob')},{text('dee')},6,{text('token')},\n"
        f"7,{one},{text('ann')},{text('dee')},1,,gas\n"
    )
    rows = read_transfers(path)
    assert [(row.block, row.kind, row.place, row.value) for row in rows] == [
        (7, Kind.GAS, 0, 1),
        (8, Kind.VALUE, 0, 7),
        (8, Kind.TOKEN, 0, 5),
        (8, Kind.TOKEN, 1, 6),
    ]
    with pytest.raises(SourceError, match="no kind of transfer"):
        transfers_of([{"block": 1, "txid": one, "from": text("ann"), "to": text("bob"), "value": 1, "kind": "gift"}])
    with pytest.raises(SourceError, match="has no txid"):
        transfers_of([{"block": 1}])


def test_the_committed_list_of_genuine_contracts_names_a_source_for_each() -> None:
    tokens = Genuine.committed().tokens
    assert len(tokens) >= 20
    assert len({token.asset for token in tokens}) == len(tokens)
    assert all(token.source and token.contract == token.contract.lower() for token in tokens)
    assert all(len(token.contract) == 42 for token in tokens)
    by_symbol = {token.symbol: token for token in tokens if token.chain == CHAIN}
    assert {"USDT", "USDC", "WETH", "stETH", "mETH", "cmETH"} <= by_symbol.keys()
    assert [token.symbol for token in tokens if token.wraps] == ["WETH", "WETH", "WETH"]
