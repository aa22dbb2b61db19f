"""A stateful machine: whatever is posted, held and repeated, the books equal an independent model."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from strongroom.infra.database import Connection, connect
from strongroom.ledger import service
from strongroom.ledger.model import Account, AccountType, Hold, LedgerTransaction, Posted, Posting
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC, REGTEST_LTC
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import MerchantId
from tests.fixtures.postgres import Database
from tests.simulation.ledger import auditor
from tests.simulation.ledger.auditor import Leg, Model, ModelHold, Move

ASSETS = (REGTEST_BTC, REGTEST_LTC)
MERCHANTS = (MerchantId.new(1), MerchantId.new(2))
ACCOUNTS = [
    Account(kind, asset, merchant)
    for asset in ASSETS
    for kind in AccountType
    for merchant in (MERCHANTS if kind.is_merchant else (None,))
]
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
CODES = {
    "idempotency-conflict": "conflict",
    "insufficient-funds": "insufficient",
    "hold-closed": "closed",
    "hold-exceeded": "exceeded",
}
units = st.integers(1, 50) | st.integers(1, 2**200)


def leg(account: Account) -> Leg:
    return (account.owner or "", account.type.value, account.asset.id)


@st.composite
def postings(draw: st.DrawFn) -> Posting:
    source = draw(st.sampled_from(ACCOUNTS))
    others = [other for other in ACCOUNTS if other.asset == source.asset and other != source]
    return Posting(source, draw(st.sampled_from(others)), Amount(source.asset, draw(units)))


def moves(group: tuple[Posting, ...]) -> list[Move]:
    return [(leg(each.source), leg(each.destination), each.amount.base_units) for each in group]


class Books(RuleBasedStateMachine):
    """Drives the ledger and the model side by side in one database transaction, rolled back at the end."""

    dsn = ""
    transactions = Bundle("transactions")
    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.connection: Connection = self.runner.run(connect(self.dsn))
        self.model = Model()
        self.count = 0
        self.clock = 0

    def teardown(self) -> None:
        self.runner.run(self.connection.rollback())
        self.runner.run(self.connection.close())
        self.runner.close()

    def _key(self) -> str:
        self.count += 1
        return f"key-{self.count}"

    def _attempt(self, call: Any) -> tuple[str, Any]:
        try:
            return "posted", self.runner.run(call)
        except StrongroomError as error:
            return CODES[error.code], None

    @rule(merchant=st.sampled_from(MERCHANTS), asset=st.sampled_from(ASSETS), amount=units)
    def deposit(self, merchant: MerchantId, asset: Any, amount: int) -> None:
        source = Account(AccountType.CHAIN_COLD, asset)
        posting = Posting(source, Account(AccountType.MERCHANT_AVAILABLE, asset, merchant), Amount(asset, amount))
        transaction = LedgerTransaction("deposit", self._key(), (posting,))
        self.runner.run(service.post(self.connection, [transaction]))
        assert self.model.post(transaction.key, moves(transaction.postings)) == "posted"

    @rule(target=transactions, group=st.lists(postings(), min_size=1, max_size=4))
    def post_one(self, group: list[Posting]) -> LedgerTransaction:
        transaction = LedgerTransaction("any", self._key(), tuple(group))
        outcome, _ = self._attempt(service.post(self.connection, [transaction]))
        assert outcome == self.model.post(transaction.key, moves(transaction.postings))
        return transaction

    @rule(groups=st.lists(st.lists(postings(), min_size=1, max_size=3), min_size=2, max_size=8))
    def post_many(self, groups: list[list[Posting]]) -> None:
        batch = [LedgerTransaction("many", self._key(), tuple(group)) for group in groups]
        answers = self.runner.run(service.try_post(self.connection, batch))
        for transaction, answer in zip(batch, answers, strict=True):
            outcome = "posted" if isinstance(answer, Posted) else CODES[answer.code]
            assert outcome == self.model.post(transaction.key, moves(transaction.postings))

    @rule(groups=st.lists(st.lists(postings(), min_size=1, max_size=3), min_size=2, max_size=4))
    def post_all_or_nothing(self, groups: list[list[Posting]]) -> None:
        batch = [LedgerTransaction("all", self._key(), tuple(group)) for group in groups]
        outcome, _ = self._attempt(service.post(self.connection, batch))
        trial = Model(dict(self.model.balances), dict(self.model.keys), self.model.holds)
        expected = [trial.post(each.key, moves(each.postings)) for each in batch]
        assert outcome == next((each for each in expected if each != "posted"), "posted")
        if outcome == "posted":
            for each in batch:
                self.model.post(each.key, moves(each.postings))

    @rule(transaction=transactions)
    def post_again(self, transaction: LedgerTransaction) -> None:
        [answer] = self.runner.run(service.try_post(self.connection, [transaction]))
        expected = self.model.post(transaction.key, moves(transaction.postings))
        outcome = ("again" if answer.again else "posted") if isinstance(answer, Posted) else CODES[answer.code]
        assert outcome == expected

    @rule(transaction=transactions, other=postings())
    def post_another_under_the_same_key(self, transaction: LedgerTransaction, other: Posting) -> None:
        changed = LedgerTransaction("any", transaction.key, (*transaction.postings, other))
        outcome, _ = self._attempt(service.post(self.connection, [changed]))
        assert outcome == self.model.post(changed.key, moves(changed.postings))

    @rule(target=holds, merchant=st.sampled_from(MERCHANTS), amount=units, lifetime=st.none() | st.integers(0, 5))
    def reserve(self, merchant: MerchantId, amount: int, lifetime: int | None) -> Hold | None:
        account = Account(AccountType.MERCHANT_AVAILABLE, REGTEST_BTC, merchant)
        expires = None if lifetime is None else self.clock + lifetime
        call = service.reserve(
            self.connection,
            key=(key := self._key()),
            account=account,
            amount=Amount(REGTEST_BTC, amount),
            expires_at=None if expires is None else EPOCH + timedelta(days=expires),
        )
        outcome, hold = self._attempt(call)
        held = (merchant, "merchant-held", REGTEST_BTC.id)
        assert outcome == self.model.post(key, [(leg(account), held, amount)])
        if isinstance(hold, Hold):
            self.model.holds[hold.id] = ModelHold(held, amount, open=True, expires_at=expires)
            return hold
        return None

    @rule(
        hold=holds,
        amount=units,
        destination=st.sampled_from([AccountType.IN_TRANSIT, AccountType.HOUSE_FEES]),
        whole=st.booleans(),
    )
    def capture(self, hold: Hold | None, amount: int, destination: AccountType, whole: bool) -> None:
        if hold is None:
            return
        known = self.model.holds[hold.id]
        amount = known.left if whole and known.left else amount
        to = Account(destination, REGTEST_BTC)
        key = self._key()
        posting = Posting(hold.held_account, to, Amount(REGTEST_BTC, amount))
        outcome, after = self._attempt(service.capture(self.connection, hold.id, [posting], key))
        expected = "closed" if not known.open else "exceeded" if amount > known.left else None
        assert outcome == (expected or self.model.post(key, [(known.leg, leg(to), amount)], ("capture", hold.id)))
        if outcome == "posted":
            known.left -= amount
            known.open = known.left > 0
            assert (after.remaining.base_units, after.state == "open") == (known.left, known.open)

    @rule(hold=holds)
    def release(self, hold: Hold | None) -> None:
        if hold is None:
            return
        known = self.model.holds[hold.id]
        key = self._key()
        outcome, _ = self._attempt(service.release(self.connection, hold.id, key))
        assert outcome == ("posted" if known.open else "closed")
        self._give_back(hold.id, key)

    @rule(days=st.integers(0, 4))
    def time_passes(self, days: int) -> None:
        self.clock += days
        expired = self.runner.run(service.expire_holds(self.connection, EPOCH + timedelta(days=self.clock)))
        due = {
            hold_id
            for hold_id, known in self.model.holds.items()
            if known.open and known.expires_at is not None and known.expires_at <= self.clock
        }
        assert {hold.id for hold in expired} == due
        for hold_id in due:
            self._give_back(hold_id, f"hold:{hold_id}:expire")

    def _give_back(self, hold_id: str, key: str) -> None:
        known = self.model.holds[hold_id]
        if known.open:
            back = (known.leg[0], "merchant-available", known.leg[2])
            assert self.model.post(key, [(known.leg, back, known.left)]) == "posted"
            known.left, known.open = 0, False

    @invariant()
    def the_books_equal_the_model(self) -> None:
        auditor.run(self.runner, self.connection, self.model.balances)
        for asset in ASSETS:
            assert sum(amount for each, amount in self.model.balances.items() if each[2] == asset.id) == 0


def test_the_books_equal_an_independent_model(pg: Database) -> None:
    Books.dsn = pg.dsn("worker")
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    chosen = settings(
        max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=checks, derandomize=True
    )
    run_state_machine_as_test(Books, settings=chosen)


@pytest.fixture
def tampered(pg: Database) -> Iterator[Connection]:
    with psycopg.connect(pg.dsn(), autocommit=True) as superuser, asyncio.Runner() as runner:
        connection = runner.run(connect(pg.dsn("worker")))
        deposit = Posting(
            Account(AccountType.CHAIN_COLD, REGTEST_BTC),
            Account(AccountType.MERCHANT_AVAILABLE, REGTEST_BTC, MERCHANTS[0]),
            Amount(REGTEST_BTC, 5),
        )
        runner.run(service.post(connection, [LedgerTransaction("d", f"d{n}", (deposit,)) for n in range(3)]))
        runner.run(connection.commit())
        runner.run(connection.close())
        superuser.execute("SET session_replication_role = replica")
        yield superuser  # type: ignore[misc]


@pytest.mark.parametrize(
    "fault",
    [
        "DELETE FROM ledger_entry WHERE seq = 2 AND amount > 0",
        "UPDATE ledger_entry SET amount = 6, balance_after = balance_before + 6 WHERE seq = 3 AND amount > 0",
        "UPDATE ledger_entry SET balance_before = balance_before + 1, balance_after = balance_after + 1 WHERE seq = 2",
        "DELETE FROM ledger_transaction WHERE key = 'd1'",
        "UPDATE ledger_account SET balance = balance + 1 WHERE type = 'merchant-available'",
    ],
)
def test_the_product_s_own_audit_finds_what_was_tampered_with(pg: Database, tampered: Any, fault: str) -> None:
    async def audit() -> tuple[list[Any], list[tuple[int, int]]]:
        async with await connect(pg.dsn("auditor")) as connection:
            return await service.audit(connection)

    accounts, broken = asyncio.run(audit())
    assert all(account.sound for account in accounts)
    assert not broken
    assert tampered.execute(fault).rowcount > 0
    accounts, broken = asyncio.run(audit())
    assert broken or not all(account.sound for account in accounts)
