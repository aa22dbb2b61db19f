"""What outbound posts, in the transaction of the state that it goes with.

Held money is captured when both signatures exist, not when the chain tx is broadcast: from then on the raw bytes
are money in themselves. What a foreign chain tx undid is given back in full.
"""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.infra.database import Connection
from strongroom.ledger import service as ledger
from strongroom.ledger.errors import HoldClosedError
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.outbound import store
from strongroom.outbound.model import OpenSlot, Payment, SlotState, Version
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, asset_by_id, chain_by_id, native_asset


async def capture(connection: Connection, state: OpenSlot) -> None:
    """Move every payment's hold on: the amount into in-transit, the merchant's fee to the house."""
    for payment in state.payments:
        postings = _legs(_held(payment), payment)
        await ledger.capture(connection, payment.hold_id, postings, key=_key(payment, "capture"))


async def capture_found(connection: Connection, state: OpenSlot) -> tuple[Payment, ...]:
    """Capture what a block has paid before we knew of both signatures; give the payments whose hold was gone.

    Those come from suspense: a signer promised never to sign them, the merchant has its money back, and the chain paid
    all the same. A slot that was given up before has no hold left; one that stands may be another slot's by now.
    """
    lost = []
    for payment in state.payments:
        if state.slot.state is SlotState.ABANDONED or not await _captured(connection, payment):
            await _take_from_suspense(connection, state, payment)
            lost.append(payment)
    return tuple(lost)


async def _captured(connection: Connection, payment: Payment) -> bool:
    postings = _legs(_held(payment), payment)
    try:
        await ledger.capture(connection, payment.hold_id, postings, key=_key(payment, "capture"))
    except HoldClosedError:
        return False
    return True


async def _take_from_suspense(connection: Connection, state: OpenSlot, payment: Payment) -> None:
    asset = asset_by_id(payment.asset)
    key = f"{state.slot.id}:{payment.hold_id}:{state.slot.confirmed_hash}:suspense"
    source, transit = Account(AccountType.SUSPENSE, asset), Account(AccountType.IN_TRANSIT, asset)
    memo: dict[str, str] = {"slot": state.slot.id, "payout": payment.payout_id}
    posting = Posting(source, transit, Amount(asset, payment.amount))
    await ledger.post(connection, [LedgerTransaction("outbound-suspense", key, (posting,), memo)])
    await store.run(connection, "set_suspense", slot=state.slot.id, hold=payment.hold_id, key=key)


async def release(connection: Connection, payment: Payment) -> None:
    """Give a hold back: only after a signer's void, or where no signer was ever asked."""
    await ledger.release(connection, payment.hold_id, key=_key(payment, "release"))


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


async def undo_captures(connection: Connection, state: OpenSlot, payments: Sequence[Payment] | None = None) -> None:
    """Give captured payments (all, or some) back to their merchants, fee included: the chain did not pay them."""
    undone = state.payments if payments is None else payments
    transactions = [
        LedgerTransaction(
            "outbound-conflict",
            f"{payment.suspense_key}:undo" if payment.suspense_key else _key(payment, "undo"),
            _undo_legs(payment),
            {"slot": state.slot.id, "payout": payment.payout_id},
        )
        for payment in undone
    ]
    await ledger.post(connection, transactions)
    for payment in undone:
        await store.run(connection, "set_suspense", slot=state.slot.id, hold=payment.hold_id, key=None)


def _legs(source: Account, payment: Payment) -> Sequence[Posting]:
    asset = asset_by_id(payment.asset)
    legs = [Posting(source, Account(AccountType.IN_TRANSIT, asset), Amount(asset, payment.amount))]
    if payment.fee:
        legs.append(Posting(source, Account(AccountType.HOUSE_FEES, asset), Amount(asset, payment.fee)))
    return legs


def _undo_legs(payment: Payment) -> tuple[Posting, ...]:
    asset = asset_by_id(payment.asset)
    if payment.suspense_key:
        places = Account(AccountType.IN_TRANSIT, asset), Account(AccountType.SUSPENSE, asset)
        return (Posting(*places, Amount(asset, payment.amount)),)
    merchant = Account(AccountType.MERCHANT_AVAILABLE, asset, payment.merchant_id)
    return tuple(Posting(leg.destination, merchant, leg.amount) for leg in _legs(_held(payment), payment))


def _key(payment: Payment, step: str) -> str:
    """Name a step of a payout in the books; its own id is unique within its merchant only."""
    return f"payout:{payment.merchant_id}:{payment.payout_id}:{step}"


def _held(payment: Payment) -> Account:
    return Account(AccountType.MERCHANT_HELD, asset_by_id(payment.asset), payment.merchant_id)


def _asset(state: OpenSlot) -> Asset:
    return native_asset(chain_by_id(state.slot.chain))
