"""What an EVM watcher asks of the database beside the event log: balances that were read, and since when by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from strongroom.chains.ethereum.view import BALANCE_VOUT
from strongroom.infra.database import Connection, load_queries

_SQL = load_queries("strongroom.chains.ethereum")
RECENT_EVENTS: Final = 20_000  # how far back the last receivers of a token are looked for
RECEIVERS: Final = 32
REORG_BLOCKS: Final = 32  # further below the tip a payment that was sent after it cannot come to be


@dataclass(frozen=True, slots=True)
class BalanceWatch:
    """An address whose balance is read: since which block, and the last reading where there is one."""

    script: bytes
    since_height: int
    height: int | None
    balance: int | None

    @property
    def read_height(self) -> int:
        """The block from which on it has to be explained."""
        return max(self.since_height, self.height or 0)

    @property
    def known_balance(self) -> int | None:
        """The balance at that block, where it was read."""
        return self.balance if self.height == self.read_height else None


async def load_refused(connection: Connection, chain: str) -> dict[str, str]:
    """Read which tokens are refused now, and why, by CAIP-19 id."""
    cursor = await connection.execute(_SQL["refused_tokens"], [chain])
    return {row["asset"]: row["reason"] for row in await cursor.fetchall()}


async def load_receivers(connection: Connection, chain: str, asset: str) -> list[bytes]:
    """Read some addresses that were paid a token lately."""
    row = await (await connection.execute(_SQL["last_event"], [chain])).fetchone()
    after = (row["id"] or 0 if row else 0) - RECENT_EVENTS
    values = {"chain": chain, "asset": asset, "after": after, "limit": RECEIVERS}
    return [bytes(row["script"]) for row in await (await connection.execute(_SQL["last_receivers"], values)).fetchall()]


async def watch_balances(connection: Connection, chain: str, scripts: Sequence[bytes], until: datetime) -> None:
    """Have balances of addresses read until a time; idempotent, and never sooner than said before."""
    values = {"chain": chain, "scripts": sorted(scripts), "until": until, "reorg": REORG_BLOCKS}
    if scripts:
        await connection.execute(_SQL["watch_balances"], values)


async def load_balance_watches(connection: Connection, chain: str, height: int) -> list[BalanceWatch]:
    """Read whose balances are due to be read at a block."""
    cursor = await connection.execute(_SQL["balance_watches"], {"chain": chain, "height": height})
    return [BalanceWatch(**{**row, "script": bytes(row["script"])}) for row in await cursor.fetchall()]


async def load_recorded(
    connection: Connection, chain: str, coin: str, watches: Sequence[BalanceWatch], height: int
) -> dict[bytes, int]:
    """Add up the coin that facts say each address was paid after its last reading, up to a block."""
    values = {
        "chain": chain,
        "coin": coin,
        "scripts": [watch.script for watch in watches],
        "froms": [watch.read_height for watch in watches],
        "lowest": min(watch.read_height for watch in watches),
        "height": height,
        "balance_vout": BALANCE_VOUT,
    }
    cursor = await connection.execute(_SQL["recorded_coin"], values)
    return {bytes(row["script"]): int(row["amount"]) for row in await cursor.fetchall()}


async def save_balances(connection: Connection, chain: str, height: int, balances: Mapping[bytes, int]) -> None:
    """Write the balances that were read at a block."""
    if balances:
        values = {"chain": chain, "height": height, "scripts": list(balances), "balances": list(balances.values())}
        await connection.execute(_SQL["save_balances"], values)


async def load_untraced(connection: Connection, chain: str) -> int | None:
    """Read up to which block coin inside of calls is known by balances only; None where traces told of all of it."""
    row = await (await connection.execute(_SQL["untraced"], [chain])).fetchone()
    return row["height"] if row else None


async def note_untraced(connection: Connection, chain: str, height: int) -> None:
    """Write that a block was recorded without traces."""
    await connection.execute(_SQL["note_untraced"], {"chain": chain, "height": height})


async def all_traced(connection: Connection, chain: str) -> None:
    """Write that balances have explained all blocks that were recorded without traces."""
    await connection.execute(_SQL["all_traced"], [chain])
