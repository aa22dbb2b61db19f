"""Payouts, sweeps and slots under random refusals, outages, blocks, and reorgs, against an independent model.

Real PostgreSQL, ledger, rules and PSBTs. The two signers and the node are small models of the real ones that keep
a record of their own (bound intents, voids, chain); what the machine checks comes from those records.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import wallycore
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from nacl.signing import SigningKey

from strongroom.chains.errors import BroadcastRejectedError
from strongroom.chains.model import ChainNode
from strongroom.deposits.jobs import follow_deposits
from strongroom.infra.database import make_pool, transaction
from strongroom.infra.outbox import Dispatcher
from strongroom.infra.settings import BandSettings, ChainSettings, DatabaseSettings, FeeSettings, Settings, Tier
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.merchants.service import create_merchant
from strongroom.outbound import following
from strongroom.outbound.broadcasting import Broadcasting
from strongroom.outbound.errors import SignerUnreachableError
from strongroom.outbound.psbt import outputs_of, spent_by
from strongroom.outbound.signing import Signing
from strongroom.outbound.voiding import Voiding
from strongroom.payouts import jobs as payout_jobs
from strongroom.payouts import service as payouts
from strongroom.payouts.errors import PayoutNotCancellableError
from strongroom.payouts.model import Payout, PayoutKind, PayoutState
from strongroom.treasury import jobs as treasury_jobs
from strongroom.treasury import keeping
from strongroom.treasury.planning import Planner
from strongroom.wallets import service as wallets
from strongroom.wallets.jobs import follow_coins
from strongroom.wallets.model import KeySetKind, Purpose
from strongroom_core.amounts import Amount
from strongroom_core.ids import PayoutId
from strongroom_core.intents import PaymentIntent, SignedIntent
from strongroom_core.messages import Refused, SafeSigned, Signed, Status, Voided
from tests.fixtures.postgres import cloned_database
from tests.integration.outbound.world import HORIZON, PAYOUT_FEE, key_set
from tests.unit.signer.kit import ASSET, CHAIN, DEPLOYMENT

DEPOSIT = 1_000_000
CAPITAL = 3 * DEPOSIT
WAITING = {PayoutState.QUEUED, PayoutState.HOT_SHORT, PayoutState.PLANNED}
MOVING = {PayoutState.SIGNED, PayoutState.BROADCAST, PayoutState.CONFIRMED}
ENDED = {PayoutState.REFUSED, PayoutState.CANCELLED, PayoutState.EXPIRED}


def tx_of(psbt: bytes) -> bytes:
    unsigned = wallycore.psbt_get_global_tx(wallycore.psbt_from_bytes(psbt, 0))
    return bytes(wallycore.tx_to_bytes(unsigned, 0))


def txid_of(raw: bytes) -> str:
    tx = wallycore.tx_from_bytes(raw, wallycore.WALLY_TX_FLAG_USE_WITNESS)
    return bytes(wallycore.tx_get_txid(tx))[::-1].hex()


class LaterClock:
    """Some minutes ahead, so that nothing has to rest."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=5)


@dataclass
class ModelSigner:
    """A signer that keeps DESIGN's promises: bound once, void for ever, same bytes same answer."""

    name: str
    away: bool = False
    refuses: set[bytes] = field(default_factory=set)
    bound: dict[bytes, set[tuple[str, int]]] = field(default_factory=dict)
    voids: set[bytes] = field(default_factory=set)

    async def status(self) -> Status:
        self._here()
        return Status("r", self.name, b"", False, "", 0, b"", b"", 0)

    async def void(self, evidence: SignedIntent) -> Voided | Refused:
        self._here()
        if evidence.intent in self.bound:
            return Refused("r", "intent-signed", "signed", "")
        self.voids.add(evidence.intent)
        return Voided("r", hashlib.sha256(evidence.intent).digest(), 1)

    async def sign_safe(self, chain: str, safe_tx: bytes, evidence: tuple[SignedIntent, ...]) -> SafeSigned | Refused:
        raise NotImplementedError  # there is no Safe on this chain

    async def sign(self, chain: str, psbt: bytes, evidence: tuple[SignedIntent, ...]) -> Signed | Refused:
        self._here()
        coins = set(spent_by(tx_of(psbt)))
        for item in evidence:
            payout = PaymentIntent.decode(item.intent).payout
            slot = self.bound.get(item.intent, coins)
            if item.intent in self.voids:
                return Refused("r", "intent-void", "void", payout)
            if not slot <= coins:
                return Refused("r", "intent-bound", "bound", payout)
            if item.intent in self.refuses and item.intent not in self.bound:
                return Refused("r", "limit-payout", "too much", payout)
        for item in evidence:
            self.bound[item.intent] = coins
        seed = hashlib.sha256(f"test key {self.name}".encode()).digest()
        key = wallycore.bip32_key_from_seed(seed, wallycore.BIP32_VER_TEST_PRIVATE, 0)
        parsed = wallycore.psbt_from_bytes(psbt, 0)
        wallycore.psbt_sign_bip32(parsed, key, wallycore.EC_FLAG_GRIND_R)
        return Signed("r", bytes(wallycore.psbt_to_bytes(parsed, 0)), 1)

    def _here(self) -> None:
        if self.away:
            raise SignerUnreachableError(self.name)


@dataclass
class ModelNode:
    """A chain of blocks of raw chain txs, and a mempool."""

    mempool: dict[str, bytes] = field(default_factory=dict)
    blocks: list[dict[str, bytes]] = field(default_factory=list)

    async def fee_rate(self, target_blocks: int) -> int | None:
        return None

    async def broadcast(self, raw: bytes) -> str:
        txid = txid_of(raw)
        if txid in self.confirmed():
            return txid
        spent = set(spent_by(raw))
        if not spent <= self.unspent():
            raise BroadcastRejectedError(txid)
        for other in [other for other, held in self.mempool.items() if spent & set(spent_by(held))]:
            del self.mempool[other]
        self.mempool[txid] = raw
        return txid

    def unspent(self) -> set[tuple[str, int]]:
        """What a block may spend next."""
        made = {(txid, vout) for txid, raw in self.confirmed().items() for vout in range(len(outputs_of(raw)))}
        return made - {place for raw in self.confirmed().values() for place in spent_by(raw)}

    def minable(self) -> dict[str, bytes]:
        """What of the mempool the next block can take."""
        there = self.unspent()
        return {txid: raw for txid, raw in self.mempool.items() if set(spent_by(raw)) <= there}

    def confirmed(self) -> dict[str, bytes]:
        return {txid: raw for block in self.blocks for txid, raw in block.items()}


class SlotMachine(RuleBasedStateMachine):
    """The rules are what merchants, operators, and miners do; the invariants are what must be true of the money."""

    server: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.clone = cloned_database(self.server)
        self.pg = self.clone.__enter__()
        self.runner = asyncio.Runner()
        self.signers = (ModelSigner("A"), ModelSigner("B"))
        self.node = ModelNode()
        self.payouts: dict[str, SignedIntent] = {}
        self.events: list[int] = []
        self.key = SigningKey(b"k" * 32)
        self.runner.run(self._open())
        self.deposit(3, HORIZON - 1)
        self.create(250_000, "")

    async def _open(self) -> None:
        self.chain = ChainSettings(
            id=CHAIN,
            rpc_url="http://127.0.0.1:1",
            cookie_file=Path("/nonexistent"),
            horizon=HORIZON,
            tiers=(Tier(confirmations=1),),
            fees=FeeSettings(payout_fee=PAYOUT_FEE, stuck_after_blocks=1),
            band=BandSettings(target=2 * DEPOSIT, high=3 * DEPOSIT),
            key_sets=(key_set("hot", ("A", "B", "R")), key_set("cold", ("C1", "C2", "C3"))),
        )
        database = DatabaseSettings(passwords=Path("/nonexistent"))
        self.settings = Settings(
            deployment=DEPLOYMENT, data_dir=Path("/nonexistent"), database=database, chains=(self.chain,)
        )
        self.pools = {role: make_pool(self.pg.dsn(role), size=1, name=role) for role in ("api", "worker", "treasury")}
        for pool in self.pools.values():
            await pool.open()
        async with transaction(self.pools["worker"]) as connection:
            await wallets.sync_key_sets(connection, self.chain)
            places = (
                Account(AccountType.CHAIN_COLD, self.chain.asset),
                Account(AccountType.HOUSE_CAPITAL, self.chain.asset),
            )
            capital = Posting(*places, Amount(self.chain.asset, CAPITAL))
            await ledger.post(connection, [LedgerTransaction("capital", "capital", (capital,))])
        async with transaction(self.pools["api"]) as connection:
            self.merchant = await create_merchant(connection, "shop")
            await wallets.prepare_merchant(connection, self.chain, self.merchant.id, self.merchant.branch, count=5)
        self.pg.execute("INSERT INTO chain_status (chain, status, height, hash) VALUES (%s, 'ok', 0, '00')", CHAIN)
        self.pg.execute(
            "INSERT INTO treasury_trusted (chain, merchant_id, trusted) VALUES (%s, %s, true)", CHAIN, self.merchant.id
        )
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

    @rule(count=st.integers(1, 2), blocks=st.integers(0, HORIZON - 1))
    def deposit(self, count: int, blocks: int) -> None:
        self.runner.run(self._deposit(count))
        for _ in range(blocks):
            self.block(take=False)

    @rule(
        amount=st.sampled_from([1_000, 250_000, 700_000, 1_500_000]),
        refused_by=st.sampled_from(["", "", "", "A", "B", "AB"]),
    )
    def create(self, amount: int, refused_by: str) -> None:
        self.runner.run(self._create(amount, refused_by))

    @rule(data=st.data())
    @precondition(lambda self: self.payouts)
    def cancel(self, data: st.DataObject) -> None:
        self.runner.run(self._cancel(data.draw(st.sampled_from(sorted(self.payouts)))))

    @rule(who=st.sampled_from([0, 1]))
    def signer_goes_or_comes(self, who: int) -> None:
        self.signers[who].away = not self.signers[who].away

    @rule()
    def everything_once(self) -> None:
        for step in (self.plan, self.sign, self.void, self.broadcast):
            step()

    @rule()
    def a_block_after_everything(self) -> None:
        self.everything_once()
        self.block(take=True)

    @rule()
    def plan(self) -> None:
        self.runner.run(self._do(self._planner.plan))

    @rule()
    def sweep(self) -> None:
        self.runner.run(self._do(lambda: keeping.sweep(self._planner)))

    @rule()
    def bump(self) -> None:
        self.runner.run(self._do(lambda: keeping.bump(self._planner)))

    @rule()
    def sign(self) -> None:
        self.runner.run(self._do(Signing(self._pool, self.chain, self.signers).step))

    @rule()
    def void(self) -> None:
        self.runner.run(self._do(Voiding(self._pool, self.chain, self.signers).step))

    @rule()
    def broadcast(self) -> None:
        self.runner.run(self._do(Broadcasting(self._pool, self.chain, self._node).step))

    @rule(take=st.booleans())
    def block(self, take: bool) -> None:
        self._connect(self.node.minable() if take else {})
        self.runner.run(self._facts())

    @rule(lose=st.booleans())
    @precondition(lambda self: len(self.node.blocks) > 1 and self.events)
    def reorg(self, lose: bool) -> None:
        """Another block in place of the last: with its deposits, or (``lose``) without them for good."""
        block = self.node.blocks.pop()
        self._event("disconnected", len(self.node.blocks) + 1, block, undoes=self.events.pop())
        self.node.mempool |= {txid: raw for txid, raw in block.items() if not self._is_deposit(raw)}
        self._connect({txid: raw for txid, raw in block.items() if self._is_deposit(raw) and not lose})
        self.runner.run(self._facts())

    @invariant()
    def the_money_is_where_it_belongs(self) -> None:
        self.runner.run(self._check())

    @property
    def _planner(self) -> Planner:
        return Planner(self._pool, self.chain, self._node, LaterClock(), timedelta(0))

    @property
    def _pool(self) -> Any:
        return self.pools["treasury"]

    @property
    def _node(self) -> ChainNode:
        node: Any = self.node
        return node  # type: ignore[no-any-return]

    async def _do(self, step: Any) -> None:
        for table in ("outbound_slot", "outbound_void", "treasury_payable"):
            self.pg.execute(f"UPDATE {table} SET retry_at = now() WHERE retry_at > now()")
        await step()
        await self._facts()

    async def _facts(self) -> None:
        handled = 1
        while handled:
            handled = await follow_coins(self.pools["worker"], self.chain)
            handled += await follow_deposits(self.pools["worker"], self.chain)
            handled += await following.follow(self._pool, self.chain)
            handled += await self.dispatcher.run_once(self.pools["worker"])
        assert self.pg.execute("SELECT count(*) FROM outbox_event WHERE handled_at IS NULL") == [(0,)]

    async def _deposit(self, count: int) -> None:
        async with transaction(self._pool) as connection:
            await wallets.set_intake(connection, CHAIN, KeySetKind.HOT)
        async with transaction(self.pools["api"]) as connection:
            addresses = await wallets.hand_out(
                connection, CHAIN, self.merchant.id, Purpose.INVOICE, "test", count=count
            )
        block: dict[str, bytes] = {}
        for address in addresses:
            tx = wallycore.tx_init(2, 0, 1, 1)
            source = hashlib.sha256(address.script).digest()
            wallycore.tx_add_raw_input(tx, source, 0, 0xFFFFFFFF, b"\x01\x51", None, 0)
            wallycore.tx_add_raw_output(tx, DEPOSIT, address.script, 0)
            raw = bytes(wallycore.tx_to_bytes(tx, wallycore.WALLY_TX_FLAG_USE_WITNESS))
            block[txid_of(raw)] = raw
        self._connect(block)
        await self._facts()

    async def _create(self, amount: int, refused_by: str) -> None:
        owned = await self._balance(AccountType.MERCHANT_AVAILABLE)
        if owned < amount + PAYOUT_FEE:
            return
        expires_at = int(datetime.now(UTC).timestamp()) + 86_400
        destination = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
        intent = PaymentIntent(
            DEPLOYMENT, self.merchant.id, PayoutId.new(), ASSET, amount, destination, "", PAYOUT_FEE, expires_at
        )
        data = intent.encode()
        signed = SignedIntent(data, bytes(self.key.verify_key), bytes(self.key.sign(data).signature))
        for signer in self.signers:
            if signer.name in refused_by:
                signer.refuses.add(data)
        self.payouts[intent.payout] = signed
        for _ in range(2):  # the same request twice is one payout
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

    def _connect(self, block: dict[str, bytes]) -> None:
        self.node.blocks.append(block)
        for txid in block:
            self.node.mempool.pop(txid, None)
        self.events.append(self._event("connected", len(self.node.blocks), block))

    def _event(self, kind: str, height: int, block: dict[str, bytes], undoes: int | None = None) -> int:
        digest = hashlib.sha256(f"{height} {len(self.events)} {sorted(block)} {undoes}".encode()).hexdigest()
        if undoes is not None:
            digest = str(self.pg.execute("SELECT block_hash FROM chain_event WHERE id = %s", undoes)[0][0])
        columns = "chain, kind, height, block_hash, parent_hash, block_time, undoes"
        query = f"INSERT INTO chain_event ({columns}) VALUES (%s, %s, %s, %s, 'aa', now(), %s) RETURNING id"
        event: Any = self.pg.execute(query, CHAIN, kind, height, digest, undoes)[0][0]
        for place, (txid, raw) in enumerate(block.items() if undoes is None else ()):
            self.pg.execute("INSERT INTO chain_tx VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", CHAIN, txid, raw)
            self.pg.execute("INSERT INTO chain_event_tx VALUES (%s, %s, %s, true)", event, place, txid)
            for vout, (script, amount) in enumerate(outputs_of(raw)):
                if self.pg.execute("SELECT 1 FROM wallet_address WHERE script = %s", script):
                    self.pg.execute(
                        f"INSERT INTO chain_event_output VALUES (%s, %s, %s, %s, %s, false, '{ASSET}')",
                        event,
                        txid,
                        vout,
                        script,
                        amount,
                    )
            for vin, (prev, vout) in enumerate(spent_by(raw) if not self._is_deposit(raw) else ()):
                self.pg.execute(
                    "INSERT INTO chain_event_spend VALUES (%s, %s, %s, %s, %s)", event, txid, vin, prev, vout
                )
        top = height if kind == "connected" else height - 1
        self.pg.execute("UPDATE chain_status SET height = %s", top)
        return int(event)

    def _is_deposit(self, raw: bytes) -> bool:
        outputs = outputs_of(raw)
        return len(outputs) == 1 and outputs[0][1] == DEPOSIT

    async def _balance(self, type_: AccountType) -> int:
        owner = self.merchant.id if type_.is_merchant else None
        async with transaction(self.pools["worker"]) as connection:
            return await ledger.balance(connection, Account(type_, self.chain.asset, owner))

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
        deposits = DEPOSIT * sum(self._is_deposit(raw) for raw in self.node.confirmed().values())
        available = await self._balance(AccountType.MERCHANT_AVAILABLE) + await self._balance(AccountType.MERCHANT_OWED)
        assert available == deposits - held - moving - gone - earned
        network = await self._balance(AccountType.NETWORK_FEES)
        on_chain = await self._balance(AccountType.CHAIN_HOT) + await self._balance(AccountType.CHAIN_COLD)
        assert on_chain == -(CAPITAL + deposits - gone + network)
        assert await self._balance(AccountType.SUSPENSE) == 0
        for payout in found:
            self._check_signers(payout)
        self._check_chain(found)

    def _check_signers(self, payout: Payout) -> None:
        intent = self.payouts[payout.id].intent
        signed = [signer for signer in self.signers if intent in signer.bound]
        if payout.state in ENDED:
            assert len(signed) < 2, "released although both signed it"
            asked = self.pg.execute(
                "SELECT 1 FROM outbound_payment AS paid JOIN outbound_answer USING (slot_id) WHERE paid.payout_id = %s",
                payout.id,
            )
            assert not asked or any(intent in signer.voids for signer in self.signers), "released without a void"
        if payout.state in MOVING or payout.state is PayoutState.FINAL:
            assert len(signed) == 2

    def _check_chain(self, found: list[Payout]) -> None:
        amounts = sorted(
            amount
            for raw in self.node.confirmed().values()
            for script, amount in outputs_of(raw)
            if script == bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6")
        )
        expected = sorted(p.amount for p in found if p.state in {PayoutState.CONFIRMED, PayoutState.FINAL})
        assert amounts == expected, "the chain paid something else, or something twice"


def test_no_order_of_events_pays_twice_or_loses_a_hold(postgres_server: object) -> None:
    SlotMachine.server = postgres_server
    few = settings(
        max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    run_state_machine_as_test(SlotMachine, settings=few)
