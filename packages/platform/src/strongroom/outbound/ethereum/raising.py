"""Keeps nonces going: more for one that is stuck, an empty self-call for one that carries nothing, and for gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from strongroom.chains.ethereum.model import GasPrices
from strongroom.infra.database import Connection, transaction
from strongroom.outbound.ethereum import rules, store
from strongroom.outbound.ethereum.model import (
    Account,
    Alarm,
    Fees,
    NonceState,
    RelayNonce,
    VersionKind,
    VersionState,
)
from strongroom.outbound.ethereum.relaying import Relaying

_log = structlog.get_logger(__name__)
BATCH: Final = 20


@dataclass(frozen=True, slots=True)
class Raising:
    """Adds versions to nonces that exist, and nonces where there is a gap."""

    relaying: Relaying

    async def step(self) -> int:
        """Look at every relayer; the count of versions made."""
        relaying = self.relaying
        async with transaction(relaying.pool) as connection:
            accounts, open_nonces = await store.accounts(connection, relaying.chain)
        busy = [item for item in accounts if open_nonces.get(item.address) and relaying.keys.key(item.address)]
        if not busy:
            return 0
        prices = await relaying.node.fees()
        return sum([await self._keep_going(account, prices) for account in busy])

    async def _keep_going(self, account: Account, prices: GasPrices) -> int:
        relaying = self.relaying
        chain_nonce = await relaying.node.nonce(account.address, pending=False)
        pending = await relaying.node.nonce(account.address, pending=True)
        height = (await relaying.node.tip()).height
        async with transaction(relaying.pool) as connection:
            nonces = await store.live_nonces(connection, relaying.chain, account.address)
            known = await store.known_nonces(connection, relaying.chain, account.address, chain_nonce)
        made = 0
        for missing in rules.gaps(nonces, known, chain_nonce, pending, relaying.now()):
            made += await self.fill(account, missing, prices)
        for nonce in nonces:
            if nonce.state is NonceState.OPEN and nonce.emptied and nonce.newest.kind is VersionKind.CALL:
                made += await self.add_version(nonce, VersionKind.EMPTY, prices)
        head = rules.first_open(nonces, chain_nonce)
        blocks = relaying.settings.fees.stuck_after_blocks
        if head and rules.is_to_be_raised(head, height, relaying.now(), blocks, prices):
            made += await self.add_version(head, head.newest.kind, prices)
        return made

    async def add_version(self, nonce: RelayNonce, kind: VersionKind, prices: GasPrices) -> int:
        """Add a version that pays an eighth more than what was signed at this nonce, within ceiling and budget."""
        relaying, number = self.relaying, nonce.newest.number + 1
        gas_limit = nonce.newest.gas_limit if kind is nonce.newest.kind else await self._empty_gas(nonce.relayer)
        async with transaction(relaying.pool) as connection:
            await relaying.spenders(connection)
            locked, relay = await store.lock_nonce(connection, nonce.id)
            if locked.newest.number + 1 != number or locked.state is not NonceState.OPEN:
                return 0
            chosen = self._fees(locked, prices)
            problem = f"{Alarm.FEE_CEILING}: what would replace it is above fee_ceiling_gwei"
            if chosen is not None:
                extra = max(0, gas_limit * chosen.max_fee - locked.worst)
                problem = await relaying.why_not(connection, extra, locked) or ""
            if chosen is None or problem:
                if relay is not None:
                    await store.run(connection, "note_relay", id=relay.id, reason=problem)
                return 0
            await self._record(connection, locked, kind, gas_limit, chosen)
        return 1

    async def _record(
        self, connection: Connection, nonce: RelayNonce, kind: VersionKind, gas_limit: int, fees: Fees
    ) -> None:
        number = nonce.newest.number + 1
        await store.insert_version(connection, nonce.id, number, kind, gas_limit, fees, self.relaying.now())
        await store.run(connection, "raise_worst", id=nonce.id, worst=self.relaying.worst(gas_limit, fees))
        arrow = f"version {number - 1} → version {number} ({kind})"
        reason = f"nonce {nonce.nonce}: {fees.max_fee} wei for a gas"
        relay = nonce.relay_id
        await store.run(connection, "insert_history", relay=relay, nonce=nonce.id, arrow=arrow, reason=reason)

    def _fees(self, nonce: RelayNonce, prices: GasPrices) -> Fees | None:
        signed = [item for item in nonce.versions if item.state is not VersionState.PLANNED]
        if not signed:
            return rules.first_fees(prices, self.relaying.ceiling)
        return rules.raised_fees(signed[-1].fees, prices, self.relaying.ceiling)

    async def fill(self, account: Account, missing: int, prices: GasPrices) -> int:
        """Take a nonce that nobody knows of by an empty self-call, so that those after it go on."""
        relaying = self.relaying
        gas_limit = await self._empty_gas(account.address)
        chosen = rules.first_fees(prices, relaying.ceiling)
        if chosen is None:
            return 0
        async with transaction(relaying.pool) as connection:
            await relaying.spenders(connection)
            worst = relaying.worst(gas_limit, chosen)
            known = await store.known_nonces(connection, relaying.chain, account.address, missing)
            if missing in known or await relaying.why_not(connection, worst):
                return 0
            now = relaying.now()
            nonce = await store.fill_nonce(connection, account, relaying.chain, missing, worst, now)
            number = int(await store.value(connection, "next_version", id=nonce))
            await store.insert_version(connection, nonce, number, VersionKind.EMPTY, gas_limit, chosen, now)
            arrow, reason = f"→ nonce {missing}", "a gap: later nonces wait for it"
            await store.run(connection, "insert_history", relay=None, nonce=nonce, arrow=arrow, reason=reason)
        _log.warning("gap filled", relayer=f"0x{account.address.hex()}", nonce=missing)
        return 1

    async def _empty_gas(self, relayer: bytes) -> int:
        """Give the gas limit of an empty self-call; on some rollups it is more than 21,000."""
        needed = await self.relaying.node.estimate_gas(relayer, relayer, b"")
        margin = 0 if needed <= rules.EMPTY_GAS else needed // 4
        return min(rules.EMPTY_GAS_MAX, max(rules.EMPTY_GAS, needed + margin))
