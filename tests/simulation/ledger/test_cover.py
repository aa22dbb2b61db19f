"""A stateful machine: whatever is posted, a breach stands exactly where an independent model says that one has to."""

import asyncio
from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from strongroom.infra.database import Connection, connect
from strongroom.ledger import service
from strongroom.ledger.model import Account, AccountType, BreachKind, LedgerTransaction, Posted, Posting
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC, REGTEST_LTC, Asset
from strongroom_core.ids import MerchantId
from tests.fixtures.postgres import Database

ASSETS = (REGTEST_BTC, REGTEST_LTC)
MERCHANTS = (MerchantId.new(1), MerchantId.new(2))
units = st.integers(1, 30)
_T = AccountType


def account(kind: AccountType, asset: Asset, merchant: int = 0) -> Account:
    return Account(kind, asset, MERCHANTS[merchant] if kind.is_merchant else None)


# What happens in the house, as (source, destination); anything else is posted by `anything`.
WAYS = (
    (_T.CHAIN_HOT, _T.MERCHANT_AVAILABLE),
    (_T.CHAIN_COLD, _T.MERCHANT_AVAILABLE),
    (_T.CHAIN_COLD, _T.HOUSE_CAPITAL),
    (_T.CHAIN_HOT, _T.HOUSE_CAPITAL),
    (_T.CHAIN_HOT, _T.CHAIN_COLD),
    (_T.CHAIN_COLD, _T.CHAIN_HOT),
    (_T.MERCHANT_AVAILABLE, _T.MERCHANT_HELD),
    (_T.MERCHANT_HELD, _T.IN_TRANSIT),
    (_T.MERCHANT_HELD, _T.HOUSE_FEES),
    (_T.IN_TRANSIT, _T.CHAIN_HOT),
    (_T.NETWORK_FEES, _T.CHAIN_HOT),
    (_T.HOUSE_CAPITAL, _T.CHAIN_COLD),
    (_T.MERCHANT_OWED, _T.CHAIN_COLD),
    (_T.CHAIN_COLD, _T.MERCHANT_OWED),
    (_T.CHAIN_COLD, _T.SUSPENSE),
    (_T.SUSPENSE, _T.CHAIN_COLD),
)


class Covered(RuleBasedStateMachine):
    """Drives the books; the model adds the postings up itself and judges by what each merchant has."""

    dsn = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.connection: Connection = self.runner.run(connect(self.dsn))
        self.totals: dict[tuple[Asset, AccountType], int] = defaultdict(int)
        self.count = 0
        self.began = 0
        self.past: list[Any] = []

    def teardown(self) -> None:
        self.runner.run(self.connection.rollback())
        self.runner.run(self.connection.close())
        self.runner.close()

    def _transaction(self, *postings: Posting) -> LedgerTransaction:
        self.count += 1
        return LedgerTransaction("any", f"key-{self.count}", postings)

    def _happened(self, transaction: LedgerTransaction) -> None:
        for item in transaction.postings:
            self.totals[item.source.asset, item.source.type] -= item.amount.base_units
            self.totals[item.source.asset, item.destination.type] += item.amount.base_units

    @rule(way=st.sampled_from(WAYS), asset=st.sampled_from(ASSETS), merchant=st.integers(0, 1), amount=units)
    def one_thing_happens(self, way: tuple[AccountType, AccountType], asset: Asset, merchant: int, amount: int) -> None:
        source, destination = (account(kind, asset, merchant) for kind in way)
        transaction = self._transaction(Posting(source, destination, Amount(asset, amount)))
        [answer] = self.runner.run(service.try_post(self.connection, [transaction]))
        if isinstance(answer, Posted):
            self._happened(transaction)

    @rule(
        ways=st.lists(
            st.tuples(st.sampled_from(WAYS), st.sampled_from(ASSETS), st.integers(0, 1), units), min_size=2, max_size=6
        ),
        crash=st.booleans(),
    )
    def much_happens_at_once_or_not_at_all(self, ways: list[Any], crash: bool) -> None:
        batch = []
        for (source, destination), asset, merchant, amount in ways:
            accounts = (account(source, asset, merchant), account(destination, asset, merchant))
            batch.append(self._transaction(Posting(*accounts, Amount(asset, amount))))
        self.runner.run(self.connection.execute("SAVEPOINT before"))
        answers = self.runner.run(service.try_post(self.connection, batch))
        if crash:
            self.runner.run(self.connection.execute("ROLLBACK TO before"))
            return
        for transaction, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Posted):
                self._happened(transaction)

    @rule()
    def the_independent_look_changes_nothing(self) -> None:
        before = self.runner.run(service.breaches(self.connection))
        self.runner.run(service.judge_all(self.connection))
        assert self.runner.run(service.breaches(self.connection)) == before

    def _expected(self, asset: Asset) -> dict[str, int]:
        def of(*kinds: AccountType) -> int:
            return sum(self.totals[asset, kind] for kind in kinds)

        losses = min(0, of(_T.HOUSE_FEES, _T.NETWORK_FEES)) + min(0, of(_T.SUSPENSE)) + of(_T.MERCHANT_OWED)
        capital = max(0, of(_T.HOUSE_CAPITAL) + losses)
        reach = max(-of(_T.CHAIN_HOT), of(_T.IN_TRANSIT))
        clients = of(_T.MERCHANT_AVAILABLE, _T.MERCHANT_HELD, _T.IN_TRANSIT)
        assets = -of(_T.CHAIN_HOT, _T.CHAIN_COLD)
        found = {"hot": reach - capital, "clients": clients - assets}
        return {name: size for name, size in found.items() if size > 0}

    @invariant()
    def a_breach_stands_where_one_has_to_and_nowhere_else(self) -> None:
        standing: dict[Asset, dict[str, int]] = {asset: {} for asset in ASSETS}
        for item in self.runner.run(service.breaches(self.connection)):
            [asset] = [each for each in ASSETS if each.id == item.asset]
            name = "clients" if item.kind is BreachKind.CLIENTS_SHORT else "hot"
            assert name not in standing[asset]
            standing[asset][name] = item.size
            assert item.worst >= item.size
            assert item.ended_at is None
        assert standing == {asset: self._expected(asset) for asset in ASSETS}

    @invariant()
    def what_is_over_stays_as_it_was(self) -> None:
        past = self.runner.run(service.past_breaches(self.connection, 1000))
        assert past[len(past) - len(self.past) :] == self.past
        assert all(item.ended_at is not None for item in past)
        self.past = past


def test_a_breach_stands_exactly_where_an_independent_model_says(pg: Database) -> None:
    Covered.dsn = pg.dsn("worker")
    chosen = settings(
        max_examples=25,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=True,
    )
    run_state_machine_as_test(Covered, settings=chosen)
