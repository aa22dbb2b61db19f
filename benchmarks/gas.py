"""Gas per swept deposit and per payout at batches of 1, 10 and 100, beside what a plain account would use.

Gas is what the EVM counts, so these figures are exact and the same on every machine: real chain txs on anvil, their
receipts' `gasUsed` divided by the batch. The token behaves as USDT (18 decimals, its treasury's balance not zero). The
baselines are chain txs of the same run: a deposit address with a key of its own, which must be sent gas money (21,000)
before it can send its token; and for payouts a plain transfer from one account. What a refuel design leaves behind as
dust in every address is not counted against it. `python -m benchmarks.gas` prints the rows.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from strongroom.chains.ethereum.contracts import SweepItem
from strongroom.infra.components.hosting import free_port
from strongroom_core.evm import ZERO_ADDRESS, Call, encode_draw, encode_transfer
from tests.fixtures.ethereum import DevNode
from tests.fixtures.ethereum_house import ETHER, EthereumHouse, gas_used, stranger, succeeded

BATCHES: Final = (1, 10, 100)
BRANCH: Final = 2
AMOUNT: Final = 10**18
MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- TemporaryDirectory makes a folder of its own in it
Row = dict[str, Any]
T = TypeVar("T")


def run() -> list[Row]:
    """Measure all rows, each on the same chain state."""
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(dir=memory) as folder,
        DevNode(Path(folder) / "anvil", free_port(), keep_state=False) as node,
    ):
        return _rows(node)


def _rows(node: DevNode) -> list[Row]:
    house = EthereumHouse(node)
    house.deploy_all()
    token = house.deploy("test/TetherToken", 18)
    for safe in (house.deployment.cold_safe, house.deployment.hot_safe):
        for each in (token, ZERO_ADDRESS):
            house.pay(each, safe, 1_000 * AMOUNT)
    house.allow({token: 1_000 * AMOUNT, ZERO_ADDRESS: 1_000 * AMOUNT})
    rows: list[Row] = []
    for name, each in (("token", token), ("ETH", ZERO_ADDRESS)):
        rows += _sweep_rows(house, name, each) + _payout_rows(house, name, each)
    return rows


def _sweep_rows(house: EthereumHouse, name: str, token: bytes) -> list[Row]:
    refuel = _undone(house, partial(_refuel_and_send, house, token))
    rows = []
    for batch in BATCHES:
        first, later = _undone(house, partial(_sweeps, house, token, batch))
        rows.append(_row(f"swept deposit, {name}, first sweep of its address, batch {batch}", first, refuel))
        rows.append(_row(f"swept deposit, {name}, later sweep, batch {batch}", later, refuel))
    return rows


def _payout_rows(house: EthereumHouse, name: str, token: bytes) -> list[Row]:
    transfer = _undone(house, partial(_plain_transfer, house, token))
    rows = []
    for batch in BATCHES:
        paid = _undone(house, partial(_payouts, house, token, batch))
        rows.append(_row(f"payout, {name}, by the Safe, batch {batch}", paid, transfer))
        drawn = _undone(house, partial(_payouts_with_draw, house, token, batch))
        rows.append(_row(f"payout, {name}, by the Safe with its draw from cold, batch {batch}", drawn, transfer))
    return rows


def _undone(house: EthereumHouse, measure: Callable[[], T]) -> T:
    """Measure, and put the chain back, so that no figure profits from the storage that another paid for."""
    with house.node.reverted():
        return measure()


def _sweeps(house: EthereumHouse, token: bytes, batch: int) -> tuple[float, float]:
    """Return gas per deposit of the first sweep, which deploys the forwarders, and of the next."""
    items = [SweepItem(BRANCH, number, token) for number in range(batch)]
    used = []
    for _ in range(2):
        before = house.balance(token, house.deployment.cold_safe)
        for item in items:
            house.pay(token, house.forwarder(item.branch, item.index), AMOUNT)
        receipt = house.sweep(*items)
        assert house.balance(token, house.deployment.cold_safe) == before + batch * AMOUNT
        used.append(gas_used(receipt) / batch)
    return used[0], used[1]


def _refuel_and_send(house: EthereumHouse, token: bytes) -> float:
    """Return the gas by which a deposit on an address with a key reaches the treasury: gas money first, for a token."""
    address = stranger(1)
    house.pay(token, address, AMOUNT)
    if token == ZERO_ADDRESS:
        with house.node.impersonated("0x" + address.hex(), balance_wei=0) as sender:
            # The treasury is the Safe here too: its receive function is what a sweep of ETH pays for.
            receipt = house.node.transact("0x" + house.deployment.cold_safe.hex(), sender=sender, value=AMOUNT // 2)
        return gas_used(receipt)
    refuel = house.transact(address, value=ETHER // 100)
    receipt = house.transact(token, encode_transfer(house.deployment.cold_safe, AMOUNT), sender=address)
    assert succeeded(receipt)
    return gas_used(refuel) + gas_used(receipt)


def _plain_transfer(house: EthereumHouse, token: bytes) -> float:
    """Return the gas of one transfer from one account to an address that never held any."""
    payer = bytes.fromhex(house.node.dev_accounts()[0][2:])
    if token == ZERO_ADDRESS:
        return gas_used(house.transact(stranger(2), value=AMOUNT))
    house.mint(token, payer, 2 * AMOUNT)
    return gas_used(house.transact(token, encode_transfer(stranger(2), AMOUNT)))


def _payouts(house: EthereumHouse, token: bytes, batch: int) -> float:
    """Return the gas per payout of one Safe transaction that pays that many new addresses."""
    return _executed(house, _payments(token, batch)) / batch


def _payouts_with_draw(house: EthereumHouse, token: bytes, batch: int) -> float:
    draw = Call(house.deployment.allowance, 0, encode_draw(token, batch * AMOUNT))
    return _executed(house, [draw, *_payments(token, batch)]) / batch


def _payments(token: bytes, batch: int) -> list[Call]:
    if token == ZERO_ADDRESS:
        return [Call(stranger(number), AMOUNT, b"") for number in range(batch)]
    return [Call(token, 0, encode_transfer(stranger(number), AMOUNT)) for number in range(batch)]


def _executed(house: EthereumHouse, calls: list[Call]) -> int:
    receipt = house.execute(house.deployment.hot_safe, calls)
    assert succeeded(receipt)
    return gas_used(receipt)


def _row(name: str, gas: float, baseline: float) -> Row:
    return {
        "name": name,
        "value": round(gas),
        "unit": "gas",
        "baseline": round(baseline),
        "ratio": round(gas / baseline, 2),
    }


if __name__ == "__main__":
    json.dump(run(), sys.stdout, indent=1)
