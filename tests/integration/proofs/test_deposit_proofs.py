"""Every deposit is shown to both signers until both have it in their own books: at once, late, again, after a reorg."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.infra.database import transaction
from strongroom.proofs import service
from strongroom.proofs.rules import LATE_AT_MOST
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind
from tests.fixtures.bitcoin import MiningNode
from tests.integration.outbound.world import HORIZON, World, enrol
from tests.integration.proofs.showing import Showing, wait_until
from tests.unit.signer.kit import CHAIN

AMOUNT = 150_000


@pytest.fixture
def showing(world: World) -> Showing:
    return Showing(world)


async def test_a_deposit_is_in_both_signers_books_once_it_is_deep_enough_for_them(
    world: World, showing: Showing
) -> None:
    shop = await world.shop()
    (txid,) = await showing.paid(shop, AMOUNT)
    await world.mine()
    # One block is enough for the platform, and one too few for the signers.
    await showing.until({("A", "waiting", "proof-depth"), ("B", "waiting", "proof-depth")})
    assert [(item.signer, item.count, item.refused) for item in await showing.unproven()] == [("A", 1, 0), ("B", 1, 0)]
    assert all(item.since is not None for item in await showing.unproven())
    await world.mine()
    await showing.until({("A", "proven", ""), ("B", "proven", "")})
    for items in showing.journalled("deposits"):
        assert [(item["txid"], item["amount"], item["holder"]) for item in items] == [(txid, AMOUNT, shop.id)]
    assert [item.count for item in await showing.unproven()] == [0, 0]
    assert showing.open() == 1, "it is shown once more beyond the horizon"
    await world.mine(HORIZON)
    await wait_until(showing.finished)
    assert [len(items) for items in showing.journalled("deposits")] == [1, 1]
    assert await showing.turn() == 0


async def test_hot_cold_house_and_small_deposits_are_shown_alike(world: World, showing: Showing) -> None:
    shop = await world.shop()
    await showing.paid(shop, AMOUNT, AMOUNT + 1)
    await showing.paid(shop, AMOUNT + 2, kind=KeySetKind.COLD)
    await showing.paid(shop, 1_000)  # below what is credited
    async with transaction(world.treasury) as connection:
        house = await wallets.house_address(connection, CHAIN, KeySetKind.HOT)
    world.node.pay(house.address, AMOUNT + 3)
    await world.mine(2)
    await showing.until({("A", "proven", ""), ("B", "proven", "")}, count=10)
    for items in showing.journalled("deposits"):
        found = sorted((item["amount"], item["holder"], item["key_set"]) for item in items)
        assert found == [
            (1_000, shop.id, "hot"),
            (AMOUNT, shop.id, "hot"),
            (AMOUNT + 1, shop.id, "hot"),
            (AMOUNT + 2, shop.id, "cold"),
            (AMOUNT + 3, "house", "hot"),
        ]


async def test_a_signer_that_was_away_catches_up_with_a_backlog_in_batches(
    world: World, showing: Showing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.proofs.rules.MAX_PROOFS", 3)
    shop = await world.shop()
    world.processes[1].stop()
    # At once: what lands hot above the house's capital freezes hot with the first block.
    await showing.paid(shop, *(AMOUNT + at for at in range(16)))
    await world.mine(2)
    await showing.until({("A", "proven", "")}, count=16)
    away = next(item for item in await showing.unproven() if item.signer == "B")
    assert (away.count, away.tag) == (16, "")
    assert "does not answer" in away.reason
    # Beyond the horizon nothing more is expected of A; of B all of it still is.
    await world.mine(HORIZON)
    await wait_until(showing.settled_by_one)
    assert showing.open() == 16
    world.processes[1].start()
    await showing.until({("A", "proven", ""), ("B", "proven", "")}, count=32)
    assert [len(items) for items in showing.journalled("deposits")] == [16, 16]
    assert [(item.count, item.reason) for item in await showing.unproven()] == [(0, ""), (0, "")]


async def test_what_a_signer_does_not_take_keeps_nothing_waiting_and_is_taken_once_it_may_be(
    world: World, showing: Showing
) -> None:
    stranger = await world.shop("stranger", enrolled="A")
    await showing.paid(stranger, AMOUNT)
    await world.mine(2)
    await showing.until({("A", "proven", ""), ("B", "refused", "proof-place")})
    shop = await world.shop()
    await showing.paid(shop, AMOUNT + 1)
    await world.mine(2)
    states = {("A", "proven", ""), ("B", "refused", "proof-place"), ("B", "proven", "")}
    await showing.until(states, count=4)
    assert [(item.signer, item.count, item.refused) for item in await showing.unproven()] == [("A", 0, 0), ("B", 1, 1)]
    enrol(world.processes[1], stranger)
    world.clock.ahead += LATE_AT_MOST
    await showing.until({("A", "proven", ""), ("B", "proven", "")}, count=4)


async def test_a_deposit_that_a_reorg_moved_is_shown_again_from_its_new_block(world: World, showing: Showing) -> None:
    shop = await world.shop()
    (txid,) = await showing.paid(shop, AMOUNT)
    await world.mine(2)
    await showing.until({("A", "proven", ""), ("B", "proven", "")})
    before = showing.blocks()
    world.node.reorganise(2)
    await world.synced()
    await wait_until(lambda: showing.shown_in(world.node.rpc("getblockhash", world.node.rpc("getblockcount") - 2)))
    assert showing.blocks() != before
    for deposits, gone in zip(showing.journalled("deposits"), showing.journalled("reorged"), strict=True):
        assert [item["txid"] for item in deposits] == [txid, txid]
        assert len(gone) == 1


async def test_a_deposit_that_a_reorg_took_is_not_wanted_until_it_is_back(world: World, showing: Showing) -> None:
    shop = await world.shop()
    await showing.paid(shop, AMOUNT)
    await world.mine(2)
    await showing.until({("A", "proven", ""), ("B", "proven", "")})
    world.node.reorganise(2, keep_mempool=False)
    await world.synced()
    assert showing.open() == 0
    assert [item.count for item in await showing.unproven()] == [0, 0]
    await world.mine(2)
    assert showing.open() == 1
    assert [item.count for item in await showing.unproven()] == [1, 1]
    await showing.until({("A", "proven", ""), ("B", "proven", "")})


async def test_signers_whose_nodes_do_not_agree_yet_are_asked_again(
    world: World, showing: Showing, signers_node: MiningNode
) -> None:
    shop = await world.shop()
    signers_node.rpc("setnetworkactive", False)
    await showing.paid(shop, AMOUNT)
    await world.mine(2)
    await showing.until({("A", "waiting", "proof-block"), ("B", "waiting", "proof-block")})
    signers_node.rpc("setnetworkactive", True)
    signers_node.rpc("addnode", f"127.0.0.1:{world.node.p2p_port}", "onetry")
    await showing.until({("A", "proven", ""), ("B", "proven", "")})


async def test_a_new_signer_is_shown_everything_and_what_books_lack_can_be_shown_again(
    world: World, showing: Showing
) -> None:
    shop = await world.shop()
    await showing.paid(shop, AMOUNT)
    await world.mine(4)
    await showing.until({("A", "proven", ""), ("B", "proven", "")})
    await wait_until(showing.finished)
    (subject,) = showing.subjects()
    async with transaction(world.treasury) as connection:
        assert await service.proven_by(connection, [subject, "dep_other"]) == {subject: {"A", "B"}, "dep_other": set()}
        await service.offer_again(connection, CHAIN, [subject], world.clock.now())
    assert showing.open() == 1
    world.clock.ahead += timedelta(seconds=1)
    assert await showing.turn() == 2
    assert await showing.finished()
    # A third name is a signer that has been shown nothing.
    world.pg.execute("DELETE FROM proof_answer WHERE signer = 'B'")
    world.pg.execute("DELETE FROM proof_signer WHERE signer = 'B'")
    assert await showing.turn() == 1
    assert await showing.finished()
