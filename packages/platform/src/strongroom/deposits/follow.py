"""One step of following the chain: what its facts make of deposits, what is credited, what is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from strongroom.chains import service as chains
from strongroom.chains.model import ChainEvent, ChainStatus, EventKind, ObservedOutput, ObservedTx
from strongroom.deposits import books, rules, store
from strongroom.deposits.model import Change, Deposit, DepositState
from strongroom.infra.database import Connection
from strongroom.infra.settings import AssetSettings, ChainSettings, Tier
from strongroom.infra.stops import Stop, stopped
from strongroom.wallets import service as wallets
from strongroom.wallets.model import CHANGE_BRANCH, WalletAddress
from strongroom_core.ids import DepositId

_Outpoint = tuple[str, int]
# What makes two sightings in one chain tx one deposit: its position, and where a chain tx may do something else in
# another block, also what came where.
_Place = tuple[object, ...]


@dataclass(slots=True)
class Batch:
    """A batch of events in the making: deposits as they are so far, and the arrows that led there."""

    chain: ChainSettings
    now: datetime
    addresses: Mapping[bytes, WalletAddress]
    own_payments: set[_Outpoint]
    deposits: dict[DepositId, Deposit]
    by_txid: dict[str, list[DepositId]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    tip: tuple[int, str] | None = None

    def add(self, change: Change | None) -> None:
        """Keep an arrow."""
        if change is not None:
            self.changes.append(change)
            self.put(change.after)

    def put(self, deposit: Deposit) -> None:
        """Keep a deposit as it is now."""
        if deposit.id not in self.deposits:
            self.by_txid.setdefault(deposit.txid, []).append(deposit.id)
        self.deposits[deposit.id] = deposit

    def of(self, txid: str) -> list[Deposit]:
        """Give the deposits of a chain tx."""
        return [self.deposits[deposit_id] for deposit_id in self.by_txid.get(txid, [])]


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
    outputs = {_place(batch, output): output for output in tx.outputs if is_deposit(batch, tx, output)}
    known = {_known_place(batch, deposit): deposit for deposit in batch.of(tx.txid)}
    for place, deposit in known.items():
        # A bitcoin-like's chain tx always does the same, told in full or not.
        there = place in outputs or not batch.chain.is_evm
        batch.add(_decide(deposit, event, there=there))
    at_stake: defaultdict[str, int] = defaultdict(int)
    for output in outputs.values():
        at_stake[output.asset] += output.amount
    for place, output in outputs.items():
        if place not in known:
            batch.add(_new(batch, event, tx, output, at_stake[output.asset]))


def _decide(deposit: Deposit, event: ChainEvent, *, there: bool) -> Change | None:
    if not there:
        return rules.superseded(deposit, event)
    connected = event.kind is EventKind.CONNECTED
    return rules.connected(deposit, event) if connected else rules.mempool_added(deposit, event)


def _place(batch: Batch, output: ObservedOutput) -> _Place:
    if not batch.chain.is_evm:
        return (output.vout,)
    return (output.vout, batch.addresses[output.script].id, output.asset, output.amount)


def _known_place(batch: Batch, deposit: Deposit) -> _Place:
    if not batch.chain.is_evm:
        return (deposit.vout,)
    return (deposit.vout, deposit.address_id, deposit.asset, deposit.amount)


def _vanish(batch: Batch, event: ChainEvent, tx: ObservedTx) -> None:
    decide = rules.disconnected if event.kind is EventKind.DISCONNECTED else rules.mempool_removed
    for deposit in batch.of(tx.txid):
        batch.add(decide(deposit, event))


def is_deposit(batch: Batch, tx: ObservedTx, output: ObservedOutput) -> bool:
    """Whether an output is somebody's payment to us.

    Nothing of a chain tx of ours is (it spends our coins: its outputs are change, sweeps), unless an intent paid it:
    then it is the payment of one merchant of ours to another. On an account chain nothing is change: what comes to a
    forwarder from us is such a payment.
    """
    if output.script not in batch.addresses or not output.amount:
        return False
    if not tx.spends or batch.chain.is_evm:
        return True
    return (tx.txid, output.vout) in batch.own_payments and batch.addresses[output.script].branch != CHANGE_BRANCH


def _new(batch: Batch, event: ChainEvent, tx: ObservedTx, output: ObservedOutput, at_stake: int) -> Change:
    address, chain = batch.addresses[output.script], batch.chain
    terms = _terms(chain).get(output.asset)
    in_block = event.kind is EventKind.CONNECTED
    deposit = Deposit(
        id=DepositId.new(),
        chain=chain.id,
        asset=output.asset,
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
        below_minimum=terms is not None and output.amount < terms.minimum_deposit,
        wrong_asset=address.asset is not None and address.asset != output.asset,
        confirmations_needed=None if _by_finality(chain) else _needed(chain, output, at_stake),
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


def _needed(chain: ChainSettings, output: ObservedOutput, at_stake: int) -> int:
    tiers = [(tier.confirmations, tier.amount_max) for tier in _tiers(chain, _terms(chain).get(output.asset))]
    return rules.confirmations_needed(tiers, at_stake, coinbase=output.coinbase, maturity=chain.coinbase_maturity)


def _by_finality(chain: ChainSettings) -> bool:
    return chain.ethereum is not None and chain.ethereum.confirm_by == "finalized"


def _terms(chain: ChainSettings) -> dict[str, AssetSettings]:
    return {item.id: item for item in chain.held_assets}


def _tiers(chain: ChainSettings, terms: AssetSettings | None) -> tuple[Tier, ...]:
    return (terms.tiers if terms else ()) or chain.tiers or chains.parameters(chain.id).tiers


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


async def finalized_height(connection: Connection, chain: ChainSettings) -> int | None:
    """Give the height that the chain calls final, None before it says so.

    To be read before the facts that it is used with: they are then all that led to it, reorganisations included.
    """
    tip = await chains.tip(connection, chain.id)
    return tip.finalized_height if tip else None


async def settle(connection: Connection, chain: ChainSettings, finalized: int | None, now: datetime) -> list[Change]:
    """Confirm what is deep enough or final and credit what may be credited; the arrows, already written."""
    tip_height = await store.tip(connection, chain.id)
    terms = _terms(chain)
    found = await store.open_deposits(connection, chain.id, minimums(chain)) if tip_height is not None else []
    if tip_height is None or not found:
        return []
    moves = [_settled(chain, deposit, tip_height, finalized) for deposit in found]
    changes = [change for change in moves if change is not None]
    moved = {change.after.id: change.after for change in changes}
    current = [moved.get(deposit.id, deposit) for deposit in found]
    confirmed = [deposit for deposit in current if deposit.state is DepositState.CONFIRMED]
    if confirmed and await may_credit(connection, chain.id):
        chosen = rules.creditable(confirmed, minimums(chain))
        changes += [rules.credited(deposit, terms[deposit.asset].deposit_fee_ppm, now) for deposit in chosen]
    await store.write(connection, changes)
    credited = [change.after for change in changes if change.after.state is DepositState.CREDITED]
    if credited:
        await books.post_credits(connection, credited)
    return changes


def minimums(chain: ChainSettings) -> dict[str, int]:
    """Give the least deposit of every asset that is held and not closed, in base units, by asset id."""
    return {item.id: item.minimum_deposit for item in chain.open_assets}


def _settled(chain: ChainSettings, deposit: Deposit, tip_height: int, finalized: int | None) -> Change | None:
    # What was told to wait for the final block does so, whatever the settings say by now.
    if _by_finality(chain) or deposit.confirmations_needed is None:
        return rules.finalize(deposit, tip_height, finalized)
    return rules.deepen(deposit, tip_height)


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
