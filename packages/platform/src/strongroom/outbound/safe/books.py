"""What a Safe slot posts when it is final: draws from cold to hot, then what left hot, then sweeps; asset by asset.

Hot never holds less than nothing in the books. What a slot moved beyond what they have there was money that nobody told
of (anyone can send to the hot Safe itself): it goes to suspense, where an operator has to look, and stops nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from strongroom.infra.database import Connection
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.outbound.model import Payment
from strongroom.outbound.safe.model import Measured, Portion, SafeSlot
from strongroom_core.amounts import Amount
from strongroom_core.assets import asset_by_id


async def settle(
    connection: Connection, item: SafeSlot, measures: Sequence[Measured], undone: Sequence[Payment] = ()
) -> None:
    """Post what a final slot moved. What its payments were to take and did not, or took beyond, goes to suspense.

    ``undone``: payments that moved nothing, and whose money is back with their merchants.
    """
    left = {measure.asset: measure.left_hot for measure in measures}
    paid = _sums(Portion(each.asset, each.amount) for each in item.state.payments if each not in undone)
    drawn, swept = _sums(item.draws), _sums(item.sweeps)
    legs: list[Posting] = []
    for asset in sorted(paid.keys() | drawn.keys() | swept.keys()):
        hot = -await ledger.balance(connection, Account(AccountType.CHAIN_HOT, asset_by_id(asset)))
        legs += _legs(asset, hot, drawn.get(asset, 0), paid.get(asset, 0), left.get(asset, 0), swept.get(asset, 0))
    slot = item.state.slot
    if legs:
        memo = {"slot": slot.id, "txid": slot.txid or ""}
        key = f"slot:{slot.id}:final"
        await ledger.post(connection, [LedgerTransaction("outbound-final", key, tuple(legs), memo)])


def _legs(asset: str, hot: int, drawn: int, paid: int, left: int, swept: int) -> list[Posting]:
    """Give the postings of one asset; ``hot`` is what the books have there before, ``left`` what really left it."""
    booked = hot + drawn
    from_hot = min(paid, left, booked)
    beyond = min(max(0, left - paid), booked - from_hot)
    to_cold = min(swept, booked - from_hot - beyond)
    moves = (
        (AccountType.CHAIN_HOT, AccountType.CHAIN_COLD, drawn),
        (AccountType.IN_TRANSIT, AccountType.CHAIN_HOT, from_hot),
        (AccountType.IN_TRANSIT, AccountType.SUSPENSE, paid - from_hot),
        (AccountType.SUSPENSE, AccountType.CHAIN_HOT, beyond),
        (AccountType.CHAIN_COLD, AccountType.CHAIN_HOT, to_cold),
        (AccountType.CHAIN_COLD, AccountType.SUSPENSE, swept - to_cold),
    )
    named = asset_by_id(asset)
    return [
        Posting(Account(source, named), Account(destination, named), Amount(named, amount))
        for source, destination, amount in moves
        if amount
    ]


def _sums(portions: Iterable[Portion]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for item in portions:
        sums[item.asset] += item.amount
    return dict(sums)
