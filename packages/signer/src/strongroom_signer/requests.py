"""Requests about the signer's own books, up to the lock and under it: which proofs, of which chain, for which row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from strongroom_core.proof_messages import (
    BooksAre,
    OwnBalance,
    ProveConflictsRequest,
    ProveExecutionsRequest,
    ProveReceiptsRequest,
    ProveTxsRequest,
)
from strongroom_core.refusals import RefusalTag
from strongroom_signer import proofs, records
from strongroom_signer.errors import RefusedError
from strongroom_signer.evm_view import EvmView, Rationed
from strongroom_signer.returns import Returns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from strongroom_core.proof_messages import BooksRequest
    from strongroom_signer.books import Books
    from strongroom_signer.enrolment import Enrolment
    from strongroom_signer.policy import ChainPolicy, Policy
    from strongroom_signer.receipts import AgreedBlocks
    from strongroom_signer.safe_policy import SafePolicy
    from strongroom_signer.views import View

MAX_BALANCES: Final = 1_000
#: What one row holds, so that it can be pushed to the peer: outpoints that deposits' chain txs spend (72 bytes each; a
#: block has room for 24,390 in all), and intents that are given back (67 bytes each).
MAX_INPUTS: Final = 24_500
MAX_RETURNED: Final = 5_001

ProofRequest = ProveTxsRequest | ProveReceiptsRequest | ProveConflictsRequest | ProveExecutionsRequest
#: What was read of proofs of one kind, and refusals; only ``book_proofs`` for the same request looks into it.
Found = list[Any]
B = TypeVar("B")


def read_proofs(request: ProofRequest, policy: Policy, views: Mapping[str, View]) -> Found:
    """Verify every proof against this signer's own view. Raises ``RefusedError`` where none can be answered."""
    proofs.check_count(request.proofs)
    view = views.get(request.chain)
    blocks: AgreedBlocks | None = Rationed(view) if isinstance(view, EvmView) else view
    off = policy.trust.switched_off
    match request:
        case ProveTxsRequest():
            chain = _chain(request.chain, policy)
            return proofs.each(
                request.proofs, lambda item: proofs.read_output(item, chain, _seeing(view, view, off), off)
            )
        case ProveConflictsRequest():
            chain = _chain(request.chain, policy)
            return proofs.each(request.proofs, lambda item: proofs.read_conflict(item, chain, _seeing(view, view, off)))
        case ProveReceiptsRequest():
            safe = _safe(request.chain, policy)
            return proofs.each(request.proofs, lambda item: proofs.read_sweep(item, safe, _seeing(view, blocks, off)))
        case ProveExecutionsRequest():
            safe = _safe(request.chain, policy)
            return proofs.each(
                request.proofs, lambda item: proofs.read_execution(item, safe, _seeing(view, blocks, off))
            )


def book_proofs(
    request: ProofRequest, found: Found, policy: Policy, books: Books, enrolment: Enrolment
) -> proofs.Booking:
    """Ask the books whose it is and what they know already; under the decision's lock."""
    match request:
        case ProveTxsRequest() | ProveReceiptsRequest():
            return proofs.Credits(request.chain, policy, books, enrolment).book(found)
        case ProveConflictsRequest():
            return Returns(request.chain, policy, books).book_conflicts(found)
        case ProveExecutionsRequest():
            return Returns(request.chain, policy, books).book_executions(found)


def proven_rows(at: int, request: ProofRequest, booking: proofs.Booking) -> list[records.Body]:
    """Give the bodies of the rows that hold what was accepted of a request, each of a bounded size.

    Every item stands for itself, so a crash between two rows leaves the rest to be proven again.
    """
    given = (at, request.request_id, request.chain)
    if isinstance(request, ProveTxsRequest | ProveReceiptsRequest):
        return [
            records.deposits(*given, items)
            for items in _bounded(booking.items, lambda item: 1 + len(item["inputs"]), MAX_INPUTS)
        ]
    return [
        records.conflicted(*given, items)
        for items in _bounded(booking.items, lambda item: 1 + len(item["intents"]), MAX_RETURNED)
    ]


def _bounded(items: list[records.Body], weigh: Callable[[records.Body], int], most: int) -> list[list[records.Body]]:
    """Share items out to rows in their order, each of a weight up to ``most`` or of a single item."""
    rows: list[list[records.Body]] = []
    weight = 0
    for item in items:
        weight += weigh(item)
        if not rows or weight > most:
            rows.append([])
            weight = weigh(item)
        rows[-1].append(item)
    return rows


def page_of_balances(request: BooksRequest, books: Books, row: int, *, binding: bool) -> BooksAre:
    """Give a page of balances in the order of (holder, asset), as of a journal row."""
    after = (request.after_holder, request.after_asset)
    keys = sorted(key for key in books.balances if key > after)[: min(request.limit, MAX_BALANCES)]
    page = tuple(OwnBalance(holder, asset, str(books.balances[holder, asset])) for holder, asset in keys)
    return BooksAre(request.request_id, row, binding, page)


def _chain(name: str, policy: Policy) -> ChainPolicy:
    chain = policy.chains.get(name)
    if chain is None:
        raise RefusedError(RefusalTag.CHAIN_UNKNOWN, f"{name[:80]} is no bitcoin-like of this policy")
    return chain


def _safe(name: str, policy: Policy) -> SafePolicy:
    safe = policy.safes.get(name)
    if safe is None:
        raise RefusedError(RefusalTag.CHAIN_UNKNOWN, f"{name[:80]} is no EVM chain of this policy")
    return safe


def _seeing(view: View | None, blocks: B | None, off: frozenset[RefusalTag]) -> B:
    """Give what to ask for blocks, where the view is believed: what nodes disagree about proves nothing."""
    if view is None or blocks is None:
        raise RefusedError(RefusalTag.CHAIN_VIEW, "no node of this chain is configured on this host (links.toml)")
    if view.trouble and RefusalTag.CHAIN_VIEW not in off:
        raise RefusedError(RefusalTag.CHAIN_VIEW, view.trouble)
    return blocks
