"""A signer's memory against a model of it that was written from the design, over random lives with restarts."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from strongroom_core.ids import MerchantId
from strongroom_core.intents import PaymentIntent
from strongroom_core.messages import HaltRequest
from strongroom_signer.journal import open_reader
from tests.unit.signer.kit import (
    LISTED,
    MERCHANT,
    NOW,
    OTHER_MERCHANT,
    SATS,
    SHOP,
    Bench,
    Clock,
    Draft,
    change,
    coin,
    intent,
    merchants,
    parse_policy,
    payout,
    policy_text,
    sign,
    void,
)

WINDOW, DAY = 3_600, 86_400
PER_PAYOUT, ALL, MERCHANT_CAP, UNLISTED = 3 * SATS, 12 * SATS, 8 * SATS, 5 * SATS
MAX_FEE, DAILY = 30_000, 60_000
POLICY = parse_policy(
    policy_text(max_fee_rate=10_000, max_fee=MAX_FEE, daily_fee_budget=DAILY, per_window=ALL, window_seconds=WINDOW)
)
ENROLLED = merchants(PER_PAYOUT, MERCHANT_CAP, UNLISTED)
FEES = st.sampled_from([1_000, 12_000, 25_000, 40_000])
SALTS = st.integers(0, 5)


@dataclass
class ModelSlot:
    intents: tuple[PaymentIntent, ...]
    coins: set[int]
    fees: list[tuple[int, int]] = field(default_factory=list)

    def charged(self) -> tuple[int, int]:
        """The highest fee and when it was first reached."""
        top = max(fee for _, fee in self.fees)
        return top, min(at for at, fee in self.fees if fee == top)


@dataclass
class Model:
    """What the design says, kept in plain lists and recomputed for every question."""

    slots: list[ModelSlot] = field(default_factory=list)
    spends: list[tuple[int, PaymentIntent]] = field(default_factory=list)
    done: dict[bytes, tuple[str, ...]] = field(default_factory=dict)
    void: set[str] = field(default_factory=set)
    halted: bool = False
    latest: int = NOW

    def slot_of(self, payment: PaymentIntent) -> ModelSlot | None:
        return next((slot for slot in self.slots if payment in slot.intents), None)

    def in_window(self, now: int, merchant: MerchantId | None = None, *, unlisted: bool = False) -> int:
        return sum(
            item.amount
            for at, item in self.spends
            if at > now - WINDOW
            and (merchant is None or item.merchant == merchant)
            and not (unlisted and item.destination == LISTED)
        )

    def gate(self, now: int, *, signing: bool) -> str:
        if signing and self.halted:
            return "halted"
        return "clock" if now < self.latest else ""

    def verdict(self, now: int, payments: tuple[PaymentIntent, ...], coins: set[int], fee: int) -> str:
        if any(item.payout in self.void for item in payments):
            return "intent-void"
        slots = [slot for slot in self.slots if any(item in slot.intents for item in payments)]
        if slots:
            slot = slots[0]
            if len(slots) > 1 or not slot.coins & coins:
                return "intent-bound"
            if slot.coins - coins:
                return "slot-inputs"
            if set(slot.intents) != set(payments):
                return "slot-payments"
        return self._first_time(now, payments) or self._fees(now, payments, coins, fee)

    def _first_time(self, now: int, payments: tuple[PaymentIntent, ...]) -> str:
        fresh = [item for item in payments if self.slot_of(item) is None]
        checks = (
            ("intent-expired", lambda n: now >= fresh[n].expires_at),
            ("limit-payout", lambda n: fresh[n].amount > PER_PAYOUT),
            ("destination-unlisted", lambda n: self._reaches(now, fresh, n, unlisted=True) > UNLISTED),
            ("velocity-merchant", lambda n: self._reaches(now, fresh, n, unlisted=False) > MERCHANT_CAP),
            ("velocity-all", lambda n: self.in_window(now) + sum(item.amount for item in fresh[: n + 1]) > ALL),
        )
        return next((tag for tag, broken in checks if any(broken(n) for n in range(len(fresh)))), "")

    def _reaches(self, now: int, fresh: list[PaymentIntent], n: int, *, unlisted: bool) -> int:
        if unlisted and fresh[n].destination == LISTED:
            return 0
        new = [
            item
            for item in fresh[: n + 1]
            if item.merchant == fresh[n].merchant and not (unlisted and item.destination == LISTED)
        ]
        return self.in_window(now, fresh[n].merchant, unlisted=unlisted) + sum(item.amount for item in new)

    def slot_for(self, payments: tuple[PaymentIntent, ...], coins: set[int]) -> ModelSlot | None:
        if payments:
            return self.slot_of(payments[0])
        return next((slot for slot in self.slots if not slot.intents and slot.coins <= coins), None)

    def _fees(self, now: int, payments: tuple[PaymentIntent, ...], coins: set[int], fee: int) -> str:
        if fee > MAX_FEE:
            return "fee-absolute"
        slot = self.slot_for(payments, coins)
        if slot is not None and fee <= slot.charged()[0]:
            return ""
        charges = [other.charged() for other in self.slots if other is not slot]
        spent = sum(top for top, at in charges if at > now - DAY)
        return "fee-daily" if spent + fee > DAILY else ""

    def record(self, now: int, payments: tuple[PaymentIntent, ...], coins: set[int], fee: int) -> None:
        self.latest = now
        slot = self.slot_for(payments, coins)
        if slot is None:
            slot = ModelSlot(payments, set())
            self.slots.append(slot)
            self.spends += [(now, item) for item in payments]
        slot.coins |= coins
        slot.fees.append((now, fee))


class SignerMachine(RuleBasedStateMachine):
    """Payouts, replacements, replays, sweeps, voids, halts, restarts and a clock that moves both ways."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="signer-machine", dir="/dev/shm"))
        self.clock = Clock()
        self.bench = Bench(self.folder, policy=POLICY, clock=self.clock, enrolment=ENROLLED)
        self.model = Model()
        self.known: list[PaymentIntent] = []
        self.sent: list[tuple[Draft, tuple[PaymentIntent, ...], set[int], int]] = []

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.close()
            shutil.rmtree(self.folder)

    def _send(self, payments: tuple[PaymentIntent, ...], salts: set[int], fee: int) -> None:
        coins = tuple(coin(10 * SATS, salt=salt) for salt in sorted(salts))
        draft = payout(*payments, coins=coins, fee=fee)
        self._ask(draft, payments, salts, fee)
        self.sent.append((draft, payments, salts, fee))

    def _ask(self, draft: Draft, payments: tuple[PaymentIntent, ...], salts: set[int], fee: int) -> None:
        now = self.clock.now
        txid, names = draft.tx.txid(), tuple(sorted(item.payout for item in payments))
        tag = self.model.gate(now, signing=True)
        if not tag and txid in self.model.done:
            tag = "signed" if self.model.done[txid] == names else "slot-payments"
        fresh = not tag
        tag = tag or self.model.verdict(now, payments, salts, fee) or "signed"
        assert self.bench.tag(draft.request()) == tag
        self.model.latest = max(self.model.latest, now) if tag != "signed" or fresh else self.model.latest
        if tag == "signed" and fresh:
            self.model.record(now, payments, salts, fee)
            self.model.done[txid] = names

    @rule(
        amounts=st.lists(st.sampled_from([SATS // 2, 2 * SATS, 3 * SATS, 3 * SATS + 1]), min_size=1, max_size=2),
        merchant=st.sampled_from([MERCHANT, OTHER_MERCHANT]),
        destination=st.sampled_from([SHOP, LISTED]),
        salts=st.sets(SALTS, min_size=1, max_size=2),
        fee=FEES,
        life=st.sampled_from([-5, 600]),
    )
    def pay(self, amounts: list[int], salts: set[int], fee: int, life: int, **where: Any) -> None:
        made = tuple(intent(amount=amount, expires_at=self.clock.now + life, **where) for amount in amounts)
        self.known += made
        self._send(made, salts, fee)

    @precondition(lambda self: self.known)
    @rule(data=st.data(), salts=st.sets(SALTS, min_size=1, max_size=3), fee=FEES)
    def pay_known_again(self, data: st.DataObject, salts: set[int], fee: int) -> None:
        picked = data.draw(st.lists(st.sampled_from(self.known), min_size=1, max_size=2, unique_by=lambda i: i.payout))
        self._send(tuple(picked), salts, fee)

    @precondition(lambda self: any(slot.intents for slot in self.model.slots))
    @rule(data=st.data(), more=st.sets(SALTS, max_size=1), fee=FEES)
    def replace(self, data: st.DataObject, more: set[int], fee: int) -> None:
        slot = data.draw(st.sampled_from([slot for slot in self.model.slots if slot.intents]))
        self._send(slot.intents, slot.coins | more, fee)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        self._ask(*data.draw(st.sampled_from(self.sent)))

    @rule(salts=st.sets(SALTS, min_size=1, max_size=3), fee=FEES)
    def sweep(self, salts: set[int], fee: int) -> None:
        coins = tuple(coin(10 * SATS, salt=salt) for salt in sorted(salts))
        draft = Draft(coins, (change(10 * SATS * len(coins) - fee, 1),))
        self._ask(draft, (), salts, fee)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        payment = data.draw(st.sampled_from(self.known))
        tag = self.model.gate(self.clock.now, signing=False)
        tag = tag or ("intent-signed" if self.model.slot_of(payment) else "voided")
        assert self.bench.tag(void(sign(payment))) == tag
        if tag == "voided":
            self.model.void.add(payment.payout)

    @rule()
    def halt(self) -> None:
        self.bench.ask(HaltRequest("req", "machine"))
        self.model.halted = True

    @precondition(lambda self: self.model.halted)
    @rule()
    def resume(self) -> None:
        self.bench.signer.resume()
        self.model.halted = False

    @rule()
    def restart(self) -> None:
        self.bench.restart()

    @rule(seconds=st.sampled_from([-1, 1, 700, WINDOW, DAY]))
    def turn_clock(self, seconds: int) -> None:
        self.clock.now += seconds

    @invariant()
    def books_and_journal_agree_with_the_model(self) -> None:
        if not hasattr(self, "bench"):
            return
        books = self.bench.signer.books
        # Rows of refusals, voids and halts move the clock's mark too; the model takes it from the signer's last word.
        self.model.latest = max(self.model.latest, books.last_at)
        assert len(books.slots) == len(self.model.slots)
        assert set(books.slot_of_intent) == {item.hash.hex() for slot in self.model.slots for item in slot.intents}
        assert books.halted == self.model.halted
        reader = open_reader(self.folder / "journal.sqlite")
        assert sum(1 for _ in reader.verified()) == self.bench.signer.journal.count
        reader.close()


SignerMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestSignerMachine = SignerMachine.TestCase
