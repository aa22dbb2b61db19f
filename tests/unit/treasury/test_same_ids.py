"""Payouts of one id of two merchants: never in one chain tx, and none holds back the other beyond that."""

from __future__ import annotations

from dataclasses import replace

from strongroom.treasury import rules
from strongroom.treasury.ethereum import rules as evm
from strongroom.treasury.ethereum.model import Cover
from strongroom.treasury.model import Queued
from strongroom_core.ids import PayoutId
from tests.fixtures.devnet import OTHER_TOKEN, TOKEN
from tests.unit.treasury.ethereum.test_rules import queued as token_queued
from tests.unit.treasury.test_rules import DUST, coins_of, queued

ID = PayoutId.new()


def named(item: Queued) -> Queued:
    return replace(item, payable=replace(item.payable, payment=replace(item.payable.payment, payout_id=ID)))


def chosen(queue: list[Queued]) -> list[Queued]:
    found = rules.choose_batch(queue, coins_of([100_000, 200_000]), 5, DUST, 100)
    return [] if found is None else found[0]


def test_the_first_of_an_id_that_is_paid_leaves_the_others_for_another_chain_tx() -> None:
    first, second, other = named(queued(10_000)), named(queued(20_000)), queued(30_000)
    assert chosen([first, second, other]) == [first, other]
    assert chosen([second, other]) == [second, other]


def test_one_that_hot_cannot_pay_holds_back_no_other_of_its_id() -> None:
    large, small = named(queued(900_000)), named(queued(50_000))
    assert chosen([large, small]) == [small]


def test_one_that_rides_alone_later_holds_back_no_other_of_its_id() -> None:
    head, alone, other = queued(10_000), named(queued(10_000, solo=True)), named(queued(20_000))
    assert chosen([head, alone, other]) == [head, other]


def test_on_an_evm_chain_an_asset_that_waits_holds_back_no_other_one() -> None:
    covers = {TOKEN: Cover(0, 0), OTHER_TOKEN: Cover(100, 0)}
    stuck, fine = named(token_queued(TOKEN, 10)), named(token_queued(OTHER_TOKEN, 10))
    assert evm.choose([stuck, fine], covers, 10) == [fine]
    assert evm.choose([stuck, fine], covers | {TOKEN: Cover(100, 0)}, 10) == [stuck]
