"""What the cold Safe's owners can be asked to sign reads back as what it is, and nothing else reads at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.outbound.errors import ColdTransactionError
from strongroom.outbound.safe import cold
from strongroom.outbound.safe.model import ColdKind, ColdMove, Contracts
from strongroom_core.assets import DEVNET_ETH, asset_by_id
from strongroom_core.evm import DELEGATECALL, ZERO_ADDRESS, Call, SafeTx, encode_transfer

PLACES = Contracts(1, *(bytes([number]) * 20 for number in range(1, 6)))
USDT = asset_by_id("eip155:1/erc20:0xdac17f958d2ee523a2206206994597c13d831ec7")
TOKEN = bytes.fromhex((USDT.contract or "")[2:])
HELD = (USDT, DEVNET_ETH)
AWAY = bytes([9]) * 20
REFILL = cold.transfer(PLACES, USDT, 7, PLACES.hot_safe)


@pytest.mark.parametrize(
    ("move", "kind"),
    [
        (REFILL, ColdKind.REFILL),
        (cold.transfer(PLACES, DEVNET_ETH, 7, PLACES.hot_safe), ColdKind.REFILL),
        (cold.transfer(PLACES, USDT, 7, AWAY), ColdKind.WITHDRAWAL),
        (cold.transfer(PLACES, DEVNET_ETH, 7, AWAY), ColdKind.WITHDRAWAL),
        (cold.limit(PLACES, USDT, 0), ColdKind.LIMIT),
        (cold.limit(PLACES, DEVNET_ETH, 5), ColdKind.LIMIT),
    ],
)
def test_every_move_reads_back(move: ColdMove, kind: ColdKind) -> None:
    assert move.kind is kind
    assert cold.read(PLACES, HELD, SafeTx.decode(cold.safe_tx(PLACES, 3, move).encode())) == move


def tx_of(*calls: Call) -> SafeTx:
    return SafeTx.of_calls(PLACES.cold_safe, 3, calls, PLACES.multisend)


GOOD = cold.safe_tx(PLACES, 3, REFILL)
PLAIN = Call(AWAY, 1, b"")


@pytest.mark.parametrize(
    "tx",
    [
        replace(GOOD, safe=PLACES.hot_safe),
        replace(GOOD, value=1),
        replace(GOOD, operation=DELEGATECALL),
        replace(GOOD, gas_price=1),
        replace(GOOD, refund_receiver=AWAY),
        replace(GOOD, data=GOOD.data + b"\0"),
        tx_of(Call(AWAY, 0, encode_transfer(PLACES.hot_safe, 7))),
        tx_of(Call(AWAY, 0, cold.safe_tx(PLACES, 3, cold.limit(PLACES, USDT, 1)).data)),
        tx_of(Call(PLACES.cold_safe, 0, bytes.fromhex("610b5925") + bytes(32))),
        tx_of(PLAIN, PLAIN),
        tx_of(Call(AWAY, 0, b"")),
        SafeTx.cancel(PLACES.cold_safe, 3),
        tx_of(Call(TOKEN, 0, encode_transfer(PLACES.cold_safe, 7))),
        tx_of(Call(TOKEN, 0, encode_transfer(ZERO_ADDRESS, 7))),
    ],
)
def test_anything_else_is_refused(tx: SafeTx) -> None:
    with pytest.raises(ColdTransactionError):
        cold.read(PLACES, HELD, tx)
