"""What cannot be written in the books, and how a batch is told to the database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.ledger import rules, store
from strongroom.ledger.errors import InvalidPostingError
from strongroom.ledger.model import HOLD_MOVES, Account, AccountType, HoldState, LedgerTransaction, Posted, Posting
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC, REGTEST_LTC
from strongroom_core.errors import InvalidValueError
from strongroom_core.ids import LedgerTransactionId, MerchantId

ALICE = MerchantId.new(1)
FEES = Account(AccountType.HOUSE_FEES, REGTEST_BTC)
ALICES = Account(AccountType.MERCHANT_AVAILABLE, REGTEST_BTC, ALICE)


def posting(units: int = 1) -> Posting:
    return Posting(ALICES, FEES, Amount(REGTEST_BTC, units))


@pytest.mark.parametrize("kind", AccountType)
def test_merchant_accounts_have_a_merchant_and_house_accounts_have_none(kind: AccountType) -> None:
    Account(kind, REGTEST_BTC, ALICE if kind.is_merchant else None)
    with pytest.raises(InvalidPostingError):
        Account(kind, REGTEST_BTC, None if kind.is_merchant else ALICE)
    with pytest.raises(InvalidValueError):
        Account(AccountType.MERCHANT_HELD, REGTEST_BTC, MerchantId("x|y"))


def test_an_unbalanced_posting_cannot_be_written() -> None:
    litecoin = Account(AccountType.HOUSE_FEES, REGTEST_LTC)
    for source, destination, amount in (
        (ALICES, FEES, Amount(REGTEST_BTC, 0)),
        (ALICES, litecoin, Amount(REGTEST_BTC, 1)),
        (litecoin, FEES, Amount(REGTEST_BTC, 1)),
        (ALICES, FEES, Amount(REGTEST_LTC, 1)),
        (FEES, Account(AccountType.HOUSE_FEES, REGTEST_BTC), Amount(REGTEST_BTC, 1)),
    ):
        with pytest.raises(InvalidPostingError):
            Posting(source, destination, amount)


@pytest.mark.parametrize(
    ("kind", "key", "memo"),
    [
        ("", "k", {}),
        ("k", "", {}),
        ("k", "x" * 201, {}),
        ("k", "a\x1fb", {}),
        ("a\x00", "k", {}),
        ("k", "k", {"a": "\x00"}),
        ("k", "k", {"\ud800": "a"}),
        ("k", "k", {str(n): "" for n in range(33)}),
    ],
)
def test_texts_that_the_books_cannot_store_are_refused(kind: str, key: str, memo: dict[str, str]) -> None:
    with pytest.raises(InvalidPostingError):
        LedgerTransaction(kind, key, (posting(),), memo)


def test_a_ledger_transaction_has_postings() -> None:
    with pytest.raises(InvalidPostingError):
        LedgerTransaction("k", "k", ())


@given(st.integers(1, 2**63 - 1), st.integers(0, 2**48 - 1))
def test_a_transaction_id_is_a_good_id_and_sorts_by_time(number: int, at_ms: int) -> None:
    made = Posted(number, at_ms, again=False)
    assert LedgerTransactionId.parse(made.id) == made.id
    assert made.id.startswith(LedgerTransactionId.new(at_ms)[:14])
    assert Posted(number, at_ms, again=True).id == made.id
    assert Posted(number - 1, at_ms, again=False).id < made.id


texts = st.text(st.characters(codec="utf-8"), max_size=20).filter(str.isprintable)


@given(texts, st.dictionaries(texts, texts, max_size=3), st.lists(st.integers(1, 99), min_size=1, max_size=3))
def test_different_inputs_have_different_canonical_bytes(kind: str, memo: dict[str, str], amounts: list[int]) -> None:
    made = LedgerTransaction(kind or "k", "key", tuple(posting(units) for units in amounts), memo)
    others = [
        LedgerTransaction(made.kind + "x", "key", made.postings, memo),
        LedgerTransaction(made.kind, "key", (*made.postings, posting()), memo),
        LedgerTransaction(made.kind, "key", tuple(posting(units + 1) for units in amounts), memo),
        LedgerTransaction(made.kind, "key", made.postings, memo | {"new": "entry", kind + "2": "x"}),
    ]
    assert len({rules.canonical(each) for each in (made, *others)}) == len(others) + 1
    again = LedgerTransaction(made.kind, "another key", made.postings, dict(reversed(memo.items())))
    assert rules.canonical(again) == rules.canonical(made)


def test_a_batch_names_each_account_once_and_keeps_the_order() -> None:
    first = LedgerTransaction("k", "1", (posting(5), Posting(FEES, ALICES, Amount(REGTEST_BTC, 2))))
    batch = rules.build_batch([first, LedgerTransaction("k", "2", (posting(7),)), first])
    assert batch.accounts == [ALICES, FEES]
    assert (batch.keys, batch.lasts, batch.places) == (["1", "2"], [2, 3], [0, 1, 0])
    assert (batch.sources, batch.destinations, batch.amounts) == ([1, 2, 1], [2, 1, 2], [5, 2, 7])


def test_a_key_twice_with_another_input_has_no_place() -> None:
    pair = [LedgerTransaction("k", "1", (posting(units),)) for units in (1, 2)]
    assert rules.build_batch(pair).places == [0, None]


@given(st.lists(texts, max_size=5))
def test_array_literals_escape_what_postgresql_would_read(values: list[str]) -> None:
    literal = store.texts_literal(values)
    assert literal.startswith("{")
    assert literal.count('"') - literal.count('\\"') == 2 * len(values)


def test_only_an_open_hold_moves() -> None:
    assert set(HOLD_MOVES) == set(HoldState)
    assert [state for state, moves in HOLD_MOVES.items() if moves] == [HoldState.OPEN]
