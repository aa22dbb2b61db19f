"""What becomes of a deposit: pure decisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from strongroom.chains.model import ChainEvent, RemovalReason
from strongroom.deposits.errors import DepositMoveError
from strongroom.deposits.model import MOVES, Change, Deposit, DepositException, DepositState
from strongroom_core.ids import MerchantId

_EXCEPTIONS = {
    RemovalReason.REPLACED: DepositException.REPLACED,
    RemovalReason.CONFLICT: DepositException.DOUBLE_SPENT,
    RemovalReason.EVICTED: DepositException.EVICTED,
}
PPM = 1_000_000


def move(before: Deposit, state: DepositState, reason: str, event_id: int | None = None, **fields: Any) -> Change:
    """The one way by which a deposit changes its state. Raises ``DepositMoveError`` for an arrow not in the table."""
    if state not in MOVES[before.state]:
        message = f"{before.id}: a deposit does not go from {before.state} to {state}"
        raise DepositMoveError(message)
    return Change(before, replace(before, state=state, **fields), reason, event_id)


def confirmations_needed(
    tiers: Sequence[tuple[int, int | None]], at_stake: int, *, coinbase: bool, maturity: int
) -> int:
    """Blocks until ``at_stake`` base units are confirmed, by the smallest tier (blocks, highest amount) that holds it.

    ``at_stake`` is all that one chain tx pays us, so that cutting a payment into outputs does not make it safer. Beyond
    every tier the strictest of all counts. A coinbase output also waits until the chain lets it be spent.
    """
    holding = [(highest, blocks) for blocks, highest in tiers if highest is not None and at_stake <= highest]
    if holding:
        needed = min(holding)[1]
    else:
        unbounded = [blocks for blocks, highest in tiers if highest is None]
        needed = max(unbounded or [blocks for blocks, _ in tiers])
    return max(needed, maturity) if coinbase else needed


def confirmations(height: int | None, tip_height: int | None) -> int:
    """How many blocks of the chain hold or follow it; 0 while in none."""
    return 0 if height is None or tip_height is None else max(0, tip_height - height + 1)


def fee(amount: int, ppm: int) -> int:
    """The house's share of a deposit, rounded up: in favour of solvency."""
    return -(-amount * ppm // PPM)


def split_credit(net: int, owed: int) -> tuple[int, int]:
    """Share a credit between what the merchant owes (repaid first) and its available balance."""
    repaid = min(net, owed)
    return repaid, net - repaid


def split_reversal(net: int, available: int) -> tuple[int, int]:
    """Share a reversal between the available balance, down to zero, and what the merchant then owes."""
    taken = min(net, max(0, available))
    return taken, net - taken


def creditable(confirmed: Iterable[Deposit], minimums: Mapping[str, int]) -> list[Deposit]:
    """Choose which confirmed deposits are credited now; ``minimums`` in base units, by asset id.

    What is below the minimum waits until the merchant's sum of it in that asset reaches the minimum, and then goes
    together. What is in an asset that is closed waits until it is open again.
    """
    chosen: list[Deposit] = []
    small: dict[tuple[MerchantId, str], list[Deposit]] = defaultdict(list)
    for deposit in confirmed:
        if deposit.asset not in minimums:
            continue
        if deposit.merchant_id is not None and deposit.below_minimum:
            small[deposit.merchant_id, deposit.asset].append(deposit)
        else:
            chosen.append(deposit)
    for (_, asset), waiting in small.items():
        if sum(deposit.amount for deposit in waiting) >= minimums[asset]:
            chosen.extend(waiting)
    return chosen


def connected(deposit: Deposit, event: ChainEvent) -> Change | None:
    """The chain tx is in a block now; a deposit that was credited before starts its next cycle."""
    if deposit.height is not None:
        return None
    fields: dict[str, Any] = {
        "height": event.height,
        "block_hash": event.block_hash,
        "confirmations": 1,
        "cycle": deposit.credited_cycle + 1,
        "exception": None,
        "replaced_by": None,
    }
    return move(deposit, DepositState.CONFIRMING, "connected", event.id, **fields)


def disconnected(deposit: Deposit, event: ChainEvent) -> Change | None:
    """Its block was orphaned: a credit is taken back, anything else is unconfirmed again."""
    if deposit.block_hash != event.block_hash:
        return None
    fields: dict[str, Any] = {
        "height": None,
        "block_hash": None,
        "confirmations": 0,
        "fee": 0,
        "credited": 0,
        "credited_at": None,
        "exception": DepositException.ORPHANED,
    }
    was_credited = deposit.state is DepositState.CREDITED
    state = DepositState.REVERSED if was_credited else DepositState.SEEN
    return move(deposit, state, "disconnected", event.id, **fields)


def superseded(deposit: Deposit, event: ChainEvent) -> Change | None:
    """Its chain tx is in a block again and does something else there, as it can on an account chain."""
    if deposit.state not in (DepositState.SEEN, DepositState.REVERSED):
        return None
    return move(deposit, DepositState.DROPPED, "superseded", event.id, exception=DepositException.REPLACED)


def mempool_added(deposit: Deposit, event: ChainEvent) -> Change | None:
    """A dropped chain tx is open again; all other states know more already."""
    if deposit.state is not DepositState.DROPPED:
        return None
    return move(deposit, DepositState.SEEN, "mempool_added", event.id, exception=None, replaced_by=None)


def mempool_removed(deposit: Deposit, event: ChainEvent) -> Change | None:
    """The chain tx is gone from the mempool, other than into a block."""
    if deposit.state not in (DepositState.SEEN, DepositState.REVERSED):
        return None
    exception = _EXCEPTIONS.get(event.reason or RemovalReason.EVICTED)
    fields: dict[str, Any] = {"exception": exception, "replaced_by": event.replaced_by}
    return move(deposit, DepositState.DROPPED, str(event.reason), event.id, **fields)


def deepen(deposit: Deposit, tip_height: int) -> Change | None:
    """Compare an open deposit with the tip: deep enough is confirmed, no longer deep enough is confirming again."""
    depth = confirmations(deposit.height, tip_height)
    needed = deposit.confirmations_needed
    return _settled(deposit, depth, "deep-enough" if needed is not None and depth >= needed else None)


def finalize(deposit: Deposit, tip_height: int, finalized_height: int | None) -> Change | None:
    """Compare an open deposit with the chain's own finality; None: the chain has not said yet what is final."""
    depth = confirmations(deposit.height, tip_height)
    final = deposit.height is not None and finalized_height is not None and deposit.height <= finalized_height
    return _settled(deposit, depth, "finalized" if final and depth > 0 else None)


def _settled(deposit: Deposit, depth: int, because: str | None) -> Change | None:
    if deposit.state is DepositState.CONFIRMING and because:
        return move(deposit, DepositState.CONFIRMED, because, confirmations=depth)
    if deposit.state is DepositState.CONFIRMED and not because:
        return move(deposit, DepositState.CONFIRMING, "chain-shorter", confirmations=depth)
    return None


def credited(deposit: Deposit, fee_ppm: int, now: datetime) -> Change:
    """Credit a confirmed deposit; the house and what is unexplained pay no fee."""
    taken = fee(deposit.amount, fee_ppm) if deposit.merchant_id is not None else 0
    fields: dict[str, Any] = {
        "fee": taken,
        "credited": deposit.amount - taken,
        "credited_cycle": deposit.cycle,
        "credited_at": now,
    }
    return move(deposit, DepositState.CREDITED, "credited", **fields)
