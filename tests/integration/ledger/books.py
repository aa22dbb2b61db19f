"""Shorthand for the tests of the books."""

from __future__ import annotations

from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC, REGTEST_LTC, Asset
from strongroom_core.ids import MerchantId

BTC, LTC = REGTEST_BTC, REGTEST_LTC
ALICE, BOB = MerchantId.new(1), MerchantId.new(2)


def house(kind: AccountType, asset: Asset = BTC) -> Account:
    return Account(kind, asset)


def available(merchant: MerchantId, asset: Asset = BTC) -> Account:
    return Account(AccountType.MERCHANT_AVAILABLE, asset, merchant)


def held(merchant: MerchantId, asset: Asset = BTC) -> Account:
    return Account(AccountType.MERCHANT_HELD, asset, merchant)


def move(source: Account, destination: Account, units: int) -> Posting:
    return Posting(source, destination, Amount(source.asset, units))


def transaction(
    key: str, *postings: Posting, kind: str = "test", memo: dict[str, str] | None = None
) -> LedgerTransaction:
    return LedgerTransaction(kind, key, postings, memo or {})


def credit(key: str, merchant: MerchantId, units: int, asset: Asset = BTC) -> LedgerTransaction:
    """A deposit of `units` credited from the cold key set."""
    return transaction(key, move(house(AccountType.CHAIN_COLD, asset), available(merchant, asset), units))
