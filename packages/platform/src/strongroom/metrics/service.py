"""Reads every gauge from the database, in one transaction of the auditor's role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from strongroom.attestations import service as attestations
from strongroom.chains import service as chains
from strongroom.chains.model import ChainStatus
from strongroom.infra.database import Connection
from strongroom.infra.settings import Settings
from strongroom.ledger import service as ledger
from strongroom.metrics import store
from strongroom.metrics.model import Gauge, Sample
from strongroom.outbound import service as outbound
from strongroom.outbound.ethereum import service as relayers
from strongroom.outbound.ethereum.model import RelayerState
from strongroom.proofs import service as proofs
from strongroom.rates import service as rates
from strongroom.rates.model import ParState, Stand
from strongroom.treasury import service as treasury
from strongroom.treasury.ethereum import service as forwarders
from strongroom.treasury.model import BandStatus

SIGNER_STATES: Final = ("ok", "halted", "unreachable")


async def read(connection: Connection, settings: Settings, now: datetime) -> list[Sample]:
    """Read all gauges as they are at ``now``; they name chains and assets by CAIP ids, and nobody's merchant."""
    return [
        *await _chains(connection, settings, now),
        *await _counts(connection, now),
        *await _treasury(connection, now),
        *await _signers(connection, settings, now),
        *await _stablecoins(connection, now),
        *await _whole(connection, now),
    ]


async def _chains(connection: Connection, settings: Settings, now: datetime) -> list[Sample]:
    samples = []
    for chain in settings.chains:
        tip = await chains.tip(connection, chain.id)
        if tip is None:
            continue
        labels = (chain.id,)
        samples += [Sample(Gauge.CHAIN_STATUS, tip.status is item, (chain.id, item.value)) for item in ChainStatus]
        samples.append(Sample(Gauge.CHAIN_STATUS_AGE, _age(now, tip.updated_at), labels))
        if tip.height is not None:
            samples.append(Sample(Gauge.CHAIN_HEIGHT, tip.height, labels))
            if tip.node_height is not None:
                samples.append(Sample(Gauge.CHAIN_LAG, max(0, tip.node_height - tip.height), labels))
        if tip.finalized_height is not None:
            samples.append(Sample(Gauge.CHAIN_FINALIZED, tip.finalized_height, labels))
    return samples


async def _counts(connection: Connection, now: datetime) -> list[Sample]:
    samples = [
        Sample(Gauge.DEPOSITS, row["count"], (row["chain"], row["asset"], row["state"]))
        for row in await store.rows(connection, "deposits")
    ]
    for row in await store.rows(connection, "payouts"):
        labels = (row["chain"], row["asset"], row["state"])
        samples.append(Sample(Gauge.PAYOUTS, row["count"], labels))
        samples.append(Sample(Gauge.PAYOUTS_AGE, _age(now, row["oldest"]), labels))
    samples += [
        Sample(Gauge.SLOTS, row["count"], (row["chain"], row["kind"], row["state"]))
        for row in await store.rows(connection, "slots")
    ]
    samples += [Sample(Gauge.VOIDS, row["count"], (row["chain"],)) for row in await store.rows(connection, "voids")]
    (outbox,) = await store.rows(connection, "outbox")
    (webhooks,) = await store.rows(connection, "webhooks")
    return [
        *samples,
        *_backlog(Gauge.OUTBOX, Gauge.OUTBOX_AGE, outbox, now),
        *_backlog(Gauge.WEBHOOKS, Gauge.WEBHOOKS_AGE, webhooks, now),
    ]


def _backlog(count: Gauge, age: Gauge, row: Mapping[str, Any], now: datetime) -> list[Sample]:
    oldest = 0 if row["oldest"] is None else _age(now, row["oldest"])
    return [*(Sample(count, row[state], (state,)) for state in ("waiting", "failing")), Sample(age, oldest)]


async def _treasury(connection: Connection, now: datetime) -> list[Sample]:
    bands = await treasury.band_status(connection)
    samples = [sample for band in bands for sample in _band(band, now)]
    for breach in await ledger.breaches(connection):
        samples.append(Sample(Gauge.BREACH, breach.size, (breach.asset, breach.kind)))
        samples.append(Sample(Gauge.BREACH_AGE, _age(now, breach.since), (breach.asset, breach.kind)))
    for waiting in await forwarders.ungathered(connection):
        samples.append(Sample(Gauge.UNGATHERED, waiting.amount, (waiting.asset,)))
        samples.append(Sample(Gauge.UNGATHERED_AGE, _age(now, waiting.since), (waiting.asset,)))
    return samples + [sample for state in await relayers.relayer_states(connection) for sample in _relayer(state)]


def _band(band: BandStatus, now: datetime) -> Sequence[Sample]:
    labels = (band.chain, band.asset)
    return (
        Sample(Gauge.HOT, band.held, labels),
        Sample(Gauge.HOT_BAND, band.high, labels),
        Sample(Gauge.HOT_ABOVE, band.above, labels),
        Sample(Gauge.HOT_ABOVE_AGE, 0 if band.since is None else _age(now, band.since), labels),
    )


def _relayer(state: RelayerState) -> Sequence[Sample]:
    labels = (state.chain, f"0x{state.address.hex()}")
    return (
        Sample(Gauge.RELAYER_BALANCE, state.balance, labels),
        Sample(Gauge.RELAYER_LOW, state.gas_low, labels),
        Sample(Gauge.RELAYER_ACTIVE, state.active, labels),
        Sample(Gauge.RELAYER_ALARMS, len(state.alarms), labels),
        Sample(Gauge.RELAYER_OPEN, state.open_nonces, labels),
        Sample(Gauge.GAS_SPENT, state.spent, labels),
        Sample(Gauge.GAS_BUDGET, state.budget, labels),
    )


async def _signers(connection: Connection, settings: Settings, now: datetime) -> list[Sample]:
    samples = []
    for signer in await outbound.signer_states(connection):
        samples += [Sample(Gauge.SIGNER, signer.state == state, (signer.name, state)) for state in SIGNER_STATES]
        samples.append(Sample(Gauge.SIGNER_AGE, _age(now, signer.checked_at), (signer.name,)))
    for lack in await proofs.unproven(connection):
        labels = (lack.chain, lack.signer)
        samples.append(Sample(Gauge.UNPROVEN, lack.count - lack.refused, (*labels, "waiting")))
        samples.append(Sample(Gauge.UNPROVEN, lack.refused, (*labels, "refused")))
        samples.append(Sample(Gauge.UNPROVEN_AGE, 0 if lack.since is None else _age(now, lack.since), labels))
    for lacking in await attestations.lacking(connection, [signer.name for signer in settings.signers]):
        samples.append(Sample(Gauge.UNATTESTED, lacking.addresses, (lacking.signer,)))
        samples.append(Sample(Gauge.DISPUTED, lacking.disputed, (lacking.signer,)))
    return samples


async def _stablecoins(connection: Connection, now: datetime) -> list[Sample]:
    samples = [sample for state in await rates.par_states(connection) for sample in _par(state, now)]
    waiting = await store.rows(connection, "waiting_for_par")
    return samples + [Sample(Gauge.PAR_INVOICES, row["count"], (row["asset"],)) for row in waiting]


def _par(state: ParState, now: datetime) -> Sequence[Sample]:
    labels = (state.asset.id, state.fiat.code)
    stand = Sample(Gauge.PAR, state.stand is Stand.AT_PAR, labels)
    if state.price is None or state.priced_at is None:
        return (stand,)
    age = _age(now, state.priced_at)
    return stand, Sample(Gauge.PAR_PRICE, state.price, labels), Sample(Gauge.PAR_PRICE_AGE, age, labels)


async def _whole(connection: Connection, now: datetime) -> list[Sample]:
    samples = [Sample(Gauge.STOPPED, 1, (row["name"], row["scope"])) for row in await store.rows(connection, "stops")]
    for row in await store.rows(connection, "reconciled"):
        samples.append(Sample(Gauge.RECONCILED, row["clean"]))
        samples.append(Sample(Gauge.RECONCILED_AGE, _age(now, row["at"])))
    return samples


def _age(now: datetime, since: datetime) -> int:
    return max(0, int((now - since).total_seconds()))
