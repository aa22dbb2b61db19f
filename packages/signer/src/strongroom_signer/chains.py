"""What differs between the bitcoin-likes: prefixes of addresses, coin types, which coin pays the fees, proof of work.

Sources: bitcoin/src/kernel/chainparams.cpp and litecoin/src/chainparams.cpp; SLIP-173 for the human-readable parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
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


class WorkHash(StrEnum):
    """What a header's proof of work is the hash of; its name is SHA-256 twice everywhere."""

    SHA256D = "sha256d"
    SCRYPT = "scrypt"


@dataclass(frozen=True, slots=True)
class WorkRules:
    """How much work a header needs: the easiest target, and the seconds that a period and a block should take.

    ``retargets`` is false on regtest, whose work is trivial. ``slow_blocks`` is testnet3's rule: a block 20 minutes
    after its parent may be of the least work. ``full_period`` is Litecoin's: the timespan is measured over the whole
    period, from the block before it on.
    """

    limit: int
    timespan_seconds: int = 14 * 86_400
    spacing_seconds: int = 600
    work_hash: WorkHash = WorkHash.SHA256D
    retargets: bool = True
    slow_blocks: bool = False
    full_period: bool = False


@dataclass(frozen=True, slots=True)
class ChainParameters:
    """One bitcoin-like: its chain, the version bytes of P2PKH and P2SH addresses, and the bech32 prefix.

    ``max_money`` is in base units: more than that in one output is a bug or a lie. ``work`` is about its headers.
    """

    chain: Chain
    p2pkh: tuple[int, ...]
    p2sh: tuple[int, ...]
    hrp: str
    max_money: int
    work: WorkRules

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
_BTC_WORK: Final = WorkRules(2**224 - 1)
_TESTNET_WORK: Final = WorkRules(2**224 - 1, slow_blocks=True)
_SIGNET_WORK: Final = WorkRules(0x377AE << 216)
_REGTEST_WORK: Final = WorkRules(2**255 - 1, retargets=False)
_LTC_WORK: Final = WorkRules(2**236 - 1, 302_400, 150, WorkHash.SCRYPT, full_period=True)
_LTC_REGTEST_WORK: Final = WorkRules(2**255 - 1, 302_400, 150, WorkHash.SCRYPT, retargets=False, full_period=True)

# Litecoin's old P2SH prefix (5, which reads as a bitcoin address) is not accepted: one address must mean one chain.
PARAMETERS: Final = {
    item.chain.id: item
    for item in (
        ChainParameters(BITCOIN, (0,), (5,), "bc", _BTC, _BTC_WORK),
        ChainParameters(BITCOIN_TESTNET, (111,), (196,), "tb", _BTC, _TESTNET_WORK),
        ChainParameters(BITCOIN_SIGNET, (111,), (196,), "tb", _BTC, _SIGNET_WORK),
        ChainParameters(BITCOIN_REGTEST, (111,), (196,), "bcrt", _BTC, _REGTEST_WORK),
        ChainParameters(LITECOIN, (48,), (50,), "ltc", _LTC, _LTC_WORK),
        ChainParameters(LITECOIN_REGTEST, (111,), (58,), "rltc", _LTC, _LTC_REGTEST_WORK),
    )
}
