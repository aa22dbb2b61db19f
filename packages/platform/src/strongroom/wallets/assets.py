"""The assets that were ever held, as the settings first named them: a token is known by the settings alone.

Rows in a token that the settings name no more cannot be read: nobody knows its decimals. So it is never taken out of
them, it is closed there.
"""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.chains import service as chains
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings
from strongroom.wallets import store
from strongroom.wallets.errors import AssetChangedError, AssetMissingError
from strongroom.wallets.model import RecordedAsset
from strongroom_core.assets import asset_by_id
from strongroom_core.errors import StrongroomError


async def sync_assets(connection: Connection, settings: Sequence[ChainSettings]) -> None:
    """Record the assets of the settings, and refuse settings by which money on record could not be read.

    Raises ``AssetChangedError`` where one has other decimals than on record, ``AssetMissingError`` where one with rows
    is not in the settings any more; both say what to write.
    """
    held = {item.id: item.asset for chain in settings for item in chain.held_assets}
    await store.record_assets(connection, list(held.values()))
    for known in await store.recorded_assets(connection):
        asset = held.get(known.id)
        if asset is not None and asset.decimals != known.decimals:
            message = f"{known.id} has {known.decimals} decimals on record, not {asset.decimals}; put the settings back"
            raise AssetChangedError(message)
        if asset is None and not _is_known(known) and await _has_rows(connection, known):
            message = (
                f"{known.code} ({known.id}) is not in the settings any more, and there is money on record in it: put "
                f'it back into [[chains.assets]] of {known.chain} with code = "{known.code}", decimals = '
                f"{known.decimals} and, where it is not to be taken any more, closed = true"
            )
            raise AssetMissingError(message)


async def _has_rows(connection: Connection, known: RecordedAsset) -> bool:
    """Whether it ever came, or an address was ever handed out for it; all else that is on record began so."""
    return await chains.ever_came(connection, known.id) or await store.handed_out_for(connection, known)


def _is_known(known: RecordedAsset) -> bool:
    """Whether this release knows it by itself: its rows stay readable."""
    try:
        asset_by_id(known.id)
    except StrongroomError:
        return False
    return True
