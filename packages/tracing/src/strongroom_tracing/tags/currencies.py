"""Which chains the currencies of lists belong to.

Sources: CAIP-2 and its namespaces (bip122: the first 32 hex digits of the genesis block's hash, of the fork's first
block for BCH and BSV; eip155: chain ids of EIP-155; tron, solana, xrpl and cosmos as registered there), OFAC's own
codes (XBT). A currency without a registered chain is kept under ``currency:CODE``, a namespace of ours in the form of
CAIP-2.
"""

from __future__ import annotations

import re
from typing import Final

from strongroom_core import assets

BITCOIN: Final = assets.BITCOIN.id
LITECOIN: Final = assets.LITECOIN.id
BITCOIN_CASH: Final = "bip122:000000000000000000651ef99cb9fcbe"
BITCOIN_SV: Final = "bip122:000000000000000001d956714215d96f"
DASH: Final = "bip122:00000ffd590b1485b3caadc19b22e637"
DOGECOIN: Final = "bip122:1a91e3dace36e2be3bf030a65679fe82"
ZCASH: Final = "bip122:00040fe8ec8471911baa1db1266ea15d"
ETHEREUM: Final = assets.ETHEREUM.id
TRON: Final = "tron:0x2b6653dc"
SOLANA: Final = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
XRP_LEDGER: Final = "xrpl:0"
BNB_BEACON: Final = "cosmos:Binance-Chain-Tigris"
MONERO: Final = "currency:XMR"
BITCOIN_GOLD: Final = "currency:BTG"
VERGE: Final = "currency:XVG"

_UNREGISTERED: Final = "currency:"
_CODE_LENGTH: Final = 32
_TOKENS_OF_ETHEREUM: Final = (
    *("DAI", "WETH", "WBTC", "TUSD", "BUSD", "PAX", "USDP", "GUSD", "SHIB", "LINK", "UNI", "LEO", "HT", "BETH"),
    *("STETH", "ERC20", "ERC-20"),
)
# The chains on which an address listed under a currency may be, the likeliest first: the address's form decides.
_CHAINS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("XBT", "BTC", "BITCOIN"), (BITCOIN,)),
    **dict.fromkeys(("LTC", "LITECOIN"), (LITECOIN,)),
    **dict.fromkeys(("BCH", "BCC", "BCHN", "BCHABC"), (BITCOIN_CASH,)),
    **dict.fromkeys(("BSV", "BCHSV"), (BITCOIN_SV,)),
    "DASH": (DASH,),
    "DOGE": (DOGECOIN,),
    "ZEC": (ZCASH,),
    "BTG": (BITCOIN_GOLD,),
    "XVG": (VERGE,),
    "XMR": (MONERO,),
    **dict.fromkeys(("XRP", "RIPPLE"), (XRP_LEDGER,)),
    **dict.fromkeys(("SOL", "SOLANA"), (SOLANA,)),
    **dict.fromkeys(("TRX", "TRON", "TRC20", "TRC-20"), (TRON,)),
    **dict.fromkeys(("ETH", "ETHEREUM"), (ETHEREUM,)),
    "ETC": ("eip155:61",),
    **dict.fromkeys(("BSC", "BEP20"), (assets.BNB_CHAIN.id,)),
    "BNB": (BNB_BEACON, assets.BNB_CHAIN.id),
    "BEP2": (BNB_BEACON,),
    **dict.fromkeys(("ARB", "ARBITRUM"), (assets.ARBITRUM.id,)),
    **dict.fromkeys(("OP", "OPTIMISM"), (assets.OPTIMISM.id,)),
    "BASE": (assets.BASE.id,),
    **dict.fromkeys(("MATIC", "POL", "POLYGON"), (assets.POLYGON.id, ETHEREUM)),
    "AVAX": ("eip155:43114",),
    "FTM": ("eip155:250",),
    "RBTC": ("eip155:30",),
    "KCS": ("eip155:321",),
    # Tether was first a token on Bitcoin (Omni), then on Ethereum, Tron and more.
    "USDT": (ETHEREUM, TRON, BITCOIN, SOLANA),
    "OMNI": (BITCOIN,),
    "USDC": (ETHEREUM, TRON, SOLANA),
    **dict.fromkeys(_TOKENS_OF_ETHEREUM, (ETHEREUM,)),
}
# Base58 versions as read, and as kept (Litecoin's script addresses have two ways to be written); bech32's prefix.
COINS: Final[dict[str, tuple[dict[bytes, bytes], str]]] = {
    BITCOIN: ({b"\x00": b"\x00", b"\x05": b"\x05"}, "bc"),
    assets.BITCOIN_TESTNET.id: ({b"\x6f": b"\x6f", b"\xc4": b"\xc4"}, "tb"),
    assets.BITCOIN_SIGNET.id: ({b"\x6f": b"\x6f", b"\xc4": b"\xc4"}, "tb"),
    assets.BITCOIN_REGTEST.id: ({b"\x6f": b"\x6f", b"\xc4": b"\xc4"}, "bcrt"),
    LITECOIN: ({b"\x30": b"\x30", b"\x32": b"\x32", b"\x05": b"\x32"}, "ltc"),
    assets.LITECOIN_REGTEST.id: ({b"\x6f": b"\x6f", b"\x3a": b"\x3a", b"\xc4": b"\x3a"}, "rltc"),
    BITCOIN_CASH: ({b"\x00": b"\x00", b"\x05": b"\x05"}, ""),
    BITCOIN_SV: ({b"\x00": b"\x00", b"\x05": b"\x05"}, ""),
    DASH: ({b"\x4c": b"\x4c", b"\x10": b"\x10"}, ""),
    DOGECOIN: ({b"\x1e": b"\x1e", b"\x16": b"\x16"}, ""),
    ZCASH: ({b"\x1c\xb8": b"\x1c\xb8", b"\x1c\xbd": b"\x1c\xbd"}, ""),
    BITCOIN_GOLD: ({b"\x26": b"\x26", b"\x17": b"\x17"}, "btg"),
    VERGE: ({b"\x1e": b"\x1e", b"\x21": b"\x21"}, ""),
    TRON: ({b"\x41": b"\x41"}, ""),
}
# Asked in this order of an address that comes without a currency; forms that several chains share go to the first.
RECOGNISED: Final = (BITCOIN, ETHEREUM, TRON, LITECOIN, DASH, DOGECOIN, ZCASH, XRP_LEDGER, MONERO, BITCOIN_GOLD)


def chains_of(currency: str) -> tuple[str, ...]:
    """Give the chains on which an address of a currency may be, as CAIP-2; never empty."""
    code = currency.strip().upper()
    return _CHAINS.get(code) or (unregistered(currency),)


def unregistered(currency: str) -> str:
    """Give the name under which a currency that we know no chain of is kept."""
    code = re.sub(r"[^-_a-zA-Z0-9]+", "-", currency.strip().upper()).strip("-") or "UNKNOWN"
    return _UNREGISTERED + code[:_CODE_LENGTH]
