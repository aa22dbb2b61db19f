"""From the rooms' nouns to what the console's tables show; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from strongroom.console import words
from strongroom.ledger.model import AccountType, Balance
from strongroom_core.assets import Asset


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """What a merchant has of one asset, as text; ``owed`` is empty where nothing is."""

    code: str
    network: str
    available: str
    held: str
    pending: str
    owed: str


def balance_rows(assets: Sequence[Asset], found: Sequence[Balance], pending: Mapping[str, int]) -> list[BalanceRow]:
    """Show the balances of one merchant, a row for each asset of the deployment."""
    amounts = {(item.account.asset.id, item.account.type): item.base_units for item in found}
    rows = []
    for each in assets:
        asset = each.id
        owed = -amounts.get((asset, AccountType.MERCHANT_OWED), 0)
        rows.append(
            BalanceRow(
                code=each.code,
                network=words.network(each.chain_id),
                available=words.money(amounts.get((asset, AccountType.MERCHANT_AVAILABLE), 0), asset),
                held=words.money(amounts.get((asset, AccountType.MERCHANT_HELD), 0), asset),
                pending=words.money(pending.get(asset, 0), asset),
                owed=words.money(owed, asset) if owed else "",
            )
        )
    return rows
