"""What outbound posts, in the transaction of the state that it goes with.

Held money is captured when both signatures exist, not when the chain tx is broadcast: from then on the raw bytes
are money in themselves. What a foreign chain tx undid is given back in full.
"""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.infra.database import Connection
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.outbound.model import OpenSlot, Payment, Version
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, chain_by_id, native_asset


async def capture(connection: Connection, state: OpenSlot) -> None:
    """Move every payment's hold on: the amount into in-transit, the merchant's fee to the house."""
    asset = _asset(state)
    for payment in state.payments:
        held = Account(AccountType.MERCHANT_HELD, asset, payment.merchant_id)
        postings = _legs(held, payment, asset)
        await ledger.capture(connection, payment.hold_id, postings, key=f"payout:{payment.payout_id}:capture")


async def release(connection: Connection, payment: Payment) -> None:
    """Give a hold back: only after a signer's void, or where no signer was ever asked."""
    await ledger.release(connection, payment.hold_id, key=f"payout:{payment.payout_id}:release")


async def settle(connection: Connection, state: OpenSlot, version: Version) -> None:
    """Take what has left the hot coins for good off them: payments, the miner's fee, sweeps to cold."""
    asset = _asset(state)
    hot = Account(AccountType.CHAIN_HOT, asset)
    swept = sum(item.amount for item in state.own_outputs.get(version.number, ()) if item.key_set == "cold")
    moves = (
        (Account(AccountType.IN_TRANSIT, asset), sum(item.amount for item in state.payments)),
        (Account(AccountType.NETWORK_FEES, asset), version.fee),
        (Account(AccountType.CHAIN_COLD, asset), swept),
    )
    postings = tuple(Posting(source, hot, Amount(asset, amount)) for source, amount in moves if amount)
    memo = {"slot": state.slot.id, "txid": version.txid}
    if postings:
        await ledger.post(
            connection, [LedgerTransaction("outbound-final", f"slot:{state.slot.id}:final", postings, memo)]
        )


async def undo_captures(connection: Connection, state: OpenSlot) -> None:
    """Give captured payments back to their merchants, fee included: their coins were spent by a foreign chain tx."""
    asset = _asset(state)
    transactions = [
        LedgerTransaction(
            "outbound-conflict",
            f"payout:{payment.payout_id}:undo",
            _undo_legs(payment, asset),
            {"slot": state.slot.id, "payout": payment.payout_id},
        )
        for payment in state.payments
    ]
    await ledger.post(connection, transactions)


def _legs(source: Account, payment: Payment, asset: Asset) -> Sequence[Posting]:
    legs = [Posting(source, Account(AccountType.IN_TRANSIT, asset), Amount(asset, payment.amount))]
    if payment.fee:
        legs.append(Posting(source, Account(AccountType.HOUSE_FEES, asset), Amount(asset, payment.fee)))
    return legs


def _undo_legs(payment: Payment, asset: Asset) -> tuple[Posting, ...]:
    merchant = Account(AccountType.MERCHANT_AVAILABLE, asset, payment.merchant_id)
    return tuple(Posting(leg.destination, merchant, leg.amount) for leg in _legs(_held(payment, asset), payment, asset))


def _held(payment: Payment, asset: Asset) -> Account:
    return Account(AccountType.MERCHANT_HELD, asset, payment.merchant_id)


def _asset(state: OpenSlot) -> Asset:
    return native_asset(chain_by_id(state.slot.chain))
