"""Takes of drills in bitcoins: what came to the thief's wallet, or what a miner got as fees; then the thief goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from trace_drill_play import Played
from trace_follow import CoinMark, DemonstrationError, Followed, follow
from trace_play import EXCHANGE, FEE, MINER, THIEF, Coin, Play, Rpc

from drills import measure
from drills.model import gained_or_deposited
from drills.world import World
from strongroom.demo.configuration import CHAIN
from strongroom.demo.outside import COINBASE_MATURITY, SHOPPER
from strongroom.demo.progress import Progress
from strongroom.infra.components.bitcoin_rpc import BitcoinRpc
from strongroom_signer.keyset import FIRST_MERCHANT_BRANCH

Part = tuple[Coin, int]  # a coin, and how many satoshi of it were taken
_MANY: Final = 3  # outputs of a split
_LEAST_SPLIT: Final = 20_000  # satoshi; less is not worth three outputs
_FEE_SHARE: Final = 20
_FEE_LEAST: Final = 1_500
_WITH_PREVOUTS: Final = 3  # getblock's verbosity


def rpc_of(world: World) -> Rpc:
    """Give the calls of the node outside."""
    node = world.scene.supervisor.outside
    return BitcoinRpc(node.rpc_port, node.cookie_file).call


def thief_coins(rpc: Rpc) -> list[Coin]:
    """Give the coins of the thief's wallet, the oldest first."""
    found = sorted(rpc("listunspent", 0, wallet=THIEF), key=lambda item: (-item["confirmations"], item["txid"]))
    return [Coin(str(item["txid"]), int(item["vout"]), satoshi(item["amount"]), THIEF) for item in found]


def satoshi(amount: Any) -> int:
    """Give a node's amount in satoshi."""
    return int(Decimal(amount).scaleb(8))


async def received(played: Played, progress: Progress) -> dict[str, Any]:
    """Follow what came to the thief's wallet, and what of ours came to stand on merchants' branches, if it counts."""
    rpc = rpc_of(played.world)
    has = await asyncio.to_thread(thief_coins, rpc)
    new = [coin for coin in has if coin not in played.before]
    stuck = _misplaced(played) if played.drill.measure is gained_or_deposited else []
    taken = parts_of([*new, *stuck], played.take)
    coins = [coin for coin, _ in taken if coin.owner == THIEF]
    own = [coin for coin in has if coin not in coins]
    play = Play(rpc, fee=_fee(coins))
    await asyncio.to_thread(_go_on, play, (coins, own), progress)
    return await asyncio.to_thread(_follow, played, play, taken, progress)


async def burnt(played: Played, progress: Progress) -> dict[str, Any]:
    """Follow what left custody as fees, from the coinbases of the blocks whose miner got them."""
    play = Play(rpc_of(played.world))
    ours = await asyncio.to_thread(_custody, played.world, play.rpc)
    heights = [reading.heights[CHAIN.id] for reading in (played.measured.before, played.measured.after)]
    taken = await asyncio.to_thread(lambda: list(fees_of(play.rpc, ours, heights[0] + 1, heights[1])))
    await asyncio.to_thread(_let_them_mature, play)
    await asyncio.to_thread(_go_on, play, ([coin for coin, _ in taken], []), progress)
    return await asyncio.to_thread(_follow, played, play, taken, progress)


def _let_them_mature(play: Play) -> None:
    play.open_wallets(MINER)
    play.mine(COINBASE_MATURITY)


def parts_of(coins: Sequence[Coin], take: int) -> list[Part]:
    """Say which coins, and how much of each, are the take: what is more is older and the thief's own.

    It was paid in by the thief, or paid to it honestly, before it took anything. Raises ``DemonstrationError``.
    """
    own = sum(coin.value for coin in coins) - take
    if own < 0:
        message = f"the drill measured {take} satoshi, and only {take + own} are found on the chain"
        raise DemonstrationError(message)
    found = []
    for coin in coins:
        of_it = min(own, coin.value)
        own -= of_it
        if of_it < coin.value:
            found.append((coin, coin.value - of_it))
    return found


def fees_of(rpc: Rpc, ours: Collection[str], first: int, last: int) -> Iterator[Part]:
    """Give the coinbases of blocks that got fees from chain txs of these addresses alone, and the fees in satoshi."""
    for height in range(first, last + 1):
        coinbase, *others = rpc("getblock", rpc("getblockhash", height), _WITH_PREVOUTS)["tx"]
        fees = sum(satoshi(tx["fee"]) for tx in others if _spenders(tx) <= set(ours))
        if fees:
            yield Coin(str(coinbase["txid"]), 0, satoshi(coinbase["vout"][0]["value"]), SHOPPER), fees


def _spenders(tx: Any) -> set[str]:
    return {str(item["prevout"]["scriptPubKey"].get("address")) for item in tx["vin"]}


def _custody(world: World, rpc: Rpc) -> set[str]:
    """Derive the addresses of both key sets."""
    found: set[str] = set()
    for item in measure.descriptors(world):
        checked = rpc("getdescriptorinfo", item["desc"])["descriptor"]
        found |= set(rpc("deriveaddresses", checked, item["range"]))
    return found


def _misplaced(played: Played) -> list[Coin]:
    """Give our own coins that stand on merchants' branches now and did not before: nobody but us can move them."""
    before = {(coin.txid, coin.vout) for coin in played.measured.before.coins}
    return [
        Coin(coin.txid, coin.vout, coin.amount, "the house")
        for coin in played.measured.after.coins
        if coin.place.branch >= FIRST_MERCHANT_BRANCH and (coin.txid, coin.vout) not in before
    ]


def _fee(coins: Sequence[Coin]) -> int:
    return min(FEE, max(_FEE_LEAST, sum(coin.value for coin in coins) // _FEE_SHARE))


def _go_on(play: Play, coins: tuple[list[Coin], list[Coin]], progress: Progress) -> None:
    """Have the owner of the take go on: put it together with its own money, split it, cash some."""
    take, own = coins
    with progress.step("thief", "The thief splits its take and cashes some of it") as outcome:
        wallets = play.rpc("listwallets")
        play.open_wallets(*(name for name in (MINER, EXCHANGE) if name not in wallets))
        value = sum(coin.value for coin in take)
        if value < _LEAST_SPLIT:
            play.deposit()
            outcome.detail = f"{value} satoshi are too little: they stay where they are"
            return
        owner = take[0].owner
        parts = play.pay([*take, *own[:1]], *[(owner, value // 4)] * (_MANY - 1), (owner, 0))
        play.mine()
        half = parts[0].value // 2
        change = (owner, play.address(owner), half)
        cashed = play.spend([parts[0]], [(EXCHANGE, play.deposit(), parts[0].value - half - play.fee), change])
        play.mine()
        cashed += play.spend([parts[1]], [(EXCHANGE, play.deposit(), parts[1].value - play.fee)])
        play.mine()
        value = sum(coin.value for coin in cashed if coin.owner == EXCHANGE)
        outcome.detail = f"{_MANY} parts, {value} satoshi to {len(play.deposits)} addresses of an exchange"


def _follow(played: Played, play: Play, taken: Sequence[Part], progress: Progress) -> dict[str, Any]:
    node = played.world.scene.supervisor.outside
    followed = Followed(
        folder=played.folder,
        url=node.rpc_url,
        credentials=node.cookie_file,
        rpc=play.rpc,
        marks=[
            CoinMark(played.claim, coin.outpoint, "the house", None if units == coin.value else units)
            for coin, units in taken
        ],
        exchange=play.deposits,
        title=played.title,
        take=played.take,
    )
    return {**follow(followed, progress), "marked": str(sum(units for _, units in taken))}
