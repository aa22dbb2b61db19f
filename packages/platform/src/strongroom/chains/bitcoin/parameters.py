"""What differs between the bitcoin-likes.

Sources: bitcoin/src/kernel/chainparams.cpp, litecoin/src/chainparams.cpp (0.21), SLIP-173 for the human-readable parts,
bitcoin/src/policy/policy.h for the dust relay fee (Litecoin's is ten times higher).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strongroom.infra.settings import Tier, dust_of
from strongroom_core.assets import (
    BITCOIN,
    BITCOIN_REGTEST,
    BITCOIN_SIGNET,
    BITCOIN_TESTNET,
    LITECOIN,
    LITECOIN_REGTEST,
    Chain,
    UnknownChainError,
)

_COIN: Final = 100_000_000
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class BitcoinParameters:
    """One chain.

    ``p2pkh`` and ``p2sh`` are Base58Check version bytes, ``hrp`` is BIP 173's prefix, ``dust`` the least amount of an
    output that nodes relay, in base units, and safe for every script type; ``mweb`` says that chain txs may carry the
    flag 0x08. ``tiers`` are the confirmations to ask for by amount where the settings name none.
    """

    chain: Chain
    p2pkh: int
    p2sh: int
    hrp: str
    dust: int
    spacing_seconds: int
    money_max: int
    tiers: tuple[Tier, ...]
    regtest: bool = False
    mweb: bool = False


_BTC_TIERS: Final = (
    Tier(confirmations=1, amount_max=_COIN // 100),
    Tier(confirmations=2, amount_max=_COIN),
    Tier(confirmations=6),
)
_LTC_TIERS: Final = (
    Tier(confirmations=3, amount_max=_COIN),
    Tier(confirmations=6, amount_max=100 * _COIN),
    Tier(confirmations=24),
)


def _bitcoin(chain: Chain, p2pkh: int, p2sh: int, hrp: str, *, regtest: bool = False) -> BitcoinParameters:
    return BitcoinParameters(
        chain, p2pkh, p2sh, hrp, dust_of(chain.id), 10 * _MINUTE, 21_000_000 * _COIN, _BTC_TIERS, regtest=regtest
    )


def _litecoin(chain: Chain, p2pkh: int, p2sh: int, hrp: str, *, regtest: bool = False) -> BitcoinParameters:
    return BitcoinParameters(
        chain,
        p2pkh,
        p2sh,
        hrp,
        dust_of(chain.id),
        150,
        84_000_000 * _COIN,
        _LTC_TIERS,
        regtest=regtest,
        mweb=True,
    )


# Litecoin's old P2SH version 5 is left out: such an address also reads as a bitcoin one, and one text must mean one
# chain.
PARAMETERS: Final = {
    item.chain.id: item
    for item in (
        _bitcoin(BITCOIN, 0, 5, "bc"),
        _bitcoin(BITCOIN_TESTNET, 111, 196, "tb"),
        _bitcoin(BITCOIN_SIGNET, 111, 196, "tb"),
        _bitcoin(BITCOIN_REGTEST, 111, 196, "bcrt", regtest=True),
        _litecoin(LITECOIN, 48, 50, "ltc"),
        _litecoin(LITECOIN_REGTEST, 111, 58, "rltc", regtest=True),
    )
}


def parameters_of(chain_id: str) -> BitcoinParameters:
    """Find a chain's parameters by its CAIP-2 id. Raises ``UnknownChainError``."""
    try:
        return PARAMETERS[chain_id]
    except KeyError:
        message = f"{chain_id!r} is not a bitcoin-like of this release; known are {', '.join(sorted(PARAMETERS))}"
        raise UnknownChainError(message) from None
