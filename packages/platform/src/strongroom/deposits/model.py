"""A deposit: one incoming payment on a chain, from its first sight to the merchant's balance, and back if need be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from strongroom.wallets.model import CHANGE_BRANCH, HOUSE_BRANCH, KeySetKind, Purpose, WalletAddress
from strongroom_core.ids import AddressId, DepositId, MerchantId


class DepositState(StrEnum):
    """Where a deposit stands; only ``CREDITED`` is in the books."""

    SEEN = "seen"  # in the mempool, or on an orphaned block: it may still vanish
    CONFIRMING = "confirming"  # in a block, not deep enough
    CONFIRMED = "confirmed"  # deep enough; credited at once unless crediting is stopped or it is below the minimum
    HELD = "held"  # deep enough, kept back by screening or an operator
    CREDITED = "credited"  # posted to the merchant's balance
    REVERSED = "reversed"  # was credited, its block was orphaned, the credit was taken back
    DROPPED = "dropped"  # neither in a block nor in the mempool; it may come back


_S = DepositState
MOVES: Final[Mapping[DepositState | None, frozenset[DepositState]]] = {
    None: frozenset({_S.SEEN, _S.CONFIRMING}),
    _S.SEEN: frozenset({_S.CONFIRMING, _S.DROPPED}),
    _S.CONFIRMING: frozenset({_S.CONFIRMED, _S.SEEN}),
    _S.CONFIRMED: frozenset({_S.CONFIRMING, _S.HELD, _S.CREDITED, _S.SEEN}),
    _S.HELD: frozenset({_S.CONFIRMED, _S.SEEN}),
    _S.CREDITED: frozenset({_S.REVERSED}),
    _S.REVERSED: frozenset({_S.CONFIRMING, _S.DROPPED}),
    _S.DROPPED: frozenset({_S.SEEN, _S.CONFIRMING}),
}


class DepositException(StrEnum):
    """Why a deposit is not on its way."""

    REPLACED = "replaced"  # another chain tx in the mempool spends the same coins
    DOUBLE_SPENT = "double-spent"  # another chain tx in a block spends the same coins
    EVICTED = "evicted"  # the node dropped it
    ORPHANED = "orphaned"  # the block that it was in is no longer part of the chain


# Told of a deposit on an address of the merchant's that was never handed out for anything.
UNMATCHED: Final = "unmatched"
# Told of a deposit in another asset than its address was handed out for; credited all the same, in what came.
WRONG_ASSET: Final = "wrong-asset"


@dataclass(frozen=True, slots=True)
class Deposit:
    """One deposit; amounts in base units of ``asset`` (CAIP-19). ``merchant_id`` None: the house's own.

    ``credited`` is what stands in the books now, net of ``fee``. ``cycle`` counts from 1 and grows each time that it
    confirms again after a reversal; ``credited_cycle`` is the last cycle that was credited, 0 for none.
    ``confirmations_needed`` is none where the chain itself says what is final.
    """

    id: DepositId
    chain: str
    asset: str
    merchant_id: MerchantId | None
    address_id: AddressId
    address: str
    kind: KeySetKind
    branch: int
    purpose: Purpose | None
    reference: str | None
    txid: str
    vout: int
    amount: int
    coinbase: bool
    rbf: bool
    below_minimum: bool
    wrong_asset: bool
    confirmations_needed: int | None
    state: DepositState
    height: int | None
    block_hash: str | None
    confirmations: int
    cycle: int
    credited_cycle: int
    fee: int
    credited: int
    exception: DepositException | None
    replaced_by: str | None
    first_seen_at: datetime
    credited_at: datetime | None

    @property
    def is_house(self) -> bool:
        """Whether it is the operator's own capital."""
        return self.branch == HOUSE_BRANCH

    @property
    def told_exception(self) -> str | None:
        """What is unusual about it: what happened on the chain, else that it fits nothing the merchant asked for."""
        if self.exception is not None or self.merchant_id is None:
            return self.exception
        if self.wrong_asset:
            return WRONG_ASSET
        return UNMATCHED if self.purpose is None else None

    @property
    def is_unexplained(self) -> bool:
        """Whether somebody paid an address of our change, which we never gave to anyone."""
        return self.branch == CHANGE_BRANCH


@dataclass(frozen=True, slots=True)
class Change:
    """One arrow of one deposit, to be written: ``before`` None for a new one."""

    before: Deposit | None
    after: Deposit
    reason: str
    event_id: int | None


@dataclass(frozen=True, slots=True)
class Unswept:
    """What a forwarder of an account chain still holds of one asset by our record: ``amount`` in base units."""

    address: WalletAddress
    asset: str
    amount: int
