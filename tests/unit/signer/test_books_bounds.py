"""What a signer's books may grow by in one row, what a crash between two rows leaves, and what a start looks at."""

from __future__ import annotations

import sqlite3

import pytest

from strongroom_core.messages import JournalRow
from strongroom_core.proof_messages import ProveExecutionsRequest, ProveReceiptsRequest
from strongroom_core.refusals import RefusalTag
from strongroom_signer import requests, returns, safe_rules
from strongroom_signer.errors import RefusedError
from strongroom_signer.journal import MAX_BODY_BYTES, Journal
from tests.unit.signer import safe_kit
from tests.unit.signer.books_kit import EVM, HORIZON, SHOP_PLACE, USDT, World, after_restart, executed, net, swept
from tests.unit.signer.kit import CHAIN, MERCHANT, SATS
from tests.unit.signer.safe_kit import UNITS


def rows_of(world: World, kind: bytes) -> list[JournalRow]:
    return [row for row in world.bench.signer.journal.rows() if b'"kind":"' + kind + b'"' in row.body]


def test_a_row_that_no_peer_could_be_brought_is_refused_before_it_is_written(world: World):
    journal = world.bench.signer.journal
    rows, head = journal.count, journal.head
    with pytest.raises(RefusedError, match="ask for less at once") as caught:
        journal.append({"kind": "refused", "at": 1, "reason": "x" * MAX_BODY_BYTES})
    assert caught.value.tag == RefusalTag.REQUEST_MALFORMED
    assert (journal.count, journal.head) == (rows, head)
    journal.append({"kind": "refused", "at": 1, "reason": "x" * (MAX_BODY_BYTES - 200)})
    after_restart(world)


@pytest.fixture
def cancelled(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Seven payments signed at one nonce in two versions, a cancellation, and rows that hold two of them."""
    monkeypatch.setattr(returns, "MAX_INTENTS", 2)
    monkeypatch.setattr(requests, "MAX_RETURNED", 3)
    world.sweep_in(USDT, 10_000 * UNITS)
    for count in (3, 4):
        made = [safe_kit.intent(amount=(count * 10 + number) * UNITS) for number in range(count)]
        assert world.bench.tag(safe_kit.payout(*made).request()) == "safe-signed"
    assert world.bench.tag(safe_kit.cancel().request()) == "safe-signed"
    assert world.balance(MERCHANT, USDT) < net(10_000 * UNITS)
    return world


def test_what_a_nonce_gives_back_stands_in_several_rows_and_is_answered_with_the_last(cancelled: World):
    result = cancelled.execute(safe_kit.cancel().hash)
    assert cancelled.balance(MERCHANT, USDT) == net(10_000 * UNITS)
    rows = rows_of(cancelled, b"conflicted")
    assert [len(row.body.split(b'"intents":')[1].split(b"]")[0].split(b",")) for row in rows] == [2, 2, 2, 1]
    assert result.row == rows[-1].number == cancelled.bench.signer.journal.count
    assert cancelled.execute(safe_kit.cancel().hash).row == result.row
    after_restart(cancelled)


@pytest.mark.parametrize("written", [0, 1, 2, 3])
def test_a_crash_between_two_rows_neither_loses_nor_repeats_what_is_given_back(
    cancelled: World, monkeypatch: pytest.MonkeyPatch, written: int
):
    start = cancelled.bench.signer.journal.count
    insert = Journal._insert

    def crash(journal: Journal, row: JournalRow) -> None:
        if row.number > start + written:
            text = "the disk is gone"
            raise sqlite3.OperationalError(text)
        insert(journal, row)

    proof = cancelled.evm.put(executed(safe_kit.cancel().hash)).proof(0)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_insert", crash)
        ask = ProveExecutionsRequest("req", EVM, (proof,))
        assert cancelled.bench.tag(ask) == "journal-broken"
    cancelled.restart()
    assert cancelled.bench.signer.journal.count == start + written
    assert cancelled.execute(safe_kit.cancel().hash).row == start + 4
    assert cancelled.balance(MERCHANT, USDT) == net(10_000 * UNITS)
    after_restart(cancelled)


def test_a_nonce_holds_so_many_intents_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch):
    assert safe_rules.MAX_NONCE_INTENTS == 20_000
    monkeypatch.setattr(safe_rules, "MAX_NONCE_INTENTS", 3)
    world.sweep_in(USDT, 10_000 * UNITS)
    first, second, third, fourth = (safe_kit.intent(amount=(number + 1) * UNITS) for number in range(4))
    for made, answer in (
        ((first, second), "safe-signed"),
        ((third, fourth), "slot-payments"),
        ((second, third), "safe-signed"),
        ((fourth,), "slot-payments"),
        ((third, first), "safe-signed"),
    ):
        assert world.bench.tag(safe_kit.payout(*made).request()) == answer
    assert world.bench.tag(safe_kit.cancel().request()) == "safe-signed"
    assert world.bench.tag(safe_kit.payout(fourth, nonce=1).request()) == "safe-signed"


@pytest.mark.parametrize("hook", [False, True])
def test_a_sweep_whose_final_block_was_reversed_before_a_start_counts_once(world: World, *, hook: bool):
    assert world.sweep_in(USDT, 1_000 * UNITS).tag == ""
    number = world.evm.height
    other = world.evm.put(swept(USDT, 7 * UNITS, SHOP_PLACE, 5))
    world.evm.blocks[number] = other
    world.evm.height += 3_000
    world.restart()
    if hook:
        world.bench.signer.on_view_change(EVM)
        assert world.balance(MERCHANT, USDT) == 0
    assert world.sweep_in(USDT, 1_000 * UNITS).tag == ""
    assert world.balance(MERCHANT, USDT) == net(1_000 * UNITS)
    after_restart(world)


def test_no_sweep_is_taken_before_all_blocks_with_sweeps_were_seen_since_the_start(world: World):
    world.sweep_in(USDT, 1_000 * UNITS)
    kept = world.evm.blocks.pop(world.evm.height)
    world.restart()
    proof = world.evm.put(swept(USDT, 3 * UNITS, SHOP_PLACE)).proof(0, branch=SHOP_PLACE)
    request = ProveReceiptsRequest("req", EVM, (proof,))
    assert world.bench.tag(request) == "chain-view"
    world.evm.blocks[kept.number] = kept
    assert world.prove_receipts(proof)[0].tag == ""
    assert world.balance(MERCHANT, USDT) == net(1_003 * UNITS)


def test_a_start_looks_at_all_deposits_of_a_bitcoin_like(world: World):
    world.fund(SATS, SHOP_PLACE)
    world.bitcoin.mine(2_100)
    world.bench.signer.on_view_change(CHAIN)
    world.bitcoin.cut(2_100 + HORIZON)
    world.bitcoin.mine(2_110 + HORIZON)
    world.restart()
    world.bench.signer.on_view_change(CHAIN)
    assert world.balance(MERCHANT) == 0


def test_nothing_is_proven_while_a_view_is_in_trouble(world: World):
    coin = world.coin(SATS)
    world.bitcoin.mine(HORIZON, coin.previous)
    world.bitcoin.trouble = world.evm.trouble = "the nodes disagree"
    rows = world.bench.signer.journal.count
    assert world.prove(coin).tag == "chain-view"
    assert world.conflict(coin.previous)[0].tag == "chain-view"
    assert world.sweep_in(USDT, UNITS).tag == "chain-view"
    assert world.execute(b"\x07" * 32).tag == "chain-view"
    assert world.bench.signer.journal.count == rows
    world.bitcoin.trouble = ""
    assert world.prove(coin).tag == ""
