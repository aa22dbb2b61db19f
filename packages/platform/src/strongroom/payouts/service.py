"""Taking a merchant's signed payout, cancelling it while it waits, and showing it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from strongroom.chains import service as chains
from strongroom.infra import stops
from strongroom.infra.database import Connection
from strongroom.infra.settings import AssetSettings, ChainSettings, EthereumSettings, Settings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType
from strongroom.outbound.model import Outcome, Payment
from strongroom.payouts import moves, rules, store
from strongroom.payouts.errors import (
    PayoutConflictError,
    PayoutNotCancellableError,
    PayoutNotFoundError,
    PayoutsStoppedError,
)
from strongroom.payouts.model import CANCELLABLE, Moment, Payout, PayoutKind, PayoutState
from strongroom.treasury import service as treasury
from strongroom.treasury.errors import PayableBoundError, UnknownPayableError
from strongroom.treasury.model import Payable
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, UnknownAssetError
from strongroom_core.ids import MerchantId
from strongroom_core.intents import PaymentIntent, SignedIntent

CANCELLED_TAG = "payout-cancelled"


async def create_payout(
    connection: Connection,
    settings: Settings,
    merchant_id: MerchantId,
    signed: SignedIntent,
    kind: PayoutKind,
    now: datetime,
) -> Payout:
    """Take a signed payout: its amount and our fee are held at once, and it is queued.

    The same signed intent again gives the same payout. Raises ``PayoutConflictError`` where the id stands for another,
    ``PayoutIntentError``, ``InvalidIntentError``, ``AddressError``, ``PayoutAmountError``, ``PayoutFeeError``,
    ``PayoutDestinationError``, ``PayoutExpiredError``, ``PayoutsStoppedError``, ``InsufficientFundsError``,
    ``UnknownAssetError``; then nothing is held.
    """
    intent = rules.read_intent(signed, settings.deployment, merchant_id)
    known = await store.get(connection, merchant_id, intent.payout)
    if known is not None:
        return _same(known, signed)
    chain, held = _held(settings, intent.asset)
    rules.check_terms(intent, least=chain.relay_minimum, fee=held.payout_fee, now=now)
    script = chains.address_to_script(chain.id, intent.destination)
    if chain.ethereum is not None:
        rules.check_destination(script, _traps(chain, chain.ethereum))
    await _check_open(connection, held.asset, merchant_id)
    async with connection.transaction():
        return await _take(connection, held, intent, signed, kind, script)


def _held(settings: Settings, asset_id: str) -> tuple[ChainSettings, AssetSettings]:
    """Find the chain and the terms of an asset that we hold; an intent names it by its id."""
    for chain in settings.chains:
        for held in chain.held_assets:
            if held.id == asset_id:
                return chain, held
    known = ", ".join(asset.id for asset in settings.held_assets)
    message = f"{asset_id!r} is not paid out here; known are {known}"
    raise UnknownAssetError(message)


def _traps(chain: ChainSettings, ethereum: EthereumSettings) -> set[bytes]:
    tokens = [held.asset.contract for held in chain.held_assets]
    return ethereum.contracts() | {bytes.fromhex(token[2:]) for token in tokens if token}


async def cancel_payout(connection: Connection, merchant_id: MerchantId, payout_id: str) -> Payout:
    """Take back a payout that waits. One that a signer may have seen is cancelled once a signer has voided it.

    Raises ``PayoutNotFoundError``, ``PayoutNotCancellableError``.
    """
    payout = await get_payout(connection, merchant_id, payout_id)
    if payout.state is PayoutState.CANCELLED or payout.reason_tag == CANCELLED_TAG:
        return payout
    if payout.state not in CANCELLABLE:
        raise _not_cancellable(payout)
    reason = "cancelled by the merchant"
    try:
        # The payable is locked before the payout, here as in every handler of events.
        done = await treasury.withdraw(connection, payout.hold_id, Outcome.CANCELLED, CANCELLED_TAG, reason)
    except (PayableBoundError, UnknownPayableError):
        raise _not_cancellable(payout) from None
    payout = await _locked(connection, merchant_id, payout_id)
    if done:
        await moves.move(connection, payout, PayoutState.CANCELLED, reason=reason, tag=CANCELLED_TAG)
    else:
        waiting = "cancelling: waiting for a signer's promise never to sign it"
        place = {"merchant": merchant_id, "id": payout_id}
        await store.run(connection, "set_reason", **place, reason=waiting, tag=CANCELLED_TAG)
    return await get_payout(connection, merchant_id, payout_id)


async def get_payout(connection: Connection, merchant_id: MerchantId, payout_id: str) -> Payout:
    """Find a merchant's payout. Raises ``PayoutNotFoundError``, for other merchants' payouts too."""
    found = await store.get(connection, merchant_id, payout_id)
    if found is None:
        message = "no payout of that id"
        raise PayoutNotFoundError(message)
    return found


async def list_payouts(connection: Connection, merchant_id: MerchantId, cursor: str | None, limit: int) -> list[Payout]:
    """List a merchant's payouts, newest first; ``cursor`` is the id of the last one that was seen."""
    return await store.list_payouts(connection, merchant_id, cursor, limit)


async def timeline(connection: Connection, merchant_id: MerchantId, payout_id: str) -> list[Moment]:
    """Give a payout's life so far, oldest first."""
    return await store.timeline(connection, merchant_id, payout_id)


async def confirmations(connection: Connection, payout: Payout) -> int:
    """Count the blocks that confirm a payout, its own included; 0 while it is in none."""
    if payout.confirmed_height is None:
        return 0
    tip = await chains.tip(connection, payout.chain)
    return max(0, tip.height - payout.confirmed_height + 1) if tip and tip.height is not None else 0


def view(payout: Payout) -> dict[str, Any]:
    """Give a payout as events carry it."""
    return moves.view(payout)


async def _take(
    connection: Connection,
    held: AssetSettings,
    intent: PaymentIntent,
    signed: SignedIntent,
    kind: PayoutKind,
    script: bytes,
) -> Payout:
    asset, fee = held.asset, held.payout_fee
    chain_id, expires_at = asset.chain_id, rules.expires_at(intent)
    if not await store.insert(connection, intent, signed, kind=kind, chain=chain_id, fee=fee, expires_at=expires_at):
        # Taken in the meantime: by the same request sent twice, or by another intent.
        known = await store.get(connection, intent.merchant, intent.payout)
        return _same(known, signed)
    hold = await ledger.reserve(
        connection,
        key=f"payout:{intent.merchant}:{intent.payout}:hold",
        account=Account(AccountType.MERCHANT_AVAILABLE, asset, intent.merchant),
        amount=Amount(asset, intent.amount + fee),
        memo={"payout": intent.payout},
    )
    await store.run(connection, "set_hold", merchant=intent.merchant, id=intent.payout, hold=hold.id)
    payment = Payment(intent.payout, intent.merchant, intent.amount, fee, hold.id, script, signed)
    await treasury.enqueue(connection, Payable(payment, chain_id, expires_at))
    payout = await _locked(connection, intent.merchant, intent.payout)
    await moves.record(connection, payout, payout.state, "")
    return payout


async def _check_open(connection: Connection, asset: Asset, merchant_id: MerchantId) -> None:
    reason = await stops.stopped(connection, stops.Stop.PAYOUTS, asset.chain_id)
    if reason is None and await ledger.balance(connection, Account(AccountType.MERCHANT_OWED, asset, merchant_id)):
        reason = "a deposit was reversed by its chain; payouts go on once what is owed has been repaid by deposits"
    if reason is not None:
        message = f"payouts are stopped: {reason}"
        raise PayoutsStoppedError(message)


async def _locked(connection: Connection, merchant_id: str, payout_id: str) -> Payout:
    found = await store.get(connection, merchant_id, payout_id, lock=True)
    if found is None:
        message = "no payout of that id"
        raise PayoutNotFoundError(message)
    return found


def _same(known: Payout | None, signed: SignedIntent) -> Payout:
    if known is None or (known.intent, known.public_key) != (signed.intent, signed.public_key):
        message = "this payout id stands for another signed intent; make a fresh id to pay again"
        raise PayoutConflictError(message)
    return known


def _not_cancellable(payout: Payout) -> PayoutNotCancellableError:
    message = f"the payout is {payout.state}: only one that still waits can be cancelled"
    return PayoutNotCancellableError(message)
