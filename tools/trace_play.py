"""A theft played on a regtest chain by real wallets.

Split, peeled, mixed by a CoinJoin of strangers, cashed at an exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

Rpc = Callable[..., Any]
COIN: Final = 100_000_000
FEE: Final = 10_000
MINER, VICTIM, SHOP, THIEF, EXCHANGE = "miner", "victim", "shop", "thief", "exchange"
STRANGERS: Final = ("ada", "ben", "cleo", "dan")
MATURE: Final = 104
POOL: Final = COIN // 2  # Whirlpool's largest pool
MIX_FEE: Final = 20_000  # what each newcomer brings beyond it
PEEL: Final = 30_000_000
PEELS: Final = 4
CASHED_PEEL: Final = 2  # this one goes to the exchange


@dataclass(frozen=True, slots=True)
class Coin:
    """An unspent output, in satoshi, and whose it is."""

    txid: str
    number: int
    value: int
    owner: str

    @property
    def outpoint(self) -> str:
        """Write it as people do."""
        return f"{self.txid}:{self.number}"


@dataclass(slots=True)
class Play:
    """The people, through their wallets on one node; ``deposits``: addresses that the exchange gave out.

    ``fee``: of each chain tx, in satoshi.
    """

    rpc: Rpc
    deposits: list[str] = field(default_factory=list)
    fee: int = FEE

    def open_wallets(self, *names: str) -> None:
        """Make wallets."""
        for name in names:
            self.rpc("createwallet", name)

    def address(self, owner: str) -> str:
        """Give a fresh address."""
        return str(self.rpc("getnewaddress", "", "bech32", wallet=owner))

    def deposit(self) -> str:
        """Have the exchange give out an address for deposits."""
        self.deposits.append(self.address(EXCHANGE))
        return self.deposits[-1]

    def mine(self, blocks: int = 1) -> None:
        """Mine."""
        self.rpc("generatetoaddress", blocks, self.address(MINER))

    def spend(self, coins: Sequence[Coin], outputs: Sequence[tuple[str, str, int]]) -> list[Coin]:
        """Make a chain tx, each owner signing its own inputs; ``outputs``: owner, address, satoshi.

        What is left is the fee.
        """
        inputs = [{"txid": coin.txid, "vout": coin.number} for coin in coins]
        pays = [{address: Decimal(value).scaleb(-8)} for _, address, value in outputs]
        raw = str(self.rpc("createrawtransaction", inputs, pays))
        for owner in dict.fromkeys(coin.owner for coin in coins):
            raw = str(self.rpc("signrawtransactionwithwallet", raw, wallet=owner)["hex"])
        txid = str(self.rpc("sendrawtransaction", raw))
        return [Coin(txid, number, value, owner) for number, (owner, _, value) in enumerate(outputs)]

    def pay(self, coins: Sequence[Coin], *shares: tuple[str, int]) -> list[Coin]:
        """Spend to fresh addresses.

        ``shares``: owner and satoshi, of which the last takes what is left (its satoshi: 0).
        """
        rest = sum(coin.value for coin in coins) - self.fee - sum(value for _, value in shares[:-1])
        values = [*(value for _, value in shares[:-1]), rest]
        return self.spend(
            coins, [(owner, self.address(owner), v) for (owner, _), v in zip(shares, values, strict=True)]
        )


@dataclass(slots=True)
class Theft:
    """The story, act by act; ``stolen`` are the outputs to mark, ``own`` the thief's own money."""

    play: Play
    money: dict[str, list[Coin]] = field(default_factory=dict)
    stolen: Coin | None = None
    stolen_later: Coin | None = None
    parts: list[Coin] = field(default_factory=list)
    peeled: Coin | None = None
    mix: str = ""

    def begin(self) -> str:
        """A chain begins, and people have money."""
        play = self.play
        play.open_wallets(MINER, VICTIM, SHOP, THIEF, EXCHANGE, *STRANGERS)
        play.mine(MATURE)
        grown = [_coin(item, MINER) for item in play.rpc("listunspent", wallet=MINER)][:2]
        people = [(VICTIM, 6 * COIN), (VICTIM, 4 * COIN), (SHOP, COIN), (THIEF, 2 * COIN), (EXCHANGE, 3 * COIN)]
        # Two come back from an earlier round with the pool's value, two are new.
        people += [(name, POOL) for name in STRANGERS[:2]] + [(name, POOL + MIX_FEE) for name in STRANGERS[2:]]
        for coin in play.pay(grown, *people, (MINER, 0))[: len(people)]:
            self.money.setdefault(coin.owner, []).append(coin)
        play.mine()
        return f"{play.rpc('getblockcount')} blocks, {len(people)} coins of {len({name for name, _ in people})} people"

    def steal(self) -> str:
        """The victim's whole wallet goes to the thief; a day later a shop's."""
        play = self.play
        (self.stolen,) = play.pay(self.money[VICTIM], (THIEF, 0))
        play.mine()
        (self.stolen_later,) = play.pay(self.money[SHOP], (THIEF, 0))
        play.mine()
        return f"{self.stolen.value + self.stolen_later.value} satoshi in two thefts"

    def split(self) -> str:
        """The thief puts it together with money of its own, and splits it."""
        assert self.stolen is not None and self.stolen_later is not None  # noqa: S101, PT018 -- acts stand in this order
        coins = [self.stolen, self.stolen_later, *self.money[THIEF]]
        self.parts = self.play.pay(coins, (THIEF, 5 * COIN), (THIEF, 5 * COIN // 2), (THIEF, 0))
        self.play.mine()
        return f"{len(coins)} coins into {len(self.parts)}"

    def peel(self) -> str:
        """One part is carried from payment to payment, a little less each time; one of them to the exchange."""
        carried = self.parts[0]
        for number in range(PEELS):
            owner, address = (
                (EXCHANGE, self.play.deposit()) if number == CASHED_PEEL else (SHOP, self.play.address(SHOP))
            )
            change = (THIEF, self.play.address(THIEF), carried.value - PEEL - FEE)
            carried = self.play.spend([carried], [(owner, address, PEEL), change])[1]
            self.play.mine()
        self.peeled = carried
        return f"{PEELS} payments of {PEEL} satoshi, {carried.value} carried on"

    def mix_it(self) -> str:
        """Another part goes into a CoinJoin in the form of Whirlpool's, with four strangers.

        Each signs its own coin.
        """
        play = self.play
        mine, rest = play.pay([self.parts[1]], (THIEF, POOL + MIX_FEE), (THIEF, 0))
        play.mine()
        coins = sorted([mine, *(self.money[name][0] for name in STRANGERS)], key=lambda coin: coin.outpoint)
        owners = sorted((coin.owner for coin in coins), key=lambda name: (len(name), name))
        mixed = play.spend(coins, [(owner, play.address(owner), POOL) for owner in owners])
        play.mine()
        self.mix = mixed[0].txid
        self.parts[1] = rest
        self.parts.append(next(coin for coin in mixed if coin.owner == THIEF))
        return f"5 wallets, 5 outputs of {POOL} satoshi, chain tx {self.mix}"

    def cash(self) -> str:
        """What came out of the mix and half of the third part go to the exchange, which puts deposits together."""
        play = self.play
        mixed, third = self.parts[3], self.parts[2]
        first = play.spend([mixed], [(EXCHANGE, play.deposit(), mixed.value - FEE)])
        second = play.spend(
            [third],
            [
                (EXCHANGE, play.deposit(), third.value // 2),
                (THIEF, play.address(THIEF), third.value - third.value // 2 - FEE),
            ],
        )
        play.mine()
        play.pay([*first, second[0], *self.money[EXCHANGE]], (EXCHANGE, 0))
        play.mine()
        return f"{first[0].value + second[0].value} satoshi to {len(play.deposits)} addresses of the exchange"

    def move_on(self) -> str:
        """A day later the thief cashes what it had peeled on."""
        assert self.peeled is not None  # noqa: S101 -- acts stand in this order
        self.play.spend([self.peeled], [(EXCHANGE, self.play.deposits[0], self.peeled.value - FEE)])
        self.play.mine()
        return f"{self.peeled.value - FEE} satoshi to the exchange"


def _coin(item: dict[str, Any], owner: str) -> Coin:
    return Coin(str(item["txid"]), int(item["vout"]), int(Decimal(item["amount"]).scaleb(8)), owner)


def coins_of(rpc: Rpc, wallet: str) -> list[Coin]:
    """Give a wallet's coins, unconfirmed ones too."""
    return sorted(
        (_coin(item, wallet) for item in rpc("listunspent", 0, wallet=wallet)), key=lambda coin: coin.outpoint
    )
