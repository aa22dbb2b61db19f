"""Addresses handed out and coins found. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from strongroom.chains import service as chains
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings
from strongroom.wallets import assets, coin_store, derivation, pools, rules, schemes, store
from strongroom.wallets.errors import AddressNotFoundError, BranchUnknownError, HotFrozenError, KeySetUnknownError
from strongroom.wallets.model import (
    CHANGE_BRANCH,
    COINS_CONSUMER,
    HOUSE_BRANCH,
    AddressRequest,
    Coin,
    Holdings,
    KeyOrigin,
    KeySet,
    KeySetKind,
    OwnPayment,
    Purpose,
    ScanDescriptor,
    WalletAddress,
)
from strongroom_core.assets import chain_by_id
from strongroom_core.ids import AddressId, MerchantId

# What addresses are derived from has a file of its own; others find it here.
sync_assets = assets.sync_assets
sync_key_sets = schemes.sync_key_sets
prepare_merchant = schemes.prepare_merchant


async def hand_out(
    connection: Connection, chain_id: str, merchant_id: MerchantId, purpose: Purpose, reference: str, count: int = 1
) -> list[WalletAddress]:
    """Hand out fresh addresses of a merchant; from hot or cold as the intake says, standing ones always from cold."""
    return await hand_out_many(connection, [AddressRequest(chain_id, merchant_id, purpose, reference)] * count)


async def hand_out_many(connection: Connection, wanted: Sequence[AddressRequest]) -> list[WalletAddress]:
    """Hand out one fresh address per request, in the order asked; one statement per chain and purpose.

    Raises ``BranchUnknownError`` where a merchant was not prepared on the chain.
    """
    found: dict[int, WalletAddress] = {}
    groups = dict.fromkeys((request.chain_id, request.purpose) for request in wanted)
    for group in groups:
        places = [place for place, item in enumerate(wanted) if (item.chain_id, item.purpose) == group]
        answers = await _hand_out_group(connection, [wanted[place] for place in places])
        found |= dict(zip(places, answers, strict=True))
    return [found[place] for place in range(len(wanted))]


async def standing_address(
    connection: Connection, chain_id: str, merchant_id: MerchantId, reference: str
) -> WalletAddress:
    """Give the address of a merchant's customer reference, always cold; the same reference has the same address."""
    await store.lock_reference(connection, chain_id, merchant_id, reference)
    known = await store.standing(connection, chain_id, merchant_id, reference)
    if known is not None:
        return await address(connection, known)
    return (await hand_out(connection, chain_id, merchant_id, Purpose.STANDING, reference))[0]


async def list_standing(
    connection: Connection, merchant_id: MerchantId, after: str | None, limit: int
) -> list[WalletAddress]:
    """List a merchant's standing addresses, newest first, past the address id ``after``."""
    return await store.list_standing(connection, merchant_id, after, limit)


async def address(connection: Connection, address_id: AddressId) -> WalletAddress:
    """Read one address. Raises ``AddressNotFoundError``."""
    found = (await store.addresses(connection, [address_id])).get(address_id)
    if found is None:
        message = "no address of that id"
        raise AddressNotFoundError(message)
    return found


async def addresses(connection: Connection, ids: Sequence[AddressId]) -> dict[AddressId, WalletAddress]:
    """Read addresses by id; unknown ones are missing."""
    return await store.addresses(connection, ids)


async def merchant_address(connection: Connection, merchant_id: MerchantId, address_id: AddressId) -> WalletAddress:
    """Read one address handed out to that merchant. Raises ``AddressNotFoundError``, for others' addresses too."""
    found = await address(connection, address_id)
    if found.merchant_id != merchant_id or found.purpose is None:
        message = "no address of that id"
        raise AddressNotFoundError(message)
    return found


async def derived(
    connection: Connection, chain_id: str, kind: KeySetKind, branch: int, indices: range
) -> list[WalletAddress]:
    """Read the addresses of a branch in a range of indices, in order, handed out or not."""
    return await store.derived(connection, chain_id, kind, branch, indices)


async def dispute(connection: Connection, chain_id: str, kind: KeySetKind, branch: int, index: int | None) -> None:
    """Hand out nothing of a branch from an index on, since a signer derives other addresses there; None: all again."""
    await store.dispute(connection, chain_id, kind, branch, index)


async def next_change(connection: Connection, chain_id: str, kind: KeySetKind) -> WalletAddress:
    """Hand out a fresh address for change."""
    return await _service_address(connection, chain_id, kind, CHANGE_BRANCH, Purpose.CHANGE)


async def sweep_address(connection: Connection, chain_id: str) -> WalletAddress:
    """Hand out a fresh address that hot sweeps to: branch 0 of the cold key set."""
    return await _service_address(connection, chain_id, KeySetKind.COLD, CHANGE_BRANCH, Purpose.SWEEP)


async def house_address(connection: Connection, chain_id: str, kind: KeySetKind) -> WalletAddress:
    """Hand out a fresh address for house capital."""
    return await _service_address(connection, chain_id, kind, HOUSE_BRANCH, Purpose.HOUSE)


async def find_by_scripts(
    connection: Connection, chain_id: str, scripts: Sequence[bytes]
) -> dict[bytes, WalletAddress]:
    """Find which output scripts are ours, handed out or not."""
    return await store.by_scripts(connection, chain_id, scripts)


async def set_intake(
    connection: Connection, chain_id: str, kind: KeySetKind, until: datetime | None = None, room: int | None = None
) -> None:
    """Choose where invoices are handed out from; hot lasts until ``until``, so that a dead treasury means cold.

    Hot hand-outs from now on expect at most ``room`` base units together; what does not fit is handed out cold.
    """
    await store.set_intake(connection, chain_id, kind, until, room)


async def intake(connection: Connection, chain_id: str) -> KeySetKind:
    """Give the key set that invoices are handed out from now; cold unless hot is chosen, not stopped and covered."""
    return (await store.intake(connection, chain_id))[0]


async def expected_hot(connection: Connection, chain_id: str, now: datetime) -> int:
    """Sum the base units that open hot hand-outs count against the hot band."""
    return await store.expected_hot(connection, chain_id, now)


async def announce_own_payments(connection: Connection, chain_id: str, payments: Sequence[OwnPayment]) -> None:
    """Record outputs of a chain tx of ours that intents pay, before anyone can see it; only these can be deposits."""
    await store.announce_own_payments(connection, chain_id, payments)


async def own_payments(connection: Connection, chain_id: str, txids: Sequence[str]) -> set[tuple[str, int]]:
    """Find the (txid, vout) among chain txs of ours that an intent pays."""
    return await store.own_payments(connection, chain_id, txids)


async def spendable_coins(
    connection: Connection,
    chain_id: str,
    kind: KeySetKind,
    *,
    tip_height: int,
    horizon: int,
    coinbase_maturity: int = 100,
    unconfirmed_change: bool = False,
) -> list[Coin]:
    """List unspent coins with at least ``horizon`` confirmations, and own change from its first one.

    With ``unconfirmed_change`` own change counts from the mempool on. A coinbase output needs ``coinbase_maturity``.
    """
    return await coin_store.spendable(
        connection,
        chain_id,
        kind,
        tip_height=tip_height,
        settled_height=tip_height - horizon + 1,
        mature_height=tip_height - coinbase_maturity + 1,
        unconfirmed_change=unconfirmed_change,
    )


async def coins_event(connection: Connection, chain_id: str) -> int:
    """Give the chain event up to which our record of coins reaches."""
    return await chains.cursor(connection, COINS_CONSUMER, chain_id)


async def coins_at(connection: Connection, chain_id: str, outpoints: Sequence[tuple[str, int]]) -> list[Coin]:
    """Read coins by (txid, vout), spent or not, in the order asked; unknown ones are left out."""
    return await coin_store.coins_at(connection, chain_id, outpoints)


async def holdings(
    connection: Connection, chain_id: str, kinds: Sequence[KeySetKind] = tuple(KeySetKind)
) -> dict[KeySetKind, Holdings]:
    """Sum what each key set holds by our record of the chain, in base units. Cold coins may be very many."""
    found = await coin_store.holdings(connection, chain_id, kinds)
    return {kind: found.get(kind, Holdings(0, 0)) for kind in kinds}


def witness_script(chain: ChainSettings, kind: KeySetKind, branch: int, index: int) -> bytes:
    """The script that a spend from an address shows. Raises ``KeySetUnknownError``."""
    return derivation.witness_script(_settings_key_set(chain, kind), branch, index)


def key_origins(chain: ChainSettings, kind: KeySetKind, branch: int, index: int) -> list[KeyOrigin]:
    """The three keys of an address as a PSBT names them. Raises ``KeySetUnknownError``."""
    return derivation.key_origins(_settings_key_set(chain, kind), branch, index)


async def scan_descriptors(connection: Connection, chain_id: str, margin: int = 0) -> list[ScanDescriptor]:
    """Give every branch as a descriptor that covers all derived indices and ``margin`` more, for scans of the chain.

    None on an account chain: balances are asked for there.
    """
    keys = await store.schemes(connection, chain_id)
    return [
        derivation.scan_descriptor(found, branch.branch, max(0, branch.next_index - 1 + margin))
        for branch in await store.branches(connection, chain_id)
        if isinstance(found := keys[branch.kind], KeySet)
    ]


async def _hand_out_group(connection: Connection, wanted: Sequence[AddressRequest]) -> list[WalletAddress]:
    kinds = await _choose_kinds(connection, wanted)
    found: dict[int, WalletAddress] = {}
    for kind in dict.fromkeys(kinds):
        places = [place for place, chosen in enumerate(kinds) if chosen is kind]
        answers = await _hand_out_unless_frozen(connection, kind, [wanted[place] for place in places])
        found |= dict(zip(places, answers, strict=True))
    return [found[place] for place in range(len(wanted))]


async def _hand_out_unless_frozen(
    connection: Connection, kind: KeySetKind, wanted: Sequence[AddressRequest]
) -> list[WalletAddress]:
    """Hand out; from cold where a breach of the books froze hot since it was chosen."""
    try:
        return await _hand_out_from(connection, kind, wanted)
    except HotFrozenError:
        return await _hand_out_from(connection, KeySetKind.COLD, wanted)


async def _choose_kinds(connection: Connection, wanted: Sequence[AddressRequest]) -> list[KeySetKind]:
    if wanted[0].purpose is Purpose.STANDING or chain_by_id(wanted[0].chain_id).is_evm:
        return [KeySetKind.COLD] * len(wanted)
    kind, room = await store.intake(connection, wanted[0].chain_id)
    if kind is KeySetKind.COLD or room is None:
        return [kind] * len(wanted)
    return rules.share_room([request.expected for request in wanted], room)


async def _hand_out_from(
    connection: Connection, kind: KeySetKind, wanted: Sequence[AddressRequest]
) -> list[WalletAddress]:
    chain_id = wanted[0].chain_id
    merchants = [request.merchant_id for request in wanted]
    branches = await store.branches_of_merchants(connection, chain_id, kind, merchants)
    for merchant_id in merchants:
        if merchant_id not in branches:
            message = f"{merchant_id} has no {kind} addresses on {chain_id}; prepare the merchant on that chain first"
            raise BranchUnknownError(message)
    return await pools.hand_out(connection, kind, [(branches[request.merchant_id], request) for request in wanted])


async def _service_address(
    connection: Connection, chain_id: str, kind: KeySetKind, branch: int, purpose: Purpose
) -> WalletAddress:
    request = AddressRequest(chain_id, MerchantId(""), purpose, purpose)
    return (await pools.hand_out(connection, kind, [(branch, request)]))[0]


def _settings_key_set(chain: ChainSettings, kind: KeySetKind) -> KeySet:
    for settings in chain.key_sets:
        if settings.kind == kind:
            return schemes.key_set_of(chain, settings)
    message = f"the settings name no {kind} key set for {chain.id}"
    raise KeySetUnknownError(message)
