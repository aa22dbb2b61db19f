"""Payouts, sweeps and slots under random refusals, outages, blocks, and reorgs, against an independent model.

Real PostgreSQL, ledger, rules and PSBTs. The two signers and the node are small models of the real ones that keep
a record of their own (bound intents, voids, chain); what the machine checks comes from those records.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import wallycore
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from strongroom.chains.errors import BroadcastRejectedError
from strongroom.chains.model import ChainNode
from strongroom.deposits.jobs import follow_deposits
from strongroom.infra.database import transaction
from strongroom.infra.settings import BandSettings, ChainSettings, FeeSettings, Tier
from strongroom.ledger.model import AccountType
from strongroom.outbound import following
from strongroom.outbound.broadcasting import Broadcasting
from strongroom.outbound.psbt import outputs_of, spent_by
from strongroom.outbound.signing import Signing
from strongroom.payouts.model import Payout, PayoutState
from strongroom.treasury import keeping
from strongroom.treasury.planning import Planner
from strongroom.wallets import service as wallets
from strongroom.wallets.jobs import follow_coins
from strongroom.wallets.model import KeySetKind
from strongroom_core.intents import SignedIntent
from strongroom_core.messages import Refused, Signed
from tests.integration.outbound.world import HORIZON, PAYOUT_FEE, invoice_addresses, key_set
from tests.simulation.machines import run_machine
from tests.simulation.outbound.machine import LaterClock, ModelSigner, PayoutMachine
from tests.unit.signer.kit import ASSET, CHAIN, DEPLOYMENT

DEPOSIT = 1_000_000
CAPITAL = 3 * DEPOSIT
DESTINATION = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


def tx_of(psbt: bytes) -> bytes:
    unsigned = wallycore.psbt_get_global_tx(wallycore.psbt_from_bytes(psbt, 0))
    return bytes(wallycore.tx_to_bytes(unsigned, 0))


def txid_of(raw: bytes) -> str:
    tx = wallycore.tx_from_bytes(raw, wallycore.WALLY_TX_FLAG_USE_WITNESS)
    return bytes(wallycore.tx_get_txid(tx))[::-1].hex()


@dataclass
class CoinSigner(ModelSigner):
    """Bound once to a set of coins, of which later versions may only spend more."""

    async def sign(self, chain: str, psbt: bytes, evidence: tuple[SignedIntent, ...]) -> Signed | Refused:
        self.here()
        coins = set(spent_by(tx_of(psbt)))
        for item in evidence:
            refused = self.refusal(item.intent, not self.bound.get(item.intent, coins) <= coins)
            if refused is not None:
                return refused
        for item in evidence:
            self.bound[item.intent] = coins
        seed = hashlib.sha256(f"test key {self.name}".encode()).digest()
        key = wallycore.bip32_key_from_seed(seed, wallycore.BIP32_VER_TEST_PRIVATE, 0)
        parsed = wallycore.psbt_from_bytes(psbt, 0)
        wallycore.psbt_sign_bip32(parsed, key, wallycore.EC_FLAG_GRIND_R)
        return Signed("r", bytes(wallycore.psbt_to_bytes(parsed, 0)), 1)


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


class SlotMachine(PayoutMachine):
    """Bitcoin: deposits become coins, slots spend them, sweeps and replacements move what is ours."""

    deployment = DEPLOYMENT
    fee = PAYOUT_FEE

    def __init__(self) -> None:
        super().__init__()
        self.deposit(3, HORIZON - 1)
        self.create(250_000, "")

    def begin(self) -> None:
        self.signers = (CoinSigner("A"), CoinSigner("B"))
        self.node = ModelNode()
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
        self.asset = self.chain.asset

    async def arrange(self) -> None:
        async with transaction(self.pools["worker"]) as connection:
            await wallets.sync_key_sets(connection, self.chain)
        await self.book((AccountType.HOUSE_CAPITAL, CAPITAL))
        async with transaction(self.pools["api"]) as connection:
            await wallets.prepare_merchant(connection, self.chain, self.merchant.id, self.merchant.branch, count=5)

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
        self.runner.run(self.ask_for(amount, DESTINATION, refused_by))

    @rule()
    def everything_once(self) -> None:
        for step in (self.plan, self.sign, self.void, self.broadcast):
            step()

    @rule()
    def a_block_after_everything(self) -> None:
        self.everything_once()
        self.block(take=True)

    @rule()
    def sweep(self) -> None:
        self.runner.run(self.do(lambda: keeping.sweep(self.planner)))

    @rule()
    def bump(self) -> None:
        self.runner.run(self.do(lambda: keeping.bump(self.planner)))

    @rule()
    def sign(self) -> None:
        self.runner.run(self.do(Signing(self.treasury, self.chain, self.signers).step))

    @rule()
    def broadcast(self) -> None:
        self.runner.run(self.do(Broadcasting(self.treasury, self.chain, self._node).step))

    @rule(take=st.booleans())
    def block(self, take: bool) -> None:
        self._connect(self.node.minable() if take else {})
        self.runner.run(self.facts())

    @rule(lose=st.booleans())
    @precondition(lambda self: len(self.node.blocks) > 1 and self.events)
    def reorg(self, lose: bool) -> None:
        """Another block in place of the last: with its deposits, or (``lose``) without them for good."""
        block = self.node.blocks.pop()
        self._event("disconnected", len(self.node.blocks) + 1, block, undoes=self.events.pop())
        self.node.mempool |= {txid: raw for txid, raw in block.items() if not self._is_deposit(raw)}
        self._connect({txid: raw for txid, raw in block.items() if self._is_deposit(raw) and not lose})
        self.runner.run(self.facts())

    @property
    def planner(self) -> Planner:
        return Planner(self.treasury, self.chain, self._node, LaterClock(), timedelta(0))

    @property
    def _node(self) -> ChainNode:
        node: Any = self.node
        return node  # type: ignore[no-any-return]

    async def see(self) -> int:
        handled = await follow_coins(self.pools["worker"], self.chain)
        handled += await follow_deposits(self.pools["worker"], self.chain)
        return handled + await following.follow(self.treasury, self.chain)

    async def _deposit(self, count: int) -> None:
        async with transaction(self.treasury) as connection:
            await wallets.set_intake(connection, CHAIN, KeySetKind.HOT)
        async with transaction(self.pools["api"]) as connection:
            addresses = await invoice_addresses(connection, self.merchant.id, count, KeySetKind.HOT)
        block: dict[str, bytes] = {}
        for address in addresses:
            tx = wallycore.tx_init(2, 0, 1, 1)
            source = hashlib.sha256(address.script).digest()
            wallycore.tx_add_raw_input(tx, source, 0, 0xFFFFFFFF, b"\x01\x51", None, 0)
            wallycore.tx_add_raw_output(tx, DEPOSIT, address.script, 0)
            raw = bytes(wallycore.tx_to_bytes(tx, wallycore.WALLY_TX_FLAG_USE_WITNESS))
            block[txid_of(raw)] = raw
        self._connect(block)
        await self.facts()

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

    async def check(self, found: list[Payout], gone: int, spent: int) -> None:
        deposits = DEPOSIT * sum(self._is_deposit(raw) for raw in self.node.confirmed().values())
        available = await self.balance(AccountType.MERCHANT_AVAILABLE) + await self.balance(AccountType.MERCHANT_OWED)
        assert available == deposits - spent
        network = await self.balance(AccountType.NETWORK_FEES)
        assert await self.in_books() == -(CAPITAL + deposits - gone + network)
        self._check_chain(found)

    def check_ended(self, payout: Payout, signed: list[ModelSigner]) -> None:
        intent = self.payouts[payout.id].intent
        assert len(signed) < 2, "released although both signed it"
        asked = self.pg.execute(
            "SELECT 1 FROM outbound_payment AS paid JOIN outbound_answer USING (slot_id) WHERE paid.payout_id = %s",
            payout.id,
        )
        assert not asked or any(intent in signer.voids for signer in self.signers), "released without a void"

    def _check_chain(self, found: list[Payout]) -> None:
        amounts = sorted(
            amount
            for raw in self.node.confirmed().values()
            for script, amount in outputs_of(raw)
            if script == bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6")
        )
        expected = sorted(p.amount for p in found if p.state in {PayoutState.CONFIRMED, PayoutState.FINAL})
        assert amounts == expected, "the chain paid something else, or something twice"


@pytest.mark.timeout(900)
def test_no_order_of_events_pays_twice_or_loses_a_hold(postgres_server: object) -> None:
    SlotMachine.server = postgres_server
    run_machine(SlotMachine, examples=12, steps=25)
