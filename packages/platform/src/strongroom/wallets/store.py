"""All SQL about key sets, branches and addresses; that about coins is in ``coin_store``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from strongroom.infra.database import Connection, load_queries
from strongroom.wallets.model import (
    AddressRequest,
    Branch,
    Forwarders,
    KeySet,
    KeySetKind,
    OwnPayment,
    Purpose,
    RecordedAsset,
    Scheme,
    WalletAddress,
)
from strongroom_core.assets import Asset
from strongroom_core.ids import AddressId, MerchantId

_SQL = load_queries(__package__ or "")


async def _rows(connection: Connection, query: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return await (await connection.execute(_SQL[query], values)).fetchall()


async def schemes(connection: Connection, chain_id: str) -> dict[KeySetKind, Scheme]:
    """Read what a chain's addresses are derived from, as recorded."""
    rows = await _rows(connection, "key_sets", {"chain": chain_id})
    return {KeySetKind(row["kind"]): _scheme(row) for row in rows}


async def record_key_set(connection: Connection, key_set: KeySet) -> None:
    """Record a key set unless one of its kind or name is; the caller compares afterwards."""
    values = {
        "chain": key_set.chain,
        "kind": key_set.kind,
        "name": key_set.name,
        "xpubs": list(key_set.xpubs),
        "origins": list(key_set.origins),
    }
    await connection.execute(_SQL["record_key_set"], values)


async def record_forwarders(connection: Connection, forwarders: Forwarders) -> None:
    """Record the forwarders of an account chain unless it has some; the caller compares afterwards."""
    values = {"chain": forwarders.chain, "factory": forwarders.factory, "treasury": forwarders.treasury}
    await connection.execute(_SQL["record_forwarders"], values)


async def make_branch(
    connection: Connection, chain_id: str, kind: KeySetKind, branch: int, merchant_id: MerchantId | None, target: int
) -> bool:
    """Make a branch unless it is there; False where the branch is somebody else's or the owner has another."""
    values = {"chain": chain_id, "kind": kind, "branch": branch, "merchant_id": merchant_id, "pool_target": target}
    await connection.execute(_SQL["make_branch"], values)
    return bool(await _rows(connection, "branch_of", values))


async def branches_of_merchants(
    connection: Connection, chain_id: str, kind: KeySetKind, merchants: Sequence[MerchantId]
) -> dict[MerchantId, int]:
    """Find the merchants' branches."""
    values = {"chain": chain_id, "kind": kind, "merchants": list(set(merchants))}
    rows = await _rows(connection, "branches_of_merchants", values)
    return {MerchantId(row["merchant_id"]): row["branch"] for row in rows}


async def branches(connection: Connection, chain_id: str) -> list[Branch]:
    """List the branches of a chain."""
    return [_branch(row) for row in await _rows(connection, "branches", {"chain": chain_id})]


async def lock_branch(connection: Connection, chain_id: str, kind: KeySetKind, branch: int) -> Branch | None:
    """Take the right to derive on a branch until the transaction ends."""
    rows = await _rows(connection, "lock_branch", {"chain": chain_id, "kind": kind, "branch": branch})
    return _branch(rows[0]) if rows else None


async def low_branches(connection: Connection, chain_id: str, limit: int) -> list[Branch]:
    """List branches whose pool is half empty, those not refilled for longest first."""
    return [_branch(row) for row in await _rows(connection, "low_branches", {"chain": chain_id, "limit": limit})]


async def waiting(connection: Connection, branch: Branch) -> tuple[int, int]:
    """Count what waits in a branch's pool; and its lowest index, or the next to derive where nothing waits."""
    values = {"chain": branch.chain, "kind": branch.kind, "branch": branch.branch, "low_index": branch.low_index}
    row = (await _rows(connection, "waiting", values))[0]
    return row["waiting"], branch.next_index if row["lowest"] is None else row["lowest"]


async def insert_addresses(
    connection: Connection, branch: Branch, indices: Sequence[int], scripts: Sequence[bytes], addresses: Sequence[str]
) -> None:
    """Put derived addresses into a branch's pool."""
    values = {
        "chain": branch.chain,
        "kind": branch.kind,
        "branch": branch.branch,
        "merchant_id": branch.merchant_id,
        "ids": [AddressId.new() for _ in indices],
        "indices": list(indices),
        "scripts": list(scripts),
        "addresses": list(addresses),
    }
    await connection.execute(_SQL["insert_addresses"], values)


async def advance_branch(connection: Connection, branch: Branch) -> None:
    """Record how far a locked branch is derived now."""
    values = {
        "chain": branch.chain,
        "kind": branch.kind,
        "branch": branch.branch,
        "next_index": branch.next_index,
        "low_index": branch.low_index,
        "refill_index": branch.refill_index,
        "pool_target": branch.pool_target,
        "refilled_at": branch.refilled_at,
    }
    await connection.execute(_SQL["advance_branch"], values)


async def take(
    connection: Connection, kind: KeySetKind, branch_numbers: Sequence[int], wanted: Sequence[AddressRequest]
) -> dict[int, WalletAddress]:
    """Hand out one waiting address per request of one chain and purpose; by place, without those whose pool is dry."""
    values = {
        "chain": wanted[0].chain_id,
        "kind": kind,
        "branches": list(branch_numbers),
        "purpose": wanted[0].purpose,
        "references": [request.reference for request in wanted],
        "assets": [request.asset for request in wanted],
        "expected": [request.expected for request in wanted],
        "expected_until": [request.expected_until for request in wanted],
    }
    return {row.pop("place") - 1: _address(row) for row in await _rows(connection, "take", values)}


async def addresses(connection: Connection, ids: Sequence[AddressId]) -> dict[AddressId, WalletAddress]:
    """Read addresses by id."""
    found = [_address(row) for row in await _rows(connection, "addresses", {"ids": list(ids)})]
    return {item.id: item for item in found}


async def derived(
    connection: Connection, chain_id: str, kind: KeySetKind, branch: int, indices: range
) -> list[WalletAddress]:
    """Read the addresses of a branch in a range of indices, in order, handed out or not."""
    values = {"chain": chain_id, "kind": kind, "branch": branch, "first": indices.start, "end": indices.stop}
    return [_address(row) for row in await _rows(connection, "derived", values)]


async def dispute(connection: Connection, chain_id: str, kind: KeySetKind, branch: int, index: int | None) -> None:
    """Say from which index on a branch hands out nothing, since a signer derives other addresses; None: nowhere."""
    values = {"chain": chain_id, "kind": kind, "branch": branch, "index": index}
    await connection.execute(_SQL["dispute"], values)


async def by_scripts(connection: Connection, chain_id: str, scripts: Sequence[bytes]) -> dict[bytes, WalletAddress]:
    """Find which of the scripts are ours."""
    rows = await _rows(connection, "by_scripts", {"chain": chain_id, "scripts": list(scripts)})
    return {bytes(row["script"]): _address(row) for row in rows}


async def lock_reference(connection: Connection, chain_id: str, merchant_id: MerchantId, reference: str) -> None:
    """Let one transaction at a time decide on a reference's standing address."""
    values = {"chain": chain_id, "merchant_id": merchant_id, "reference": reference}
    await connection.execute(_SQL["lock_reference"], values)


async def standing(connection: Connection, chain_id: str, merchant_id: MerchantId, reference: str) -> AddressId | None:
    """Find a reference's standing address."""
    values = {"chain": chain_id, "merchant_id": merchant_id, "reference": reference}
    rows = await _rows(connection, "standing", values)
    return AddressId(rows[0]["id"]) if rows else None


async def list_standing(
    connection: Connection, merchant_id: MerchantId, after: str | None, limit: int
) -> list[WalletAddress]:
    """List a merchant's standing addresses, newest first."""
    values = {"merchant_id": merchant_id, "after": after, "limit": limit}
    return [_address(row) for row in await _rows(connection, "list_standing", values)]


async def set_intake(
    connection: Connection, chain_id: str, kind: KeySetKind, until: datetime | None, room: int | None
) -> None:
    """Record the treasury's choice."""
    values = {"chain": chain_id, "kind": kind, "until": until, "room": room}
    await connection.execute(_SQL["set_intake"], values)


async def intake(connection: Connection, chain_id: str) -> tuple[KeySetKind, int | None]:
    """Read the choice in force, and the base units that hot hand-outs may still expect (None: no bound)."""
    row = (await _rows(connection, "intake", {"chain": chain_id}))[0]
    return KeySetKind(row["kind"]), row["room"]


async def frozen(connection: Connection, chain_id: str) -> bool:
    """Whether nothing may be handed out from hot: the books do not cover what is there."""
    return bool((await _rows(connection, "frozen", {"chain": chain_id}))[0]["frozen"])


async def expected_hot(connection: Connection, chain_id: str, now: datetime) -> int:
    """Sum what open hot hand-outs may still bring, in base units."""
    return int((await _rows(connection, "expected_hot", {"chain": chain_id, "now": now}))[0]["expected"])


async def announce_own_payments(connection: Connection, chain_id: str, payments: Sequence[OwnPayment]) -> None:
    """Record which outputs of our own chain txs an intent paid."""
    values = {
        "chain": chain_id,
        "txids": [payment.txid for payment in payments],
        "vouts": [payment.vout for payment in payments],
        "references": [payment.reference for payment in payments],
    }
    await connection.execute(_SQL["announce_own_payments"], values)


async def own_payments(connection: Connection, chain_id: str, txids: Sequence[str]) -> set[tuple[str, int]]:
    """Find the announced outputs of chain txs."""
    rows = await _rows(connection, "own_payments", {"chain": chain_id, "txids": list(txids)})
    return {(row["txid"], row["vout"]) for row in rows}


def _scheme(row: dict[str, Any]) -> Scheme:
    if row["factory"] is not None:
        return Forwarders(row["chain"], bytes(row["factory"]), bytes(row["treasury"]))
    first, second, third = row["xpubs"]
    one, two, three = row["origins"]
    return KeySet(row["chain"], row["name"], KeySetKind(row["kind"]), (first, second, third), (one, two, three))


def _branch(row: dict[str, Any]) -> Branch:
    merchant = row["merchant_id"]
    values = {**row, "kind": KeySetKind(row["kind"]), "merchant_id": None if merchant is None else MerchantId(merchant)}
    return Branch(**values)


def _address(row: dict[str, Any]) -> WalletAddress:
    values = {
        **row,
        "id": AddressId(row["id"]),
        "kind": KeySetKind(row["kind"]),
        "script": bytes(row["script"]),
        "purpose": None if row["purpose"] is None else Purpose(row["purpose"]),
        "merchant_id": None if row["merchant_id"] is None else MerchantId(row["merchant_id"]),
    }
    return WalletAddress(**values)


async def record_assets(connection: Connection, assets: Sequence[Asset]) -> None:
    """Record assets that are held; those on record stay as they are."""
    values = {
        "ids": [asset.id for asset in assets],
        "chains": [asset.chain_id for asset in assets],
        "codes": [asset.code for asset in assets],
        "decimals": [asset.decimals for asset in assets],
    }
    await connection.execute(_SQL["record_assets"], values)


async def recorded_assets(connection: Connection) -> list[RecordedAsset]:
    """Read every asset that was ever held."""
    return [RecordedAsset(**row) for row in await (await connection.execute(_SQL["recorded_assets"])).fetchall()]


async def handed_out_for(connection: Connection, asset: RecordedAsset) -> bool:
    """Whether an address was ever handed out to be paid in an asset."""
    row = await (await connection.execute(_SQL["handed_out_for"], [asset.chain, asset.id])).fetchone()
    return bool(row and row["found"])
