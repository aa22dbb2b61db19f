"""Pure decisions about money on an EVM chain: the batch, what is short, when gathering is worth its gas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from strongroom.treasury.ethereum.model import Bound, Cover, Heap
from strongroom.treasury.model import Queued
from strongroom.treasury.rules import may_join

#: One sweep of so many forwarders stays far below the gas of one chain tx, even where all have to be deployed.
GATHER_MAX: Final = 60
GATHER_BASE_GAS: Final = 450_000  # what the factory wants to find left, and the start
GATHER_ITEM_GAS: Final = 200_000
# Gathering is worth it at this many times the least deposit, or for anything of that size after a day.
GATHER_WORTH: Final = 20
GATHER_AGE: Final = timedelta(hours=24)


def cover(bound: Bound, cold: int, taken: int, drawn: int) -> Cover:
    """Say what is left for new payouts of an asset, after what open slots take and draw.

    ``taken`` is net of draws. Beyond the house's capital nothing is drawn: payouts wait for the bound to hold again.
    """
    drawable = 0 if bound.above else max(0, min(bound.left, cold) - drawn)
    return Cover(bound.hot - taken, drawable)


def choose(queue: Sequence[Queued], covers: Mapping[str, Cover], limit: int) -> list[Queued]:
    """Take payables oldest first, of any assets, as far as they are covered; one that is not lets later ones pass."""
    batch: list[Queued] = []
    used: dict[str, int] = defaultdict(int)
    for item in queue:
        payment = item.payment
        covered = used[payment.asset] + payment.amount <= covers[payment.asset].total
        if covered and may_join(batch, item, limit):
            used[payment.asset] += payment.amount
            batch.append(item)
    return batch


def short(queue: Sequence[Queued], batch: Sequence[Queued], covers: Mapping[str, Cover]) -> list[Queued]:
    """Find what is left because it is not covered; what only waits for a turn is not short."""
    used, chosen = needed(batch), {item.payment.hold_id for item in batch}
    return [
        item
        for item in queue
        if item.payment.hold_id not in chosen
        and used.get(item.payment.asset, 0) + item.payment.amount > covers[item.payment.asset].total
    ]


def needed(batch: Iterable[Queued]) -> dict[str, int]:
    """Sum a batch by asset."""
    sums: dict[str, int] = defaultdict(int)
    for item in batch:
        sums[item.payment.asset] += item.payment.amount
    return dict(sums)


def excess(bound: Bound, *, target: int, high: int, waiting: int, dust: int) -> int:
    """Give what to sweep from hot to cold: 0 unless hot is above its band, cut to the capital less the allowance.

    Swept down to ``target`` and what ``waiting`` payouts need. An excess below ``dust`` is not worth a chain tx, unless
    hot and allowance together exceed the capital: that stops all draws, and anyone can send hot one unit.
    """
    top = max(0, min(high, bound.capital - bound.left))
    if bound.hot <= top:
        return 0
    amount = bound.hot - min(top, target + waiting)
    return amount if amount >= dust or bound.above else 0


def worth_gathering(
    heaps: Sequence[Heap],
    minimum: Mapping[str, int],
    wanted: frozenset[str],
    oldest: Mapping[str, datetime],
    now: datetime,
) -> list[Heap]:
    """Choose what to gather now, the largest multiples of the least deposit first.

    An asset is due where payouts wait for it (``wanted``), where its forwarders hold ``GATHER_WORTH`` least deposits
    together, or where the oldest has waited for ``GATHER_AGE``. A forwarder with less than one least deposit waits.
    """
    big = [heap for heap in heaps if heap.amount >= max(1, minimum[heap.asset])]
    sums: dict[str, int] = defaultdict(int)
    for heap in big:
        sums[heap.asset] += heap.amount
    due = {
        asset
        for asset, total in sums.items()
        if asset in wanted
        or total >= GATHER_WORTH * max(1, minimum[asset])
        or (asset in oldest and now - oldest[asset] >= GATHER_AGE)
    }
    chosen = [heap for heap in big if heap.asset in due]
    chosen.sort(
        key=lambda heap: (heap.asset not in wanted, -(heap.amount // max(1, minimum[heap.asset])), heap.address_id)
    )
    return chosen


def due(urgent: Sequence[Heap], worth: Sequence[Heap]) -> list[Heap]:
    """Put what payouts wait for first, then what is worth its gas, each once."""
    return list({(heap.address_id, heap.asset): heap for heap in (*urgent, *worth)}.values())


def gather_gas(items: int) -> int:
    """Give the gas limit of a sweep of so many forwarders."""
    return GATHER_BASE_GAS + items * GATHER_ITEM_GAS
