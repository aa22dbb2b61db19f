"""The relayer against a real anvil and a real PostgreSQL; what has happened is counted by a contract on the chain."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from eth_account import Account as EthereumAccount

from strongroom.chains.ethereum.node import EthereumNode
from strongroom.infra.database import Connection, Pool, make_pool, transaction
from strongroom.infra.settings import AssetSettings, ChainSettings, EthereumSettings, FeeSettings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType
from strongroom.outbound.ethereum import jobs, relay
from strongroom.outbound.ethereum.keys import RelayerKeys, load_relayer_keys, make_relayer_key
from strongroom.outbound.ethereum.model import Relayed, RelayerState, RelayNode, RelayPurpose
from tests.fixtures.ethereum import DevNode
from tests.fixtures.postgres import Database

CHAIN = "eip155:31337"
HORIZON = 3
GAS_LIMIT = 100_000
ETH = 10**18
GWEI = 10**9
# Counts its calls in the storage slot named by the first word, and refuses word 0: not idempotent on purpose.
COUNTER = bytes.fromhex("6016600c60003960166000f3" + "60003580156010578054600101905500" + "5b60006000fd")


class TestClock:
    """The machine's time, moved on by a test."""

    __test__ = False

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def address_text(address: bytes) -> str:
    return f"0x{address.hex()}"


def chain_settings(node: DevNode, key_files: tuple[Path, ...], **changes: object) -> ChainSettings:
    ethereum: dict[str, object] = {
        "rpc_urls": (node.rpc_url,),
        "agree_min": 1,
        "relayer_key_files": key_files,
        "gas_budget_per_day": ETH,
        "gas_low": ETH // 100,
        "fee_ceiling_gwei": 500,
    }
    names = ("factory", "cold_safe", "hot_safe", "allowance", "multisend")
    ethereum |= {name: address_text(bytes([number] * 20)) for number, name in enumerate(names, 1)}
    coin = AssetSettings(id=f"{CHAIN}/slip44:60", code="ETH", decimals=18, minimum_deposit=1, payout_fee=0)
    return ChainSettings(
        id=CHAIN,
        horizon=HORIZON,
        poll_seconds=0.05,
        fees=FeeSettings(stuck_after_blocks=2),
        assets=(coin,),
        ethereum=EthereumSettings(**(ethereum | changes)),  # type: ignore[arg-type]
    )


@dataclass
class RelayWorld:
    """The parts, and the steps that a treasury process runs in loops."""

    pg: Database
    node: DevNode
    chain: ChainSettings
    pool: Pool
    rpc: RelayNode
    keys: RelayerKeys
    counter: bytes
    clock: TestClock = field(default_factory=TestClock)

    @property
    def relayers(self) -> list[str]:
        return [address_text(address) for _, address in self.keys.addresses]

    async def submit(self, number: int, **changes: Any) -> None:
        """Ask for call `number` of the counter; its reference is the number."""
        values: dict[str, Any] = {
            "to": self.counter,
            "data": number.to_bytes(32, "big"),
            "gas_limit": GAS_LIMIT,
        } | changes
        async with transaction(self.pool) as connection:
            await relay.submit(connection, CHAIN, RelayPurpose.GATHER, str(number), **values)

    async def found(self, number: int) -> Relayed:
        async with transaction(self.pool) as connection:
            found = await relay.find(connection, CHAIN, RelayPurpose.GATHER, str(number))
        assert found is not None
        return found

    async def cancel(self, number: int) -> bool:
        async with transaction(self.pool) as connection:
            return await relay.cancel(connection, CHAIN, RelayPurpose.GATHER, str(number))

    async def states(self) -> list[RelayerState]:
        await self.run(jobs.check)
        async with transaction(self.pool) as connection:
            return await relay.relayer_states(connection)

    def effects(self, number: int) -> int:
        """How often call `number` has happened on the chain."""
        return int(self.node.rpc("eth_getStorageAt", address_text(self.counter), hex(number), "latest"), 16)

    async def run(self, step: Callable[..., Awaitable[int]]) -> int:
        return await step(self.pool, self.chain, self.rpc, self.clock, self.keys)

    async def turn(self, times: int = 1) -> None:
        """One round of all loops but the check; what waits to be tried again is due."""
        for _ in range(times):
            for step in (jobs.assign, jobs.bump, jobs.sign, jobs.broadcast, jobs.follow):
                await self.run(step)
            self.retry_now()

    async def mine(self, blocks: int = 1) -> None:
        """Mine block by block, the loops running between them."""
        for _ in range(blocks):
            self.node.mine()
            await self.turn()

    def retry_now(self) -> None:
        for table in ("outbound_relay", "outbound_relay_nonce"):
            self.pg.execute(f"UPDATE {table} SET retry_at = now() WHERE retry_at > now()")
        self.pg.execute("UPDATE outbound_relay_version SET offered_at = offered_at - interval '10 seconds'")

    async def balance(self, kind: AccountType) -> int:
        async with transaction(self.pool) as connection:
            return await ledger.balance(connection, Account(kind, self.chain.asset))

    async def in_transaction(self, do: Callable[[Connection], Awaitable[object]]) -> object:
        async with transaction(self.pool) as connection:
            return await do(connection)

    def waiting_txs(self) -> int:
        return int(self.node.rpc("txpool_status")["pending"], 16)

    def base_fee(self, wei: int) -> None:
        self.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(wei))

    def pass_time(self, **time: float) -> None:
        self.clock.ahead += timedelta(**time)

    def topics(self) -> list[tuple[object, ...]]:
        return self.pg.execute("SELECT topic, payload FROM outbox_event ORDER BY id")

    def versions(self) -> list[tuple[object, ...]]:
        """Nonce, number, kind, state, fee of all versions."""
        return self.pg.execute(
            "SELECT nonce, number, kind, version.state, max_fee FROM outbound_relay_version AS version "
            "JOIN outbound_relay_nonce AS nonce ON nonce.id = nonce_id ORDER BY nonce, number"
        )


def deploy(node: DevNode, code: bytes = COUNTER) -> bytes:
    """Make a contract, on a node that mines by itself or not."""
    txid = node.send(None, code, gas=500_000)
    node.mine()
    receipt = node.receipt(txid)
    assert receipt is not None
    return bytes.fromhex(receipt["contractAddress"][2:])


def foreign_raw(world: RelayWorld, nonce: int, wei_for_a_gas: int = 100 * GWEI) -> str:
    """A chain tx of the relayer's own key that the relayer knows nothing of."""
    assert world.chain.ethereum is not None
    key = world.chain.ethereum.relayer_key_files[0].read_text().strip()
    fields: dict[str, object] = {
        "type": 2,
        "chainId": 31337,
        "nonce": nonce,
        "to": b"\x99" * 20,
        "value": 0,
        "gas": 21_000,
    }
    fees = {"maxFeePerGas": wei_for_a_gas, "maxPriorityFeePerGas": wei_for_a_gas}
    raw = EthereumAccount.from_key(bytes.fromhex(key)).sign_transaction(fields | fees).raw_transaction
    return f"0x{bytes(raw).hex()}"


@contextlib.asynccontextmanager
async def make_world(
    pg: Database, node: DevNode, folder: Path, *, gas: tuple[int, ...] = (ETH, ETH), **changes: object
) -> AsyncIterator[RelayWorld]:
    files = tuple(folder / f"relayer-{number}.key" for number in range(len(gas)))
    for file, wei in zip(files, gas, strict=True):
        node.rpc("anvil_setBalance", address_text(make_relayer_key(file)), hex(wei))
    chain = chain_settings(node, files, **changes)
    rpc = EthereumNode(chain)
    async with make_pool(pg.dsn("treasury"), size=4, name="treasury") as pool:
        try:
            yield RelayWorld(pg, node, chain, pool, rpc, load_relayer_keys(files), deploy(node))
        finally:
            await rpc.close()
