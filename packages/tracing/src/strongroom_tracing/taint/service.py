"""Follow taint over a chain of coins: only what is tainted is touched, in chain order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from strongroom_tracing.columns import Columns
from strongroom_tracing.taint import engine
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.errors import BadQuestionError
from strongroom_tracing.taint.model import Mark, Question

Progress: TypeAlias = Callable[[int, int], None]


def trace(columns: Columns, question: Question, progress: Progress | None = None) -> Answer:
    """Follow the marked money and say where it is, to the base unit.

    ``progress`` is told, now and then, up to which chain tx money was followed, and of how many. The answer is checked
    (``Answer.check``) before it is given.

    Raises:
        BadQuestionError: a mark is outside the chain, or an amount or a limit makes no sense.
        ConservationError: a fault of this program.
    """
    _check(columns, question)
    answer = engine.run(columns, question, progress)
    answer.check()
    return answer


def _check(columns: Columns, question: Question) -> None:
    limits = question.limits
    if limits.smallest < 0 or (limits.hops is not None and limits.hops < 0):
        message = "The limits of a question cannot be below zero."
        raise BadQuestionError(message)
    for mark in question.marks:
        _check_mark(columns, mark)


def _check_mark(columns: Columns, mark: Mark) -> None:
    if not 0 <= mark.output < columns.outputs:
        message = f"Output {mark.output} is not in the index, which has {columns.outputs}. Look it up again."
        raise BadQuestionError(message)
    value = int(columns.output_value[mark.output])
    if mark.amount is not None and not 0 < mark.amount <= value:
        message = f"{mark.amount} base units are marked of output {mark.output}, which is worth {value}."
        raise BadQuestionError(message)
