"""What hot holds, as the treasury may use it now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from strongroom.chains import service as chains
from strongroom.deposits import service as deposits
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings
from strongroom.outbound import service as outbound
from strongroom.outbound.model import Draft, SpentCoin
from strongroom.treasury.errors import CoinsBehindError
from strongroom.treasury.model import Reserve
from strongroom.wallets import service as wallets
from strongroom.wallets.model import CHANGE_BRANCH, Coin, KeySetKind


async def spendable(connection: Connection, settings: ChainSettings, height: int) -> list[SpentCoin]:
    """List hot coins in the books and beyond the horizon, or own change in a block, that no open slot spends.

    A deposit that is held, or not credited yet, pays nobody: the books would have to show what they do not hold.
    """
    return _spent(
        await _booked(connection, settings, await _free_coins(connection, settings, height, settings.horizon))
    )


async def settled(connection: Connection, settings: ChainSettings, height: int) -> list[SpentCoin]:
    """List spendable coins beyond the horizon only: change too, so that no reorg can take them away."""
    free = await _free_coins(connection, settings, height, settings.horizon)
    return _spent(await _booked(connection, settings, [coin for coin in free if not _is_young(coin, settings, height)]))


async def landed(connection: Connection, settings: ChainSettings, height: int) -> list[SpentCoin]:
    """List hot coins in the books that are not beyond the horizon yet: late deposits. For sweeps only."""
    free = await _free_coins(connection, settings, height, 1)
    young = [coin for coin in free if _is_young(coin, settings, height) and not _is_change(coin)]
    return _spent(await _booked(connection, settings, young))


async def are_on_chain(connection: Connection, chain: str, coins: Iterable[SpentCoin]) -> bool:
    """Whether every one of these coins stands in a block now."""
    asked = {(coin.txid, coin.vout) for coin in coins}
    found = await wallets.coins_at(connection, chain, sorted(asked))
    return {(coin.txid, coin.vout) for coin in found if coin.height is not None} == asked


async def reserve(connection: Connection, settings: ChainSettings, height: int) -> Reserve:
    """Sum hot: what is spendable, and what will be (coins not deep enough, change of open slots)."""
    ready = sum(coin.amount for coin in await spendable(connection, settings, height))
    young = sum(coin.amount for coin in await _free_coins(connection, settings, height, 1)) - ready
    # Once in a block, change is a coin as any other, and counted above.
    return Reserve(ready, young + await outbound.pending_change(connection, settings.id))


async def are_current(connection: Connection, chain: str) -> bool:
    """Whether our record of coins reaches as far as outbound's reading of blocks.

    A slot that is final gives its coins free again: a record that has not seen them spent would offer them once more,
    and what is planned from them can never be mined, with no chain event left to say so.
    """
    return await wallets.coins_event(connection, chain) >= await outbound.block_event(connection, chain)


async def previous_txs(connection: Connection, draft: Draft) -> dict[str, bytes]:
    """Read the full previous chain txs of a draft's coins; one that is missing makes the PSBT fail, not lie."""
    return await chains.raw_txs(connection, draft.chain, sorted({coin.txid for coin in draft.coins}))


async def _free_coins(connection: Connection, settings: ChainSettings, height: int, horizon: int) -> list[Coin]:
    known = await wallets.coins_event(connection, settings.id)
    found = await wallets.spendable_coins(
        connection,
        settings.id,
        KeySetKind.HOT,
        tip_height=height,
        horizon=horizon,
        coinbase_maturity=settings.coinbase_maturity,
    )
    taken = await outbound.taken_coins(connection, settings.id)
    if known < await outbound.block_event(connection, settings.id):
        # Outbound has moved on between these reads; whoever asked starts over.
        message = "a block came in while coins were read"
        raise CoinsBehindError(message)
    return [coin for coin in found if (coin.txid, coin.vout) not in taken]


async def _booked(connection: Connection, settings: ChainSettings, free: Sequence[Coin]) -> list[Coin]:
    paid_in = [(coin.txid, coin.vout) for coin in free if not _is_change(coin)]
    booked = await deposits.credited_among(connection, settings.id, paid_in)
    return [coin for coin in free if _is_change(coin) or (coin.txid, coin.vout) in booked]


def _is_young(coin: Coin, settings: ChainSettings, height: int) -> bool:
    return coin.height is None or coin.height > height - settings.horizon + 1


def _is_change(coin: Coin) -> bool:
    return coin.own and coin.branch == CHANGE_BRANCH


def _spent(coins: Iterable[Coin]) -> list[SpentCoin]:
    return [SpentCoin(coin.txid, coin.vout, coin.amount, coin.branch, coin.index) for coin in coins]
