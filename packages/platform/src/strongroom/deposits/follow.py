"""One step of following the chain: what its facts make of deposits, what is credited, what is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from strongroom.chains import service as chains
from strongroom.chains.model import ChainEvent, ChainStatus, EventKind, ObservedOutput, ObservedTx
from strongroom.deposits import books, rules, store
from strongroom.deposits.model import Change, Deposit, DepositState
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings
from strongroom.infra.stops import Stop, stopped
from strongroom.wallets import service as wallets
from strongroom.wallets.model import CHANGE_BRANCH, WalletAddress
from strongroom_core.ids import DepositId

_Outpoint = tuple[str, int]


@dataclass(slots=True)
class Batch:
    """A batch of events in the making: deposits as they are so far, and the arrows that led there."""

    chain: ChainSettings
    now: datetime
    addresses: Mapping[bytes, WalletAddress]
    own_payments: set[_Outpoint]
    deposits: dict[_Outpoint, Deposit]
    by_txid: dict[str, list[_Outpoint]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    tip: tuple[int, str] | None = None

    def add(self, change: Change | None) -> None:
        """Keep an arrow."""
        if change is not None:
            self.changes.append(change)
            self.put(change.after)

    def put(self, deposit: Deposit) -> None:
        """Keep a deposit as it is now."""
        place = (deposit.txid, deposit.vout)
        if place not in self.deposits:
            self.by_txid.setdefault(deposit.txid, []).append(place)
        self.deposits[place] = deposit

    def of(self, txid: str) -> list[Deposit]:
        """Give the deposits of a chain tx."""
        return [self.deposits[place] for place in self.by_txid.get(txid, [])]


async def load(connection: Connection, chain: ChainSettings, events: Sequence[ChainEvent], now: datetime) -> Batch:
    """Read and lock what a batch of events is about."""
    txs = [tx for event in events for tx in event.txs]
    txids = sorted({tx.txid for tx in txs})
    if not txids:
        return Batch(chain, now, {}, set(), {})
    scripts = {output.script for tx in txs for output in tx.outputs}
    addresses = await wallets.find_by_scripts(connection, chain.id, sorted(scripts))
    own = await wallets.own_payments(connection, chain.id, sorted({tx.txid for tx in txs if tx.spends}))
    batch = Batch(chain, now, addresses, own, {})
    for deposit in await store.by_txids(connection, chain.id, txids):
        batch.put(deposit)
    return batch


def apply(batch: Batch, event: ChainEvent) -> None:
    """Work one fact into a batch."""
    if event.kind is EventKind.CONNECTED and event.height is not None and event.block_hash is not None:
        batch.tip = (event.height, event.block_hash)
    elif event.kind is EventKind.DISCONNECTED and event.height is not None:
        batch.tip = (event.height - 1, event.parent_hash or "")
    for tx in event.txs:
        if event.kind in (EventKind.CONNECTED, EventKind.MEMPOOL_ADDED):
            _appear(batch, event, tx)
        else:
            _vanish(batch, event, tx)


def _appear(batch: Batch, event: ChainEvent, tx: ObservedTx) -> None:
    decide = rules.connected if event.kind is EventKind.CONNECTED else rules.mempool_added
    known = batch.of(tx.txid)
    for deposit in known:
        batch.add(decide(deposit, event))
    places = {deposit.vout for deposit in known}
    outputs = [output for output in tx.outputs if is_deposit(batch, tx, output)]
    at_stake = sum(output.amount for output in outputs)
    for output in outputs:
        if output.vout not in places:
            batch.add(_new(batch, event, tx, output, at_stake))


def _vanish(batch: Batch, event: ChainEvent, tx: ObservedTx) -> None:
    decide = rules.disconnected if event.kind is EventKind.DISCONNECTED else rules.mempool_removed
    for deposit in batch.of(tx.txid):
        batch.add(decide(deposit, event))


def is_deposit(batch: Batch, tx: ObservedTx, output: ObservedOutput) -> bool:
    """Whether an output is somebody's payment to us.

    Nothing of a chain tx of ours is (it spends our coins: its outputs are change, sweeps), unless an intent paid it:
    then it is the payment of one merchant of ours to another.
    """
    if output.script not in batch.addresses or not output.amount:
        return False
    if not tx.spends:
        return True
    return (tx.txid, output.vout) in batch.own_payments and batch.addresses[output.script].branch != CHANGE_BRANCH


def _new(batch: Batch, event: ChainEvent, tx: ObservedTx, output: ObservedOutput, at_stake: int) -> Change:
    address, chain = batch.addresses[output.script], batch.chain
    in_block = event.kind is EventKind.CONNECTED
    deposit = Deposit(
        id=DepositId.new(),
        chain=chain.id,
        asset=chain.asset.id,
        merchant_id=address.merchant_id,
        address_id=address.id,
        address=address.address,
        kind=address.kind,
        branch=address.branch,
        purpose=address.purpose,
        reference=address.reference,
        txid=tx.txid,
        vout=output.vout,
        amount=output.amount,
        coinbase=output.coinbase,
        rbf=tx.rbf,
        below_minimum=output.amount < chain.minimum_deposit,
        confirmations_needed=rules.confirmations_needed(
            [(tier.confirmations, tier.amount_max) for tier in chain.tiers or chains.parameters(chain.id).tiers],
            at_stake,
            coinbase=output.coinbase,
            maturity=chain.coinbase_maturity,
        ),
        state=DepositState.CONFIRMING if in_block else DepositState.SEEN,
        height=event.height if in_block else None,
        block_hash=event.block_hash if in_block else None,
        confirmations=1 if in_block else 0,
        cycle=1,
        credited_cycle=0,
        fee=0,
        credited=0,
        exception=None,
        replaced_by=None,
        first_seen_at=batch.now,
        credited_at=None,
    )
    return Change(None, deposit, str(event.kind), event.id)


async def write(connection: Connection, batch: Batch) -> None:
    """Write a batch's arrows, and take back the credits whose blocks were orphaned."""
    await store.write(connection, batch.changes)
    reversed_ = [
        change.before
        for change in batch.changes
        if change.before is not None and change.after.state is DepositState.REVERSED
    ]
    if reversed_:
        await books.post_reversals(connection, reversed_)
    if batch.tip is not None:
        await store.set_tip(connection, batch.chain.id, *batch.tip)


async def settle(connection: Connection, chain: ChainSettings, now: datetime) -> list[Change]:
    """Confirm what is deep enough and credit what may be credited; the arrows, already written."""
    tip_height = await store.tip(connection, chain.id)
    found = await store.open_deposits(connection, chain.id) if tip_height is not None else []
    if tip_height is None or not found:
        return []
    changes = [change for deposit in found if (change := rules.deepen(deposit, tip_height)) is not None]
    moved = {change.after.id: change.after for change in changes}
    current = [moved.get(deposit.id, deposit) for deposit in found]
    confirmed = [deposit for deposit in current if deposit.state is DepositState.CONFIRMED]
    if confirmed and await may_credit(connection, chain.id):
        chosen = rules.creditable(confirmed, chain.minimum_deposit)
        changes += [rules.credited(deposit, chain.fees.deposit_fee_ppm, now) for deposit in chosen]
    await store.write(connection, changes)
    credited = [change.after for change in changes if change.after.state is DepositState.CREDITED]
    if credited:
        await books.post_credits(connection, credited)
    return changes


async def may_credit(connection: Connection, chain_id: str) -> bool:
    """Whether the chain can be relied on now and nobody stopped crediting."""
    tip = await chains.tip(connection, chain_id)
    if tip is None or tip.status is not ChainStatus.OK:
        return False
    return await stopped(connection, Stop.CREDIT, chain_id) is None


def to_tell(changes: Sequence[Change], still_open: Sequence[Deposit]) -> list[Deposit]:
    """Choose what is published: every arrow's end but ``confirmed`` on its way to ``credited``, and growing depth."""
    last = {change.after.id: change.after for change in changes}
    told = [
        change.after
        for change in changes
        if change.after.state is not DepositState.CONFIRMED or last[change.after.id] is change.after
    ]
    return told + [deposit for deposit in still_open if deposit.id not in last]


def with_depth(deposit: Deposit, tip_height: int | None) -> Deposit:
    """A deposit with its confirmations as of the tip."""
    return replace(deposit, confirmations=rules.confirmations(deposit.height, tip_height))
