"""What every step of the relayer works with, and the look at its accounts that comes before spending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from strongroom.infra.clock import Clock
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings, EthereumSettings, SettingsError
from strongroom.outbound.ethereum import rules, store
from strongroom.outbound.ethereum.keys import RelayerKeys
from strongroom.outbound.ethereum.model import Account, Alarm, Fees, RelayNode, RelayNonce


@dataclass(frozen=True, slots=True)
class Relaying:
    """The relayers of one chain."""

    pool: Pool
    settings: ChainSettings
    node: RelayNode
    clock: Clock
    keys: RelayerKeys

    @property
    def chain(self) -> str:
        """The chain's CAIP-2 id."""
        return self.settings.id

    @property
    def limits(self) -> EthereumSettings:
        """The settings of gas. Raises ``SettingsError`` where the chain is no EVM chain."""
        if self.settings.ethereum is None:
            message = f"{self.settings.id} has no [chains.ethereum]"
            raise SettingsError(message)
        return self.settings.ethereum

    @property
    def ceiling(self) -> int:
        """The most that a gas may cost, in wei."""
        return self.limits.fee_ceiling_gwei * rules.GWEI

    def worst(self, gas_limit: int, fees: Fees) -> int:
        """Give the most that a call is to cost, in wei: all its gas at its fee, and what a rollup takes beside."""
        return gas_limit * fees.max_fee + self.limits.l1_fee_margin

    def now(self) -> datetime:
        """Give the time."""
        return self.clock.now()

    async def look(self) -> None:
        """Ask the node for every relayer's nonce and gas, and write that down.

        A relayer seen for the first time begins after what the node's mempool has of it: a database that was put back
        from a copy does not collide with what an earlier one sent.
        """
        for position, address in self.keys.addresses:
            chain_nonce = await self.node.nonce(address, pending=False)
            pending = await self.node.nonce(address, pending=True)
            balance = await self.node.balance(address)
            async with transaction(self.pool) as connection:
                await store.run(
                    connection,
                    "know_relayer",
                    chain=self.chain,
                    address=address,
                    position=position,
                    next_nonce=max(pending, chain_nonce),
                    chain_nonce=chain_nonce,
                    balance=balance,
                )

    async def spenders(self, connection: Connection) -> tuple[list[Account], dict[bytes, int]]:
        """Become the only spender of gas; the relayers whose keys are here, and how many nonces of each are open."""
        accounts, open_nonces = await store.accounts(connection, self.chain, lock=True)
        return [item for item in accounts if self.keys.key(item.address)], open_nonces

    async def why_not(self, connection: Connection, extra: int, nonce: RelayNonce | None = None) -> str | None:
        """Say why ``extra`` wei more may not be committed now, for a nonce of its relayer; None where they may."""
        spending = await store.spending(connection, self.chain, self.limits.gas_budget_per_day, self.now())
        if not rules.fits(spending, extra):
            return f"{Alarm.BUDGET_SPENT}: {extra} wei more than the {spending.left} that today's gas budget has left"
        if nonce is None:
            return None
        accounts, _ = await self.spenders(connection)
        account = next((item for item in accounts if item.address == nonce.relayer), None)
        if account is None:
            return f"{Alarm.KEY_MISSING}: the key of 0x{nonce.relayer.hex()} could not be read"
        if account.spendable < extra:
            return f"{Alarm.GAS_LOW}: 0x{nonce.relayer.hex()} lacks {extra - account.spendable} wei: send gas to it"
        return None
