"""A signer's books against an auditor who keeps only the list of what happened, over random lives with restarts.

The auditor adds everything up from the first event for every question, by the words of the design and with none of
the signer's code; what a signer may sign, and what it must say, follows from his sums.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from strongroom_core.intents import PaymentIntent
from tests.unit.signer import safe_kit
from tests.unit.signer.books_kit import (
    BTC,
    DEPTH,
    FEE,
    HORIZON,
    OPERATORS,
    PPM,
    USDT,
    USDT_FEE,
    World,
    foreign,
    house_intent,
    order,
    signed_by,
)
from tests.unit.signer.kit import (
    CHAIN,
    COLD,
    HOT,
    LISTED,
    MERCHANT,
    OTHER_MERCHANT,
    SATS,
    Coin,
    Draft,
    change,
    intent,
    payout,
    to,
)
from tests.unit.signer.safe_kit import UNITS, SafeDraft

HOUSE = "house"
HOLDERS = {0: HOUSE, 1: HOUSE, 2: str(MERCHANT), 3: str(OTHER_MERCHANT)}
MERCHANTS = st.sampled_from([MERCHANT, OTHER_MERCHANT])
AMOUNTS = st.sampled_from([700, SATS // 100, SATS, 2 * SATS - FEE])
FEES = st.sampled_from([400, 3_000, 20_000])
Outpoint = tuple[str, int]


@dataclass(eq=False)
class Payment:
    """A payment that was signed for: whose, of what, how much with its fee, and whether it was given back."""

    holder: str
    asset: str
    amount: int
    fee: int
    returned: bool = False


@dataclass(eq=False)
class Slot:
    """Versions by txid with their drafts, what they pay, and the dearest fee."""

    payments: list[Payment]
    intents: tuple[PaymentIntent, ...]
    coins: tuple[Coin, ...]
    drafts: list[Draft] = field(default_factory=list)
    fee: int = 0
    settled: bool = False

    @property
    def first(self) -> set[Outpoint]:
        return spends(self.drafts[0])

    @property
    def changes(self) -> set[Outpoint]:
        return {(draft.tx.txid().hex(), n) for draft in self.drafts for n in range(len(draft.pays)) if draft.pays[n].at}


def spends(draft: Draft) -> set[Outpoint]:
    return {(coin.txid, coin.index) for coin in draft.coins}


@dataclass
class Auditor:
    """All that happened. ``deposits`` are those that count now, by outpoint: holder and amount."""

    deposits: dict[Outpoint, tuple[str, int, bytes]] = field(default_factory=dict)
    sweeps: list[tuple[str, int]] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    conversions: list[tuple[str, int, int]] = field(default_factory=list)

    def balances(self) -> Counter[tuple[str, str]]:
        sums: Counter[tuple[str, str]] = Counter()
        arrived = [(holder, BTC, amount) for holder, amount, _ in self.deposits.values()]
        arrived += [(holder, USDT, amount) for holder, amount in self.sweeps]
        for holder, asset, amount in arrived:
            fee = 0 if holder == HOUSE else amount * PPM // 1_000_000
            sums[holder, asset] += amount - fee
            sums[HOUSE, asset] += fee
        for item in self.payments:
            if not item.returned:
                sums[item.holder, item.asset] -= item.amount + item.fee
                sums[HOUSE, item.asset] += item.fee
        sums[HOUSE, BTC] -= sum(slot.fee for slot in self.slots if not slot.settled)
        for holder, sold, bought in self.conversions:
            sums[holder, BTC] -= sold
            sums[HOUSE, BTC] += sold
            sums[holder, USDT] += bought
            sums[HOUSE, USDT] -= bought
        return sums

    def owes(self, holder: str) -> bool:
        sums = self.balances()
        return any(sums[holder, asset] < 0 for asset in (BTC, USDT))

    def killed(self, by: set[Outpoint], txid: str) -> list[Slot]:
        """The slots that a confirmed chain tx starves, and those that their change would have fed."""
        own = next((slot for slot in self.slots if txid in {draft.tx.txid().hex() for draft in slot.drafts}), None)
        gone = set(by)
        if own is not None:
            gone |= {coin for coin in own.changes if coin[0] != txid}
        dead: list[Slot] = []
        while more := [slot for slot in self.slots if slot not in (own, *dead) and slot.first & gone]:
            dead += more
            gone |= {coin for slot in more for coin in slot.changes}
        return dead


class BooksMachine(RuleBasedStateMachine):
    """Deposits, reorgs, payouts, replacements, sweeps, conflicts, conversions, withdrawals, replays and restarts."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="books-machine", dir="/dev/shm"))
        changes = {"daily_fee_budget": 50 * SATS, "max_fee_rate": 1_000, "per_window": 10_000 * SATS}
        self.world = World(self.folder, changes=changes)
        self.auditor = Auditor()
        self.coins: list[Coin] = []
        self.own: list[Coin] = []
        self.nonce = 0
        self.at_nonces: list[list[tuple[SafeDraft, tuple[PaymentIntent, ...]]]] = []
        self.safe_payments: dict[str, Payment] = {}
        for branch in (1, 2, 3, 2, 3):
            self.receive(4 * SATS, branch, HORIZON)
            assert self.world.prove(self.coins[-1]).tag == ""
            self._note(self.coins[-1])
            self.sweep_in(branch, 30_000 * UNITS)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()
            shutil.rmtree(self.folder)

    # What the chain brings.

    @rule(amount=st.sampled_from([777, SATS, 4 * SATS]), branch=st.sampled_from(list(HOLDERS)), deep=st.integers(1, 13))
    def receive(self, amount: int, branch: int, deep: int) -> None:
        coin = self.world.coin(amount, branch, key_set=HOT if amount > 777 else COLD)
        self.coins.append(coin)
        self.world.bitcoin.mine(deep, coin.previous)

    @precondition(lambda self: self.coins)
    @rule(data=st.data())
    def prove(self, data: st.DataObject) -> None:
        picked = data.draw(st.lists(st.sampled_from(self.coins), min_size=1, max_size=4))
        picked = [coin for coin in picked if self.world.bitcoin.holds(coin.previous)]
        self._note_reorgs()
        results = self.world.prove_all(*map(self.world.proof_of, picked)) if picked else ()
        for coin, result in zip(picked, results, strict=True):
            deep = self.depth(coin)
            assert result.tag == ("" if deep >= DEPTH else "proof-depth")
            if not result.tag:
                self._note(coin)

    def _note(self, coin: Coin) -> None:
        block = self.world.proof_of(coin).block
        self.auditor.deposits[coin.txid, coin.index] = (HOLDERS[coin.branch], coin.amount, block)

    @rule(count=st.integers(1, HORIZON))
    def mine(self, count: int) -> None:
        self.world.bitcoin.mine(count)

    @rule(depth=st.sampled_from([1, 2, 13, 26, 40]), hook=st.booleans(), again=st.booleans())
    def reorg(self, depth: int, *, hook: bool, again: bool) -> None:
        gone = self.world.bitcoin.cut(depth)
        self.world.bitcoin.mine(depth + 1, *(gone if again else ()))
        if not again:
            self.coins = [coin for coin in self.coins if coin.previous not in gone] + [
                coin for coin in self.coins if coin.previous in gone and self._back(coin)
            ]
        if hook:
            self.world.bench.signer.on_view_change(CHAIN)
            self._note_reorgs()

    def _back(self, coin: Coin) -> bool:
        """A chain tx that left a block is mined in a later one; what never comes back is proven by nobody."""
        if coin.amount == SATS:
            return False
        self.world.bitcoin.mine(1, coin.previous)
        return True

    def _note_reorgs(self) -> None:
        """Whatever the signer decides next, it sees first which of its deposits left the chain."""
        self.world.bench.signer.on_view_change(CHAIN)
        agreed = {header.hash for header, _ in self.world.bitcoin.blocks}
        deposits = self.auditor.deposits
        self.auditor.deposits = {key: item for key, item in deposits.items() if item[2] in agreed}

    @rule(branch=st.sampled_from([1, 2, 3]), amount=st.sampled_from([5 * UNITS, 3_000 * UNITS]))
    def sweep_in(self, branch: int, amount: int) -> None:
        assert self.world.sweep_in(USDT, amount, branch).tag == ""
        self.auditor.sweeps.append((HOLDERS[branch], amount))

    # What is asked for.

    def depth(self, coin: Coin) -> int:
        return self.world.bitcoin.height - self.world.proof_of(coin).height + 1

    def spendable(self, coin: Coin) -> bool:
        if coin in self.own:
            return True
        live = (coin.txid, coin.index) in self.auditor.deposits
        return live and self.depth(coin) >= HORIZON

    def pick(self, data: st.DataObject, least: int = 1) -> tuple[Coin, ...]:
        hot = [coin for coin in (*self.coins, *self.own) if coin.key_set is HOT]
        hot = [coin for coin in hot if self.spendable(coin) or data.draw(st.integers(0, 9)) == 0]
        return tuple(data.draw(st.lists(st.sampled_from(hot), min_size=least, max_size=3, unique_by=id))) if hot else ()

    def verdict(self, payments: Sequence[Payment], coins: Sequence[Coin], fee: int, slot: Slot | None = None) -> str:
        """What the signer has to say, by the auditor's sums."""
        if slot is not None and slot.settled and slot.payments:
            return "intent-void"
        frozen = {item.holder for item in payments if item.holder != HOUSE and self.auditor.owes(item.holder)}
        if frozen:
            return "merchant-frozen"
        if not all(map(self.spendable, coins)):
            return "coin-unproven"
        sums, new = self.auditor.balances(), [item for item in payments if item not in self.auditor.payments]
        costs: Counter[tuple[str, str]] = Counter()
        for item in new:
            costs[item.holder, item.asset] += item.amount + item.fee
            if item.holder != HOUSE and costs[item.holder, item.asset] > sums[item.holder, item.asset]:
                return "balance-merchant"
        gain = sum(item.fee for item in new) - costs[HOUSE, BTC] - max(fee - (slot.fee if slot else 0), 0)
        return "balance-house" if gain < 0 and sums[HOUSE, BTC] + gain < 0 else "signed"

    def ask(self, draft: Draft, slot: Slot, fee: int) -> None:
        self._note_reorgs()
        twin = next(
            (item for item in self.auditor.slots for made in item.drafts if made.tx.txid() == draft.tx.txid()), None
        )
        if twin is not None:
            # Two payments of one amount to one address look the same on the chain; a chain tx has one set of intents.
            wanted = "signed" if twin.intents == slot.intents else "slot-payments"
            assert self.world.bench.tag(draft.request()) == wanted
            return
        known = slot if slot in self.auditor.slots else None
        wanted = self.verdict(slot.payments, draft.coins, fee, known)
        sums = self.auditor.balances()
        assert self.world.bench.tag(draft.request()) == wanted
        if wanted != "signed":
            return
        if known is None:
            self.auditor.slots.append(slot)
            self.auditor.payments += slot.payments
        slot.drafts.append(draft)
        slot.coins = draft.coins
        slot.fee = max(slot.fee, fee)
        after = self.auditor.balances()
        assert all(after[key] >= min(sums[key], 0) for key in after)
        rest = draft.pays[-1]
        raw = bytes(draft.tx.serialize())
        self.own.append(Coin(raw, draft.tx.txid().hex(), len(draft.pays) - 1, rest.amount, 0, rest.at[2], HOT))  # type: ignore[index]

    @precondition(lambda self: any(coin.key_set is HOT for coin in self.coins))
    @rule(data=st.data(), amounts=st.lists(AMOUNTS, min_size=1, max_size=2), merchant=MERCHANTS, fee=FEES)
    def pay(self, data: st.DataObject, amounts: list[int], merchant: str, fee: int) -> None:
        coins = self.pick(data)
        if sum(coin.amount for coin in coins) < sum(amounts) + fee + 600:
            return
        made = tuple(intent(amount=amount, merchant=merchant, destination=LISTED) for amount in amounts)
        payments = [Payment(merchant, BTC, amount, FEE) for amount in amounts]
        self.ask(payout(*made, coins=coins, fee=fee), Slot(payments, made, coins), fee)

    @precondition(lambda self: any(coin.key_set is HOT for coin in self.coins))
    @rule(data=st.data(), amount=AMOUNTS, fee=FEES)
    def withdraw(self, data: st.DataObject, amount: int, fee: int) -> None:
        coins = self.pick(data)
        if sum(coin.amount for coin in coins) < amount + fee + 600:
            return
        made = house_intent(amount=amount, destination=LISTED)
        draft = payout(made, coins=coins, fee=fee).but(evidence=signed_by(made, *OPERATORS[1:]))
        self.ask(draft, Slot([Payment(HOUSE, BTC, amount, 0)], (made,), coins), fee)

    @precondition(lambda self: self.auditor.slots)
    @rule(data=st.data(), fee=st.sampled_from([900, 5_000, 60_000]), more=st.booleans())
    def replace(self, data: st.DataObject, fee: int, *, more: bool) -> None:
        slot = data.draw(st.sampled_from(self.auditor.slots))
        if not slot.payments:
            return
        added = [coin for coin in (self.pick(data) if more else ()) if coin not in slot.coins]
        coins = (*slot.coins, *added[:1])
        last = slot.drafts[-1]
        paid = sum(item.amount for item in slot.intents)
        rest = sum(coin.amount for coin in coins) - paid - fee
        if rest < 600:
            return
        draft = Draft(coins, (*last.pays[:-1], change(rest)), last.evidence)
        if draft.tx.txid() not in {item.tx.txid() for item in slot.drafts}:
            self.ask(draft, slot, fee)

    @precondition(lambda self: any(coin.key_set is HOT for coin in self.coins))
    @rule(data=st.data(), fee=FEES)
    def sweep(self, data: st.DataObject, fee: int) -> None:
        coins = self.pick(data)
        shared = {(coin.txid, coin.index) for coin in coins}
        # A sweep of a superset of an earlier sweep's coins is its later version.
        older = [
            slot for slot in self.auditor.slots if not slot.payments and set.union(*map(spends, slot.drafts)) <= shared
        ]
        if sum(coin.amount for coin in coins) > fee + 600 and not older:
            rest = sum(coin.amount for coin in coins) - fee
            self.ask(Draft(coins, (change(rest),)), Slot([], (), coins), fee)

    @precondition(lambda self: self.auditor.slots)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(self.auditor.slots))
        self._note_reorgs()
        rows = self.world.bench.signer.journal.count
        assert self.world.bench.tag(data.draw(st.sampled_from(slot.drafts)).request()) == "signed"
        assert self.world.bench.signer.journal.count == rows

    @rule(merchant=MERCHANTS, sold=st.sampled_from([1_000, 2_999_999]))
    def convert(self, merchant: str, sold: int) -> None:
        self._note_reorgs()
        made = order(merchant=merchant, sell_amount=sold, buy_amount=sold * 1_000)
        sums = self.auditor.balances()
        if self.auditor.owes(merchant):
            wanted = "merchant-frozen"
        elif sums[merchant, BTC] < sold:
            wanted = "balance-merchant"
        else:
            wanted = "balance-house" if sums[HOUSE, USDT] < sold * 1_000 else "converted"
        answers = {self.world.convert(made) for _ in range(2)}
        [answer] = answers
        assert answer in {wanted, "conversion-daily"}
        if answer == "converted":
            self.auditor.conversions.append((merchant, sold, sold * 1_000))

    # What the chain did with it.

    @precondition(lambda self: self.auditor.slots)
    @rule(data=st.data(), ours=st.booleans(), deep=st.sampled_from([HORIZON - 1, HORIZON]))
    def confirm(self, data: st.DataObject, *, ours: bool, deep: int) -> None:
        """A version of a slot confirms, or a chain tx of the recovery key that spends a coin of it."""
        slot = data.draw(st.sampled_from(self.auditor.slots))
        draft = data.draw(st.sampled_from(slot.drafts))
        raw = bytes(draft.tx.serialize())
        gone = spends(draft)
        if not ours:
            gone = {min(gone)}
            raw = foreign(to(LISTED, 3), spends=tuple(gone), salt=len(self.auditor.slots))
        self.world.bitcoin.mine(deep, *(() if self.world.bitcoin.holds(raw) else (raw,)))
        self._note_reorgs()
        dead = self.auditor.killed(gone, draft.tx.txid().hex() if ours else "")
        [result] = self.world.conflict(raw)
        if self.world.bitcoin.height - self.world.bitcoin.proof(raw).height + 1 < HORIZON:
            assert result.tag == "proof-depth"
            return
        assert result.tag == ("" if dead else "proof-conflict")
        for item in dead:
            item.settled = True
            for payment in item.payments:
                payment.returned = True
        assert self.world.conflict(raw)[0].row == result.row

    # The EVM chain: a nonce is the slot.

    @rule(merchant=MERCHANTS, amounts=st.lists(st.sampled_from([UNITS, 900 * UNITS]), min_size=1, max_size=3))
    def pay_from_the_safe(self, merchant: str, amounts: list[int]) -> None:
        made = tuple(safe_kit.intent(amount=amount, merchant=merchant) for amount in amounts)
        self._note_reorgs()
        payments = [Payment(merchant, USDT, amount, USDT_FEE) for amount in amounts]
        draft = safe_kit.payout(*made, nonce=self.nonce)
        wanted = self.verdict(payments, (), 0).replace("signed", "safe-signed", 1)
        answer = self.world.bench.tag(draft.request())
        assert answer in {wanted, "velocity-merchant", "destination-unlisted"}
        if answer == "safe-signed":
            self.auditor.payments += payments
            self.safe_payments |= dict(zip((item.payout for item in made), payments, strict=True))
            self.at_nonces.append([(draft, made), (safe_kit.payout(made[0], nonce=self.nonce), made[:1])])
            for part in (safe_kit.payout(made[0], nonce=self.nonce), safe_kit.cancel(self.nonce)):
                assert self.world.bench.tag(part.request()) == "safe-signed"
            self.at_nonces[-1].append((safe_kit.cancel(self.nonce), ()))
            self.nonce += 1

    @precondition(lambda self: self.at_nonces)
    @rule(data=st.data())
    def execute(self, data: st.DataObject) -> None:
        versions = self.at_nonces.pop(0)
        draft, paid = data.draw(st.sampled_from(versions))
        for _ in range(2):
            assert self.world.execute(draft.hash).tag == ""
        for item in versions[0][1]:
            self.safe_payments[item.payout].returned = item not in paid

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @invariant()
    def the_books_are_the_auditors(self) -> None:
        if not hasattr(self, "world"):
            return
        self._note_reorgs()
        sums = self.auditor.balances()
        books = self.world.bench.signer.books.balances
        assert {key: amount for key, amount in books.items() if amount} == {k: v for k, v in sums.items() if v}
        self._add_up(books)

    def _add_up(self, books: dict[tuple[str, str], int]) -> None:
        """All balances of an asset are what was proven, less what was paid out and what miners got."""
        paid: Counter[str] = Counter()
        for item in self.auditor.payments:
            paid[item.asset] += 0 if item.returned else item.amount
        arrived = {
            BTC: sum(amount for _, amount, _ in self.auditor.deposits.values()),
            USDT: sum(amount for _, amount in self.auditor.sweeps),
        }
        miners = {BTC: sum(slot.fee for slot in self.auditor.slots if not slot.settled), USDT: 0}
        for asset, came in arrived.items():
            total = sum(amount for (_, of), amount in books.items() if of == asset)
            assert total == came - paid[asset] - miners[asset]


BooksMachine.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)
TestBooksMachine = BooksMachine.TestCase
