"""The comparison itself: what agrees is clean, and each thing that does not is named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from strongroom.ledger.model import Account, AccountAudit, AccountType
from strongroom.reconciliation import rules
from strongroom.reconciliation.model import (
    BookFacts,
    CoinFacts,
    Difference,
    DifferenceName,
    Movement,
    PaymentFacts,
    SentFacts,
    SlotFacts,
    UncreditedFacts,
    VersionFacts,
    VoidFacts,
)
from strongroom_core.assets import REGTEST_BTC
from strongroom_core.ids import MerchantId
from strongroom_core.messages import JournalRow

BTC, CHAIN = REGTEST_BTC.id, REGTEST_BTC.chain_id
MERCHANT = MerchantId.new(1)
FIRST, SECOND = "11" * 32, "22" * 32
INTENT_A, INTENT_B = "aa" * 32, "bb" * 32


def audit(kind: AccountType, balance: int, **changes: Any) -> AccountAudit:
    owner = MERCHANT if kind.is_merchant else None
    sound = AccountAudit(Account(kind, REGTEST_BTC, owner), balance, 1, 1, balance, balance, 0)
    return replace(sound, **changes)


# 1,000 on hot, of which a confirmed slot took 300 and 20 for the miner; 500 on cold; 40 held for another payout.
BOOKS = BookFacts(
    (
        audit(AccountType.CHAIN_HOT, -1000),
        audit(AccountType.CHAIN_COLD, -500),
        audit(AccountType.MERCHANT_AVAILABLE, 1160),
        audit(AccountType.MERCHANT_HELD, 40),
        audit(AccountType.IN_TRANSIT, 300),
    ),
    (),
    {(MERCHANT, BTC): 40},
)
SLOT = SlotFacts(
    "slt_1",
    "confirmed",
    SECOND,
    (PaymentFacts("pay_a", INTENT_A, BTC, 100), PaymentFacts("pay_b", INTENT_B, BTC, 200)),
    (VersionFacts(FIRST, 10, signed=True, swept=0), VersionFacts(SECOND, 20, signed=True, swept=0)),
)
SENT = SentFacts(
    CHAIN, BTC, (SLOT,), (), (UncreditedFacts(BTC, "hot", below_minimum=False, amount=7, count=1),), "ff", 10
)
COINS = CoinFacts(10, "ff", {"hot": 1000 + 7 - 320, "cold": 500}, ())


def signed_body(txid: str, *intents: str, fee: int) -> dict[str, Any]:
    payments = [{"intent": intent} for intent in intents]
    return {"kind": "signed", "chain": CHAIN, "txid": txid, "fee": fee, "payments": payments, "at": 1}


def journal_rows(*bodies: dict[str, Any]) -> list[JournalRow]:
    rows, previous = list[JournalRow](), bytes(32)
    for number, body in enumerate(({"kind": "genesis", "at": 0}, *bodies), 1):
        data = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        hashed = hashlib.sha256(previous + number.to_bytes(8, "big") + data).digest()
        rows.append(JournalRow(number, previous, data, hashed))
        previous = hashed
    return rows


GOOD = (signed_body(FIRST, INTENT_A, INTENT_B, fee=10), signed_body(SECOND, INTENT_B, INTENT_A, fee=20))


def names(differences: list[Difference]) -> list[DifferenceName]:
    return [item.name for item in differences]


def judged(rows: list[JournalRow], sent: SentFacts = SENT) -> list[Difference]:
    return list(rules.check_journal(rules.read_journal("A", rows), [sent], [sent]))


def test_books_that_add_up_are_clean() -> None:
    assert list(rules.check_books(BOOKS)) == []


def test_what_is_on_its_way_is_named_and_explained() -> None:
    found = list(rules.check_chain(BOOKS, SENT, COINS))
    assert names(found) == [DifferenceName.DEPOSIT_UNCREDITED, DifferenceName.IN_FLIGHT]
    assert all(item.explained for item in found)
    assert [item.found for item in found] == [7, 320]


@pytest.mark.parametrize("kind", ["hot", "cold"])
@pytest.mark.parametrize("planted", [1, -1])
def test_one_planted_satoshi_is_named(kind: str, planted: int) -> None:
    coins = replace(COINS, held=COINS.held | {kind: COINS.held[kind] + planted})
    [difference] = [item for item in rules.check_chain(BOOKS, SENT, coins) if not item.explained]
    assert difference.name is DifferenceName.BOOKS_CHAIN
    assert difference.found - difference.expected == planted
    assert kind in difference.detail


def test_below_minimum_deposits_are_explained_by_their_own_name() -> None:
    waiting = UncreditedFacts(BTC, "cold", below_minimum=True, amount=3, count=2)
    sent = replace(SENT, uncredited=(*SENT.uncredited, waiting))
    coins = replace(COINS, held=COINS.held | {"cold": 503})
    found = list(rules.check_chain(BOOKS, sent, coins))
    assert DifferenceName.BELOW_MINIMUM in names(found)
    assert all(item.explained for item in found)


def test_a_sweep_in_a_block_counts_on_cold_before_the_books_know() -> None:
    sweep = SlotFacts("slt_2", "confirmed", "33" * 32, (), (VersionFacts("33" * 32, 5, signed=True, swept=100),))
    sent = replace(SENT, slots=(SLOT, sweep))
    coins = replace(COINS, held={"hot": COINS.held["hot"] - 105, "cold": 600})
    assert all(item.explained for item in rules.check_chain(BOOKS, sent, coins))


@pytest.mark.parametrize(
    ("sent", "coins", "name"),
    [
        (SENT, replace(COINS, unknown=(("ab:0", 5),)), DifferenceName.COIN_UNKNOWN),
        (replace(SENT, deposit_tip="ee"), COINS, DifferenceName.BOOKS_BEHIND),
        (replace(SENT, outbound_height=9), COINS, DifferenceName.BOOKS_BEHIND),
        (replace(SENT, slots=(replace(SLOT, state="final"),)), COINS, DifferenceName.IN_TRANSIT_SLOTS),
    ],
)
def test_differences_with_the_chain_are_named(sent: SentFacts, coins: CoinFacts, name: DifferenceName) -> None:
    assert name in [item.name for item in rules.check_chain(BOOKS, sent, coins) if not item.explained]


@pytest.mark.parametrize(
    ("account", "name"),
    [
        (audit(AccountType.CHAIN_HOT, -1000, entry_sum=-999), DifferenceName.BALANCE_ENTRIES),
        (audit(AccountType.CHAIN_HOT, -1000, last_after=-999), DifferenceName.BALANCE_ENTRIES),
        (audit(AccountType.CHAIN_HOT, -1000, entry_count=2), DifferenceName.BALANCE_ENTRIES),
        (audit(AccountType.CHAIN_HOT, -1000, breaks=1), DifferenceName.BALANCE_ENTRIES),
        (audit(AccountType.CHAIN_HOT, -1001), DifferenceName.ASSET_SUM),
    ],
)
def test_books_that_do_not_add_up_are_named(account: AccountAudit, name: DifferenceName) -> None:
    books = replace(BOOKS, accounts=(account, *BOOKS.accounts[1:]))
    [difference] = rules.check_books(books)
    assert difference.name is name
    assert not difference.explained


def test_unbalanced_postings_and_holds_without_money_are_named() -> None:
    assert names(list(rules.check_books(replace(BOOKS, broken_postings=((5, 1),))))) == [
        DifferenceName.POSTING_UNBALANCED
    ]
    wrong: list[dict[tuple[str, str], int]] = [{}, {(MERCHANT, BTC): 41}, {("mer_other", BTC): 40, (MERCHANT, BTC): 40}]
    for holds in wrong:
        assert names(list(rules.check_books(replace(BOOKS, holds=holds)))) == [DifferenceName.HELD_HOLDS]


def test_suspense_is_named_but_explained() -> None:
    books = replace(
        BOOKS, accounts=(*BOOKS.accounts, audit(AccountType.SUSPENSE, 5), audit(AccountType.HOUSE_FEES, -5))
    )
    [difference] = rules.check_books(books)
    assert (difference.name, difference.explained) == (DifferenceName.SUSPENSE, True)


def test_a_journal_with_every_version_and_intent_is_clean() -> None:
    assert judged(journal_rows(*GOOD)) == []


def test_one_missing_intent_is_named() -> None:
    rows = journal_rows(signed_body(FIRST, INTENT_A, fee=10), signed_body(SECOND, INTENT_A, fee=20))
    [difference] = judged(rows)
    assert difference.name is DifferenceName.JOURNAL_MISSING_INTENT
    assert "pay_b" in difference.detail
    assert difference.expected == 200


def test_one_extra_journal_row_is_named() -> None:
    [difference] = judged(journal_rows(*GOOD, signed_body("99" * 32, "cc" * 32, fee=1)))
    assert difference.name is DifferenceName.JOURNAL_EXTRA_ROW
    assert "row 4" in difference.detail
    assert "99" * 32 in difference.detail


def test_an_intent_that_we_do_not_know_is_named() -> None:
    body = signed_body(SECOND, INTENT_A, INTENT_B, INTENT_B, fee=20)
    assert names(judged(journal_rows(GOOD[0], body))) == [DifferenceName.JOURNAL_EXTRA_INTENT]


def test_a_signed_version_without_row_and_another_fee_are_named() -> None:
    assert names(judged(journal_rows(GOOD[0]))) == [DifferenceName.JOURNAL_MISSING_ROW]
    body = signed_body(SECOND, INTENT_A, INTENT_B, fee=21)
    assert names(judged(journal_rows(GOOD[0], body))) == [DifferenceName.JOURNAL_FEE]


def test_a_payout_not_yet_signed_need_not_be_journalled_and_may_be_by_one() -> None:
    planned = replace(SLOT, state="planned", versions=(VersionFacts(FIRST, 10, signed=False, swept=0),))
    sent = replace(SENT, slots=(planned,))
    assert judged(journal_rows(), sent) == []
    assert judged(journal_rows(GOOD[0]), sent) == []


def test_what_happens_while_a_journal_is_read_is_no_difference() -> None:
    none = replace(SENT, slots=())
    journal = rules.read_journal("A", journal_rows(*GOOD))
    assert list(rules.check_journal(journal, [none], [SENT])) == []
    empty = rules.read_journal("A", journal_rows())
    assert list(rules.check_journal(empty, [none], [SENT])) == []


def test_a_void_that_we_relied_on_has_to_be_there_and_kept() -> None:
    sent = replace(SENT, voids=(VoidFacts("A", "dd" * 32, "pay_d"), VoidFacts("B", "ee" * 32, "pay_e")))
    void = {"kind": "voided", "intent": "dd" * 32, "payout": "pay_d", "at": 1}
    assert judged(journal_rows(*GOOD, void), sent) == []
    assert names(judged(journal_rows(*GOOD), sent)) == [DifferenceName.JOURNAL_MISSING_VOID]
    broken_promise = replace(SENT, voids=(VoidFacts("A", INTENT_A, "pay_a"),))
    promised = {"kind": "voided", "intent": INTENT_A, "payout": "pay_a", "at": 1}
    assert names(judged(journal_rows(promised, *GOOD), broken_promise)) == [DifferenceName.JOURNAL_SIGNED_VOID]


def _tampered(which: str) -> list[JournalRow]:
    rows = journal_rows(*GOOD)
    match which:
        case "removed":
            return [rows[0], rows[2]]
        case "first removed":
            return rows[1:]
        case "body":
            rows[1] = replace(rows[1], body=rows[1].body.replace(b'"fee":10', b'"fee":11'))
        case "hash":
            rows[2] = replace(rows[2], hash=bytes(32))
        case "number":
            rows[2] = replace(rows[2], number=4)
        case "unreadable":
            previous, data = rows[2].hash, b"\xff"
            return [
                *rows,
                JournalRow(4, previous, data, hashlib.sha256(previous + (4).to_bytes(8, "big") + data).digest()),
            ]
        case "empty":
            return []
    return rows


@pytest.mark.parametrize("which", ["removed", "first removed", "body", "hash", "number", "unreadable", "empty"])
def test_a_journal_that_does_not_verify_from_row_1_is_named(which: str) -> None:
    assert names(judged(_tampered(which)))[0] is DifferenceName.JOURNAL_BROKEN


def test_of_a_chain_of_many_assets_each_is_compared_on_its_own() -> None:
    """What is in a block and not final: paid from hot after a draw from cold, asset by asset."""
    moves = (Movement("hot", "usdt", 250), Movement("cold", "usdc", 30))
    version = VersionFacts(FIRST, 0, signed=True, swept=0, movements=moves)
    paid = (PaymentFacts("pay_a", INTENT_A, "usdt", 250), PaymentFacts("pay_b", INTENT_B, "usdc", 5))
    sent = replace(SENT, slots=(SlotFacts("slt_1", "confirmed", FIRST, paid, (version,)),), uncredited=())
    token, coin = (rules.of_asset(sent, asset).slots[0] for asset in ("usdt", "usdc"))
    assert (token.paid, token.versions[0].drawn, token.versions[0].swept) == (250, 250, 0)
    assert (coin.paid, coin.versions[0].drawn, coin.versions[0].swept) == (5, 0, 30)
