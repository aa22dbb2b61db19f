"""Signing, voiding, cancelling and restarting in any order: whatever a Safe then executes, no intent is paid twice."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.signer.kit import Bench, sign, void
from tests.unit.signer.safe_kit import cancel, intent, payout, safe_bench

NONCES = st.integers(0, 4)
# Amounts differ, so that no two batches are the same bytes for different intents.
INTENTS = [intent(amount=1_000 + number) for number in range(6)]
CHOICES = st.lists(st.integers(0, len(INTENTS) - 1), min_size=1, max_size=3, unique=True).map(tuple)


class SafeMachine(RuleBasedStateMachine):
    """One signer; beside it the model of what it has promised."""

    bench: Bench
    folder: Any

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.bench = safe_bench(Path(self.folder.name))
        self.bound: dict[int, int] = {}
        self.voided: set[int] = set()
        self.signed: dict[int, set[tuple[int, ...]]] = {}

    def highest(self) -> int:
        return max(self.signed, default=-1)

    def expected(self, chosen: tuple[int, ...], nonce: int) -> str:
        if chosen in self.signed.get(nonce, set()):
            return "safe-signed"
        if nonce > self.highest() + 1:
            return "nonce-ahead"
        if self.voided & set(chosen):
            return "intent-void"
        if any(self.bound.get(item, nonce) != nonce for item in chosen):
            return "intent-bound"
        return "safe-signed"

    @rule(chosen=CHOICES, nonce=NONCES)
    def pay(self, chosen: tuple[int, ...], nonce: int) -> None:
        wanted = self.expected(chosen, nonce)
        assert self.bench.tag(payout(*(INTENTS[item] for item in chosen), nonce=nonce).request()) == wanted
        if wanted == "safe-signed":
            self.signed.setdefault(nonce, set()).add(chosen)
            self.bound |= dict.fromkeys(chosen, nonce)

    @rule(nonce=NONCES)
    def cancel(self, nonce: int) -> None:
        wanted = "nonce-ahead" if nonce > self.highest() + 1 else "safe-signed"
        assert self.bench.tag(cancel(nonce).request()) == wanted
        if wanted == "safe-signed":
            self.signed.setdefault(nonce, set())

    @rule(item=st.integers(0, len(INTENTS) - 1))
    def void(self, item: int) -> None:
        wanted = "intent-signed" if item in self.bound else "voided"
        assert self.bench.tag(void(sign(INTENTS[item]))) == wanted
        if wanted == "voided":
            self.voided.add(item)

    @rule()
    def restart(self) -> None:
        self.bench.restart()

    @invariant()
    def whatever_is_executed_pays_each_intent_once_and_no_void_one(self) -> None:
        """A Safe executes one version a nonce, any: an intent in the versions of two nonces could be paid twice."""
        for item in range(len(INTENTS)):
            nonces = [nonce for nonce, versions in getattr(self, "signed", {}).items() for v in versions if item in v]
            assert len(set(nonces)) <= 1
            assert not (nonces and item in self.voided)

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            assert len(self.bench.signer.books.signed_rows) == len(self.bound)
            self.bench.close()
            self.folder.cleanup()


SafeMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestSafe = SafeMachine.TestCase
