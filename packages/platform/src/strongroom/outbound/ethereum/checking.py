"""Looks whether people have to do something about a relayer, and writes it where status, metrics and doctor see it."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from strongroom.infra.database import Connection, transaction
from strongroom.outbound.ethereum import rules, store
from strongroom.outbound.ethereum.model import Account, Alarm
from strongroom.outbound.ethereum.relaying import Relaying

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Checking:
    """Judges the relayers of one chain."""

    relaying: Relaying

    async def step(self) -> int:
        """Look at every relayer; 0."""
        await self.relaying.look()
        async with transaction(self.relaying.pool) as connection:
            accounts, open_nonces = await store.accounts(connection, self.relaying.chain)
            waiting = await store.waiting_reasons(connection, self.relaying.chain)
            for account in accounts:
                alarms = await self._alarms(connection, account, open_nonces.get(account.address, 0), waiting)
                await self._record(connection, account, alarms, waiting)
        return 0

    async def _alarms(
        self, connection: Connection, account: Account, open_nonces: int, waiting: list[str]
    ) -> list[Alarm]:
        relaying = self.relaying
        now = relaying.now()
        place = {"chain": relaying.chain, "relayer": account.address}
        lost_key = relaying.keys.key(account.address) is None
        oldest = await store.value(connection, "oldest_open", **place)
        codes = {reason.partition(":")[0] for reason in waiting}
        checks = {
            Alarm.GAS_LOW: not lost_key and account.balance < relaying.limits.gas_low,
            # A retired relayer has neither key nor open nonces, and alarms nobody.
            Alarm.KEY_MISSING: bool(relaying.keys.problems) or (lost_key and open_nonces > 0),
            Alarm.BUDGET_SPENT: Alarm.BUDGET_SPENT in codes,
            Alarm.FEE_CEILING: Alarm.FEE_CEILING in codes,
            Alarm.STUCK: oldest is not None and now - oldest >= rules.STUCK_ALARM_AFTER,
            Alarm.NONCE_FOREIGN: account.chain_nonce > account.next_nonce
            or await store.value(connection, "foreign_since", since=now - rules.DAY, **place) > 0,
            Alarm.NONCE_BEHIND: await store.value(connection, "final_above", nonce=account.chain_nonce, **place) > 0,
        }
        return [alarm for alarm, found in checks.items() if found]

    async def _record(self, connection: Connection, account: Account, alarms: list[Alarm], waiting: list[str]) -> None:
        relaying = self.relaying
        if alarms:
            _log.warning("relayer needs attention", relayer=f"0x{account.address.hex()}", alarms=[*alarms])
        await store.run(
            connection,
            "set_alarms",
            chain=relaying.chain,
            address=account.address,
            alarms=[*alarms],
            detail="; ".join([*relaying.keys.problems, *waiting]),
            key_loaded=relaying.keys.key(account.address) is not None,
            gas_low=relaying.limits.gas_low,
            budget=relaying.limits.gas_budget_per_day,
            now=relaying.now(),
        )
