"""Pure: the two rules of client money once more, in plain arithmetic over all accounts; and against chain and signers.

No line of it is shared with the database's own judgement, which reads the house's accounts only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from strongroom.ledger.model import AccountType, BreachKind
from strongroom.reconciliation.cover.model import BookSums, ChainProof, Finding, SignerProof

_A: Final = AccountType
_HOT: Final = (BreachKind.HOT_LANDED, BreachKind.HOT_UNCOVERED)


def hot_short(books: BookSums) -> int:
    """Give what hot, or what is in flight, has beyond the house's own capital."""
    covering = books.of(_A.HOUSE_CAPITAL, _A.MERCHANT_OWED)
    covering += min(0, books.of(_A.HOUSE_FEES, _A.NETWORK_FEES)) + min(0, books.of(_A.SUSPENSE))
    return max(0, max(-books.of(_A.CHAIN_HOT), books.of(_A.IN_TRANSIT)) - max(0, covering))


def clients_short(books: BookSums) -> int:
    """Give what clients have, and what was taken off them and is not final yet, beyond what hot and cold hold."""
    return max(0, books.clients + books.of(_A.IN_TRANSIT) + books.of(_A.CHAIN_HOT, _A.CHAIN_COLD))


def check_books(books: BookSums) -> Finding:
    """Compare the books' own judgement with this one, and their sum with zero."""
    total = sum(books.sums.values())
    hot = hot_short(books) - sum(books.standing.get(kind, 0) for kind in _HOT)
    clients = clients_short(books) - books.standing.get(BreachKind.CLIENTS_SHORT, 0)
    said = {
        f"all accounts sum to {total} instead of 0": abs(total),
        f"what is hot beyond capital is judged {hot} too little": abs(hot),
        f"what clients are short of is judged {clients} too little": abs(clients),
        "balances are not what their entries say": books.wrong,
    }
    cause = "; ".join(text for text, size in said.items() if size)
    return Finding(books.asset, BreachKind.BOOKS_WRONG, max(said.values()), cause)


def check_chain(books: BookSums, proof: ChainProof) -> Finding:
    """Compare what clients have with the chain: by our record of coins, and by the last scan."""
    recorded = 0 if proof.recorded is None else max(0, books.clients - proof.recorded)
    spare = -books.of(_A.CHAIN_HOT, _A.CHAIN_COLD, _A.IN_TRANSIT) - books.clients
    scanned = max(0, proof.missing - max(0, spare)) if proof.missing else 0
    cause = "coins in blocks by our record" if recorded >= scanned else "the last scan of the chain"
    return Finding(books.asset, BreachKind.CHAIN_SHORT, max(recorded, scanned), cause)


def check_signers(books: BookSums, proofs: Iterable[SignerProof]) -> Finding:
    """Compare what clients have with each signer's own books; the largest difference counts."""
    sizes = {
        proof.signer: max(0, books.clients - proof.total - proof.unproven - proof.being_signed) for proof in proofs
    }
    worst = max(sizes, key=lambda name: sizes[name], default="")
    return Finding(books.asset, BreachKind.SIGNERS_SHORT, sizes.get(worst, 0), f"the books of {worst}")
