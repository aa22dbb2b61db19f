"""Pure decisions of the relayer: what to offer, when to offer more, who pays, what a node's refusal means."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from strongroom.chains.ethereum.model import GasPrices, Receipt
from strongroom.outbound.ethereum.model import (
    Account,
    Alarm,
    Fees,
    NonceState,
    RelayNonce,
    RelayVersion,
    Spending,
    VersionKind,
    VersionState,
)

GWEI: Final = 10**9
# A replacement pays an eighth more: nodes ask for 10 % of both fees (geth's `--txpool.pricebump`), and round.
RAISE_NUMERATOR: Final = 9
RAISE_DENOMINATOR: Final = 8
# The base fee may double within six full blocks (EIP-1559); after that the version is raised anyhow.
BASE_FEE_HEADROOM: Final = 2
# What nodes keep of one account without doubt; beyond it a gap could not be told from a dropped chain tx.
OPEN_NONCES_MAX: Final = 5
# A plain self-call costs 21,000 gas; what is not used is not paid. Rollups count the layer below as gas on top.
EMPTY_GAS: Final = 21_000
EMPTY_GAS_MAX: Final = 500_000
STUCK_AFTER: Final = timedelta(minutes=3)
STUCK_ALARM_AFTER: Final = timedelta(minutes=15)
# A vanished chain tx is offered again after this pause at the soonest, so that a slow node is not flooded.
OFFER_AGAIN_AFTER: Final = timedelta(seconds=5)
# A nonce whose chain tx cannot be found is given up only while nodes still keep receipts of its time.
RECEIPTS_KEPT: Final = timedelta(days=7)
# A node that tells of more chain txs of ours than this at once is not believed.
NONCE_JUMP_MAX: Final = 64
SIMULATIONS_MAX: Final = 3
# About ten minutes of refusals that neither more gas nor a higher fee would end, such as a limit above the block's.
REFUSALS_MAX: Final = 24
DAY: Final = timedelta(hours=24)


class Refusal(StrEnum):
    """What a node's refusal of a raw chain tx asks for."""

    USED = "used"  # the nonce is taken: what took it is found by following
    UNDERPRICED = "underpriced"  # raise the fee
    NO_GAS = "no-gas"  # the account cannot pay
    OTHER = "other"


_SIGNS: Final = (
    (Refusal.USED, ("nonce too low", "nonce is too low", "old nonce", "already been used")),
    (Refusal.UNDERPRICED, ("underpriced", "less than block base fee", "fee too low", "below base fee", "tip too low")),
    (Refusal.NO_GAS, ("insufficient funds", "insufficient balance")),
)


def read_refusal(reason: str) -> Refusal:
    """Read a node's own words (geth, erigon, nethermind, anvil)."""
    said = reason.lower()
    return next((kind for kind, signs in _SIGNS if any(sign in said for sign in signs)), Refusal.OTHER)


def is_hopeless(nonce: RelayNonce, refusal: Refusal) -> bool:
    """Whether a call that no node ever took keeps its nonce from being used."""
    version = nonce.newest
    untaken = version.kind is VersionKind.CALL and version.state is VersionState.SIGNED
    return untaken and refusal is Refusal.OTHER and nonce.attempts >= REFUSALS_MAX


def first_fees(prices: GasPrices, ceiling: int) -> Fees | None:
    """Choose the fees of a first version; None where even the next block would cost more than ``ceiling``."""
    if prices.base_fee + prices.tip > ceiling:
        return None
    most = max(1, min(ceiling, BASE_FEE_HEADROOM * prices.base_fee + prices.tip))
    return Fees(most, min(prices.tip, most))


def raised_fees(before: Fees, prices: GasPrices, ceiling: int) -> Fees | None:
    """Choose the fees of a replacement: an eighth more of both at least.

    None where ``ceiling`` does not allow that, or where even ``ceiling`` would not get it into the next block.
    """
    least = Fees(_raised(before.max_fee), _raised(before.tip))
    if max(least.max_fee, prices.base_fee + prices.tip) > ceiling:
        return None
    most = min(ceiling, max(least.max_fee, BASE_FEE_HEADROOM * prices.base_fee + prices.tip))
    return Fees(most, min(most, max(least.tip, prices.tip)))


def _raised(fee: int) -> int:
    return max(fee + 1, -(-fee * RAISE_NUMERATOR // RAISE_DENOMINATOR))


def is_stuck(nonce: RelayNonce, height: int, now: datetime, stuck_after_blocks: int) -> bool:
    """Whether the newest version of the account's first open nonce has waited long enough to be raised.

    Blocks have to pass: a chain that makes none is not helped by a higher fee.
    """
    if nonce.newest.state is VersionState.PLANNED:
        return False
    if nonce.underpriced:
        return True
    if nonce.sent_height is None or nonce.sent_at is None or height <= nonce.sent_height:
        return False
    return height - nonce.sent_height >= stuck_after_blocks or now - nonce.sent_at >= STUCK_AFTER


def is_to_be_raised(nonce: RelayNonce, height: int, now: datetime, stuck_after_blocks: int, prices: GasPrices) -> bool:
    """Whether more is offered for a nonce: it is stuck, and the next block would not take it (or has not, for long).

    A nonce that waited for an earlier one only is not made dearer.
    """
    if not is_stuck(nonce, height, now, stuck_after_blocks):
        return False
    long = nonce.sent_at is not None and now - nonce.sent_at >= STUCK_AFTER
    return nonce.underpriced or long or not is_priced_in(nonce.newest.fees, prices)


def contradiction(nonce: RelayNonce, version: RelayVersion, receipt: Receipt) -> str | None:
    """Say what in a receipt no chain tx of these signed bytes can have; None where it may be true."""
    if (receipt.txid, receipt.sender) != (version.txid, nonce.relayer):
        return "it is of another chain tx or sender"
    if receipt.gas_used > version.gas_limit:
        return f"{receipt.gas_used} gas, at most {version.gas_limit} signed"
    if receipt.gas_price > version.fees.max_fee:
        return f"{receipt.gas_price} wei for a gas, at most {version.fees.max_fee} signed"
    return None


def is_priced_in(fees: Fees, prices: GasPrices) -> bool:
    """Whether the next block would take it: it covers the base fee, and half of a usual tip."""
    left = fees.max_fee - prices.base_fee
    return left >= 0 and min(fees.tip, left) * 2 >= prices.tip


def first_open(nonces: Sequence[RelayNonce], chain_nonce: int) -> RelayNonce | None:
    """Find the nonce that the chain takes next; later ones wait for it, whatever they pay."""
    return next((item for item in nonces if item.state is NonceState.OPEN and item.nonce == chain_nonce), None)


def gaps(
    nonces: Sequence[RelayNonce], known: Collection[int], chain_nonce: int, pending_nonce: int, now: datetime
) -> list[int]:
    """Find nonces from the chain's next one up to our highest open one that have to be taken by empty self-calls.

    They are not ``known`` to us. What the mempool has of them (below ``pending_nonce``) may be mined by itself, and is
    competed with only after it has kept ours waiting for long.
    """
    waiting = [item for item in nonces if item.state is NonceState.OPEN]
    long = any(item.sent_at is not None and now - item.sent_at >= STUCK_AFTER for item in waiting)
    first = chain_nonce if long else max(chain_nonce, pending_nonce)
    end = max((item.nonce for item in waiting), default=0)
    return [number for number in range(first, end) if number not in known][:OPEN_NONCES_MAX]


def choose_relayer(accounts: Sequence[Account], open_nonces: dict[bytes, int], cost: int) -> Account | None:
    """Choose who sends the next call: the first in order that can pay its worst case and has room for a nonce."""
    return next((account for account in _in_order(accounts) if can_send(account, open_nonces, cost)), None)


def can_send(account: Account, open_nonces: dict[bytes, int], cost: int) -> bool:
    """Whether a relayer can pay ``cost`` wei, has room for a nonce, and has no nonces that cannot be ours."""
    room = open_nonces.get(account.address, 0) < OPEN_NONCES_MAX
    return room and account.spendable >= cost and account.chain_nonce - account.next_nonce <= NONCE_JUMP_MAX


def why_none(accounts: Sequence[Account], open_nonces: dict[bytes, int], cost: int) -> str:
    """Say why no relayer can send, with what to do."""
    if not accounts:
        return f"{Alarm.KEY_MISSING}: no relayer's key could be read"
    if not any(account.spendable >= cost for account in accounts):
        return f"{Alarm.GAS_LOW}: no relayer has {cost} wei to spare: send gas to one"
    if all(open_nonces.get(account.address, 0) >= OPEN_NONCES_MAX for account in accounts):
        return f"{OPEN_NONCES_MAX} nonces are open: waiting for a block"
    return f"{Alarm.NONCE_FOREIGN}: the chain tells of more chain txs of a relayer than can be"


def _in_order(accounts: Sequence[Account]) -> list[Account]:
    return sorted(accounts, key=lambda item: item.position)


def fits(spending: Spending, extra: int) -> bool:
    """Whether ``extra`` wei more may be committed today."""
    return spending.spent + extra <= spending.budget
