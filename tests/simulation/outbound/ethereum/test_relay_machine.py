"""The nonce allocator under lost, late, dropped, orphaned and foreign chain txs, against an independent model chain.

Real PostgreSQL, ledger, keys and signatures. What the machine checks comes from the model's blocks: no reference
happens twice, nothing costs more than the budget, and when the faults end everything that was asked for happens.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account as EthereumAccount
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from strongroom.infra.database import make_pool, transaction
from strongroom.infra.settings import AssetSettings, ChainSettings, EthereumSettings, FeeSettings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType
from strongroom.outbound.ethereum import jobs, relay
from strongroom.outbound.ethereum.keys import RelayerKeys, load_relayer_keys
from strongroom.outbound.ethereum.model import RelayState
from tests.fixtures.postgres import cloned_database
from tests.integration.outbound.ethereum.world import CHAIN, HORIZON
from tests.simulation.machines import run_machine
from tests.simulation.outbound.ethereum.model_chain import BALANCE, ModelNode, read

TARGET = b"\x77" * 20
STEPS = (jobs.assign, jobs.bump, jobs.sign, jobs.broadcast, jobs.follow)
BUDGET = 40 * 30_000 * 100
QUIET_ROUNDS = 60


class StillClock:
    """A time that only the machine moves on, so that a run can be repeated."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class RelayMachine(RuleBasedStateMachine):
    """The rules are what submitters, nodes, miners and thieves do; the invariants are what must hold of the chain."""

    server: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.clone = cloned_database(self.server)
        self.pg = self.clone.__enter__()
        self.folder = Path(tempfile.mkdtemp(prefix="relay"))
        self.runner = asyncio.Runner()
        self.node = ModelNode()
        self.clock = StillClock()
        self.asked: set[str] = set()
        self.cancelled: set[str] = set()
        files = tuple(self.folder / f"{number}.key" for number in range(2))
        for number, file in enumerate(files, 1):
            file.write_text(f"{number:064x}")
            file.chmod(0o600)
        self.all_keys = self.keys = load_relayer_keys(files)
        names = ("factory", "cold_safe", "hot_safe", "allowance", "multisend")
        addresses = {name: f"0x{bytes([number] * 20).hex()}" for number, name in enumerate(names, 1)}
        coin = AssetSettings(id=f"{CHAIN}/slip44:60", code="ETH", decimals=18, minimum_deposit=1, payout_fee=0)
        self.chain = ChainSettings(
            id=CHAIN,
            horizon=HORIZON,
            fees=FeeSettings(stuck_after_blocks=2),
            assets=(coin,),
            ethereum=EthereumSettings(
                rpc_urls=("http://127.0.0.1:1",),
                agree_min=1,
                gas_budget_per_day=BUDGET,
                relayer_key_files=files,
                **addresses,  # type: ignore[arg-type]
            ),
        )
        self.files = files
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.pool = make_pool(self.pg.dsn("treasury"), size=2)
        await self.pool.open()

    def teardown(self) -> None:
        try:
            self.runner.run(self._quieten())
        finally:
            self.runner.run(self.pool.close())
            self.runner.close()
            self.clone.__exit__(None, None, None)
            shutil.rmtree(self.folder)

    # What may happen.

    @rule(count=st.integers(1, 3))
    def submit(self, count: int) -> None:
        for _ in range(count):
            self.runner.run(self._submit(str(len(self.asked) + 1)))

    @rule(number=st.integers(1, 6))
    def cancel(self, number: int) -> None:
        if str(number) in self.asked:
            self.cancelled.add(str(number))
            self.runner.run(self._cancel(str(number)))

    @rule(step=st.sampled_from(STEPS), fault=st.sampled_from(["", "", "lost", "late", "full"]))
    def step(self, step: Any, fault: str) -> None:
        self.node.fault = fault
        self.runner.run(self._step(step))
        self.node.fault = ""

    @rule(blocks=st.integers(1, 2))
    def work(self, blocks: int) -> None:
        self.runner.run(self._turn())
        for _ in range(blocks):
            self.node.mine()

    @rule(blocks=st.integers(1, 4))
    def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            self.node.mine()

    @rule(depth=st.integers(1, HORIZON - 1), keep=st.booleans())
    def reorganise(self, depth: int, keep: bool) -> None:
        if depth < len(self.node.blocks):
            self.node.reorganise(depth, keep=keep)

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        """The node drops a chain tx."""
        if self.node.mempool:
            del self.node.mempool[data.draw(st.sampled_from(sorted(self.node.mempool)))]

    @rule(fee=st.sampled_from([1, 10, 40, 90]))
    def price(self, fee: int) -> None:
        self.node.base_fee = fee

    @rule(who=st.integers(0, 1), ahead=st.integers(0, 2))
    def thief(self, who: int, ahead: int) -> None:
        """Somebody else signs with a relayer's key: it may come before ours at the same nonce."""
        count = self.runner.run(self.node.nonce(self.all_keys.addresses[who][1])) + ahead
        key = bytes.fromhex(self.files[who].read_text().strip())
        fields: dict[str, Any] = {"type": 2, "chainId": 31337, "nonce": count, "to": b"\x99" * 20, "value": 0}
        fields |= {"gas": 21_000, "maxFeePerGas": 500, "maxPriorityFeePerGas": 500, "data": b""}
        tx = read(bytes(EthereumAccount.from_key(key).sign_transaction(fields).raw_transaction))
        self.node.mempool[tx.sender, tx.nonce] = tx

    @rule(left=st.sampled_from([0, 1, 2]))
    def lose_keys(self, left: int) -> None:
        """Key files cannot be read, or can again; 2 means all are there."""
        loaded = self.all_keys.loaded if left == 2 else self.all_keys.loaded[left:][:1]
        self.keys = RelayerKeys(loaded)

    # What must be true.

    @invariant()
    def nothing_happens_twice(self) -> None:
        happened = [item.tx.data for item in self.node.mined() if item.tx.to == TARGET]
        assert len(happened) == len(set(happened))

    @invariant()
    def what_is_said_is_so(self) -> None:
        final = self.pg.execute("SELECT reference, txid, fee FROM outbound_relay WHERE state = 'final'")
        there = {item.tx.txid: item for item in self.node.mined()}
        for reference, txid, fee in final:
            assert there[str(txid)].tx.data == str(reference).encode()
            assert there[str(txid)].fee == fee
        dropped = self.pg.execute("SELECT reference FROM outbound_relay WHERE state = 'dropped'")
        happened = {item.tx.data.decode() for item in there.values() if item.tx.to == TARGET}
        assert not happened & {str(row[0]) for row in dropped}

    @invariant()
    def the_budget_holds(self) -> None:
        own = [item for item in self.node.mined() if item.tx.to != b"\x99" * 20]
        assert sum(item.fee for item in own) <= BUDGET

    async def _submit(self, reference: str) -> None:
        self.asked.add(reference)
        async with transaction(self.pool) as connection:
            await relay.submit(connection, CHAIN, "gather", reference, TARGET, reference.encode(), 30_000)

    async def _cancel(self, reference: str) -> None:
        async with transaction(self.pool) as connection:
            await relay.cancel(connection, CHAIN, "gather", reference)

    async def _step(self, step: Any) -> None:
        self.clock.time += timedelta(seconds=10)
        await step(self.pool, self.chain, self.node, self.clock, self.keys)
        for table in ("outbound_relay", "outbound_relay_nonce"):
            self.pg.execute(f"UPDATE {table} SET retry_at = now() WHERE retry_at > now()")

    async def _turn(self) -> None:
        for step in STEPS:
            await self._step(step)

    async def _quieten(self) -> None:
        """End the faults: everything that was asked for and not taken back happens, once, and its gas is posted."""
        self.keys, self.node.base_fee = self.all_keys, 1
        self.clock.time += timedelta(hours=25)
        for _ in range(QUIET_ROUNDS):
            await self._turn()
            self.node.mine()
            if not self.pg.execute("SELECT 1 FROM outbound_relay_nonce WHERE state IN ('open', 'mined')") and not (
                self.pg.execute("SELECT 1 FROM outbound_relay WHERE state NOT IN ('final', 'dropped')")
            ):
                break
        rows = self.pg.execute("SELECT reference, state, reason FROM outbound_relay")
        states = {str(reference): (RelayState(str(state)), reason) for reference, state, reason in rows}
        assert set(states) == self.asked
        for reference, (state, reason) in states.items():
            assert state is RelayState.FINAL or (state is RelayState.DROPPED and reference in self.cancelled), reason
        self.nothing_happens_twice()
        self.what_is_said_is_so()
        async with transaction(self.pool) as connection:
            posted = await ledger.balance(connection, Account(AccountType.NETWORK_FEES, self.chain.asset))
        own = [item for item in self.node.mined() if item.tx.to != b"\x99" * 20]
        assert posted == -sum(item.fee for item in own)
        assert all(self.node.paid_by(address) <= BALANCE for _, address in self.all_keys.addresses)


@pytest.mark.timeout(900)
def test_no_order_of_faults_makes_a_call_happen_twice_or_never(postgres_server: object) -> None:
    RelayMachine.server = postgres_server
    run_machine(RelayMachine, examples=15, steps=25)
