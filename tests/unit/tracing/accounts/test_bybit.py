"""The theft at Bybit of 2025-02-21: real transfers of its first and third hop."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from strongroom_tracing.accounts.genuine import Genuine
from strongroom_tracing.accounts.model import Ignored, Mark
from strongroom_tracing.accounts.service import in_memory, trace
from strongroom_tracing.accounts.sources.tables import transfers_of
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Direction, Policy
from tests.unit.tracing.accounts.support import CHAIN, ETH, question

GENESIS = 1606824023  # of the beacon chain: a block stands in a slot of 12 seconds from then on
ETHER = 10**18
THIEF = "0x47666fab8bd0ac7003bce3f5c3585383f09486e2"
SECOND = "0xa4b2fd68593b6f34e51cb9edb66e71c1b4ab449e"
THIRD = "0xdd90071d52f20e85c89802e5dc1ec0a7b6475f92"
VICTIM = "0x" + "b1" * 20  # stands for the cold wallet; the theft itself is not in the files
STETH = f"{CHAIN}/erc20:0xae7ab96520de3a18e5e111b5eaab095312d7fe84"
METH = f"{CHAIN}/erc20:0xd5f7838f5c461feff7fe49ea5ebaf7728bb0adfa"
CMETH = f"{CHAIN}/erc20:0xe6829d9a7ee3040e1276fa75293bde931859e8fa"


def _wei(text: str) -> int:
    return int(Decimal(text) * ETHER)


def _slot(text: str) -> int:
    return (int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) - GENESIS) // 12


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def theft(shared_data: Path) -> Path:
    return shared_data / "theft"


@pytest.fixture(scope="module")
def first_hop(theft: Path) -> Transfers:
    """What the first address paid on, after receiving exactly that."""
    rows = sorted(_rows(theft / "bybit_hop1_from_0x47666fab.csv"), key=lambda row: row["timestamp_utc"])
    sums: dict[str, int] = {}
    paid = []
    for row in rows:
        value = _wei(row["amount"])
        if row["kind"] in ("native", "token"):
            sums[row["contract"]] = sums.get(row["contract"], 0) + value
        paid.append(
            {
                "block": _slot(row["timestamp_utc"]),
                "txid": row["hash"],
                "from": THIEF,
                "to": row["to"],
                "contract": row["contract"],
                "value": value,
            }
        )
    stolen = [
        {
            "block": _slot(rows[0]["timestamp_utc"]) - 1,
            "txid": "0x" + "5e" * 32,
            "from": VICTIM,
            "to": THIEF,
            "contract": contract,
            "value": value,
        }
        for contract, value in sums.items()
    ]
    return in_memory(CHAIN, transfers_of([*stolen, *paid]))


def _marks(index: Transfers) -> tuple[Mark, ...]:
    return tuple(
        Mark("bybit", index.name(row))
        for row in range(index.rows)
        if index.at(row).moves and index.address_text(index.at(row).payer) == VICTIM
    )


@pytest.mark.parametrize("policy", list(Policy))
def test_the_first_hop_is_forty_times_ten_thousand_ether_and_genuine_tokens(
    first_hop: Transfers, policy: Policy
) -> None:
    answer = trace(first_hop, question(policy, *_marks(first_hop)))
    ether = [row for row in answer.held if row.asset == ETH and row.value == 10_000 * ETHER]
    assert len(ether) == len({row.address for row in ether}) == 40
    assert {(row.address, row.asset, row.value) for row in answer.held if row not in ether} == {
        (SECOND, ETH, ETHER),
        (SECOND, STETH, _wei("90375.54791768")),
        (SECOND, METH, 8000 * ETHER),
        ("0x1542368a03ad1f03d96d51b414f4738961cf4443", CMETH, 15000 * ETHER),
    }
    assert answer.unknown == ()


def test_the_fakes_of_the_first_hop_are_ignored_and_listed(first_hop: Transfers, theft: Path) -> None:
    answer = trace(first_hop, question(Policy.FIFO, *_marks(first_hop)))
    fakes = {
        row["hash"]
        for row in _rows(theft / "bybit_hop1_from_0x47666fab.csv")
        if "spoof" in row["kind"] or "zero" in row["kind"]
    }
    assert {row.transfer.partition(":")[0] for row in answer.ignored} == fakes
    reasons = [row.reason for row in answer.ignored]
    assert (reasons.count(Ignored.NOT_GENUINE), reasons.count(Ignored.ZERO_VALUE)) == (5, 1)
    lookalikes = {row.recipient for row in answer.ignored}
    assert not lookalikes & {row.recipient for row in answer.moves}


def _contracts(theft: Path) -> tuple[set[str], set[str]]:
    """The contracts of the file's tokens: those that it calls genuine, and its spoofs."""
    rows = _rows(theft / "bybit_hop1_from_0x47666fab.csv")
    genuine, spoofs = ({row["contract"] for row in rows if row["kind"] == kind} for kind in ("token", "spoof_token"))
    assert {row["contract"] for row in rows if row["contract"]} == genuine | spoofs  # the zero-value one is stETH's
    return genuine, spoofs


def test_of_the_groups_of_tokens_in_the_file_three_are_genuine_and_four_are_not(theft: Path) -> None:
    """All that this file lets one count: 52 of the 255 rows of its source, with all that the source has of value.

    That 17 of 20 groups are fakes is said of the source. Its 3 others are the 3 that are here.
    """
    rows = _rows(theft / "bybit_hop1_from_0x47666fab.csv")
    kinds = Counter(row["kind"] for row in rows)
    assert kinds == {"native": 41, "token": 5, "spoof_token": 5, "zero_value_poison": 1}
    genuine, spoofs = _contracts(theft)
    assert {f"{CHAIN}/erc20:{one}" for one in genuine} == {STETH, METH, CMETH}
    assert len(spoofs) == 4
    believed = Genuine.committed().assets
    assert {one for one in genuine | spoofs if f"{CHAIN}/erc20:{one}" in believed} == genuine


def test_with_as_many_fakes_as_the_source_is_said_to_have_three_groups_of_twenty_move(
    first_hop: Transfers, theft: Path
) -> None:
    """13 made-up contracts beside the file's 4, each with a transfer in the thief's name that looks like a real one."""
    genuine, spoofs = _contracts(theft)
    made = {f"0x{'fa' * 19}{number:02x}" for number in range(13)}
    rows = [
        {
            "block": 10**8,
            "txid": f"0x{number:064x}",
            "from": THIEF,
            "to": SECOND,
            "contract": one,
            "value": 8000 * ETHER,
        }
        for number, one in enumerate(sorted(made | spoofs | genuine), 1)
    ]
    paid_before = [
        {"block": 1, "txid": f"0x{number:064x}", "from": VICTIM, "to": THIEF, "contract": one, "value": 8000 * ETHER}
        for number, one in enumerate(sorted(made | spoofs | genuine), 100)
    ]
    index = in_memory(CHAIN, transfers_of([*paid_before, *rows]))
    answer = trace(index, question(Policy.FIFO, *_marks(index)))
    assert len({row.asset for row in answer.moves} | {row.asset for row in answer.ignored}) == 20
    assert {row.asset for row in answer.moves} == {STETH, METH, CMETH}
    fakes = {row.asset for row in answer.ignored}
    assert len(fakes) == 17
    assert {row.reason for row in answer.ignored} == {Ignored.NOT_GENUINE}
    seen = trace(first_hop, question(Policy.FIFO, *_marks(first_hop)))
    assert not fakes & {row.asset for row in seen.moves}


def test_the_fbis_list_names_all_but_one_that_got_ten_thousand_ether(first_hop: Transfers, theft: Path) -> None:
    listed = (theft / "fbi_bybit_51_eth.txt").read_text(encoding="utf-8").split()
    asked = question(Policy.FIFO, *_marks(first_hop), stops=dict.fromkeys(listed, "on the FBI's list"))
    answer = trace(first_hop, asked)
    at_list = [row for row in answer.services if row.value == 10_000 * ETHER and row.asset == ETH]
    assert len(at_list) == 39
    assert [row.address for row in answer.held] == ["0x36ed3c0213565530c35115d93a80f9c04d94e4cb"]


@pytest.fixture(scope="module")
def third_hop(theft: Path) -> Transfers:
    inflows = [
        {**row, "block": _slot(row["timestamp_utc"]), "txid": row["hash"], "value": _wei(row["amount"])}
        for row in _rows(theft / "bybit_hop2_to_hop3_inflows.csv")
    ]
    paid = [
        {
            **row,
            "block": _slot(row["timestamp_utc"]),
            "txid": row["hash"],
            "value": _wei(row["amount_eth"]),
            "from": THIRD,
        }
        for row in _rows(theft / "bybit_hop3_from_0xdd90071d_native.csv")
    ]
    return in_memory(CHAIN, transfers_of([*inflows, *paid]))


@pytest.mark.parametrize("policy", list(Policy))
def test_the_third_hop_paid_more_than_is_known_to_have_come_in(third_hop: Transfers, policy: Policy) -> None:
    marks = [
        Mark("bybit", third_hop.name(row))
        for row in range(third_hop.rows)
        if third_hop.address_text(third_hop.at(row).payee) == THIRD
    ]
    answer = trace(third_hop, question(policy, *marks))
    paid = sum(
        third_hop.value(row)
        for row in range(third_hop.rows)
        if third_hop.address_text(third_hop.at(row).payer) == THIRD
    )
    assert len(marks) == 3
    assert sum(row.value for row in answer.marked) == _wei("98048.7948")
    unknown = sum(row.value for row in answer.unknown)
    assert unknown == paid - _wei("98048.7948")
    assert unknown // 10**16 == 656 or unknown // 10**16 == 657
    if policy != Policy.POISON:
        assert sum(row.value for row in answer.held) == _wei("98048.7948")  # all of it moved on, and none is lost


def test_backward_the_third_hop_came_from_the_second(third_hop: Transfers) -> None:
    last = third_hop.name(third_hop.rows - 1)
    first = third_hop.name(
        next(row for row in range(third_hop.rows) if third_hop.address_text(third_hop.at(row).payer) == THIRD)
    )
    answer = trace(third_hop, question(Policy.FIFO, Mark("bybit", first), direction=Direction.BACKWARD))
    assert {(row.address, row.origin) for row in answer.sources} == {(SECOND, "unknown")}
    answer = trace(third_hop, question(Policy.FIFO, Mark("bybit", last), direction=Direction.BACKWARD))
    unknown = {row.address: row.value for row in answer.sources}
    assert unknown.keys() == {SECOND, THIRD}  # only the last payment is more than anything explains
    assert unknown[THIRD] // 10**16 in (656, 657)
