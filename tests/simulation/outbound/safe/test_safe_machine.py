"""Payouts and Safe slots under random refusals, outages, blocked destinations, strangers, blocks and reorgs.

Real PostgreSQL, ledger, rules and bytes. The chain with its Safes and the two signers are small models that keep a
record of their own; what the machine checks comes from those records. The relayer is modelled by its table.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from nacl.signing import SigningKey

from strongroom.infra.database import make_pool, transaction
from strongroom.infra.outbox import Dispatcher
from strongroom.infra.settings import DatabaseSettings, Settings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.merchants.service import create_merchant
from strongroom.outbound.safe import building, following
from strongroom.outbound.safe.handing import Handing
from strongroom.outbound.safe.measuring import Measuring
from strongroom.outbound.safe.passing import Passing
from strongroom.outbound.safe.service import Safes
from strongroom.outbound.safe.signing import SafeScheme
from strongroom.outbound.signing import Signing
from strongroom.outbound.voiding import Voiding
from strongroom.payouts import jobs as payout_jobs
from strongroom.payouts import service as payouts
from strongroom.payouts.errors import PayoutNotCancellableError
from strongroom.payouts.model import PayoutKind, PayoutState
from strongroom.treasury import jobs as treasury_jobs
from strongroom.treasury.ethereum.planning import SafePlanner
from strongroom_core.amounts import Amount
from strongroom_core.assets import asset_by_id
from strongroom_core.ids import PayoutId
from strongroom_core.intents import PaymentIntent, SignedIntent
from tests.fixtures.devnet import TOKEN, devnet, token
from tests.fixtures.postgres import cloned_database
from tests.simulation.outbound.safe.model import ModelBlock, ModelChain, ModelOwner, Money

HORIZON = 3
CAPITAL = 1_000_000
FUNDED = 800_000
FEE = 500
DESTINATIONS = tuple(bytes([0xD0 + number]) * 20 for number in range(3))
WAITING = {PayoutState.QUEUED, PayoutState.HOT_SHORT, PayoutState.PLANNED}
MOVING = {PayoutState.SIGNED, PayoutState.BROADCAST, PayoutState.CONFIRMED}
ENDED = {PayoutState.REFUSED, PayoutState.CANCELLED, PayoutState.EXPIRED}


class LaterClock:
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=5)


class SafeMachine(RuleBasedStateMachine):
    """The rules are what merchants, signers, strangers and miners do; the invariants are what must be true of money."""

    server: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.clone = cloned_database(self.server)
        self.pg = self.clone.__enter__()
        self.runner = asyncio.Runner()
        self.chain = devnet(horizon=HORIZON, assets=(token(minimum_deposit=1),), payouts_per_tx_max=3)
        places = building.contracts(self.chain)
        self.signers = (ModelOwner("A", places), ModelOwner("B", places))
        self.node = ModelChain(places, tuple(signer.address for signer in self.signers))
        self.payouts: dict[str, SignedIntent] = {}
        self.events: list[int] = []
        self.key = SigningKey(b"k" * 32)
        self.runner.run(self._open())
        self.block(executed=0)

    async def _open(self) -> None:
        self.settings = Settings(
            deployment="simulated",
            data_dir=Path("/nonexistent"),
            database=DatabaseSettings(passwords=Path("/nonexistent")),
            chains=(self.chain,),
        )
        self.pools = {role: make_pool(self.pg.dsn(role), size=1, name=role) for role in ("api", "worker", "treasury")}
        for pool in self.pools.values():
            await pool.open()
        async with transaction(self.pools["api"]) as connection:
            self.merchant = await create_merchant(connection, "shop")
        asset = asset_by_id(TOKEN)
        cold = Account(AccountType.CHAIN_COLD, asset)
        merchant = Account(AccountType.MERCHANT_AVAILABLE, asset, self.merchant.id)
        postings = (
            Posting(cold, Account(AccountType.HOUSE_CAPITAL, asset), Amount(asset, CAPITAL)),
            Posting(cold, merchant, Amount(asset, FUNDED)),
        )
        async with transaction(self.pools["worker"]) as connection:
            await ledger.post(connection, [LedgerTransaction("start", "start", postings)])
        self.node.blocks.append(ModelBlock("0x00", Money(cold=CAPITAL + FUNDED, left=CAPITAL // 2), []))
        self.pg.execute(
            "INSERT INTO chain_status (chain, status, height, hash) VALUES (%s, 'ok', 0, '0x00')", self.chain.id
        )
        self.pg.execute("INSERT INTO treasury_trusted VALUES (%s, %s, true)", self.chain.id, self.merchant.id)
        self.dispatcher = Dispatcher()
        for topic, handler in (*treasury_jobs.handlers(), *payout_jobs.handlers()):
            self.dispatcher.on(topic, handler)

    def teardown(self) -> None:
        async def close() -> None:
            for pool in self.pools.values():
                await pool.close()

        self.runner.run(close())
        self.runner.close()
        self.clone.__exit__(None, None, None)

    @rule(
        amount=st.sampled_from([1_000, 60_000, 60_000, 400_000]),
        destination=st.sampled_from(DESTINATIONS),
        refused_by=st.sampled_from(["", "", "", "A", "B", "AB"]),
    )
    def create(self, amount: int, destination: bytes, refused_by: str) -> None:
        self.runner.run(self._create(amount, destination, refused_by))

    @rule(data=st.data())
    @precondition(lambda self: self.payouts)
    def cancel(self, data: st.DataObject) -> None:
        self.runner.run(self._cancel(data.draw(st.sampled_from(sorted(self.payouts)))))

    @rule(who=st.sampled_from([0, 1]))
    def signer_goes_or_comes(self, who: int) -> None:
        self.signers[who].away = not self.signers[who].away

    @rule(destination=st.sampled_from(DESTINATIONS))
    def block_or_unblock(self, destination: bytes) -> None:
        """A token's owner blocks a destination, or lets it go."""
        self.node.blocked = self.node.blocked ^ {destination}

    @rule()
    def plan(self) -> None:
        self.runner.run(self._do(self._planner.plan))

    @rule()
    def sign(self) -> None:
        scheme = SafeScheme(self.chain, self.node)
        self.runner.run(self._do(Signing(self._pool, self.chain, self.signers, scheme).step))

    @rule()
    def void(self) -> None:
        self.runner.run(self._do(Voiding(self._pool, self.chain, self.signers).step))

    @rule()
    def hand_over(self) -> None:
        self.runner.run(self._do(Handing(self._pool, self.chain, self.node).step))

    @rule()
    def everything_once(self) -> None:
        for step in (self.plan, self.sign, self.void, self.hand_over):
            step()

    @rule()
    def a_block_after_everything(self) -> None:
        self.everything_once()
        self.block(executed=2)

    @rule(destination=st.sampled_from(DESTINATIONS), blocks=st.integers(1, HORIZON))
    def a_payout_goes_through(self, destination: bytes, blocks: int) -> None:
        """Both signers there; then some blocks."""
        self.create(60_000, destination, "")
        for signer in self.signers:
            signer.away = False
        self.everything_once()
        for _ in range(blocks):
            self.block(executed=2)

    @rule(destination=st.sampled_from(DESTINATIONS), meanwhile=st.booleans())
    def a_signed_payout_is_blocked(self, destination: bytes, meanwhile: bool) -> None:
        """Its nonce is cancelled, unless a stranger is faster once the destination is free again."""
        self.node.blocked -= {destination}
        self.create(60_000, destination, "")
        self.plan()
        self.sign()
        self.node.blocked |= {destination}
        for _ in range(5):
            self.hand_over()
        self.sign()
        if meanwhile:
            self.node.blocked -= {destination}
        self.hand_over()
        self.block(executed=2)

    @rule(executed=st.sampled_from([0, 1, 2]))
    def block(self, executed: int) -> None:
        """A block: of what the relayer was given it takes none, or the oldest or all."""
        rows = self.pg.execute("SELECT id, data FROM outbound_relay WHERE state = 'planned' ORDER BY id")
        given = [(int(str(row[0])), bytes(row[1])) for row in rows][: (0, 1, 99)[executed]]  # type: ignore[call-overload]
        _, done = self.node.mine([raw for _, raw in given])
        for number, raw in given:
            self._relayed(number, success=done[raw])
        self._tell_connected()
        self.runner.run(self._facts())

    @rule(data=st.data())
    def a_stranger_executes(self, data: st.DataObject) -> None:
        """Anyone may send what two owners have signed."""
        rows = self.pg.execute("SELECT raw FROM outbound_version WHERE raw IS NOT NULL ORDER BY txid")
        if rows:
            raw = bytes(data.draw(st.sampled_from(rows))[0])  # type: ignore[call-overload]
            self.node.mine([raw])
            self._tell_connected()
            self.runner.run(self._facts())

    @rule(again=st.booleans())
    @precondition(lambda self: len(self.events) > 1)
    def reorg(self, again: bool) -> None:
        """Another block in place of the last, with its executions again or without them."""
        orphan = self.node.blocks.pop()
        height = len(self.node.blocks)
        columns = "chain, kind, height, block_hash, parent_hash, block_time, undoes"
        query = f"INSERT INTO chain_event ({columns}) VALUES (%s, 'disconnected', %s, %s, '0x', now(), %s)"
        self.pg.execute(query, self.chain.id, height, orphan.digest, self.events.pop())
        raws = self._raws([effect for _, _, effect in orphan.executions]) if again else []
        self.node.mine(raws)
        self._tell_connected()
        self.runner.run(self._facts())

    @invariant()
    def the_money_is_where_it_belongs(self) -> None:
        self.runner.run(self._check())

    @property
    def _pool(self) -> Any:
        return self.pools["treasury"]

    @property
    def _planner(self) -> SafePlanner:
        return SafePlanner(self._pool, self.chain, Safes(self.chain, self.node), LaterClock(), timedelta(0))

    def _raws(self, effects: list[str]) -> list[bytes]:
        rows = self.pg.execute("SELECT txid, raw FROM outbound_version WHERE txid = ANY (%s)", effects)
        raws = {str(row[0]): bytes(row[1]) for row in rows if row[1] is not None}  # type: ignore[call-overload]
        return [raws[effect] for effect in effects if effect in raws]

    def _relayed(self, number: int, *, success: bool) -> None:
        state = "mined, a failure is final at once" if not success else ""
        self.pg.execute(
            "UPDATE outbound_relay SET state = %s, success = %s, height = %s, block_hash = %s, fee = 1, gas_used = 1,"
            " txid = %s, reason = %s WHERE id = %s",
            "mined",
            success,
            len(self.node.blocks) - 1,
            self.node.blocks[-1].digest,
            f"0x{number:064x}",
            state,
            number,
        )

    def _tell_connected(self) -> None:
        height, block = len(self.node.blocks) - 1, self.node.blocks[-1]
        columns = "chain, kind, height, block_hash, parent_hash, block_time"
        query = f"INSERT INTO chain_event ({columns}) VALUES (%s, 'connected', %s, %s, '0x', now()) RETURNING id"
        event = int(str(self.pg.execute(query, self.chain.id, height, block.digest)[0][0]))
        for place, (txid, nonce, effect) in enumerate(block.executions):
            self.pg.execute("INSERT INTO chain_tx VALUES (%s, %s, '') ON CONFLICT DO NOTHING", self.chain.id, txid)
            self.pg.execute("INSERT INTO chain_event_tx VALUES (%s, %s, %s, false)", event, place, txid)
            values = (event, txid, 0, self.node.places.hot_safe_text, nonce, effect)
            self.pg.execute("INSERT INTO chain_event_spend VALUES (%s, %s, %s, %s, %s, %s, true)", *values)
        self.pg.execute("UPDATE chain_status SET height = %s, hash = %s", height, block.digest)
        self.events.append(event)

    async def _create(self, amount: int, destination: bytes, refused_by: str) -> None:
        if await self._balance(AccountType.MERCHANT_AVAILABLE) < amount + FEE:
            return
        expires_at = int(datetime.now(UTC).timestamp()) + 86_400
        text = to_checksum_address(destination)
        intent = PaymentIntent("simulated", self.merchant.id, PayoutId.new(), TOKEN, amount, text, "", FEE, expires_at)
        data = intent.encode()
        signed = SignedIntent(data, bytes(self.key.verify_key), bytes(self.key.sign(data).signature))
        for signer in self.signers:
            if signer.name in refused_by:
                signer.refuses.add(data)
        self.payouts[intent.payout] = signed
        async with transaction(self.pools["api"]) as connection:
            await payouts.create_payout(
                connection, self.settings, self.merchant.id, signed, PayoutKind.PAYMENT, datetime.now(UTC)
            )
        await self._facts()

    async def _cancel(self, payout_id: str) -> None:
        try:
            async with transaction(self.pools["api"]) as connection:
                await payouts.cancel_payout(connection, self.merchant.id, payout_id)
        except PayoutNotCancellableError:
            return
        await self._facts()

    async def _do(self, step: Any) -> None:
        for table in ("outbound_slot", "outbound_void", "treasury_payable"):
            self.pg.execute(f"UPDATE {table} SET retry_at = now() WHERE retry_at > now()")
        await step()
        await self._facts()

    async def _facts(self) -> None:
        handled = 1
        while handled:
            handled = await following.follow(self._pool, self.chain)
            handled += await Measuring(self._pool, self.chain, self.node).step()
            handled += await following.settle(self._pool, self.chain)
            handled += await Passing(self._pool, self.chain, self.node).step()
            handled += await self.dispatcher.run_once(self.pools["worker"])
        assert self.pg.execute("SELECT count(*) FROM outbox_event WHERE handled_at IS NULL") == [(0,)]

    async def _balance(self, kind: AccountType) -> int:
        owner = self.merchant.id if kind.is_merchant else None
        async with transaction(self.pools["worker"]) as connection:
            return await ledger.balance(connection, Account(kind, asset_by_id(TOKEN), owner))

    async def _check(self) -> None:
        async with transaction(self.pools["api"]) as connection:
            found = await payouts.list_payouts(connection, self.merchant.id, None, 1_000)
        assert {payout.id for payout in found} == set(self.payouts)
        held = sum(p.amount + p.fee for p in found if p.state in WAITING)
        moving = sum(p.amount for p in found if p.state in MOVING)
        gone = sum(p.amount for p in found if p.state is PayoutState.FINAL)
        earned = sum(p.fee for p in found if p.state in MOVING or p.state is PayoutState.FINAL)
        assert await self._balance(AccountType.MERCHANT_HELD) == held
        assert await self._balance(AccountType.IN_TRANSIT) == moving
        assert await self._balance(AccountType.HOUSE_FEES) == earned
        assert await self._balance(AccountType.MERCHANT_AVAILABLE) == FUNDED - held - moving - gone - earned
        assert await self._balance(AccountType.SUSPENSE) == 0
        on_chain = await self._balance(AccountType.CHAIN_HOT) + await self._balance(AccountType.CHAIN_COLD)
        assert on_chain == -(CAPITAL + FUNDED - gone)
        self._check_signers({payout.id: payout.state for payout in found})
        confirmed = [p for p in found if p.state in {PayoutState.CONFIRMED, PayoutState.FINAL}]
        assert sum(self.node.money.paid.values()) == sum(p.amount for p in confirmed), "paid otherwise, or twice"
        for to in DESTINATIONS:
            due = sum(p.amount for p in confirmed if p.destination == to_checksum_address(to))
            assert self.node.money.paid.get(to, 0) == due
        open_nonces = self.pg.execute("SELECT vout FROM outbound_coin WHERE open ORDER BY vout")
        assert len(open_nonces) == len(set(open_nonces))

    def _check_signers(self, states: dict[PayoutId, PayoutState]) -> None:
        for payout_id, state in states.items():
            intent = self.payouts[payout_id].intent
            signed = [signer for signer in self.signers if intent in signer.bound]
            if state in MOVING or state is PayoutState.FINAL:
                assert len(signed) == 2
            if state in ENDED and len(signed) == 2:
                # Released although both signed it: only where its nonce went to something else for good.
                nonce = signed[0].bound[intent]
                assert self.node.blocks[-HORIZON].money.nonce > nonce


def test_no_order_of_events_pays_twice_or_loses_a_hold(postgres_server: object) -> None:
    SafeMachine.server = postgres_server
    few = settings(
        max_examples=8, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    run_state_machine_as_test(SafeMachine, settings=few)
