"""Whose the money is, by holder and asset: folded from the journal rows that move any, in the order of the rows.

A deposit raises a balance once it is proven, a first signing lowers it, and a row that takes something back gives
exactly what the earlier row took. Nothing else moves money here, whatever a platform's database says.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom_core.ids import HOUSE_MERCHANT

#: Who holds what is no merchant's: capital, fees earned, and out of it the miners' fees.
HOUSE: Final = "house"

Place = tuple[str, str]
#: Height, and the hash in hex as it was hashed.
Block = tuple[int, str]


@dataclass(slots=True)
class Deposit:
    """A proven deposit: ``amount`` in base units, of which ``fee`` is the house's, in a block.

    A deposit that is not ``live`` stood in a block that left the chain, and can be proven again. One is ``own`` while
    its chain tx is known to spend a coin of ours without us (an offline ceremony): then it is the house's, whole.
    """

    row: int
    asset: str
    holder: str
    amount: int
    fee: int
    height: int
    block: str
    live: bool = True
    own: bool = False


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment as it was first signed: what it took from whom, with the flat fee, and for where."""

    row: int
    holder: str
    asset: str
    amount: int
    fee: int
    destination: str


@dataclass(frozen=True, slots=True)
class Booked:
    """A conversion order that was booked: its row, and the hash of its bytes."""

    row: int
    hash: str


@dataclass(slots=True)
class Balances:
    """``of`` is base units by (holder, asset); the rest is what later rows and rules need to know of earlier ones.

    Keys of chains are CAIP-2 ids; a deposit's key is ``txid:output``, or ``block:position:log`` on an EVM chain.
    ``inputs`` has, by its txid, what a chain tx spends that brought a deposit and that we did not sign. ``changes``
    counts deposits that came and went.
    """

    of: dict[tuple[str, str], int] = field(default_factory=dict)
    deposits: dict[Place, Deposit] = field(default_factory=dict)
    change: dict[tuple[str, str, int], int] = field(default_factory=dict)
    inputs: dict[Place, tuple[str, ...]] = field(default_factory=dict)
    paid: dict[str, Paid] = field(default_factory=dict)
    returned: dict[str, int] = field(default_factory=dict)
    settled: dict[int, int] = field(default_factory=dict)
    orders: dict[tuple[str, str], Booked] = field(default_factory=dict)
    changes: int = 0
    _keys: dict[tuple[str, Block], set[str]] = field(default_factory=dict)
    _blocks: dict[str, list[Block]] = field(default_factory=dict)
    _sold: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)
    _owing: dict[str, set[str]] = field(default_factory=dict)
    _spenders: dict[Place, list[str]] = field(default_factory=dict)
    _brought: dict[Place, set[str]] = field(default_factory=dict)
    _taken: dict[Place, int] = field(default_factory=dict)

    def get(self, holder: str, asset: str) -> int:
        """Give a balance in base units."""
        return self.of.get((holder, asset), 0)

    def owes(self, holder: str) -> bool:
        """Whether any balance of a holder is below zero: only a reorged credit does that."""
        return bool(self._owing.get(holder))

    def coin(self, chain: str, key: str) -> int:
        """Give the amount of a coin (``txid:output``) that is known to be ours, or 0."""
        deposit = self.deposits.get((chain, key))
        if deposit is not None and deposit.live:
            return deposit.amount
        txid, _, output = key.partition(":")
        return self.change.get((chain, txid, int(output)), 0)

    def blocks(self, chain: str, above: int) -> list[Block]:
        """Give the blocks above a height that live deposits stand in, from the lowest on."""
        found = self._blocks.get(chain, [])
        return [block for block in found[bisect_left(found, (above + 1, "")) :] if self._keys[chain, block]]

    def keys_in(self, chain: str, block: Block) -> list[str]:
        """Give the keys of the live deposits that stand in a block."""
        return sorted(self._keys.get((chain, block), ()))

    def sold(self, sell: str, buy: str, since: int) -> int:
        """Add up what was sold of one asset for another after ``since`` (unix seconds)."""
        total = 0
        for at, amount in reversed(self._sold.get((sell, buy), [])):
            if at <= since:
                break
            total += amount
        return total

    def deposit(self, row: int, chain: str, item: dict[str, Any]) -> None:
        """Take a proven deposit."""
        made = Deposit(
            row,
            item["asset"],
            item["holder"],
            item["amount"],
            item["fee"],
            item["height"],
            item["block"],
        )
        self.deposits[chain, item["key"]] = made
        self._credit(made, 1)
        block = (made.height, made.block)
        if (chain, block) not in self._keys:
            insort(self._blocks.setdefault(chain, []), block)
        self._keys.setdefault((chain, block), set()).add(item["key"])
        self.changes += 1
        if item["txid"]:
            self._bring(chain, item)

    def _bring(self, chain: str, item: dict[str, Any]) -> None:
        """Note what the chain tx of a deposit spends, where its row says so, and who spends the deposit."""
        place = (chain, item["txid"])
        if item["inputs"] and place not in self.inputs:
            self.inputs[place] = tuple(item["inputs"])
            for coin in item["inputs"]:
                self._spenders.setdefault((chain, coin), []).append(item["txid"])
        self._brought.setdefault(place, set()).add(item["key"])
        self._settle(place, item["asset"])
        self._settle_spenders(chain, item["key"], item["asset"])

    def reorg(self, chain: str, key: str) -> None:
        """Take a deposit back: its block is no longer in the chain."""
        deposit = self.deposits[chain, key]
        deposit.live = False
        self._credit(deposit, -1)
        self._keys[chain, (deposit.height, deposit.block)].discard(key)
        self.changes += 1
        place = (chain, key.partition(":")[0])
        if place in self._brought:
            self._brought[place].discard(key)
            self._settle(place, deposit.asset)
            self._settle_spenders(chain, key, deposit.asset)

    def add_change(self, chain: str, coin: tuple[str, int], asset: str, amount: int) -> None:
        """Know a coin of ours: change of a chain tx that we signed."""
        self.change[chain, *coin] = amount
        self._settle_spenders(chain, f"{coin[0]}:{coin[1]}", asset)

    def _settle_spenders(self, chain: str, coin: str, asset: str) -> None:
        for txid in self._spenders.get((chain, coin), ()):
            self._settle((chain, txid), asset)

    def _settle(self, place: Place, asset: str) -> None:
        """Let the house bear what a chain tx that we did not sign takes from coins of ours, while it brings a deposit.

        A function of what is known now alone, so that it does not matter which of them was proven first.
        """
        chain, brought = place[0], self._brought[place]
        spent = sum(self.coin(chain, coin) for coin in self.inputs.get(place, ()))
        for key in brought:
            deposit = self.deposits[chain, key]
            if deposit.own != (spent > 0):
                self._credit(deposit, -1)
                deposit.own = not deposit.own
                self._credit(deposit, 1)
        taken = spent if brought else 0
        self.charge(asset, taken - self._taken.get(place, 0))
        self._taken[place] = taken

    def _credit(self, deposit: Deposit, sign: int) -> None:
        fee = deposit.amount if deposit.own else deposit.fee
        if deposit.amount > fee:
            self._move(deposit.holder, deposit.asset, sign * (deposit.amount - fee))
        self._move(HOUSE, deposit.asset, sign * fee)

    def pay(self, row: int, payment: dict[str, Any]) -> None:
        """Take what a payment costs from who asked for it, at its first signing."""
        made = Paid(
            row,
            holder_of(payment["merchant"]),
            payment["asset"],
            payment["amount"],
            payment["fee"],
            payment["destination"],
        )
        self.paid[payment["intent"]] = made
        self._move(made.holder, made.asset, -(made.amount + made.fee))
        self._move(HOUSE, made.asset, made.fee)

    def give_back(self, row: int, intent: str) -> None:
        """Give back what a payment took: it can never be paid any more."""
        made = self.paid[intent]
        self.returned[intent] = row
        self._move(made.holder, made.asset, made.amount + made.fee)
        self._move(HOUSE, made.asset, -made.fee)

    def charge(self, asset: str, fee: int) -> None:
        """Let the house bear something, such as a miner's fee; below zero gives it back."""
        self._move(HOUSE, asset, -fee)

    def convert(self, row: int, body: dict[str, Any]) -> None:
        """Book both legs of a conversion against the house."""
        merchant, sell, buy = body["merchant"], body["sell"], body["buy"]
        self.orders[merchant, body["order"]] = Booked(row, body["hash"])
        self._sold.setdefault((sell["asset"], buy["asset"]), []).append((body["at"], sell["amount"]))
        for leg, sign in ((sell, 1), (buy, -1)):
            self._move(merchant, leg["asset"], -sign * leg["amount"])
            self._move(HOUSE, leg["asset"], sign * leg["amount"])

    def _move(self, holder: str, asset: str, amount: int) -> None:
        total = self.get(holder, asset) + amount
        self.of[holder, asset] = total
        owing = self._owing.setdefault(holder, set())
        (owing.add if total < 0 else owing.discard)(asset)


def holder_of(merchant: str) -> str:
    """Give the holder whose money an intent of this merchant's id moves."""
    return HOUSE if merchant == HOUSE_MERCHANT else merchant
