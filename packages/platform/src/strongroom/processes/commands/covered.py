"""What `status` says about client money: covered, or how much is not, of what kind, and for how long."""

from __future__ import annotations

from typing import Any, Final

from strongroom.infra.clock import SystemClock
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Breach
from strongroom_core.assets import Asset, asset_by_id

_COVERED: Final = {"state": "covered", "not covered": None, "since": None, "age_seconds": None}


async def rows(connection: Connection, chain: ChainSettings) -> list[dict[str, Any]]:
    """Give a row for each asset of a chain, or for each breach of one, also of assets that are held no more."""
    prefix = f"{chain.id}/"
    standing = [item for item in await ledger.breaches(connection) if item.asset.startswith(prefix)]
    held = [*(item.asset for item in chain.held_assets), chain.asset, *(asset_by_id(item.asset) for item in standing)]
    found = []
    for asset in dict.fromkeys(held):
        cover = await ledger.cover(connection, asset)
        facts = {
            "asset": asset.code,
            "network": chain.chain.name,
            "hot": _text(asset, cover.hot),
            "in flight": _text(asset, cover.in_flight),
            "capital": _text(asset, cover.capital),
        }
        breaches = [_facts(asset, item) for item in standing if item.asset == asset.id]
        found += [facts | item for item in breaches or [_COVERED]]
    return found


def _facts(asset: Asset, breach: Breach) -> dict[str, Any]:
    return {
        "state": breach.kind.value,
        "not covered": _text(asset, breach.size),
        "since": breach.since.isoformat(),
        "age_seconds": int((SystemClock().now() - breach.since).total_seconds()),
    }


def _text(asset: Asset, units: int) -> str:
    # A breach that somebody planted may be of any size: it is told in base units where no amount can be that large.
    whole, part = divmod(abs(units), 10**asset.decimals)
    return f"{'-' if units < 0 else ''}{whole}.{part:0{asset.decimals}d} {asset.code}"
