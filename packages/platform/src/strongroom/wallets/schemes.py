"""What a chain's addresses are derived from, recorded at the first start, and the branches that grow from it."""

from __future__ import annotations

from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings, KeySetSettings
from strongroom.wallets import derivation, pools, rules, store
from strongroom.wallets.errors import BranchUnknownError, KeySetChangedError
from strongroom.wallets.model import (
    CHANGE_BRANCH,
    FIRST_MERCHANT_BRANCH,
    HOUSE_BRANCH,
    Forwarders,
    KeySet,
    KeySetKind,
)
from strongroom_core.ids import MerchantId


async def sync_key_sets(connection: Connection, chain: ChainSettings) -> None:
    """Record what addresses are derived from at the first start; refuse anything else later.

    Raises ``KeySetChangedError`` where a key, the factory or the treasury differs from the recorded one,
    ``KeySetInvalidError`` for unusable keys.
    """
    if chain.ethereum is not None:
        ethereum = chain.ethereum
        await _sync_forwarders(
            connection, Forwarders(chain.id, ethereum.address("factory"), ethereum.address("cold_safe"))
        )
    for settings in chain.key_sets:
        wanted = key_set_of(chain, settings)
        derivation.check(wanted)
        await store.record_key_set(connection, wanted)
    recorded = await store.schemes(connection, chain.id)
    for settings in chain.key_sets:
        wanted = key_set_of(chain, settings)
        if recorded.get(wanted.kind) != wanted:
            message = f"the {wanted.kind} key set of {chain.id} has other keys on record; put the settings back"
            raise KeySetChangedError(message)
        for branch in (CHANGE_BRANCH, HOUSE_BRANCH):
            await _prepare_branch(connection, chain.id, wanted.kind, branch, None, rules.POOL_SERVICE)


async def prepare_merchant(
    connection: Connection, chain: ChainSettings, merchant_id: MerchantId, branch: int, count: int = rules.POOL_FIRST
) -> None:
    """Give a merchant its branch in hot and cold and derive a first pool of ``count`` addresses in each. Idempotent.

    Raises ``BranchUnknownError`` where the branch is another's or the merchant has another already.
    """
    if branch < FIRST_MERCHANT_BRANCH:
        message = f"branches below {FIRST_MERCHANT_BRANCH} are change and the house; no merchant has them"
        raise BranchUnknownError(message)
    for kind in await store.schemes(connection, chain.id):
        await _prepare_branch(connection, chain.id, kind, branch, merchant_id, count)


async def _sync_forwarders(connection: Connection, wanted: Forwarders) -> None:
    """Record the scheme, and derive the house's own addresses; forwarders have no change."""
    await store.record_forwarders(connection, wanted)
    if (await store.schemes(connection, wanted.chain)).get(KeySetKind.COLD) != wanted:
        message = f"the addresses of {wanted.chain} pay another treasury or factory on record; put the settings back"
        raise KeySetChangedError(message)
    await _prepare_branch(connection, wanted.chain, KeySetKind.COLD, HOUSE_BRANCH, None, rules.POOL_SERVICE)


async def _prepare_branch(
    connection: Connection, chain_id: str, kind: KeySetKind, number: int, merchant_id: MerchantId | None, count: int
) -> None:
    if not await store.make_branch(connection, chain_id, kind, number, merchant_id, max(1, count)):
        message = f"branch {number} of {chain_id} belongs to another merchant, or this merchant has another branch"
        raise BranchUnknownError(message)
    branch = await pools.lock(connection, chain_id, kind, number)
    if not branch.next_index:
        await pools.fill(connection, branch)


def key_set_of(chain: ChainSettings, settings: KeySetSettings) -> KeySet:
    """Give a key set as the settings say it."""
    first, second, third = settings.keys
    return KeySet(
        chain.id,
        settings.name,
        KeySetKind(settings.kind),
        (first.xpub, second.xpub, third.xpub),
        (first.origin, second.origin, third.origin),
    )
