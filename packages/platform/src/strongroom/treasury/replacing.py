"""Pure: what a dearer version of a stuck slot looks like. The same payments, all its coins, and more where need be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from strongroom.outbound.model import OwnOutput, Payment, SpentCoin, tx_weight
from strongroom.treasury.model import Extension, Replacement
from strongroom.treasury.rules import CHANGE_SCRIPT, INPUTS_MAX, change_floor, fee_for, largest_first

# A replacement must pay its own size at 1 sat/vB on top (BIP 125 rule 4); more, so that it is worth the trouble.
BUMP_PPM: Final = 250_000
_PPM: Final = 1_000_000


def replacement_rate(old: int, estimate: int, ceiling: int, used: Collection[int] = ()) -> int | None:
    """Give the rate of a replacement: today's, at least a quarter more than before; None beyond the ceiling.

    ``used`` are rates that versions given up for others had: each version is another chain tx.
    """
    rate = max(estimate, old + max(1, old * BUMP_PPM // _PPM))
    rate = min(rate, ceiling)
    while rate in used:
        rate += 1
    return rate if old < rate <= ceiling else None


def replace(
    coins: Sequence[SpentCoin],
    payments: Sequence[Payment],
    own_outputs: Sequence[OwnOutput],
    old_fee: int,
    rate: int,
    dust: int,
) -> Replacement | None:
    """Make a dearer version from the same coins, out of our own output; None where it cannot give enough.

    Where change would become dust it is left out, and the miner gets it (least fee: BIP 125 rules 3, 4).
    """
    kept = list(own_outputs)
    scripts = [item.script for item in payments] + [item.script for item in kept]
    size = -(-tx_weight(len(coins), scripts) // 4)
    spare = sum(coin.amount for coin in coins) - sum(item.amount for item in payments)
    spare -= sum(item.amount for item in kept)
    missing = max(size * rate, old_fee + size) - spare
    if not kept:
        return None
    last = max(kept, key=lambda item: (item.key_set == "hot", item.amount))
    rest = last.amount - missing
    kept.remove(last)
    if rest >= change_floor(dust, rate):
        kept.append(OwnOutput(last.script, rest, last.key_set, last.branch, last.index))
    elif rest < 0 or not (payments or kept):
        return None
    return Replacement(tuple(coins), tuple(kept), rate)


def extend(
    coins: Sequence[SpentCoin],
    more: Sequence[SpentCoin],
    payments: Sequence[Payment],
    own_outputs: Sequence[OwnOutput],
    old_fee: int,
    rate: int,
    dust: int,
) -> Extension | None:
    """Add coins to a stuck slot whose own output cannot pay a dearer version: as few as do; None where all do not.

    The old change is made anew from what is left. The caller gives ``more`` coins that no reorg can take away: every
    later version has to spend them too.
    """
    kept = tuple(item for item in own_outputs if item.key_set == "cold")
    scripts = [item.script for item in payments] + [item.script for item in kept]
    leaves = sum(item.amount for item in payments) + sum(item.amount for item in kept)
    for added in _additions(more, INPUTS_MAX - len(coins)):
        spare = sum(coin.amount for coin in (*coins, *added)) - leaves
        count = len(coins) + len(added)
        change = spare - _replacement_fee(count, [*scripts, CHANGE_SCRIPT], old_fee, rate)
        if change >= change_floor(dust, rate):
            return Extension(added, kept, change)
        if spare >= _replacement_fee(count, scripts, old_fee, rate):
            return Extension(added, kept, 0)
    return None


def _replacement_fee(inputs: int, scripts: Sequence[bytes], old_fee: int, rate: int) -> int:
    """Give the least fee of a replacement: its rate, and the old fee plus its own size at 1 sat/vB (BIP 125)."""
    return max(fee_for(inputs, scripts, rate), old_fee + fee_for(inputs, scripts, 1))


def _additions(coins: Sequence[SpentCoin], limit: int) -> Iterator[tuple[SpentCoin, ...]]:
    yield ()
    if limit > 0:
        yield from ((coin,) for coin in sorted(coins, key=lambda coin: (coin.amount, coin)))
    largest = sorted(coins, key=largest_first)[: max(0, limit)]
    yield from (tuple(largest[:count]) for count in range(2, len(largest) + 1))
