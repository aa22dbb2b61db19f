"""Random lives of an invoice on a real database, judged by a model that knows only facts and the clock.

The model is written from the words of the decision page 0061, not from the code: it keeps each deposit's newest state
and derives what must hold; it does not walk the table of moves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from strongroom.infra.database import transaction
from strongroom.infra.outbox import OutboxEvent
from strongroom.invoices import service
from strongroom.invoices.errors import InvoiceNotCancellableError
from strongroom.invoices.model import Invoice
from tests.fixtures.postgres import Database
from tests.integration.invoices.shop import START, Shop, open_shop
from tests.simulation.machines import run_machine

DUE, ENOUGH, MINIMUM = 1_000_000, 995_000, 1_000
NEXT = {
    "seen": ["confirming", "dropped"],
    "confirming": ["confirming", "credited", "held", "confirmed", "dropped"],
    "confirmed": ["credited", "held", "dropped"],
    "held": ["credited"],
    "credited": ["reversed"],
    "reversed": ["confirming", "dropped"],
    "dropped": ["seen", "confirming"],
}
ARROWS = {
    ("new", "processing"), ("new", "paid"), ("new", "expired"), ("new", "invalid"), ("processing", "new"),
    ("processing", "paid"), ("processing", "invalid"), ("paid", "processing"), ("expired", "processing"),
    ("expired", "paid"), ("invalid", "processing"), ("invalid", "paid"),
}  # fmt: skip


@dataclass
class Fact:
    """One deposit, as the chain and the books have it."""

    amount: int
    seen_at: datetime
    state: str = "seen"
    cycle: int = 1

    @property
    def there(self) -> bool:
        return self.state != "dropped"

    @property
    def mine(self) -> bool:
        return self.state == "credited"

    @property
    def counts(self) -> bool:
        return self.there and (self.mine or self.amount >= MINIMUM)


class InvoiceMachine(RuleBasedStateMachine):
    """One invoice per run; the shop and its database are shared by all runs."""

    shop: Shop
    runner: asyncio.Runner
    database: Database

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize()
    def issue(self) -> None:
        self.shop.clock.at = START
        self.invoice: Invoice = self.run(self.shop.invoice())
        self.facts: dict[str, Fact] = {}
        self.said: list[OutboxEvent] = []
        self.cancelled = False
        self.settled = True  # the expiry loop has run since the clock moved

    def tell(self, deposit_id: str | None, fact: Fact) -> str:
        event = self.shop.word(
            self.invoice,
            fact.state,
            fact.amount,
            deposit_id=deposit_id,
            cycle=fact.cycle,
            first_seen_at=fact.seen_at.isoformat(),
            below_minimum=fact.amount < MINIMUM,
        )
        self.said.append(event)
        self.run(self.shop.tell(event))
        return event.key

    @rule(amount=st.sampled_from([500, 5_000, 5_001, 400_000, 600_000, ENOUGH - 1, ENOUGH, DUE, DUE, DUE + 1]))
    def a_payment_is_seen(self, amount: int) -> None:
        if len(self.facts) < 5:
            fact = Fact(amount, self.shop.clock.now())
            self.facts[self.tell(None, fact)] = fact

    @precondition(lambda self: self.facts)
    @rule(data=st.data())
    def a_deposit_goes_on(self, data: st.DataObject) -> None:
        deposit_id = data.draw(st.sampled_from(sorted(self.facts)))
        fact = self.facts[deposit_id]
        following = data.draw(st.sampled_from(NEXT[fact.state]))
        fact.cycle += fact.state in {"reversed", "dropped"}
        fact.state = following
        self.tell(deposit_id, fact)

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def an_old_word_is_told_again(self, data: st.DataObject) -> None:
        self.run(self.shop.tell(data.draw(st.sampled_from(self.said))))

    @rule(seconds=st.sampled_from([1, 300, 600, 900, 3_600, 86_400]))
    def time_goes_by(self, seconds: int) -> None:
        self.shop.clock.at += timedelta(seconds=seconds)
        self.settled = False

    @rule()
    def the_loop_runs(self) -> None:
        while self.run(self.shop.expire()):
            pass
        self.settled = True

    @rule()
    def the_merchant_cancels(self) -> None:
        if len(self.said) % 3 == 0:  # not too often, or nothing else is seen
            try:
                self.run(self._cancel())
            except InvoiceNotCancellableError:
                assert self.now_is().status.value != "new"
            else:
                self.cancelled = self.now_is().reason == "cancelled"

    async def _cancel(self) -> None:
        async with transaction(self.shop.api) as connection:
            now = self.shop.clock.now()
            await service.cancel_invoice(connection, self.shop.settings, self.invoice.merchant_id, self.invoice.id, now)

    def now_is(self) -> Invoice:
        found = self.run(self.shop.get(self.invoice))
        assert isinstance(found, Invoice)
        return found

    @invariant()
    def the_invoice_says_what_the_facts_say(self) -> None:
        found = self.now_is()
        in_time = [fact for fact in self.facts.values() if fact.seen_at <= self.invoice.expires_at]
        paid = sum(fact.amount for fact in in_time if fact.mine) >= ENOUGH
        seen = sum(fact.amount for fact in in_time if fact.counts) >= ENOUGH
        self.check_sums(found)
        self.check_status(found, paid=paid, seen=seen)
        self.check_exception(found, seen=seen)
        self.check_record(found)

    def check_sums(self, found: Invoice) -> None:
        assert found.paid.base_units == sum(fact.amount for fact in self.facts.values() if fact.mine)
        everything = sum(fact.amount for fact in self.facts.values() if fact.there)
        assert found.paid.base_units + found.pending.base_units == everything

    def check_status(self, found: Invoice, *, paid: bool, seen: bool) -> None:
        status, now = found.status.value, self.shop.clock.now()
        if self.cancelled:
            assert (status, found.reason) == ("invalid", "cancelled")
            return
        assert (status == "paid") == paid
        if seen and not paid:
            assert status == "processing" or (status, found.reason) == ("invalid", "unconfirmed")
        if not seen:
            assert status in {"new", "processing", "expired", "invalid"}
            if self.settled and now < found.expires_at:
                assert status == "new"
        if self.settled and now >= found.expires_at:
            assert status != "new"
        if status in {"expired", "invalid"}:
            assert now >= found.expires_at
        if self.settled and status == "processing":
            assert found.due_at is not None
            assert now < found.due_at

    def check_exception(self, found: Invoice, *, seen: bool) -> None:
        there = [fact for fact in self.facts.values() if fact.there]
        late = [fact for fact in there if fact.seen_at > self.invoice.expires_at]
        full = [fact for fact in there if fact.counts and fact.amount >= ENOUGH]
        total = sum(fact.amount for fact in there if fact.counts)
        status, said = found.status.value, found.exception.value
        if not there:
            assert said == "none"
        elif status in {"paid", "processing"}:
            wanted = "paid-twice" if len(full) > 1 else "overpaid" if total > DUE else "none"
            assert said == ("underpaid" if total < ENOUGH else wanted)
        elif status == "new":
            assert said == "underpaid"
        else:
            assert said == ("late" if late or seen or self.cancelled else "underpaid")

    def check_record(self, found: Invoice) -> None:
        rows = self.database.execute(
            "SELECT from_status, to_status FROM invoice_history WHERE invoice_id = %s ORDER BY id", found.id
        )
        path = ["new", *(str(to) for _, to in rows)]
        assert all((str(start), str(end)) in ARROWS for start, end in rows)
        assert [start for start, _ in rows] == path[:-1]
        assert path[-1] == found.status.value
        ((told,),) = self.database.execute(
            "SELECT payload FROM outbox_event WHERE key = %s ORDER BY id DESC LIMIT 1", found.id
        )
        assert isinstance(told, dict)
        shown = service.merchant_view(found, self.shop.settings)
        for name in ("status", "exception", "status_reason", "amount_paid", "amount_pending"):
            assert told[name] == shown[name]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_any_life_of_an_invoice_ends_as_its_facts_say(pg_module: Database) -> None:
    with asyncio.Runner() as runner:
        opened = open_shop(pg_module)
        InvoiceMachine.shop = runner.run(opened.__aenter__())
        InvoiceMachine.runner, InvoiceMachine.database = runner, pg_module
        try:
            run_machine(InvoiceMachine, examples=40, steps=25)
        finally:
            runner.run(opened.__aexit__(None, None, None))
