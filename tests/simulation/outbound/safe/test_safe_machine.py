"""Payouts and Safe slots under random refusals, outages, blocked destinations, strangers, blocks and reorgs.

Real PostgreSQL, ledger, rules and bytes. The chain with its Safes and the two signers are small models that keep a
record of their own; what the machine checks comes from those records. The relayer is modelled by its table.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from strongroom.ledger.model import AccountType
from strongroom.outbound.safe import building, following
from strongroom.outbound.safe.handing import Handing
from strongroom.outbound.safe.measuring import Measuring
from strongroom.outbound.safe.passing import Passing
from strongroom.outbound.safe.service import Safes
from strongroom.outbound.safe.signing import SafeScheme
from strongroom.outbound.signing import Signing
from strongroom.payouts.model import Payout, PayoutState
from strongroom.treasury.ethereum.planning import SafePlanner
from strongroom_core.assets import asset_by_id
from tests.fixtures.devnet import TOKEN, devnet, token
from tests.simulation.machines import run_machine
from tests.simulation.outbound.machine import LaterClock, PayoutMachine
from tests.simulation.outbound.safe.model import ModelBlock, ModelChain, ModelOwner, Money

HORIZON = 3
CAPITAL = 1_000_000
FUNDED = 800_000
FEE = 500
DESTINATIONS = tuple(bytes([0xD0 + number]) * 20 for number in range(3))


class SafeMachine(PayoutMachine):
    """An EVM chain: Safes that draw and pay, a token whose owner blocks whom it likes, and strangers."""

    deployment = "simulated"
    fee = FEE
    first_hash = "0x00"

    def __init__(self) -> None:
        super().__init__()
        self.block(executed=0)

    def begin(self) -> None:
        self.chain = devnet(horizon=HORIZON, assets=(token(minimum_deposit=1),), payouts_per_tx_max=3)
        self.asset = asset_by_id(TOKEN)
        places = building.contracts(self.chain)
        self.signers = (ModelOwner("A", places=places), ModelOwner("B", places=places))
        self.node = ModelChain(places, tuple(signer.address for signer in self.signers))

    async def arrange(self) -> None:
        await self.book((AccountType.HOUSE_CAPITAL, CAPITAL), (AccountType.MERCHANT_AVAILABLE, FUNDED))
        money = Money(cold=CAPITAL + FUNDED, left=CAPITAL // 2)
        self.node.blocks.append(ModelBlock(self.first_hash, money, []))

    @rule(
        amount=st.sampled_from([1_000, 60_000, 60_000, 400_000]),
        destination=st.sampled_from(DESTINATIONS),
        refused_by=st.sampled_from(["", "", "", "A", "B", "AB"]),
    )
    def create(self, amount: int, destination: bytes, refused_by: str) -> None:
        self.runner.run(self.ask_for(amount, to_checksum_address(destination), refused_by))

    @rule(destination=st.sampled_from(DESTINATIONS))
    def block_or_unblock(self, destination: bytes) -> None:
        """A token's owner blocks a destination, or lets it go."""
        self.node.blocked = self.node.blocked ^ {destination}

    @rule()
    def sign(self) -> None:
        scheme = SafeScheme(self.chain, self.node)
        self.runner.run(self.do(Signing(self.treasury, self.chain, self.signers, scheme).step))

    @rule()
    def hand_over(self) -> None:
        self.runner.run(self.do(Handing(self.treasury, self.chain, self.node).step))

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
        self.runner.run(self.facts())

    @rule(data=st.data())
    def a_stranger_executes(self, data: st.DataObject) -> None:
        """Anyone may send what two owners have signed."""
        rows = self.pg.execute("SELECT raw FROM outbound_version WHERE raw IS NOT NULL ORDER BY txid")
        if rows:
            raw = bytes(data.draw(st.sampled_from(rows))[0])  # type: ignore[call-overload]
            self.node.mine([raw])
            self._tell_connected()
            self.runner.run(self.facts())

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
        self.runner.run(self.facts())

    @property
    def planner(self) -> SafePlanner:
        return SafePlanner(self.treasury, self.chain, Safes(self.chain, self.node), LaterClock(), timedelta(0))

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

    async def see(self) -> int:
        handled = await following.follow(self.treasury, self.chain)
        handled += await Measuring(self.treasury, self.chain, self.node).step()
        handled += await following.settle(self.treasury, self.chain)
        return handled + await Passing(self.treasury, self.chain, self.node).step()

    async def check(self, found: list[Payout], gone: int, spent: int) -> None:
        assert await self.balance(AccountType.MERCHANT_AVAILABLE) == FUNDED - spent
        assert await self.in_books() == -(CAPITAL + FUNDED - gone)
        confirmed = [p for p in found if p.state in {PayoutState.CONFIRMED, PayoutState.FINAL}]
        assert sum(self.node.money.paid.values()) == sum(p.amount for p in confirmed), "paid otherwise, or twice"
        for to in DESTINATIONS:
            due = sum(p.amount for p in confirmed if p.destination == to_checksum_address(to))
            assert self.node.money.paid.get(to, 0) == due
        open_nonces = self.pg.execute("SELECT vout FROM outbound_coin WHERE open ORDER BY vout")
        assert len(open_nonces) == len(set(open_nonces))

    def check_ended(self, payout: Payout, signed: list[ModelOwner]) -> None:
        if len(signed) == 2:
            # Released although both signed it: only where its nonce went to something else for good.
            nonce = signed[0].bound[self.payouts[payout.id].intent]
            assert self.node.blocks[-HORIZON].money.nonce > nonce


@pytest.mark.timeout(900)
def test_no_order_of_events_pays_twice_or_loses_a_hold(postgres_server: object) -> None:
    SafeMachine.server = postgres_server
    run_machine(SafeMachine, examples=8, steps=20)
