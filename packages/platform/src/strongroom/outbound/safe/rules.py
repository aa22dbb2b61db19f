"""Pure decisions about Safe slots: the calls of a draft, the next nonce, gas, what a failed try means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from strongroom.outbound.model import SlotKind
from strongroom.outbound.safe.model import Contracts, Portion, SafeDraft, SafeSlot, Standing, token_of
from strongroom_core.assets import asset_by_id
from strongroom_core.evm import ZERO_ADDRESS, Call, SafeTx, encode_draw, encode_transfer

#: So many may be open at once. (The signers see no chain: they sign one nonce after the other, without a gap.)
NONCES_AHEAD: Final = 5
# Gas limits, far above what is used and below what a chain tx may have (2**24, EIP-7825): execTransaction with two
# signatures, one transfer of a proxied token to a fresh destination, one draw.
GAS_BASE: Final = 150_000
GAS_TRANSFER: Final = 110_000
GAS_DRAW: Final = 220_000
GAS_MAX: Final = 16_000_000
# A version that the chain would not take is looked at this often before its nonce is cancelled.
TRIES_MAX: Final = 3


class Next(StrEnum):
    """What to do with a signed version that is not executed yet."""

    WAIT = "wait"
    HAND_OVER = "hand-over"
    CANCEL = "cancel"


def calls(contracts: Contracts, draft: SafeDraft) -> tuple[Call, ...]:
    """Give the calls of a draft in their order: draws first, so that the money is there."""
    draws = [Call(contracts.allowance, 0, encode_draw(_token(item.asset), item.amount)) for item in draft.draws]
    pays = [_transfer(payment.asset, payment.script, payment.amount) for payment in draft.payments]
    sweeps = [_transfer(item.asset, contracts.cold_safe, item.amount) for item in draft.sweeps]
    return (*draws, *pays, *sweeps)


def safe_tx(contracts: Contracts, draft: SafeDraft) -> SafeTx:
    """Give the one Safe transaction of a draft: the same draft always gives the same bytes."""
    if draft.kind is SlotKind.CANCEL:
        return SafeTx.cancel(contracts.hot_safe, draft.nonce)
    return SafeTx.of_calls(contracts.hot_safe, draft.nonce, calls(contracts, draft), contracts.multisend)


def next_nonce(chain_nonce: int, standing: Standing) -> int | None:
    """Find the lowest nonce that no open slot has, at most ``NONCES_AHEAD`` past the Safe's own; None where all are.

    One whose slot was given up is used again. A signer may have signed that slot; the other one's promise never to
    (or its refusal) keeps it from being executed, and the signers let a nonce have several Safe transactions.
    """
    ahead = range(chain_nonce, chain_nonce + NONCES_AHEAD)
    return next((nonce for nonce in ahead if nonce not in standing.taken), None)


def is_gap(nonce: int, standing: Standing) -> bool:
    """Whether a free nonce keeps later ones, which are open, from being executed."""
    return any(taken > nonce for taken in standing.taken)


def moved(slots: Iterable[SafeSlot]) -> tuple[dict[str, int], dict[str, int]]:
    """Sum by asset what slots take from the hot Safe (less what they draw into it), and what they draw."""
    taken: dict[str, int] = defaultdict(int)
    drawn: dict[str, int] = defaultdict(int)
    for item in slots:
        for payment in item.state.payments:
            taken[payment.asset] += payment.amount
        for sweep in item.sweeps:
            taken[sweep.asset] += sweep.amount
        for draw in item.draws:
            taken[draw.asset] -= draw.amount
            drawn[draw.asset] += draw.amount
    return dict(taken), dict(drawn)


def shortfalls(needed: Mapping[str, int], hot: Mapping[str, int]) -> tuple[Portion, ...]:
    """Give what has to be drawn so that hot covers what is needed, by asset."""
    missing = {asset: amount - max(0, hot.get(asset, 0)) for asset, amount in needed.items()}
    return tuple(Portion(asset, amount) for asset, amount in sorted(missing.items()) if amount > 0)


def draw_differences(on_chain: int, told: Mapping[str, int | None]) -> tuple[str, ...]:
    """Name what differs between the chain's limit of draws and each signer's policy; base units in 24 hours.

    The smaller one holds: a thief of all keys is bound by the chain's, a payout by both. None: the signer knows no such
    asset, or did not say.
    """
    found = []
    for name, limit in sorted(told.items()):
        if limit is None:
            found.append(f"{name} tells no limit: is the asset in its policy?")
        elif limit < on_chain:
            found.append(f"{name} allows {limit} a day, the chain {on_chain}: payouts beyond {limit} wait, unsigned")
        elif limit > on_chain:
            found.append(f"{name} allows {limit} a day, the chain only {on_chain}: the chain's limit holds")
    return tuple(found)


def gas_limit(tx: SafeTx, payments: int, draws: int) -> int:
    """Give the gas limit of an execution; a cancellation has neither payments nor draws."""
    return min(GAS_MAX, GAS_BASE + 16 * len(tx.data) + payments * GAS_TRANSFER + draws * GAS_DRAW)


def gas_of(contracts: Contracts, draft: SafeDraft) -> int:
    """Give the gas limit that the execution of a draft will have."""
    return gas_limit(safe_tx(contracts, draft), len(draft.payments) + len(draft.sweeps), len(draft.draws))


def judge(*, failed: bool, fails_now: bool, tries: int, is_cancel: bool) -> Next:
    """Decide about the lowest nonce that is not executed: a version whose last try ``failed`` or would fail now.

    ``tries`` counts how often it failed or would have. A cancellation is never cancelled.
    """
    if not fails_now and (is_cancel or tries < TRIES_MAX):
        return Next.HAND_OVER
    if is_cancel or (fails_now and not failed and tries < TRIES_MAX):
        return Next.WAIT
    return Next.CANCEL


def _transfer(asset: str, to: bytes, amount: int) -> Call:
    token = token_of(asset_by_id(asset))
    return Call(to, amount, b"") if token is None else Call(token, 0, encode_transfer(to, amount))


def _token(asset: str) -> bytes:
    return token_of(asset_by_id(asset)) or ZERO_ADDRESS
