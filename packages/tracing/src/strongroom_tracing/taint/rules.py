"""What chains of coins pay for a block."""

from __future__ import annotations

from typing import Final

from strongroom_tracing.columns import Columns

_COIN: Final = 100_000_000
_FIFTY: Final = 50 * _COIN

#: CAIP-2 -> (base units at height 0, blocks until it is halved); Bitcoin Core's and Litecoin Core's chain parameters.
SUBSIDIES: Final = {
    "bip122:000000000019d6689c085ae165831e93": (_FIFTY, 210_000),
    "bip122:000000000933ea01ad0ee984209779ba": (_FIFTY, 210_000),  # testnet3
    "bip122:00000000da84f2bafbbc53dee25a72ae": (_FIFTY, 210_000),  # testnet4
    "bip122:00000008819873e925422c1ff0f99f7c": (_FIFTY, 210_000),  # signet
    "bip122:0f9188f13cb7b2c71f2a335e3a4fc328": (_FIFTY, 150),  # regtest
    "bip122:12a765e31ffd4059bada1e25190f6e98": (_FIFTY, 840_000),  # Litecoin
    "bip122:4966625a4b2851d9fdee139e56211a0d": (_FIFTY, 840_000),  # its testnet
    "bip122:530827f38f93b43ed12af0b3ad25a288": (_FIFTY, 150),  # its regtest
}


def subsidy(chain: str) -> tuple[int, int]:
    """Give what a block of a chain may make: base units at height 0, and after how many blocks that is halved.

    Of a chain that is not known nothing is said: (0, 1). Then a coinbase's new money is what it claims beyond the fees.
    """
    return SUBSIDIES.get(chain, (0, 1))


def tx_bound(columns: Columns, height: int | None, *, forward: bool) -> int:
    """Give the first chain tx above a height (forward), or the first that is not below it (backward)."""
    if height is None:
        return columns.txs if forward else 0
    block = height - columns.first_height + (1 if forward else 0)
    return int(columns.block_first_tx[min(max(block, 0), columns.blocks)])
