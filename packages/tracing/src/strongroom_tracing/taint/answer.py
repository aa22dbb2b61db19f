"""What taint answers: rows in arrays, given out as sorted tuples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from strongroom_tracing.taint import model
from strongroom_tracing.taint.errors import ConservationError
from strongroom_tracing.taint.machine import layout as at
from strongroom_tracing.taint.machine.layout import Array
from strongroom_tracing.taint.model import Policy, Question, Reason

_Row = TypeVar("_Row")

_REASONS = {
    at.BELOW: Reason.BELOW_THRESHOLD.value,
    at.HOP_LIMIT: Reason.HOP_LIMIT.value,
    at.HEIGHT_LIMIT: Reason.HEIGHT_LIMIT.value,
}


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Where the money is. Same columns and same question, same answer, row for row.

    ``kinds`` holds an array (place, claim, value, one thing more, another) for every kind of row of the machine; claims
    are numbers in the order of report, see ``claims``. Rows are made of it when they are asked for.
    """

    question: Question
    claims: tuple[str, ...]
    kinds: dict[int, Array]
    visited_txs: int

    def _rows(self, kind: int, make: Callable[[int, str, int, int], _Row]) -> tuple[_Row, ...]:
        names = self.claims
        rows = (make(where, names[claim], value, more) for where, claim, value, more, _ in self.kinds[kind].tolist())
        return tuple(sorted(rows))  # type: ignore[type-var]

    @property
    def held(self) -> tuple[model.Held, ...]:
        """Tainted outputs that are unspent."""
        return self._rows(at.HELD, lambda output, claim, value, _: model.Held(output, claim, value))

    @property
    def services(self) -> tuple[model.AtService, ...]:
        """What reached a service: whom to ask."""
        stops = self.question.stops
        return self._rows(at.SERVICE, lambda output, claim, value, a: model.AtService(output, stops[a], claim, value))

    @property
    def fees(self) -> tuple[model.InFee, ...]:
        """What ended in fees."""
        return self._rows(at.FEE, lambda tx, claim, value, _: model.InFee(tx, claim, value))

    @property
    def left(self) -> tuple[model.Left, ...]:
        """What the limits of the question left behind."""
        found = (
            self._rows(kind, lambda o, claim, value, _, why=reason: model.Left(o, claim, value, why))  # type: ignore[misc]
            for kind, reason in _REASONS.items()
        )
        return tuple(sorted(row for rows in found for row in rows))

    @property
    def contested(self) -> tuple[model.Contested, ...]:
        """What later reports lost to earlier ones."""
        names, stops = self.claims, self.question.stops
        rows = self.kinds[at.CONTESTED].tolist()
        return tuple(
            sorted(
                model.Contested(output, names[claim], value, names[winner], stops[address] if address >= 0 else "")
                for output, claim, value, winner, address in rows
            )
        )

    @property
    def origins(self) -> tuple[model.Origin, ...]:
        """Backward: where the money came from in the end."""
        return self._rows(at.ORIGIN, lambda tx, claim, value, spent: model.Origin(tx, spent, claim, value))

    @property
    def marked(self) -> tuple[model.Marked, ...]:
        """The marks, as they were counted."""
        return self._rows(at.MARKED, model.Marked)

    @property
    def assumed(self) -> tuple[model.Assumed, ...]:
        """Chain txs on the way with inputs of unknown value, and what these were taken for."""
        rows = self.kinds[at.ASSUMED].tolist()
        return tuple(sorted(model.Assumed(tx, value, inputs) for tx, _, value, inputs, _ in rows))

    @property
    def moves(self) -> tuple[model.Move, ...]:
        """Every step that tainted money took."""
        names = self.claims
        rows = self.kinds[at.MOVE].tolist()
        return tuple(sorted(model.Move(tx, source, sink, names[c], value) for tx, c, value, source, sink in rows))

    def move_columns(self) -> tuple[Array, Array, Array, list[str], Array]:
        """Give ``moves`` as columns, in the same order: chain tx, source, sink, claim, value."""
        tx, claim, value, source, sink = self.kinds[at.MOVE].T
        by_name = np.argsort(np.argsort(np.array(self.claims, dtype=object), kind="stable"), kind="stable")
        order = np.lexsort((value, by_name[claim], sink, source, tx))
        names = [self.claims[number] for number in claim[order].tolist()]
        return tx[order], source[order], sink[order], names, value[order]

    def totals(self) -> dict[str, dict[str, int]]:
        """Give, for every claim, base units: marked, held, services, fees, left, contested, origins."""
        groups = {
            "held": (at.HELD,),
            "services": (at.SERVICE,),
            "fees": (at.FEE,),
            "left": tuple(_REASONS),
            "contested": (at.CONTESTED,),
            "origins": (at.ORIGIN,),
        }
        made = {}
        for number, claim in enumerate(self.claims):
            asked = self.kinds[at.MARKED][self.kinds[at.MARKED][:, 1] == number]
            made[claim] = {"marked": int(asked[:, 2].sum() - asked[:, 3].sum())} | {
                name: sum(self._sum(kind, number) for kind in kinds) for name, kinds in groups.items()
            }
        return made

    def _sum(self, kind: int, claim: int) -> int:
        rows = self.kinds[kind]
        return int(rows[rows[:, 1] == claim, 2].sum())

    def by_service(self) -> dict[str, dict[str, int]]:
        """Give, for every service that was reached, base units by claim."""
        found: dict[str, dict[str, int]] = {}
        for row in self.services:
            claims = found.setdefault(row.service, {})
            claims[row.claim] = claims.get(row.claim, 0) + row.value
        return dict(sorted(found.items()))

    def check(self) -> None:
        """Check that no base unit was made or lost: for every claim, what was marked is what was found.

        marked = held + services + fees + left + contested (lost to earlier reports) + origins. Under poison values are
        of whole outputs; there it is checked that no output is in two places, and that none is won twice.

        Raises:
            ConservationError: it is not so.
        """
        for kind, rows in self.kinds.items():
            if kind not in {at.ASSUMED, at.MARKED} and bool((rows[:, 2] <= 0).any()):
                message = "A row of the answer has no value. This is a fault of the program; please report it."
                raise ConservationError(message)
        if self.question.policy is Policy.POISON:
            places = np.concatenate([self.kinds[kind][:, 0] for kind in (at.HELD, at.SERVICE, *_REASONS)])
            if len(np.unique(places)) != len(places):
                message = "An output is in two places. This is a fault of the program; please report it."
                raise ConservationError(message)
            return
        for claim, sums in self.totals().items():
            found = sum(value for name, value in sums.items() if name != "marked")
            if found != sums["marked"]:
                message = (
                    f"Of claim {claim!r} {sums['marked']} base units were marked and {found} found. Report this fault."
                )
                raise ConservationError(message)
