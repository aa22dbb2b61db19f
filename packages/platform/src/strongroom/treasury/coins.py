"""What hot holds, as the treasury may use it now."""

from __future__ import annotations

from collections.abc import Iterable

from strongroom.chains import service as chains
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings
from strongroom.outbound import service as outbound
from strongroom.outbound.model import Draft, SpentCoin
from strongroom.treasury.model import Reserve
from strongroom.wallets import service as wallets
from strongroom.wallets.model import Coin, KeySetKind


async def spendable(connection: Connection, settings: ChainSettings, height: int) -> list[SpentCoin]:
    """List hot coins beyond the horizon, or own change in a block, that no open slot spends."""
    return await _free_coins(connection, settings, height, settings.horizon)


async def reserve(connection: Connection, settings: ChainSettings, height: int) -> Reserve:
    """Sum hot: what is spendable, and what will be (coins not deep enough, change of open slots)."""
    ready = sum(coin.amount for coin in await spendable(connection, settings, height))
    young = sum(coin.amount for coin in await _free_coins(connection, settings, height, 1)) - ready
    change = 0
    for state in await outbound.open_slots(connection, settings.id):
        confirmed = state.slot.confirmed_height is not None
        own = state.own_outputs.get(state.newest.number, ())
        # Once in a block, change is a coin as any other, and counted above.
        change += 0 if confirmed else sum(item.amount for item in own if item.key_set == KeySetKind.HOT)
    return Reserve(ready, young + change)


async def previous_txs(connection: Connection, draft: Draft) -> dict[str, bytes]:
    """Read the full previous chain txs of a draft's coins; one that is missing makes the PSBT fail, not lie."""
    return await chains.raw_txs(connection, draft.chain, sorted({coin.txid for coin in draft.coins}))


async def _free_coins(connection: Connection, settings: ChainSettings, height: int, horizon: int) -> list[SpentCoin]:
    found = await wallets.spendable_coins(
        connection,
        settings.id,
        KeySetKind.HOT,
        tip_height=height,
        horizon=horizon,
        coinbase_maturity=settings.coinbase_maturity,
    )
    taken = await outbound.taken_coins(connection, settings.id)
    return _spent(coin for coin in found if (coin.txid, coin.vout) not in taken)


def _spent(coins: Iterable[Coin]) -> list[SpentCoin]:
    return [SpentCoin(coin.txid, coin.vout, coin.amount, coin.branch, coin.index) for coin in coins]
