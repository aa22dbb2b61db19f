"""What each policy means, in words for people who have to rely on it, with its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from strongroom_tracing.taint.model import Policy

_FIFO: Final = (
    "First in, first out: the money that came in first goes out first. The inputs of a chain tx, in their order, pay "
    "its outputs, in theirs, and the fee last; each satoshi has exactly one origin."
)
_LIFO: Final = (
    "Last in, first out: the money that came in last goes out first; the inputs pay the outputs from the last input on."
)
_TIHO: Final = (
    "Taint in, highest out: the marked money fills the output of the highest value, then the next; equal values in "
    "their order, and the fee last."
)
_HAIRCUT: Final = (
    "Haircut: every output of a chain tx carries the same share of marked money, floored to base units; what is left "
    "over goes by largest remainder, ties to the lowest output."
)
_POISON: Final = (
    "Poison: whatever shares a chain tx with marked money is marked whole. It says which outputs money can have "
    "reached, not how much; its values are of whole outputs and do not add up to what was stolen."
)
_REDUX: Final = (
    "Anderson, Shumailov, Ahmed, Rietmann: Bitcoin Redux, WEIS 2018, after Clayton's case (Devaynes v Noble, 1816)."
)
_LEGAL: Final = (
    "Anderson, Shumailov, Ahmed: Making Bitcoin Legal, Security Protocols 2018; FIFO with one row turned round."
)
_MIXED: Final = "Tironsakkul, Maarek, Eross, Just: Tracking Mixed Bitcoins, 2020."
_RISK: Final = (
    "Möser, Böhme, Breuker: Towards Risk Scoring of Bitcoin Transactions, Financial Cryptography 2014 workshops."
)

DEFINITIONS: Final[Mapping[Policy, tuple[str, str]]] = {
    Policy.FIFO: (_FIFO, _REDUX),
    Policy.LIFO: (_LIFO, _LEGAL),
    Policy.TIHO: (_TIHO, _MIXED),
    Policy.HAIRCUT: (_HAIRCUT, _RISK),
    Policy.POISON: (_POISON, _RISK),
}
