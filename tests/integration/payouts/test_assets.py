"""Payouts in several assets: each from its own balance, at its own fee, to an address of its own chain."""

from __future__ import annotations

import pytest

from strongroom.infra.database import transaction
from strongroom.infra.stops import Stop, set_stop
from strongroom.ledger.model import AccountType
from strongroom.payouts import service as payouts
from strongroom_core.assets import DEVNET, DEVNET_ETH
from strongroom_core.errors import StrongroomError
from tests.fixtures.devnet import CONTRACTS, OTHER_TOKEN, TOKEN, USDC, USDT
from tests.integration.payouts.conftest import Desk
from tests.unit.signer.kit import SATS, SHOP

SOMEBODY = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


async def test_each_asset_pays_its_own_fee_from_its_own_balance(desk: Desk) -> None:
    await desk.have(5_000_000, USDT)
    await desk.have(3 * 10**18, USDC)
    first = await desk.pay(desk.shop.intent(1_000_000, SOMEBODY, asset=TOKEN, fee_ceiling=500))
    second = await desk.pay(desk.shop.intent(10**18, SOMEBODY, asset=OTHER_TOKEN, fee_ceiling=10**15))
    assert [(item.asset, item.chain, item.fee) for item in (first, second)] == [
        (TOKEN, DEVNET.id, 500),
        (OTHER_TOKEN, DEVNET.id, 10**15),
    ]
    assert await desk.balance(AccountType.MERCHANT_HELD, USDT) == 1_000_500
    assert await desk.balance(AccountType.MERCHANT_AVAILABLE, USDC) == 2 * 10**18 - 10**15
    assert await desk.balance(AccountType.MERCHANT_AVAILABLE) == SATS
    async with transaction(desk.pool) as connection:
        cancelled = await payouts.cancel_payout(connection, desk.shop.id, first.id)
    assert cancelled.state == "cancelled"
    assert await desk.balance(AccountType.MERCHANT_AVAILABLE, USDT) == 5_000_000
    assert desk.pg.execute("SELECT chain, count(*) FROM treasury_payable GROUP BY chain") == [(DEVNET.id, 2)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"asset": DEVNET_ETH.id}, "insufficient-funds"),
        ({"amount": 5_000_001}, "insufficient-funds"),
        ({"fee_ceiling": 499}, "payout-fee-ceiling"),
        ({"asset": f"eip155:1/erc20:0x{'5e' * 20}"}, "asset-unknown"),
        ({"destination": SHOP}, "address-invalid"),
        ({"destination": SOMEBODY[:-1] + "D"}, "address-invalid"),
        ({"destination": "0x" + "0" * 40}, "payout-destination-unsafe"),
        ({"destination": "0x" + "0" * 36 + "ffff"}, "payout-destination-unsafe"),
        ({"destination": TOKEN.rpartition(":")[2]}, "payout-destination-unsafe"),
        ({"destination": OTHER_TOKEN.rpartition(":")[2]}, "payout-destination-unsafe"),
    ],
)
async def test_what_cannot_be_paid_is_refused_and_nothing_is_held(
    desk: Desk, changes: dict[str, object], code: str
) -> None:
    await desk.have(5_000_000, USDT)
    values: dict[str, object] = {"amount": 1_000_000, "destination": SOMEBODY, "asset": TOKEN, "fee_ceiling": 10**15}
    with pytest.raises(StrongroomError) as refused:
        await desk.pay(desk.shop.intent(**values | changes))  # type: ignore[arg-type]
    assert refused.value.code == code
    assert await desk.balance(AccountType.MERCHANT_HELD, USDT) == 0
    assert desk.pg.execute("SELECT count(*) FROM payout") == [(0,)]


async def test_a_bitcoin_address_takes_no_token_and_an_account_no_bitcoin(desk: Desk) -> None:
    with pytest.raises(StrongroomError) as refused:
        await desk.pay(desk.shop.intent(10_000, SOMEBODY))
    assert refused.value.code == "address-invalid"


async def test_our_own_contracts_are_no_destination(desk: Desk) -> None:
    """Low addresses in the settings of the tests; they are refused as our own all the same."""
    assert {int(text, 16) for text in CONTRACTS.values()} == {1, 2, 3, 4, 5}
    await desk.have(5_000_000, USDT)
    for text in CONTRACTS.values():
        with pytest.raises(StrongroomError) as refused:
            await desk.pay(desk.shop.intent(1_000_000, text, asset=TOKEN, fee_ceiling=500))
        assert refused.value.code == "payout-destination-unsafe"


async def test_a_debt_in_one_asset_stops_payouts_in_that_asset_only(desk: Desk) -> None:
    await desk.have(5_000_000, USDT)
    await desk.have(10**18, USDC)
    await desk.owe(1, USDC)
    assert (await desk.pay(desk.shop.intent(1_000_000, SOMEBODY, asset=TOKEN, fee_ceiling=500))).amount == 1_000_000
    assert (await desk.pay(desk.shop.intent(10_000, SHOP))).amount == 10_000
    with pytest.raises(StrongroomError) as refused:
        await desk.pay(desk.shop.intent(10**17, SOMEBODY, asset=OTHER_TOKEN, fee_ceiling=10**15))
    assert refused.value.code == "payouts-stopped"


async def test_a_stop_of_one_chain_leaves_the_other_alone(desk: Desk) -> None:
    await desk.have(5_000_000, USDT)
    async with transaction(desk.worker) as connection:
        await set_stop(connection, Stop.PAYOUTS, "drill", "operator", DEVNET.id)
    assert (await desk.pay(desk.shop.intent(10_000, SHOP))).amount == 10_000
    with pytest.raises(StrongroomError) as refused:
        await desk.pay(desk.shop.intent(1_000_000, SOMEBODY, asset=TOKEN, fee_ceiling=500))
    assert refused.value.code == "payouts-stopped"
