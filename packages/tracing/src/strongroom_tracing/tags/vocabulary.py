"""Other people's words in ours.

Sources: GraphSense's taxonomies of concepts and of confidence (its TagPack tool; the concepts derive from INTERPOL's
Darknet and Cryptocurrencies taxonomy), Etherscan's labels as Forta publishes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from strongroom_tracing.tags.model import Category

# Per cent, GraphSense's own levels.
CONFIDENCE: Final = {
    "override": 100,
    "ownership": 100,
    "ledger_immanent": 100,  # in packs, not in the table: what the ledger itself shows (a token's own black list)
    "manual_transaction": 90,
    "service_api": 70,
    "authority_data": 60,
    "trusted_provider": 50,
    "service_data": 50,
    "forensic": 50,
    "untrusted_transaction": 40,
    "web_crawl": 20,
    "heuristic": 10,
    "unknown": 5,
}
CONFIDENCE_UNKNOWN: Final = CONFIDENCE["unknown"]
CONFIDENCE_AUTHORITY: Final = CONFIDENCE["authority_data"]

_CATEGORIES: Final[dict[str, Category]] = {
    **dict.fromkeys(("sanction", "sanctioned", "sanctions", "terrorism", "extremism"), Category.SANCTIONED),
    **dict.fromkeys(("service_hack", "hack", "heist", "exploit", "theft", "hacking"), Category.THEFT),
    "ransomware": Category.RANSOMWARE,
    **dict.fromkeys(("phishing", "phish-hack", "social_engineering"), Category.PHISHING),
    **dict.fromkeys(("malicious-contract", "malicious_contract"), Category.MALICIOUS_CONTRACT),
    **dict.fromkeys(
        ("scam", "ponzi_scheme", "pyramid_scheme", "hyip", "investment_fraud", "extortion", "sextortion", "rugpull"),
        Category.SCAM,
    ),
    **dict.fromkeys(("mixing_service", "mixer", "mixing", "tumbler"), Category.MIXER),
    "coinjoin": Category.COINJOIN,
    **dict.fromkeys(("defi_bridge", "bridge", "cross_chain"), Category.BRIDGE),
    "exchange": Category.EXCHANGE,
    **dict.fromkeys(
        ("defi", "defi_dex", "defi_lending", "defi_derivative", "defi_index", "dex", "pool", "liquidity_pool"),
        Category.POOL,
    ),
    "gambling": Category.GAMBLING,
    **dict.fromkeys(
        ("payment_processor", "market", "marketplace", "merchant-services", "merchant_services", "shop"),
        Category.MERCHANT_SERVICES,
    ),
    **dict.fromkeys(
        ("wallet_service", "hosted_wallet", "escrow_wallet", "ico_wallet", "custodian", "wallet-provider"),
        Category.WALLET_PROVIDER,
    ),
    **dict.fromkeys(("miner", "mining_service", "mining_pool"), Category.MINER),
}
# What somebody did outweighs what somebody is, and a service outweighs a way of using it.
_ORDER: Final = {category: place for place, category in enumerate(dict.fromkeys(_CATEGORIES.values()))}


def category(words: Iterable[str]) -> Category:
    """Give the category of a source's words: the gravest, in the order of this file's table; else ``other``."""
    known = [_CATEGORIES[word.strip().lower()] for word in words if word.strip().lower() in _CATEGORIES]
    return min(known, key=_ORDER.__getitem__, default=Category.OTHER)
