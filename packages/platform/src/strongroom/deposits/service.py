"""Deposits: following the chain, and what merchants, invoices and operators ask. Works on the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from strongroom.chains import service as chains
from strongroom.deposits import follow, rules, store
from strongroom.deposits.errors import DepositNotFoundError
from strongroom.deposits.model import Change, Deposit, DepositState, Unswept
from strongroom.infra.database import Connection
from strongroom.infra.outbox import publish_many
from strongroom.infra.settings import ChainSettings
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind
from strongroom_core.ids import AddressId, DepositId, MerchantId

CONSUMER: Final = "deposits"
EVENTS_MAX: Final = 200


async def follow_chain(connection: Connection, chain: ChainSettings, now: datetime) -> int:
    """Handle the next facts of a chain, confirm, credit and tell; the count of facts and arrows, 0 when all is done."""
    after = await chains.take_cursor(connection, CONSUMER, chain.id)
    finalized = await follow.finalized_height(connection, chain)
    events = await chains.read_events(connection, chain.id, after, EVENTS_MAX)
    batch = await follow.load(connection, chain, events, now)
    for event in events:
        follow.apply(batch, event)
    await follow.write(connection, batch)
    # What more facts are waiting may take back again is not credited before they have been heard.
    settled = await follow.settle(connection, chain, finalized, now) if len(events) < EVENTS_MAX else []
    deeper = batch.tip is not None
    await _tell(connection, chain, [*batch.changes, *settled], deeper=deeper)
    if events:
        await chains.advance_cursor(connection, CONSUMER, chain.id, events[-1].id)
    return len(events) + len(settled)


async def list_deposits(
    connection: Connection, merchant_id: MerchantId, cursor: str | None, limit: int
) -> list[Deposit]:
    """List a merchant's deposits, newest first, past the deposit id ``cursor``."""
    return await store.list_deposits(connection, merchant_id, cursor, limit)


async def get_deposit(connection: Connection, merchant_id: MerchantId, deposit_id: DepositId) -> Deposit:
    """Read one deposit of a merchant. Raises ``DepositNotFoundError``, for others' deposits too."""
    found = await store.one(connection, deposit_id)
    if found is None or found.merchant_id != merchant_id:
        message = "no deposit of that id"
        raise DepositNotFoundError(message)
    return found


async def history(connection: Connection, deposit_id: DepositId) -> list[dict[str, Any]]:
    """Read the arrows that a deposit went: from_state, to_state, cycle, event_id, reason, at; oldest first."""
    return await store.history(connection, deposit_id)


async def on_address(connection: Connection, address_id: AddressId) -> list[Deposit]:
    """Read what was paid to an address, oldest first."""
    return await store.on_address(connection, address_id)


async def pending_by_asset(connection: Connection, merchant_id: MerchantId) -> dict[str, int]:
    """Sum by asset id what is on its way to a merchant and not in its balance, in base units."""
    return await store.pending_by_asset(connection, merchant_id)


async def credited_among(
    connection: Connection, chain_id: str, outpoints: Sequence[tuple[str, int]]
) -> set[tuple[str, int]]:
    """Give those outpoints (txid, vout) that are deposits in the books now: neither held nor still to be credited."""
    return await store.credited_among(connection, chain_id, outpoints)


async def uncredited(connection: Connection, chain_id: str, asset_id: str | None = None) -> dict[KeySetKind, int]:
    """Sum what blocks hold and the books do not (yet), in base units: reconciliation's explained difference.

    A chain with several assets needs ``asset_id``: base units of two assets have no sum.
    """
    found = await store.uncredited(connection, chain_id, asset_id)
    return {kind: found.get(kind, 0) for kind in KeySetKind}


async def unswept(
    connection: Connection,
    chain_id: str,
    limit: int,
    least: Mapping[str, int] | None = None,
    without: Collection[tuple[str, str]] = (),
) -> list[Unswept]:
    """List what forwarders of an account chain still hold of credited deposits, longest held first.

    Only those that hold at least ``least`` base units of an asset (by asset id), and none of ``without`` (address id,
    asset id): neither counts against ``limit``.
    """
    found = await store.unswept(connection, chain_id, limit, least or {}, without)
    addresses = await wallets.addresses(connection, list({address_id for address_id, _, _ in found}))
    return [Unswept(addresses[address_id], asset, amount) for address_id, asset, amount in found]


async def unswept_of(
    connection: Connection,
    chain_id: str,
    needed: Mapping[tuple[str, str], int],
    limit: int,
    without: Collection[tuple[str, str]] = (),
    taken_by: Collection[str] = (),
) -> list[Unswept]:
    """List the largest forwarders that together hold what merchants need: base units by (merchant id, asset id).

    None of ``without`` (address id, asset id) is among them, nor counts; what the chain txs ``taken_by`` swept does.
    """
    found = await store.unswept_of(connection, chain_id, needed, limit, without, taken_by) if needed else []
    addresses = await wallets.addresses(connection, list({address_id for address_id, _, _ in found}))
    return [Unswept(addresses[address_id], asset, amount) for address_id, asset, amount in found]


async def unswept_totals(connection: Connection, chain_id: str) -> dict[str, tuple[int, int]]:
    """Give by asset id what all forwarders of an account chain still hold, in base units, and how many they are."""
    return await store.unswept_totals(connection, chain_id)


async def emptied(
    connection: Connection, chain_id: str, places: Sequence[tuple[AddressId, str]], height: int, txid: str
) -> None:
    """Note that forwarders (address id, asset id) held nothing more after the block at ``height``.

    ``txid`` emptied them. For a height beyond the horizon only: what came up to it is swept then. Idempotent.
    """
    await store.emptied(connection, chain_id, places, height, txid)


async def hold_deposit(connection: Connection, deposit_id: DepositId, reason: str) -> Deposit:
    """Keep a confirmed deposit back. Raises ``DepositMoveError`` in any other state, ``DepositNotFoundError``."""
    return await _set_state(connection, deposit_id, DepositState.HELD, reason)


async def release_deposit(connection: Connection, deposit_id: DepositId, reason: str) -> Deposit:
    """Let a held deposit go on; it is credited by the next step."""
    return await _set_state(connection, deposit_id, DepositState.CONFIRMED, reason)


def view(deposit: Deposit) -> dict[str, Any]:
    """The whole deposit as its events carry it: amounts as strings of base units, times in RFC 3339."""
    return {
        "id": deposit.id,
        "chain": deposit.chain,
        "asset": deposit.asset,
        "merchant_id": deposit.merchant_id,
        "address_id": deposit.address_id,
        "address": deposit.address,
        "kind": deposit.kind,
        "branch": deposit.branch,
        "purpose": deposit.purpose,
        "reference": deposit.reference,
        "txid": deposit.txid,
        "vout": deposit.vout,
        "amount": str(deposit.amount),
        "fee": str(deposit.fee),
        "credited": str(deposit.credited),
        "coinbase": deposit.coinbase,
        "rbf": deposit.rbf,
        "below_minimum": deposit.below_minimum,
        "wrong_asset": deposit.wrong_asset,
        "state": deposit.state,
        "height": deposit.height,
        "block_hash": deposit.block_hash,
        "confirmations": deposit.confirmations,
        "confirmations_needed": deposit.confirmations_needed,
        "cycle": deposit.cycle,
        "exception": deposit.told_exception,
        "replaced_by": deposit.replaced_by,
        "first_seen_at": deposit.first_seen_at.isoformat(),
        "credited_at": deposit.credited_at.isoformat() if deposit.credited_at else None,
    }


async def _set_state(connection: Connection, deposit_id: DepositId, state: DepositState, reason: str) -> Deposit:
    found = await store.one(connection, deposit_id, lock=True)
    if found is None:
        message = "no deposit of that id"
        raise DepositNotFoundError(message)
    change = rules.move(found, state, reason)
    await store.write(connection, [change])
    await _publish(connection, [change.after])
    return change.after


async def _tell(connection: Connection, chain: ChainSettings, changes: list[Change], *, deeper: bool) -> None:
    if not changes and not deeper:
        return
    tip_height = await store.tip(connection, chain.id)
    open_now = await store.open_deposits(connection, chain.id, follow.minimums(chain)) if deeper else []
    confirming = [deposit for deposit in open_now if deposit.state is DepositState.CONFIRMING]
    await _publish(connection, [follow.with_depth(item, tip_height) for item in follow.to_tell(changes, confirming)])


async def _publish(connection: Connection, deposits: list[Deposit]) -> None:
    await publish_many(connection, [(f"deposit.{item.state}", item.id, view(item)) for item in deposits])
