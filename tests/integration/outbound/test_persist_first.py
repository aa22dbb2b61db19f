"""What leaves this house was on disk before: looked at from another connection at the very moment that it leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from strongroom.chains.errors import BroadcastRejectedError
from strongroom.ledger.model import AccountType
from strongroom.outbound import jobs
from strongroom.outbound.errors import SignerUnreachableError
from strongroom.outbound.signers import Signer
from strongroom.payouts.model import PayoutState
from strongroom_core.intents import SignedIntent
from strongroom_core.messages import Refused, Signed
from tests.fixtures.postgres import Database
from tests.integration.outbound.world import World
from tests.unit.signer.kit import SATS


@dataclass
class WatchedSigner:
    """A real signer; notes what was committed when it was asked."""

    inner: Signer
    pg: Database
    on_disk: list[Any] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)
    lost: int = 0  # so many answers never arrive

    @property
    def name(self) -> str:
        return self.inner.name

    async def sign(self, chain: str, psbt: bytes, evidence: tuple[SignedIntent, ...]) -> Signed | Refused:
        query = """
            SELECT answer.state
            FROM outbound_version AS version JOIN outbound_answer AS answer USING (slot_id, number)
            WHERE version.psbt = %s AND answer.signer = %s
        """
        self.on_disk.append(self.pg.execute(query, psbt, self.name))
        self.asked.append(psbt)
        answer = await self.inner.sign(chain, psbt, evidence)
        if len(self.asked) <= self.lost:
            message = "the connection broke before the answer"
            raise SignerUnreachableError(message)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass
class WatchedNode:
    """A real node that refuses at first; notes what was committed when it was given a chain tx."""

    inner: Any
    pg: Database
    refusals: int = 1
    on_disk: list[Any] = field(default_factory=list)

    async def broadcast(self, raw: bytes) -> str:
        kept = self.pg.execute("SELECT count(*) FROM outbound_version WHERE raw = %s AND state = 'signed'", raw)
        held = self.pg.execute("SELECT sum(balance) FROM ledger_account WHERE type = 'merchant-held'")
        self.on_disk.append((kept, held))
        if len(self.on_disk) <= self.refusals:
            reason = "mempool-full"
            raise BroadcastRejectedError(reason)
        return str(await self.inner.broadcast(raw))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def test_a_plan_is_on_disk_before_a_signer_sees_it_and_a_signed_tx_before_the_node_does(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    destination = world.node.new_address()
    payout = await world.pay(shop, shop.intent(SATS, destination))
    await world.planner.plan()

    signers = [WatchedSigner(signer, world.pg) for signer in world.signers]
    await jobs.sign(world.treasury, world.chain, tuple(signers))
    assert [signer.on_disk for signer in signers] == [[[("asked",)]]] * 2

    node = WatchedNode(world.rpc, world.pg)
    await jobs.broadcast(world.treasury, world.chain, node)
    await world.facts()
    assert (await world.payout(shop, payout.id)).state is PayoutState.SIGNED, "the node refused it"
    assert world.received(destination) == []
    assert "mempool-full" in str(world.pg.execute("SELECT reason FROM outbound_slot"))

    await world.retry_now()
    await jobs.broadcast(world.treasury, world.chain, node)
    await world.facts()
    assert node.on_disk == [([(1,)], [(0,)])] * 2
    assert (await world.payout(shop, payout.id)).state is PayoutState.BROADCAST
    assert world.received(destination) == [SATS]
    assert await world.balance(AccountType.IN_TRANSIT) == SATS


async def test_a_plan_whose_answers_were_lost_is_sent_again_byte_by_byte_and_paid_once(world: World) -> None:
    """Also by a process that starts anew, after a block, and with other coins and another fee rate to choose from."""
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    destination = world.node.new_address()
    payout = await world.pay(shop, shop.intent(SATS, destination))
    await world.planner.plan()
    signers = [WatchedSigner(signer, world.pg, lost=1) for signer in world.signers]
    for _ in range(3):
        await outbound_round(world, signers)
        await world.fund(shop, SATS)
    asked = [signer.asked for signer in signers]
    assert [len(each) for each in asked] == [2, 2]
    assert len({psbt for each in asked for psbt in each}) == 1
    await world.turn()
    await world.mine(1)
    assert (await world.payout(shop, payout.id)).state is PayoutState.CONFIRMED
    assert world.received(destination) == [SATS]


async def outbound_round(world: World, signers: list[WatchedSigner]) -> None:
    """Everything that a treasury process does about plans, with what it is due made due now."""
    await world.retry_now()
    await world.planner.plan()
    await jobs.sign(world.treasury, world.chain, tuple(signers))
