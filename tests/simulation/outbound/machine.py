"""What the machines of payouts have in common, whatever chain they pay on: a merchant, two signers, the books.

Real PostgreSQL, ledger and rules. The signers and the chain are small models of the real ones that keep a record of
their own; what a machine checks comes from those records.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from nacl.signing import SigningKey

from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.outbox import Dispatcher
from strongroom.infra.settings import ChainSettings, DatabaseSettings, Settings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.merchants.service import create_merchant
from strongroom.outbound.errors import SignerUnreachableError
from strongroom.outbound.voiding import Voiding
from strongroom.payouts import jobs as payout_jobs
from strongroom.payouts import service as payouts
from strongroom.payouts.errors import PayoutNotCancellableError
from strongroom.payouts.model import Payout, PayoutKind, PayoutState
from strongroom.treasury import jobs as treasury_jobs
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset
from strongroom_core.ids import PayoutId
from strongroom_core.intents import PaymentIntent, SignedIntent
from strongroom_core.messages import Refused, SafeSigned, Signed, Status, Voided
from tests.fixtures.postgres import cloned_database

WAITING = {PayoutState.QUEUED, PayoutState.HOT_SHORT, PayoutState.PLANNED}
MOVING = {PayoutState.SIGNED, PayoutState.BROADCAST, PayoutState.CONFIRMED}
ENDED = {PayoutState.REFUSED, PayoutState.CANCELLED, PayoutState.EXPIRED}


class LaterClock:
    """Some minutes ahead, so that nothing has to rest."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=5)


@dataclass
class ModelSigner:
    """A signer that keeps DESIGN's promises: what is void is void for ever; what it signs, each chain says."""

    name: str
    away: bool = False
    refuses: set[bytes] = field(default_factory=set)
    bound: dict[bytes, Any] = field(default_factory=dict)
    voids: set[bytes] = field(default_factory=set)

    async def status(self) -> Status:
        self.here()
        return Status("r", self.name, b"", False, "", 0, b"", b"", 0)

    async def void(self, evidence: SignedIntent) -> Voided | Refused:
        self.here()
        if evidence.intent in self.bound:
            return Refused("r", "intent-signed", "signed", "")
        self.voids.add(evidence.intent)
        return Voided("r", hashlib.sha256(evidence.intent).digest(), 1)

    async def sign(self, chain: str, psbt: bytes, evidence: tuple[SignedIntent, ...]) -> Signed | Refused:
        raise NotImplementedError  # unless there are PSBTs on this chain

    async def sign_safe(self, chain: str, safe_tx: bytes, evidence: tuple[SignedIntent, ...]) -> SafeSigned | Refused:
        raise NotImplementedError  # unless there is a Safe on this chain

    def here(self) -> None:
        if self.away:
            raise SignerUnreachableError(self.name)

    def refusal(self, intent: bytes, bound_elsewhere: bool) -> Refused | None:
        """Why an intent is not signed: void, bound to something else, or beyond a limit and not bound yet."""
        payout = PaymentIntent.decode(intent).payout
        if intent in self.voids:
            return Refused("r", "intent-void", "void", payout)
        if bound_elsewhere:
            return Refused("r", "intent-bound", "bound", payout)
        if intent in self.refuses and intent not in self.bound:
            return Refused("r", "limit-payout", "too much", payout)
        return None


class PayoutMachine(RuleBasedStateMachine):
    """The rules are what merchants, operators and signers do; the invariants are what must be true of the money."""

    server: Any = None
    chain: ChainSettings
    asset: Asset
    signers: tuple[Any, ...]
    deployment: str
    fee: int
    first_hash = "00"

    def __init__(self) -> None:
        super().__init__()
        self.clone = cloned_database(self.server)
        self.pg = self.clone.__enter__()
        self.runner = asyncio.Runner()
        self.payouts: dict[str, SignedIntent] = {}
        self.events: list[int] = []
        self.key = SigningKey(b"k" * 32)
        self.begin()
        self.runner.run(self._open())

    def begin(self) -> None:
        """Give the chain, its models and the signers."""
        raise NotImplementedError

    async def arrange(self) -> None:
        """Put into the database what is there before anything happens."""
        raise NotImplementedError

    @property
    def planner(self) -> Any:
        raise NotImplementedError

    async def see(self) -> int:
        """Have the rooms see what the chain has done, once; how much that was."""
        raise NotImplementedError

    async def check(self, found: list[Payout], gone: int, spent: int) -> None:
        """See that the chain agrees with the payouts.

        ``gone`` is what final payouts paid, ``spent`` all that merchants no longer have available for payouts' sake.
        """
        raise NotImplementedError

    def check_ended(self, payout: Payout, signed: list[Any]) -> None:
        """See that a payout which gave its hold back can never be paid; ``signed`` are the signers that bound it."""
        raise NotImplementedError

    async def _open(self) -> None:
        database = DatabaseSettings(passwords=Path("/nonexistent"))
        self.settings = Settings(
            deployment=self.deployment, data_dir=Path("/nonexistent"), database=database, chains=(self.chain,)
        )
        self.pools = {role: make_pool(self.pg.dsn(role), size=1, name=role) for role in ("api", "worker", "treasury")}
        for pool in self.pools.values():
            await pool.open()
        async with transaction(self.pools["api"]) as connection:
            self.merchant = await create_merchant(connection, "shop")
        await self.arrange()
        chain, status = self.chain.id, "INSERT INTO chain_status (chain, status, height, hash) VALUES (%s, 'ok', 0, %s)"
        self.pg.execute(status, chain, self.first_hash)
        self.pg.execute("INSERT INTO treasury_trusted VALUES (%s, %s, true)", chain, self.merchant.id)
        self.dispatcher = Dispatcher()
        for topic, handler in (*treasury_jobs.handlers(), *payout_jobs.handlers()):
            self.dispatcher.on(topic, handler)

    async def book(self, *places: tuple[AccountType, int]) -> None:
        """Have the house or the merchant own so much, which the cold side of the chain has."""
        cold = Account(AccountType.CHAIN_COLD, self.asset)
        postings = tuple(Posting(cold, self._account(kind), Amount(self.asset, amount)) for kind, amount in places)
        async with transaction(self.pools["worker"]) as connection:
            await ledger.post(connection, [LedgerTransaction("start", "start", postings)])

    def teardown(self) -> None:
        async def close() -> None:
            for pool in self.pools.values():
                await pool.close()

        self.runner.run(close())
        self.runner.close()
        self.clone.__exit__(None, None, None)

    @rule(data=st.data())
    @precondition(lambda self: self.payouts)
    def cancel(self, data: st.DataObject) -> None:
        self.runner.run(self._cancel(data.draw(st.sampled_from(sorted(self.payouts)))))

    @rule(who=st.sampled_from([0, 1]))
    def signer_goes_or_comes(self, who: int) -> None:
        self.signers[who].away = not self.signers[who].away

    @rule()
    def plan(self) -> None:
        self.runner.run(self.do(self.planner.plan))

    @rule()
    def void(self) -> None:
        self.runner.run(self.do(Voiding(self.treasury, self.chain, self.signers).step))

    @invariant()
    def the_money_is_where_it_belongs(self) -> None:
        self.runner.run(self._check())

    @property
    def treasury(self) -> Pool:
        return self.pools["treasury"]

    async def do(self, step: Callable[[], Awaitable[object]]) -> None:
        """Do one step of a loop, with all that waits to be tried again due, and let everybody see what came of it."""
        for table in ("outbound_slot", "outbound_void", "treasury_payable"):
            self.pg.execute(f"UPDATE {table} SET retry_at = now() WHERE retry_at > now()")
        await step()
        await self.facts()

    async def facts(self) -> None:
        handled = 1
        while handled:
            handled = await self.see()
            handled += await self.dispatcher.run_once(self.pools["worker"])
        assert self.pg.execute("SELECT count(*) FROM outbox_event WHERE handled_at IS NULL") == [(0,)]

    async def ask_for(self, amount: int, destination: str, refused_by: str) -> None:
        """A merchant's payout, if it has the money, which the signers of these names will refuse."""
        if await self.balance(AccountType.MERCHANT_AVAILABLE) < amount + self.fee:
            return
        expires_at = int(datetime.now(UTC).timestamp()) + 86_400
        merchant, asset = self.merchant.id, self.asset.id
        intent = PaymentIntent(
            self.deployment, merchant, PayoutId.new(), asset, amount, destination, "", self.fee, expires_at
        )
        data = intent.encode()
        signed = SignedIntent(data, bytes(self.key.verify_key), bytes(self.key.sign(data).signature))
        for signer in self.signers:
            if signer.name in refused_by:
                signer.refuses.add(data)
        self.payouts[intent.payout] = signed
        for _ in range(2):  # the same request twice is one payout
            async with transaction(self.pools["api"]) as connection:
                now = datetime.now(UTC)
                await payouts.create_payout(connection, self.settings, merchant, signed, PayoutKind.PAYMENT, now)
        await self.facts()

    async def _cancel(self, payout_id: str) -> None:
        try:
            async with transaction(self.pools["api"]) as connection:
                await payouts.cancel_payout(connection, self.merchant.id, payout_id)
        except PayoutNotCancellableError:
            return
        await self.facts()

    async def balance(self, kind: AccountType) -> int:
        async with transaction(self.pools["worker"]) as connection:
            return await ledger.balance(connection, self._account(kind))

    def _account(self, kind: AccountType) -> Account:
        return Account(kind, self.asset, self.merchant.id if kind.is_merchant else None)

    async def _check(self) -> None:
        async with transaction(self.pools["api"]) as connection:
            found = await payouts.list_payouts(connection, self.merchant.id, None, 1_000)
        assert {payout.id for payout in found} == set(self.payouts)
        held = sum(p.amount + p.fee for p in found if p.state in WAITING)
        moving = sum(p.amount for p in found if p.state in MOVING)
        gone = sum(p.amount for p in found if p.state is PayoutState.FINAL)
        earned = sum(p.fee for p in found if p.state in MOVING or p.state is PayoutState.FINAL)
        assert await self.balance(AccountType.MERCHANT_HELD) == held
        assert await self.balance(AccountType.IN_TRANSIT) == moving
        assert await self.balance(AccountType.HOUSE_FEES) == earned
        assert await self.balance(AccountType.SUSPENSE) == 0
        await self.check(found, gone, held + moving + gone + earned)
        for payout in found:
            self._check_signers(payout)

    def _check_signers(self, payout: Payout) -> None:
        intent = self.payouts[payout.id].intent
        signed = [signer for signer in self.signers if intent in signer.bound]
        if payout.state in MOVING or payout.state is PayoutState.FINAL:
            assert len(signed) == 2
        if payout.state in ENDED:
            self.check_ended(payout, signed)

    async def in_books(self) -> int:
        """What the books say is on the chain, as the negative number that it is there."""
        return await self.balance(AccountType.CHAIN_HOT) + await self.balance(AccountType.CHAIN_COLD)
