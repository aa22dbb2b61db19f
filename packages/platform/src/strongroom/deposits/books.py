"""What a credit or a reversal posts to the books."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from strongroom.deposits import rules, store
from strongroom.deposits.model import Deposit
from strongroom.infra.database import Connection
from strongroom.ledger import service as ledger
from strongroom.ledger.errors import InsufficientFundsError
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posted, Posting
from strongroom.wallets.model import KeySetKind
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, asset_by_id
from strongroom_core.ids import MerchantId

ATTEMPTS: Final = 5  # a balance read is stale only if the merchant's own payout came in between
_CHAIN: Final = {KeySetKind.HOT: AccountType.CHAIN_HOT, KeySetKind.COLD: AccountType.CHAIN_COLD}
_Shares = tuple[tuple[Account, int], ...]
_Balances = dict[tuple[MerchantId | None, str], int]
_Plan = Callable[[Deposit, int], tuple[LedgerTransaction, int]]


async def post_credits(connection: Connection, deposits: Sequence[Deposit]) -> None:
    """Post what deposits bring: first what the merchant owes, then its available balance, and the fee to the house."""
    posted = await _post(connection, deposits, AccountType.MERCHANT_OWED, (_credit,))
    pairs = [(deposit, answer.id) for deposit, answer in zip(deposits, posted, strict=True)]
    await store.record_credits(connection, pairs)


async def post_reversals(connection: Connection, deposits: Sequence[Deposit]) -> None:
    """Take credits back; given as they were when credited. Always posts: what is not available is owed from now on."""
    posted = await _post(connection, deposits, AccountType.MERCHANT_AVAILABLE, (_reversal, _reversal_unbacked))
    pairs = [(deposit, answer.id) for deposit, answer in zip(deposits, posted, strict=True)]
    await store.record_reversals(connection, pairs)


async def _post(
    connection: Connection, deposits: Sequence[Deposit], drawn: AccountType, plans: Sequence[_Plan]
) -> list[Posted]:
    """Plan with the balances as they are and post in one batch; again where a payout came in between.

    The last attempts draw on nothing: a credit is then available in full, a reversal owed in full, so that both post.
    """
    for _ in range(ATTEMPTS):
        try:
            balances = await _balances(connection, deposits, drawn)
            return await ledger.post(connection, _planned(deposits, balances, plans[0]))
        except InsufficientFundsError:
            continue
    for plan in plans[:-1]:
        with contextlib.suppress(InsufficientFundsError):
            return await ledger.post(connection, _planned(deposits, {}, plan))
    return await ledger.post(connection, _planned(deposits, {}, plans[-1]))


def _planned(deposits: Sequence[Deposit], balances: _Balances, plan: _Plan) -> list[LedgerTransaction]:
    left = defaultdict(int, balances)
    planned: list[LedgerTransaction] = []
    for deposit in deposits:
        place = (deposit.merchant_id, deposit.asset)
        transaction, used = plan(deposit, left[place])
        left[place] -= used
        planned.append(transaction)
    return planned


async def _balances(connection: Connection, deposits: Sequence[Deposit], drawn: AccountType) -> _Balances:
    found: _Balances = {}
    for owner in sorted({deposit.merchant_id for deposit in deposits if deposit.merchant_id is not None}):
        for balance in await ledger.balances(connection, owner):
            if balance.account.type is drawn:
                found[owner, balance.account.asset.id] = abs(balance.base_units)
    return found


def _credit(deposit: Deposit, owed: int) -> tuple[LedgerTransaction, int]:
    asset = asset_by_id(deposit.asset)
    repaid, free = rules.split_credit(deposit.credited, owed) if deposit.merchant_id else (0, deposit.credited)
    chain = Account(_CHAIN[deposit.kind], asset)
    shares = _shares(deposit, asset, owed=repaid, available=free)
    postings = tuple(Posting(chain, account, Amount(asset, amount)) for account, amount in shares if amount)
    return LedgerTransaction("deposit-credit", _key(deposit, "credit"), postings, _memo(deposit)), repaid


def _reversal(deposit: Deposit, available: int) -> tuple[LedgerTransaction, int]:
    return _taken_back(deposit, available, _CHAIN[deposit.kind])


def _reversal_unbacked(deposit: Deposit, available: int) -> tuple[LedgerTransaction, int]:
    """Take back what the books no longer show on the chain: its coin was spent and vanished beyond the horizon."""
    return _taken_back(
        deposit, available, AccountType.HOUSE_CAPITAL if deposit.is_unexplained else AccountType.SUSPENSE
    )


def _taken_back(deposit: Deposit, available: int, to: AccountType) -> tuple[LedgerTransaction, int]:
    asset = asset_by_id(deposit.asset)
    free, owed = rules.split_reversal(deposit.credited, available) if deposit.merchant_id else (deposit.credited, 0)
    chain = Account(to, asset)
    shares = _shares(deposit, asset, owed=owed, available=free)
    postings = tuple(Posting(account, chain, Amount(asset, amount)) for account, amount in shares if amount)
    return LedgerTransaction("deposit-reversal", _key(deposit, "reverse"), postings, _memo(deposit)), free


def _shares(deposit: Deposit, asset: Asset, *, owed: int, available: int) -> _Shares:
    if deposit.merchant_id is None:
        kind = AccountType.SUSPENSE if deposit.is_unexplained else AccountType.HOUSE_CAPITAL
        return ((Account(kind, asset), available),)
    return (
        (Account(AccountType.MERCHANT_OWED, asset, deposit.merchant_id), owed),
        (Account(AccountType.MERCHANT_AVAILABLE, asset, deposit.merchant_id), available),
        (Account(AccountType.HOUSE_FEES, asset), deposit.fee),
    )


def _key(deposit: Deposit, what: str) -> str:
    return f"deposit:{deposit.id}:{deposit.cycle}:{what}"


def _memo(deposit: Deposit) -> dict[str, str]:
    return {"deposit": deposit.id, "txid": deposit.txid, "vout": str(deposit.vout)}
