"""What binds payments to at most one effect: an input set of a bitcoin-like, or a nonce of a Safe; and its versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strongroom_signer.model import Coin


@dataclass(slots=True)
class Slot:
    """What binds payments to at most one effect: all versions share the coins of the earlier ones.

    ``row`` is the journal row of the first version; ``fee`` is that of the most expensive one, signed at ``fee_at``.
    ``change`` has, by the txid of a version, the numbers of its own outputs.
    """

    row: int
    chain: str
    intents: frozenset[str]
    coins: set[Coin]
    change: dict[str, tuple[int, ...]] = field(default_factory=dict)
    fee: int = 0
    fee_at: int = 0


@dataclass(slots=True)
class NonceSlot:
    """One nonce of one Safe: of all that is signed at it, at most one thing ever happens.

    So what was signed at it may differ from version to version, and an intent is bound to the nonce alone.
    ``row`` is the journal row of the first version; ``draws`` has, by asset, the largest draw and when it was signed;
    ``intents`` are those of all versions; ``executed`` is the version that a proof said was executed.
    """

    row: int
    chain: str
    safe: str
    nonce: int
    draws: dict[str, tuple[int, int]] = field(default_factory=dict)
    intents: dict[str, None] = field(default_factory=dict)
    executed: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One signed chain tx: the journal row of the decision, and the intents that it pays.

    A txid does not say for which intents: two of one amount to one address look the same on the chain.
    """

    row: int
    intents: frozenset[str]
    slot: Slot | NonceSlot


@dataclass(frozen=True, slots=True)
class Spend:
    """One intent's amount, counted once, at its first signing."""

    at: int
    merchant: str
    amount: int
    listed: bool
