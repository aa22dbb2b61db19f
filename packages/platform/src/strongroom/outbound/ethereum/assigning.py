"""From a wish to a nonce: simulate the call, choose who pays, give out the next nonce. Nothing is signed here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strongroom.chains.errors import CallRevertedError, NodeRefusedError
from strongroom.infra.database import Connection, transaction
from strongroom.infra.loops import each
from strongroom.outbound.ethereum import moves, rules, store
from strongroom.outbound.ethereum.model import Account, Alarm, Call, Fees, Relayed, RelayState, VersionKind
from strongroom.outbound.ethereum.relaying import Relaying

BATCH: Final = 20
SIMULATION_FAILED: Final = "simulation-failed"


@dataclass(frozen=True, slots=True)
class Assigning:
    """Gives nonces to planned relays."""

    relaying: Relaying

    async def step(self) -> int:
        """Give a nonce to every planned relay that is due; the count of those looked at."""
        relaying = self.relaying
        async with transaction(relaying.pool) as connection:
            due = await store.ids(connection, "due_to_assign", chain=relaying.chain, limit=BATCH)
        if not due:
            return 0
        await relaying.look()
        prices = await relaying.node.fees()
        fees = rules.first_fees(prices, relaying.ceiling)

        async def assign(relay_id: int) -> None:
            if fees is None:
                cost = prices.base_fee + prices.tip
                await self.wait(relay_id, f"{Alarm.FEE_CEILING}: a gas costs {cost} wei now, above fee_ceiling_gwei")
            elif await self.is_worth_sending(relay_id):
                await self.assign(relay_id, fees)

        return await each(due, assign, self.wait)

    async def is_worth_sending(self, relay_id: int) -> bool:
        """Simulate a planned call; where it fails again and again, it is dropped and its submitter told."""
        async with transaction(self.relaying.pool) as connection:
            _, call = await store.lock_relay(connection, relay_id)
        sender = next((address for _, address in self.relaying.keys.addresses), None)
        if sender is None:
            return True  # why nobody can pay is said when a payer is chosen
        problem = await self._simulate(sender, call)
        if problem is not None:
            await self._failed(relay_id, problem)
        return problem is None

    async def _simulate(self, sender: bytes, call: Call) -> str | None:
        """Say why a call would fail on the newest block; None where it would not."""
        try:
            needed = await self.relaying.node.estimate_gas(sender, call.to, call.data)
        except (CallRevertedError, NodeRefusedError) as error:
            return error.message
        return f"it needs {needed} gas, and may have {call.gas_limit}" if needed > call.gas_limit else None

    async def _failed(self, relay_id: int, problem: str) -> None:
        async with transaction(self.relaying.pool) as connection:
            relay, _ = await store.lock_relay(connection, relay_id)
            if await self._carried(connection, relay):
                return
            reason = f"{SIMULATION_FAILED}: {problem}"
            early = bool(await store.value(connection, "earlier_open", id=relay_id))
            # After an earlier call to the same contract it may work; and a node may be a block behind.
            if early or await store.value(connection, "failed_simulation", id=relay_id) < rules.SIMULATIONS_MAX:
                await store.run(connection, "wait_relay", id=relay_id, reason=reason)
            else:
                await moves.move(connection, relay, RelayState.DROPPED, reason)

    async def assign(self, relay_id: int, fees: Fees) -> None:
        """Give a relay the next nonce of a relayer, with a first version, in one transaction."""
        async with transaction(self.relaying.pool) as connection:
            accounts, open_nonces = await self.relaying.spenders(connection)
            relay, call = await store.lock_relay(connection, relay_id)
            if await self._carried(connection, relay):
                return
            cost = self.relaying.worst(call.gas_limit, fees)
            account = rules.choose_relayer(accounts, open_nonces, cost)
            problem = await self.relaying.why_not(connection, cost)
            if account is None:
                problem = rules.why_none(accounts, open_nonces, cost)
            if account is None or problem is not None:
                await store.run(connection, "wait_relay", id=relay_id, reason=problem)
                return
            await self._give(connection, account, call, fees)

    async def _give(self, connection: Connection, account: Account, call: Call, fees: Fees) -> None:
        now = self.relaying.now()
        chain = self.relaying.chain
        for skipped in range(account.next_nonce, account.nonce):
            await store.insert_foreign(connection, account, chain, skipped, now)
        worst = self.relaying.worst(call.gas_limit, fees)
        nonce = await store.insert_nonce(connection, account, chain, account.nonce, call.relay_id, worst, now)
        await store.insert_version(connection, nonce, 1, VersionKind.CALL, call.gas_limit, fees, now)
        arrow, reason = f"→ nonce {account.nonce}", f"of 0x{account.address.hex()}"
        await store.run(connection, "insert_history", relay=call.relay_id, nonce=nonce, arrow=arrow, reason=reason)
        await store.run(connection, "note_relay", id=call.relay_id, reason="")

    async def wait(self, relay_id: int, reason: str) -> None:
        """Put a planned relay off, longer each time, and say why."""
        async with transaction(self.relaying.pool) as connection:
            await store.run(connection, "wait_relay", id=relay_id, reason=reason)

    async def _carried(self, connection: Connection, relay: Relayed) -> bool:
        """Whether another process was faster: the relay has a nonce, or needs none any more."""
        return relay.state is not RelayState.PLANNED or await store.nonce_of(connection, relay.id) is not None
