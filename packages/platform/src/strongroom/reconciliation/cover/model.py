"""What the independent look compares, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from strongroom.ledger.model import AccountType, BreachKind


@dataclass(frozen=True, slots=True)
class BookSums:
    """One asset's books at one moment, in base units: ``sums`` over all accounts of a type, and what stands as breach.

    ``wrong`` is by how much the last reconciliation found balances to be other than their entries say.
    """

    asset: str
    sums: Mapping[AccountType, int]
    standing: Mapping[BreachKind, int]
    wrong: int = 0

    def of(self, *kinds: AccountType) -> int:
        """Add up accounts of these types."""
        return sum(self.sums.get(kind, 0) for kind in kinds)

    @property
    def clients(self) -> int:
        """What merchants have, merchant by merchant: what one owes covers no other's."""
        return self.of(AccountType.MERCHANT_AVAILABLE, AccountType.MERCHANT_HELD)


@dataclass(frozen=True, slots=True)
class ChainProof:
    """What is on the chain, in base units, by other records than the books.

    ``recorded``: coins in blocks by our record of them (None where a chain has no coins). ``missing``: what the last
    scan of the chain found less than the books and all that explains itself.
    """

    recorded: int | None
    missing: int


@dataclass(frozen=True, slots=True)
class SignerProof:
    """What one signer's own books have of an asset: everybody's money, the house's with it, in base units.

    ``unproven`` is in our books and not in its own for want of a proof, ``being_signed`` may have left its own already.
    """

    signer: str
    total: int
    unproven: int
    being_signed: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What is short by one measure: base units of ``asset``, 0 where nothing is; ``cause`` says what was compared."""

    asset: str
    kind: BreachKind
    size: int
    cause: str = ""
