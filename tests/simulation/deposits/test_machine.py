"""Random histories of a chain, with crashes and payouts in between: the books equal a model at every step."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from strongroom.chains.model import ObservedTx
from strongroom.infra.settings import FeeSettings, Tier
from strongroom.ledger.model import AccountType
from tests.fixtures.postgres import PostgresCluster
from tests.integration.deposits.feed import payment
from tests.integration.wallets.key_sets import chain_settings
from tests.simulation.deposits.machine import ChainMachine
from tests.simulation.deposits.model import BLOCKS_ABOVE, FEE_PPM, MATURITY, MINIMUM, SMALL_TIER, Model, Payment
from tests.simulation.machines import run_machine

AMOUNTS = st.sampled_from([1, 400, 600, 999, 1_000, 49_999, 50_000, 50_001, 123_457])
SETTINGS = chain_settings(
    tiers=(Tier(confirmations=SMALL_TIER[1], amount_max=SMALL_TIER[0]), Tier(confirmations=BLOCKS_ABOVE)),
    minimum_deposit=MINIMUM,
    coinbase_maturity=MATURITY,
    fees=FeeSettings(deposit_fee_ppm=FEE_PPM),
)


class DepositMachine(ChainMachine):
    """A Bitcoin chain that does what it likes."""

    chain = SETTINGS

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(self.feed.height)
        self.txs: dict[str, ObservedTx] = {}

    def an_empty_block(self) -> None:
        self._connect([])

    def _new(self, merchant: int, amount: int, *, coinbase: bool = False) -> ObservedTx:
        tx = payment((self.scripts[merchant], amount), coinbase=coinbase)
        self.txs[tx.txid] = tx
        self.model.payments[tx.txid] = Payment(merchant, amount, coinbase)
        return tx

    def _connect(self, txs: list[ObservedTx]) -> None:
        self.feed.connect(*txs)
        self.model.connect([tx.txid for tx in txs])

    @rule(merchant=st.integers(0, 1), amount=AMOUNTS)
    def a_payment_appears(self, merchant: int, amount: int) -> None:
        self.feed.appear(self._new(merchant, amount))

    @rule(merchant=st.integers(0, 1), amounts=st.lists(AMOUNTS, max_size=3), coinbase=st.booleans())
    def a_block_brings_new_payments(self, merchant: int, amounts: list[int], coinbase: bool) -> None:
        txs = [self._new(merchant, amount) for amount in amounts]
        if coinbase:
            txs.append(self._new(merchant, 5_000, coinbase=True))
        self._connect(txs)

    @rule(data=st.data())
    def a_block_takes_open_payments(self, data: st.DataObject) -> None:
        open_now = sorted(txid for txid in self.feed.open if not self.model.payments[txid].coinbase)
        left_out = data.draw(st.sets(st.sampled_from(open_now), max_size=1)) if open_now else set()
        chosen = [txid for txid in open_now if txid not in left_out]
        self._connect([self.txs[txid] for txid in chosen])

    @precondition(lambda self: self.feed.height > 201)
    @rule(depth=st.integers(1, 4))
    def blocks_are_orphaned(self, depth: int) -> None:
        for _ in range(min(depth, self.feed.height - 201)):
            txs = self.feed.disconnect()
            self.model.disconnect([tx.txid for tx in txs])
            for tx in txs:
                if self.model.payments[tx.txid].coinbase:
                    self.feed.vanish(tx, "evicted")

    @precondition(lambda self: self.feed.height > 201)
    @rule(data=st.data(), depth=st.integers(1, 3), steps=st.booleans())
    def the_chain_reorganises(self, data: st.DataObject, depth: int, steps: bool) -> None:
        """Blocks are orphaned, and as many others take most of their payments again."""
        self.blocks_are_orphaned(depth)
        if steps:
            self.the_worker_steps()
        for _ in range(depth):
            self.a_block_takes_open_payments(data)

    @precondition(lambda self: self.feed.open)
    @rule(data=st.data(), reason=st.sampled_from(["replaced", "conflict", "evicted"]))
    def an_open_payment_vanishes(self, data: st.DataObject, reason: str) -> None:
        txid = data.draw(st.sampled_from(sorted(self.feed.open)))
        self.feed.vanish(self.txs[txid], reason)

    @precondition(lambda self: self._gone())
    @rule(data=st.data())
    def a_vanished_payment_comes_back(self, data: st.DataObject) -> None:
        self.feed.appear(self.txs[data.draw(st.sampled_from(self._gone()))])

    def _gone(self) -> list[str]:
        places = self.model.payments.items()
        gone = [txid for txid, item in places if item.height is None and not item.coinbase]
        return sorted(txid for txid in gone if txid not in self.feed.open)

    @rule(status=st.sampled_from(["ok", "ok", "ok", "syncing"]))
    def the_chain_changes_its_status(self, status: str) -> None:
        self.feed.status(status)
        self.model.may_credit = status == "ok"

    @rule(merchant=st.integers(0, 1), percent=st.integers(1, 100))
    def a_merchant_spends(self, merchant: int, percent: int) -> None:
        available = self.runner.run(self.bank.available(merchant))
        amount = available * percent // 100
        if amount:
            self.runner.run(self.bank.spend(amount, merchant))
            self.model.spent[merchant] += amount

    @invariant()
    def no_balance_is_below_zero_and_debts_are_repaid_first(self) -> None:
        for merchant in (0, 1):
            available, owed = (self.runner.run(call(merchant)) for call in (self.bank.available, self.bank.owed))
            assert available >= 0
            assert owed <= 0
            assert available == 0 or owed == 0

    @invariant()
    def the_books_say_what_the_model_says(self) -> None:
        """As of the last step: what happened since is not in the books, but for payouts."""
        for merchant in (0, 1):
            worth = self.runner.run(self._worth(merchant))
            assert worth == self.model.worth(merchant)
        rows = self.pg.execute(
            "SELECT d.txid, (SELECT count(*) FROM deposit_credit c WHERE c.deposit_id = d.id), "
            "(SELECT count(*) FROM deposit_reversal r WHERE r.deposit_id = d.id) FROM deposit d"
        )
        for txid, credits_, reversals in rows:
            item = self.model.payments[str(txid)]
            assert (credits_, reversals) == (item.credits, item.reversals)
            assert item.credits - item.reversals == int(item.credited)

    @invariant()
    def the_chain_accounts_hold_what_is_credited(self) -> None:
        credited = sum(item.amount for item in self.model.payments.values() if item.credited)
        assert self.runner.run(self.bank.balance(AccountType.CHAIN_COLD)) == -credited

    async def _worth(self, merchant: int) -> int:
        return await self.bank.available(merchant) + await self.bank.owed(merchant)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_books_follow_any_history_of_a_chain(postgres_server: PostgresCluster) -> None:
    DepositMachine.cluster = postgres_server
    run_machine(DepositMachine, examples=12, steps=30)
