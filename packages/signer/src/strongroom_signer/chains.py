"""What differs between the bitcoin-likes: prefixes of addresses, coin types, and which coin pays the fees.

Sources: bitcoin/src/kernel/chainparams.cpp and litecoin/src/chainparams.cpp; SLIP-173 for the human-readable parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strongroom_core.assets import (
    BITCOIN,
    BITCOIN_REGTEST,
    BITCOIN_SIGNET,
    BITCOIN_TESTNET,
    LITECOIN,
    LITECOIN_REGTEST,
    Asset,
    Chain,
    native_asset,
)


@dataclass(frozen=True, slots=True)
class ChainParameters:
    """One bitcoin-like: its chain, the version bytes of P2PKH and P2SH addresses, and the bech32 prefix.

    ``max_money`` is in base units: more than that in one output is a bug or a lie.
    """

    chain: Chain
    p2pkh: tuple[int, ...]
    p2sh: tuple[int, ...]
    hrp: str
    max_money: int

    @property
    def asset(self) -> Asset:
        """The coin of the chain."""
        return native_asset(self.chain)

    @property
    def account_path(self) -> tuple[int, ...]:
        """BIP 48 for P2WSH multisig: purpose 48, the coin type, account 0, script type 2; all hardened."""
        coin = int(self.asset.id.rpartition(":")[2])
        return tuple(2**31 + step for step in (48, coin, 0, 2))


_COIN: Final = 100_000_000
_BTC: Final = 21_000_000 * _COIN
_LTC: Final = 84_000_000 * _COIN

# Litecoin's old P2SH prefix (5, which reads as a bitcoin address) is not accepted: one address must mean one chain.
PARAMETERS: Final = {
    item.chain.id: item
    for item in (
        ChainParameters(BITCOIN, (0,), (5,), "bc", _BTC),
        ChainParameters(BITCOIN_TESTNET, (111,), (196,), "tb", _BTC),
        ChainParameters(BITCOIN_SIGNET, (111,), (196,), "tb", _BTC),
        ChainParameters(BITCOIN_REGTEST, (111,), (196,), "bcrt", _BTC),
        ChainParameters(LITECOIN, (48,), (50,), "ltc", _LTC),
        ChainParameters(LITECOIN_REGTEST, (111,), (58,), "rltc", _LTC),
    )
}
