"""The independent arithmetic of client money."""

from hypothesis import given
from hypothesis import strategies as st

from strongroom.ledger.model import AccountType, BreachKind
from strongroom.reconciliation.cover import rules
from strongroom.reconciliation.cover.model import BookSums, ChainProof, SignerProof

A = AccountType
ASSET = "bip122:a/slip44:1"


def books(standing: dict[BreachKind, int] | None = None, wrong: int = 0, **units: int) -> BookSums:
    sums = {AccountType(name.replace("_", "-")): amount for name, amount in units.items()}
    return BookSums(ASSET, sums, standing or {}, wrong)


def test_hot_is_short_of_what_losses_leave_of_capital() -> None:
    assert rules.hot_short(books(chain_hot=-100, house_capital=100)) == 0
    assert rules.hot_short(books(chain_hot=-100, house_capital=100, network_fees=-4, house_fees=3)) == 1
    assert rules.hot_short(books(chain_hot=-100, house_capital=100, house_fees=3)) == 0
    assert rules.hot_short(books(chain_hot=-100, house_capital=100, suspense=-6, merchant_owed=-5)) == 11
    assert rules.hot_short(books(chain_hot=-100, house_capital=90, suspense=60)) == 10
    assert rules.hot_short(books(chain_hot=-10, in_transit=30, house_capital=20)) == 10
    assert rules.hot_short(books(chain_hot=0, house_capital=-5)) == 0


def test_a_debt_covers_nobody() -> None:
    assert rules.clients_short(books(chain_cold=-50, merchant_available=40, merchant_held=20, merchant_owed=-10)) == 10
    assert rules.clients_short(books(chain_cold=-50, chain_hot=-10, merchant_available=40, in_transit=20)) == 0


@given(st.tuples(*[st.integers(-50, 50)] * 8))
def test_what_clients_are_short_of_is_what_the_house_has_lost(units: tuple[int, ...]) -> None:
    """Both ways to count it agree where an asset's accounts sum to zero: the database counts the house's side."""
    available, held, owed, capital, fees, network, transit, suspense = units
    cold = -sum(units)
    found = books(
        merchant_available=available,
        merchant_held=held,
        merchant_owed=owed,
        house_capital=capital,
        house_fees=fees,
        network_fees=network,
        in_transit=transit,
        suspense=suspense,
        chain_cold=cold,
    )
    assert rules.clients_short(found) == max(0, -(capital + fees + network + suspense + owed))


def test_another_judgement_than_the_books_own_is_a_finding() -> None:
    right = books({BreachKind.HOT_LANDED: 7}, chain_hot=-7, merchant_available=7)
    assert rules.check_books(right).size == 0
    assert rules.check_books(books(chain_hot=-7, merchant_available=7)).size == 7
    assert rules.check_books(books({BreachKind.HOT_LANDED: 9}, chain_hot=-7, merchant_available=7)).size == 2
    assert rules.check_books(books(chain_cold=-7, merchant_available=6)).size == 1
    assert rules.check_books(books(chain_cold=-7, merchant_available=7, wrong=3)).size == 3


def test_the_chain_has_to_have_what_clients_have() -> None:
    found = books(chain_cold=-80, merchant_available=70, house_capital=10)
    assert rules.check_chain(found, ChainProof(80, 0)).size == 0
    assert rules.check_chain(found, ChainProof(70, 0)).size == 0
    assert rules.check_chain(found, ChainProof(69, 0)).size == 1
    assert rules.check_chain(found, ChainProof(None, 10)).size == 0
    assert rules.check_chain(found, ChainProof(None, 25)).size == 15


def test_what_a_signer_has_no_proof_of_yet_or_is_signing_is_no_finding() -> None:
    found = books(chain_cold=-80, merchant_available=70, merchant_held=10)
    assert rules.check_signers(found, ()).size == 0
    assert rules.check_signers(found, [SignerProof("a", 50, 20, 10)]).size == 0
    short = rules.check_signers(found, [SignerProof("a", 80, 0, 0), SignerProof("b", 50, 20, 9)])
    assert (short.size, short.cause) == (1, "the books of b")
