"""Deriving addresses into a branch's pool, and handing them out. Whoever derives holds the branch's row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from strongroom.chains import service as chains
from strongroom.infra.database import Connection
from strongroom.wallets import derivation, rules, store
from strongroom.wallets.errors import AddressDisputedError, BranchUnknownError, HotFrozenError, KeySetUnknownError
from strongroom.wallets.model import AddressRequest, Branch, Forwarders, KeySetKind, Purpose, Scheme, WalletAddress
from strongroom_core.assets import chain_by_id

ALWAYS: Final = datetime(9999, 1, 1, tzinfo=UTC)


async def scheme(connection: Connection, chain_id: str, kind: KeySetKind) -> Scheme:
    """Read what addresses are derived from, as recorded. Raises ``KeySetUnknownError``."""
    found = (await store.schemes(connection, chain_id)).get(kind)
    if found is None:
        message = f"no {kind} key set is recorded for {chain_id}: name three keys in its settings and start the worker"
        raise KeySetUnknownError(message)
    return found


def scripts_of(found: Scheme, branch: int, indices: range) -> list[bytes]:
    """Derive a branch's scripts; on an account chain the addresses themselves, 20 bytes each."""
    if isinstance(found, Forwarders):
        return chains.forwarder_addresses(found.factory, found.treasury, branch, indices)
    return [item.script for item in derivation.derive(found, branch, indices)]


async def lock(connection: Connection, chain_id: str, kind: KeySetKind, branch: int) -> Branch:
    """Take the right to derive on a branch. Raises ``BranchUnknownError``."""
    found = await store.lock_branch(connection, chain_id, kind, branch)
    if found is None:
        message = f"branch {branch} of the {kind} key set on {chain_id} was never prepared"
        raise BranchUnknownError(message)
    return found


async def extend(connection: Connection, branch: Branch, count: int) -> Branch:
    """Derive a locked branch's next ``count`` addresses into its pool, watched from the same commit on."""
    found = await scheme(connection, branch.chain, branch.kind)
    indices = range(branch.next_index, branch.next_index + count)
    scripts = scripts_of(found, branch.branch, indices)
    texts = [str(chains.script_to_address(branch.chain, script)) for script in scripts]
    await store.insert_addresses(connection, branch, indices, scripts, texts)
    await chains.watch_scripts(connection, branch.chain, scripts)
    return replace(branch, next_index=branch.next_index + count)


async def refill(connection: Connection, branch: Branch, now: datetime) -> int:
    """Fill a locked branch's pool up to its target, one batch at most; the count derived."""
    waiting, lowest = await store.waiting(connection, branch)
    since = None if branch.refill_index == branch.next_index else branch.refilled_at  # equal: an earlier batch goes on
    plan = rules.refill(waiting, branch.pool_target, since, now)
    count = min(plan.count, rules.BATCH_MAX)
    grown = replace(branch, low_index=lowest, pool_target=plan.target)
    if count:
        grown = await extend(connection, grown, count)
    done = count == plan.count
    at = rules.refill_index(grown.next_index, plan.target) if done else grown.next_index
    await store.advance_branch(connection, replace(grown, refill_index=at, refilled_at=now))
    return count


async def fill(connection: Connection, branch: Branch) -> None:
    """Fill a new, locked branch's pool up to its target at once."""
    grown = await extend(connection, branch, branch.pool_target)
    at = rules.refill_index(grown.next_index, branch.pool_target)
    await store.advance_branch(connection, replace(grown, refill_index=at))


async def hand_out(
    connection: Connection, kind: KeySetKind, wanted: Sequence[tuple[int, AddressRequest]]
) -> list[WalletAddress]:
    """Hand out one address for each (branch, request) of one chain and purpose; derive what is missing.

    Raises ``HotFrozenError`` where invoices were to come from hot and a breach of the books began meanwhile.
    """
    taken = await _take(connection, kind, wanted, range(len(wanted)))
    missing = [place for place in range(len(wanted)) if place not in taken]
    if missing:
        chain_id = wanted[0][1].chain_id
        await _check_frozen(connection, kind, wanted[0][1])
        # In order, so that two callers who both find several pools dry do not wait for each other.
        for branch, count in sorted(Counter(wanted[place][0] for place in missing).items()):
            await _derive_now(connection, chain_id, kind, branch, count)
        taken |= await _take(connection, kind, wanted, missing)
        if len(taken) < len(wanted):
            await _check_frozen(connection, kind, wanted[0][1])
    handed_out = [taken[place] for place in range(len(wanted))]
    await _watch_coin(connection, wanted[0][1].chain_id, [request for _, request in wanted], handed_out)
    return handed_out


async def _check_frozen(connection: Connection, kind: KeySetKind, request: AddressRequest) -> None:
    if (
        kind is KeySetKind.HOT
        and request.purpose is Purpose.INVOICE
        and await store.frozen(connection, request.chain_id)
    ):
        message = f"hot money on {request.chain_id} is not covered: nothing is handed out from hot"
        raise HotFrozenError(message)


async def _watch_coin(
    connection: Connection, chain_id: str, wanted: Sequence[AddressRequest], found: Sequence[WalletAddress]
) -> None:
    """Have an account chain's own coin looked for by balance while it may come: contracts pay it without a log.

    At addresses handed out for a token too: people send the coin there by mistake, and it is theirs with traces or not.
    """
    if not chain_by_id(chain_id).is_evm:
        return
    until: dict[datetime, list[bytes]] = {}
    for request, address in zip(wanted, found, strict=True):
        until.setdefault(request.expected_until or ALWAYS, []).append(address.script)
    for time, scripts in until.items():
        await chains.watch_balances(connection, chain_id, scripts, time)


async def _take(
    connection: Connection, kind: KeySetKind, wanted: Sequence[tuple[int, AddressRequest]], places: Sequence[int]
) -> dict[int, WalletAddress]:
    chosen = [wanted[place] for place in places]
    taken = await store.take(connection, kind, [branch for branch, _ in chosen], [request for _, request in chosen])
    return {places[position]: address for position, address in taken.items()}


async def _derive_now(connection: Connection, chain_id: str, kind: KeySetKind, branch_number: int, count: int) -> None:
    """Derive for callers who found the pool dry. Others see fresh rows after the commit only, so none can take them."""
    branch = await lock(connection, chain_id, kind, branch_number)
    if branch.disputed_index is not None:
        message = (
            f"a signer derives other addresses of branch {branch_number} on {chain_id} than we do; try again later"
        )
        raise AddressDisputedError(message)
    grown = await extend(connection, branch, rules.inline_count(count))
    at = rules.refill_index(branch.next_index, branch.pool_target)
    await store.advance_branch(connection, replace(grown, refill_index=at))
