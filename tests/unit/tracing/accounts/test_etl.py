"""The real blocks 17173049 and 17173050 of Ethereum, as ethereum-etl exports them."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strongroom_tracing.accounts import service
from strongroom_tracing.accounts.errors import SourceError
from strongroom_tracing.accounts.genuine import Genuine, Token
from strongroom_tracing.accounts.model import Kind, Mark
from strongroom_tracing.accounts.sources.etl import EtlFiles, EtlSource
from strongroom_tracing.taint.model import Policy
from tests.unit.tracing.accounts.support import CHAIN, every, question
from tests.unit.tracing.accounts.test_building import contents

PREFIX = "eth_17173049_17173050_"
_WETH = {"0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"}
KINDS = ("blocks", "transactions", "logs")


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "evm"


def _rows(folder: Path, kind: str) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{PREFIX}{kind}.json").read_text().splitlines()]


@pytest.fixture(scope="module")
def built(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("etl")
    files = EtlFiles(*(folder / f"{PREFIX}{kind}.json" for kind in KINDS))
    status = service.build(where, EtlSource(CHAIN, files))
    assert (status.first_height, status.height, status.traced) == (17173049, 17173050, False)
    return where


def test_every_token_transfer_is_found_and_no_other(folder: Path, built: Path) -> None:
    index = service.open_indexes(built)
    expected = Counter(
        (
            row["transaction_hash"],
            row["log_index"],
            row["token_address"],
            row["from_address"],
            row["to_address"],
            row["value"],
        )
        for row in _rows(folder, "token_transfers")
    )
    found: Counter[tuple[object, ...]] = Counter()
    for row in every(index):
        if row.kind in (Kind.TOKEN, Kind.NFT):
            txid, _, place = index.name(row.number).partition(":log")
            ends = (index.address_text(end) for end in (row.sender, row.recipient))
            contract = index.address_text(index.numbers.contract_of(row.asset))
            found[txid, int(place), contract, *ends, row.value] += 1
    assert found == expected
    assert sum(found.values()) == 291


def test_each_kind_of_row_is_as_often_as_the_files_say(folder: Path, built: Path) -> None:
    index = service.open_indexes(built)
    counts = Counter(row.kind for row in every(index))
    txs, logs = _rows(folder, "transactions"), _rows(folder, "logs")
    assert (len(txs), len(logs)) == (298, 681)
    assert counts[Kind.GAS] == 298
    assert counts[Kind.VALUE] == sum(tx["value"] > 0 and tx["receipt_status"] == 1 for tx in txs)
    assert (counts[Kind.WRAP], counts[Kind.UNWRAP], counts[Kind.NFT]) == (30, 31, 9)
    assert counts[Kind.ISSUED] == 32
    gas = sum(row.value for row in every(index) if row.kind == Kind.GAS)
    assert gas == sum(tx["receipt_gas_used"] * tx["receipt_effective_gas_price"] for tx in txs)
    burned = sum(block["base_fee_per_gas"] * block["gas_used"] for block in _rows(folder, "blocks"))
    tips = sum(row.value for row in every(index) if row.kind == Kind.TIP)
    assert gas - tips == burned


@pytest.mark.parametrize("policy", list(Policy))
def test_real_money_is_followed_and_adds_up(folder: Path, built: Path, policy: Policy) -> None:
    contracts = {row["token_address"] for row in _rows(folder, "token_transfers")}
    believed = Genuine.committed().plus(*(Token(CHAIN, one, "any", 18) for one in contracts - _WETH))
    index = service.open_indexes(built, genuine=believed)
    rows = [row.number for row in every(index) if row.moves and row.kind in (Kind.VALUE, Kind.TOKEN)][:40]
    marks = [Mark(f"c{row % 3}", index.name(row)) for row in rows]
    answer = service.trace(index, question(policy, *marks, swap_events=True))
    assert answer.untraced == (CHAIN,)
    assert {row.kind for row in answer.converted} >= {"wrap", "swap"}
    assert answer == service.trace(
        service.open_indexes(built, genuine=believed), question(policy, *marks, swap_events=True)
    )


def test_csv_and_parquet_of_the_same_give_the_same_index(folder: Path, built: Path, tmp_path: Path) -> None:
    for ending, write in (("csv", _write_csv), ("parquet", _write_parquet)):
        paths = []
        for kind in KINDS:
            paths.append(tmp_path / f"{kind}.{ending}")
            write(paths[-1], _rows(folder, kind))
        where = tmp_path / ending
        service.build(where, EtlSource(CHAIN, EtlFiles(*paths)))
        assert contents(where) == contents(built)


def _write_csv(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        for row in rows:
            flat = {**row}
            if "topics" in row:
                flat["topics"] = ",".join(row["topics"])
            if "withdrawals" in row:
                flat["withdrawals"] = json.dumps(row["withdrawals"])
            writer.writerow(flat)


def _write_parquet(path: Path, rows: list[dict]) -> None:
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        big = any(isinstance(value, int) and value >= 2**63 for value in values)
        columns[name] = [str(value) for value in values] if big else values
    pq.write_table(pa.table(columns), path)


def test_token_transfers_stand_in_where_there_are_no_logs(folder: Path, tmp_path: Path) -> None:
    files = EtlFiles(
        folder / f"{PREFIX}blocks.json",
        folder / f"{PREFIX}transactions.json",
        token_transfers=folder / f"{PREFIX}token_transfers.json",
    )
    service.build(tmp_path, EtlSource(CHAIN, files))
    index = service.open_indexes(tmp_path)
    assert sum(row.kind == Kind.TOKEN for row in every(index)) == 291


def test_files_that_do_not_belong_together_are_refused(folder: Path, tmp_path: Path) -> None:
    blocks = _rows(folder, "blocks")
    blocks[1]["hash"] = "0x" + "12" * 32
    path = tmp_path / "blocks.json"
    path.write_text(json.dumps(blocks))
    source = EtlSource(CHAIN, EtlFiles(path, folder / f"{PREFIX}transactions.json"))
    with pytest.raises(SourceError, match="another block"):
        list(source.blocks(17173049, 17173050))
    with pytest.raises(SourceError, match="not in the files"):
        list(source.blocks(17173051, 17173051))
    with pytest.raises(SourceError, match="cannot be read"):
        EtlSource(CHAIN, EtlFiles(tmp_path / "none.json", path))


def test_traces_of_a_table_are_put_in_the_order_of_execution(folder: Path, tmp_path: Path) -> None:
    tx, height = _rows(folder, "transactions")[1], 17173049
    roots = [_root(other) for other in _rows(folder, "transactions") if other["hash"] != tx["hash"]]
    one, two = "0x" + "01" * 20, "0x" + "02" * 20

    def call(place: str, value: int, **more: object) -> dict:
        return {
            "block_number": tx["block_number"], "transaction_hash": tx["hash"], "from_address": one, "to_address": two,
            "value": value, "trace_type": "call", "call_type": "call", "trace_address": place, "status": 1,
        } | more  # fmt: skip

    calls = [
        call("1,0", 5), call("0", 3), call("", 99), call("0,0", 4, call_type="delegatecall"), call("2", 6, status=0),
        call("2,0", 7), call("10", 8), call("3", 9, trace_type="suicide", call_type=None), call("1", 0),
    ]  # fmt: skip
    reward = call("", 11, trace_type="reward", transaction_hash=None, to_address=two)
    path = tmp_path / "traces.json"
    path.write_text("\n".join(map(json.dumps, [*calls, *roots, reward])))
    blocks, transactions, logs = (folder / f"{PREFIX}{kind}.json" for kind in KINDS)
    files = EtlFiles(blocks, transactions, logs, traces=path)
    source = EtlSource(CHAIN, files)
    assert source.traced
    (block,) = source.blocks(height, height)
    inner = [(row.place, row.value) for row in block.transfers if row.kind == Kind.INTERNAL]
    assert inner == [(1, 3), (2, 5), (3, 9), (4, 8)]
    assert [row.value for row in block.transfers if row.kind == Kind.ISSUED][-1] == 11


def _root(tx: dict) -> dict:
    """Give the top-level call of a chain tx, as a row of traces."""
    ends = {"from_address": tx["from_address"], "to_address": tx["to_address"] or "0x" + "03" * 20}
    return {
        "block_number": tx["block_number"], "transaction_hash": tx["hash"], "value": tx["value"], "trace_type": "call",
        "call_type": "call", "trace_address": "", "status": tx["receipt_status"],
    } | ends  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "harm", "message"),
    [
        ("transactions", lambda rows: rows.pop(), "do not have all chain txs"),
        ("transactions", lambda rows: rows.pop(3), "do not have all chain txs"),
        ("transactions", lambda rows: rows.append(rows[3]), "do not have all chain txs"),
        ("logs", lambda rows: rows[3].update(transaction_hash="0x" + "40" * 32), "chain txs that it does not have"),
        ("logs", lambda rows: rows[3].update(transaction_index=9), "chain txs that it does not have"),
        ("logs", lambda rows: rows[3].update(block_hash="0x" + "99" * 32), "logs .* another block"),
        (
            "token_transfers",
            lambda rows: rows[3].update(transaction_hash="0x" + "40" * 32),
            "chain txs that it does not have",
        ),
        ("token_transfers", lambda rows: rows[3].update(block_hash="0x" + "99" * 32), "token transfers .* another"),
        ("traces", lambda rows: rows.pop(), "are not those of its chain txs"),
        ("traces", lambda rows: rows[3].update(trace_address="0"), "are not those of its chain txs"),
        ("traces", lambda rows: rows.append(rows[3] | {"transaction_hash": "0x" + "40" * 32}), "are not those"),
        ("traces", lambda rows: rows[3].update(block_hash="0x" + "99" * 32), "traces .* another block"),
    ],
)
def test_an_export_that_lacks_something_or_has_it_of_elsewhere_is_refused(
    folder: Path, tmp_path: Path, kind: str, harm: Callable[[list[dict]], object], message: str
) -> None:
    of = {name: _rows(folder, name) for name in (*KINDS, "token_transfers")}
    of["traces"] = [_root(tx) for tx in of["transactions"]]
    if kind == "token_transfers":
        del of["logs"]
    assert len(list(_source(tmp_path, of).blocks(17173049, 17173050))) == 2
    harm(of[kind])
    with pytest.raises(SourceError, match=message) as caught:
        list(_source(tmp_path, of).blocks(17173049, 17173050))
    assert caught.value.code == "accounts-source"


def _source(where: Path, of: Mapping[str, list[dict]]) -> EtlSource:
    paths = {name: where / f"{name}.json" for name in of}
    for name, rows in of.items():
        paths[name].write_text("\n".join(map(json.dumps, rows)))
    return EtlSource(CHAIN, EtlFiles(**paths))
