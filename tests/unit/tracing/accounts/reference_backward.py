"""A reference of going backward on account chains: slow, obvious, and written without the engine.

It knows everything that a question may ask for together: services, limits, pools, bridges, openings. Under FIFO and
LIFO each base unit of a payment is followed by itself; under the others amounts are split with fractions. Everything
that a chain tx does is put into order by a graph of what has to come before what.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain, cycle, islice

from strongroom_tracing.taint.model import Policy
from tests.unit.tracing.accounts.support import ETH, TOKEN_ASSET, Event

Holding = tuple[str, str]  # who, asset
Claims = dict[str, int]
Unit = tuple[int, int]  # the number of a payment, which base unit of it
OPENING, UNKNOWN, ISSUED = "opening-balance", "unknown", "issued"
_IN_ORDER = (Policy.FIFO, Policy.LIFO)
_BEGINNINGS = (OPENING, UNKNOWN)


@dataclass
class Asked:
    """What a question asks for beside its policy and marks; addresses by the names of the tests."""

    stops: set[str] = field(default_factory=set)
    pools: set[str] = field(default_factory=set)
    bridges: dict[str, str] = field(default_factory=dict)  # name of paid_out -> name of paid_in
    openings: dict[Holding, int] = field(default_factory=dict)
    hops: int | None = None
    smallest: Mapping[str, int] = field(default_factory=dict)
    block: int | None = None
    transfers: int | None = None


@dataclass
class _Swap:
    paid: list[int]
    back: list[int]
    got: dict[str, list[int]]


class BackwardReference:
    """Takes a history apart from its end. Rows as in the answer, each (what it is about, claim): value."""

    def __init__(self, policy: Policy, events: list[Event], marks: list[tuple[str, str, int]], asked: Asked) -> None:
        self.policy, self.asked = policy, asked
        self.events = [_by_its_maker(event, asked.pools) for event in events]
        number = {event.name: place for place, event in enumerate(events)}
        self.over = {number[out]: number[paid] for out, paid in asked.bridges.items()}
        self.moves: Counter[tuple[str, str]] = Counter()
        self.sources: Counter[tuple[str, str, str, str, str]] = Counter()
        self.services: Counter[tuple[str, str, str, str]] = Counter()
        self.left: Counter[tuple[str, str, str, str, str]] = Counter()
        self.converted: dict[tuple[str, str, str, str, str, str], tuple[int, int]] = {}
        self.wanted: dict[int, dict[str, list[int]]] = defaultdict(dict)  # payment -> claim -> its units, or one amount
        self.near: dict[int, Claims] = defaultdict(dict)
        self.swaps: dict[tuple[int, str], _Swap] = {}
        self.trails: dict[Holding, dict[int, list[Unit | tuple[int, str]]]] = {}
        order = [one for tx in sorted({event.tx for event in events}) for one in self._ordered(tx)]
        for claim, name, amount in marks:
            self._want(number[name], claim, range(amount), 0)
        for place in reversed(order):
            if self.wanted[place]:
                self._take_apart(place)

    # Order, and swaps.

    def _ordered(self, tx: int) -> list[int]:
        places = [place for place, event in enumerate(self.events) if event.tx == tx]
        swaps = {pool: swap for pool in self.asked.pools if (swap := self._swap(places, pool)) is not None}
        while True:
            before = {place: self._before(place, places, swaps) for place in places}
            done: list[int] = []
            while more := [place for place in places if place not in done and before[place] <= set(done)]:
                for place in places:  # one look over all, each as soon as nothing is due before it
                    if place not in done and before[place] <= set(done):
                        done.append(place)
                assert more
            if len(done) == len(places):
                break
            del swaps[self.events[min(set(places) - set(done))].payer]
        for pool, swap in swaps.items():
            swap.paid.sort(key=done.index)
            swap.back.sort(key=done.index)
            self.swaps[tx, pool] = swap
        return done

    def _before(self, place: int, places: list[int], swaps: Mapping[str, _Swap]) -> set[int]:
        found = {self.over[place]} & set(places) if place in self.over else set()
        swap = swaps.get(self.events[place].payer)
        if swap is not None and place not in self.over and self._gives(swap, place):
            found |= set(swap.paid)
        mine = self._holdings(place)
        return found | {other for other in places if other < place and mine & self._holdings(other)}

    def _holdings(self, place: int) -> set[Holding]:
        event, found = self.events[place], set()
        if place not in self.over:
            found.add((event.payer, event.payer_asset))
        if place not in self.over.values():
            found.add((event.payee, event.payee_asset))
        return {(who, asset) for who, asset in found if who and who not in self.asked.pools}

    def _swap(self, places: list[int], pool: str) -> _Swap | None:
        net: Counter[str] = Counter()
        into: dict[str, list[int]] = defaultdict(list)
        out: dict[str, list[int]] = defaultdict(list)
        for place in places:
            event = self.events[place]
            if event.payee == pool != event.payer and place not in self.over.values():
                into[event.payee_asset].append(place)
                net[event.payee_asset] += event.value
            if event.payer == pool != event.payee and place not in self.over:
                out[event.payer_asset].append(place)
                net[event.payer_asset] -= event.value
        gained, lost = ([asset for asset in net if sign * net[asset] > 0] for sign in (1, -1))
        if len(gained) != 1 or not lost:
            return None
        return _Swap(into[gained[0]], out[gained[0]], {asset: out[asset] for asset in lost})

    @staticmethod
    def _gives(swap: _Swap, place: int) -> bool:
        return place in swap.back or any(place in given for given in swap.got.values())

    # What is wanted of a payment.

    def _want(self, place: int, claim: str, units: Iterable[int], hops: int) -> None:
        self.near[place][claim] = min(hops, self.near[place].get(claim, hops))
        whole = self.policy == Policy.POISON
        has = self.wanted[place].setdefault(claim, [])
        has[:] = range(self.events[place].value) if whole else [*has, *units]

    def _want_sum(self, place: int, claim: str, amount: int, within: int, hops: int) -> None:
        """Want the first units, again from the first where a claim wants more than there are."""
        if amount:
            self._want(place, claim, islice(cycle(range(within)), amount), hops)

    def _take_apart(self, place: int) -> None:
        event = self.events[place]
        claims = {claim: len(units) for claim, units in sorted(self.wanted[place].items())}
        for claim, amount in claims.items():
            self.moves[event.name, claim] += amount
        if place in self.over:
            self._over_bridge(place, claims)
        elif event.payer == "":
            for claim, amount in claims.items():
                self.sources[event.payee, event.payee_asset, claim, event.name, ISSUED] += amount
        elif not self._is_swapped(place, claims):
            self._through_address(place, claims)

    def _is_swapped(self, place: int, claims: Claims) -> bool:
        event = self.events[place]
        swap = self.swaps.get((event.tx, event.payer))
        if swap is None or not self._gives(swap, place):
            return False
        if place in swap.back:
            self._given_back(swap, place)
        else:
            self._through_swap(swap, place, claims)
        return True

    def _through_address(self, place: int, claims: Claims) -> None:
        event = self.events[place]
        if event.payer in self.asked.pools | self.asked.stops:
            for claim, amount in claims.items():
                self.services[event.payer, event.payee_asset, claim, event.name] += amount
        else:
            self._through_holding(place, claims)

    def _over_bridge(self, place: int, claims: Claims) -> None:
        paid_in, event = self.events[self.over[place]], self.events[place]
        for claim, amount in claims.items():
            if self.asked.block is not None and paid_in.tx < self.asked.block:
                self.left[event.payer, event.payee_asset, claim, paid_in.name, "block-limit"] += amount
                continue
            paid = paid_in.value if self.policy == Policy.POISON else paid_in.value * amount // event.value
            legs = ("bridge", paid_in.payee, paid_in.payee_asset, event.payee_asset, claim)
            self.converted[event.name, *legs] = paid, amount
            self._want_sum(self.over[place], claim, paid, paid_in.value, self.near[place][claim] + 1)

    def _through_swap(self, swap: _Swap, place: int, claims: Claims) -> None:
        event = self.events[place]
        kept = self._kept(swap)
        whole = sum(self.events[one].value for one in swap.got[event.payer_asset])
        asset_in = self.events[swap.paid[0]].payee_asset
        for claim, amount in claims.items():
            parts = kept if self.policy == Policy.POISON else _in_proportion(kept, sum(kept) * amount // whole)
            legs = ("swap", event.payer, asset_in, event.payer_asset, claim)
            self.converted[event.name, *legs] = sum(parts), amount
            for one, part, most in zip(swap.paid, parts, kept, strict=True):
                self._want_sum(one, claim, part, most, self.near[place][claim] + 1)

    def _kept(self, swap: _Swap) -> list[int]:
        """Cut what a pool was paid, payment by payment, to what it did not give back: the first that came."""
        units = [one for one in swap.paid for _ in range(self.events[one].value)]
        stays = units[: len(units) - sum(self.events[one].value for one in swap.back)]
        return [stays.count(one) for one in swap.paid]

    def _given_back(self, swap: _Swap, place: int) -> None:
        """Find which units of what was paid in went back with a payment: the last that came, in order."""
        came = [(one, unit) for one in swap.paid for unit in range(self.events[one].value)]
        back = [(one, unit) for one in swap.back for unit in range(self.events[one].value)]
        went = dict(zip(back, came[len(came) - len(back) :], strict=True))
        made_of = [went[place, unit] for unit in range(self.events[place].value)]
        for claim, units in self.wanted[place].items():
            for one, found in self._parts(made_of, units, proportional=True).items():
                self._want(int(one), claim, found, self.near[place][claim] + 1)

    def _through_holding(self, place: int, claims: Claims) -> None:
        event = self.events[place]
        holding = event.payer, event.payer_asset
        for claim, amount in claims.items():
            if event.payer_asset != event.payee_asset:
                kind = "unwrap" if event.payee_asset == ETH else "wrap"
                self.converted[event.name, kind, *holding, event.payee_asset, claim] = amount, amount
            hops = self.near[place][claim] + int(event.payer != event.payee)
            reason = self._reason(holding, amount, hops)
            if reason:
                self.left[*holding, claim, event.name, reason] += amount
                continue
            made_of = self._trail(holding)[place]
            found = self._parts(made_of, self.wanted[place][claim], proportional=self.policy != Policy.TIHO)
            for source, units in found.items():
                self._send_on(place, holding, source, claim, units, hops)

    def _send_on(
        self, place: int, holding: Holding, source: int | str, claim: str, units: list[int], hops: int
    ) -> None:
        if isinstance(source, str):
            self.sources[*holding, claim, self.events[place].name, source] += len(units)
        elif self.asked.block is not None and self.events[source].tx < self.asked.block:
            self.left[*holding, claim, self.events[source].name, "block-limit"] += len(units)
        else:
            self._want(source, claim, units, hops)

    def _reason(self, holding: Holding, amount: int, hops: int) -> str:
        asked, ends = self.asked, 0
        if asked.hops is not None and hops > asked.hops:
            return "hop-limit"
        for event in self.events:
            ends += (event.payer, event.payer_asset) == holding
            ends += (event.payee, event.payee_asset) == holding
        if asked.transfers is not None and ends > asked.transfers:
            return "too-many-transfers"
        return "below-threshold" if amount < asked.smallest.get(holding[1], 0) else ""

    def _parts(
        self, made_of: Sequence[tuple[int | str, int]], units: list[int], *, proportional: bool
    ) -> dict[int | str, list[int]]:
        """Say which units of which sources a payment's wanted units are; of no order: how many of each."""
        found: dict[int | str, list[int]] = defaultdict(list)
        if self.policy in _IN_ORDER:
            for unit in units:
                source, own = made_of[unit]
                found[source].append(own)
            return found
        sums = Counter(source for source, _ in made_of)  # in the order of the sources
        if self.policy == Policy.POISON:
            return {source: list(range(amount)) for source, amount in sums.items()}
        if proportional:
            parts = _in_proportion(list(sums.values()), len(units))
            return {source: list(range(part)) for source, part in zip(sums, parts, strict=True) if part}
        for (source, _), _ in zip(cycle(made_of), units, strict=False):
            found[source].append(0)
        return found

    # What a holding's payments were made of.

    def _trail(self, holding: Holding) -> dict[int, list[tuple[int | str, int]]]:
        heap: list[tuple[int | str, int]] = [(OPENING, unit) for unit in range(self.asked.openings.get(holding, 0))]
        whole, found = list(heap), {}
        for place, event in enumerate(self.events):
            if (event.payer, event.payer_asset) == holding and place not in self.over:
                short: list[tuple[int | str, int]] = [(UNKNOWN, 0)] * max(0, event.value - len(heap))
                paid = self._pay(heap, event.value)
                heap = [unit for unit in heap if unit not in set(paid)]
                found[place] = (whole if self.policy == Policy.POISON else paid) + short
                whole = whole if heap else []
            if (event.payee, event.payee_asset) == holding and place not in self.over.values():
                heap += [(place, unit) for unit in range(event.value)]
                whole = whole + [(place, unit) for unit in range(event.value)]
        return found

    def _pay(self, heap: list[tuple[int | str, int]], value: int) -> list[tuple[int | str, int]]:
        if self.policy == Policy.LIFO:
            return heap[max(0, len(heap) - value) :]
        if self.policy in (Policy.FIFO, Policy.POISON):
            return heap[:value]
        sums = Counter(source for source, _ in heap)
        ranked = sorted(sums, key=lambda source: len(self.events) if isinstance(source, str) else source)
        if self.policy == Policy.TIHO:
            ranked = sorted(ranked, key=lambda source: -sums[source])
            return [unit for source in ranked for unit in heap if unit[0] == source][:value]
        parts = _in_proportion([sums[source] for source in ranked], min(value, len(heap)))
        own = [[unit for unit in heap if unit[0] == source][:part] for source, part in zip(ranked, parts, strict=True)]
        return list(chain.from_iterable(own))


def _by_its_maker(event: Event, pools: set[str]) -> Event:
    """A token that a pool makes or destroys is paid by it or to it."""
    if event.payer_asset != TOKEN_ASSET or "token" not in pools:
        return event
    return replace(event, payer=event.payer or "token", payee="token" if event.payee == "zero" else event.payee)


def _in_proportion(amounts: list[int], taken: int) -> list[int]:
    """Split as Hamilton did: what is whole first, then one to each of the largest fractions, the earlier first."""
    if not sum(amounts):
        return [0] * len(amounts)
    exact = [Fraction(amount * taken, sum(amounts)) for amount in amounts]
    parts = [int(share) for share in exact]
    order = sorted(range(len(exact)), key=lambda n: (parts[n] - exact[n], n))
    for n in order[: taken - sum(parts)]:
        parts[n] += 1
    return parts
