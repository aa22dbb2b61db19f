"""Which rounds of killing `make crashes` does, in which order: the same for one seed, from any round on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final

VARIABLE: Final = "STRONGROOM_CRASH_LOT"
_TESTS: Final = "tests/integration"
_TREASURY: Final = f"{_TESTS}/outbound/test_crashes.py::test_random_kills_of_the_treasury_pay_every_payout_exactly_once"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is killed: the test that does it, and how many rounds one world (node, database, processes) is good for."""

    name: str
    test: str
    rounds: int


SUBJECTS: Final = (
    Subject("treasury", _TREASURY, 20),
    Subject("watcher", f"{_TESTS}/chains/test_killed_watcher.py::test_killed_at_any_point_it_resumes_exactly", 15),
    Subject("treasury", _TREASURY, 20),
    Subject(
        "worker",
        f"{_TESTS}/deposits/test_real_chain.py"
        "::test_a_worker_killed_again_and_again_credits_what_the_node_shows_exactly_once",
        10,
    ),
    Subject("signer", f"{_TESTS}/signer/test_crash.py::test_a_signer_killed_at_random_never_signs_two_ways", 10),
    Subject("ledger", f"{_TESTS}/ledger/test_crash.py::test_no_acknowledged_posting_is_lost_and_none_doubled", 10),
)


@dataclass(frozen=True, slots=True)
class Order:
    """One run of a subject's test: rounds ``first`` to ``first + count - 1``."""

    subject: Subject
    first: int
    count: int

    def text(self, seed: int, told: Path) -> str:
        """Write it for the test's environment; the numbers of finished rounds go to the file ``told``."""
        return json.dumps([seed, self.first, self.count, str(told)])


def read_order(text: str) -> tuple[int, int, int, Path]:
    """Read what ``Order.text`` wrote: seed, first round, count, file."""
    seed, first, count, told = json.loads(text)
    return seed, first, count, Path(told)


def orders(start: int, rounds: int) -> Iterator[Order]:
    """Give the runs that do ``rounds`` rounds from ``start`` on; a round's subject depends on its number alone."""
    begin, end = 0, start + rounds
    for subject in cycle(SUBJECTS):
        if begin >= end:
            return
        first, last = max(begin, start), min(begin + subject.rounds, end)
        if first < last:
            yield Order(subject, first, last - first)
        begin += subject.rounds
