"""What forwarders sweep is shown to both signers, whoever had it swept; so is what the hot Safe executed instead."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec import structs

from strongroom.chains.ethereum.contracts import SweepItem
from strongroom.chains.ethereum.node import EthereumNode
from strongroom.proofs.ethereum.blocks import ReceiptProver
from strongroom.proofs.jobs import make_evm_provers
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum import DevNode
from tests.fixtures.ethereum_house import stranger
from tests.fixtures.lives import live
from tests.fixtures.postgres import Database
from tests.integration.chains.evm_support import Answer, proxy_of
from tests.integration.outbound.safe.world import (
    CHAIN,
    ETH,
    ETHER,
    HORIZON,
    UNIT,
    Place,
    SafeWorld,
    make_place,
    make_signer_folder,
    make_world,
)
from tests.integration.proofs import evm_runner
from tests.integration.proofs.evm import EvmShowing, link
from tests.integration.signer.processes import SignerProcess, running

pytestmark = pytest.mark.slow
PROVEN = {("A", "proven", ""), ("B", "proven", "")}


@pytest.fixture
def place(fresh_ethereum_node: DevNode) -> Place:
    return make_place(fresh_ethereum_node)


@pytest.fixture
def safe_signers(scratch: Path, place: Place) -> Iterator[tuple[SignerProcess, SignerProcess]]:
    root = Path(tempfile.mkdtemp(prefix="p", dir=scratch))
    folders = [make_signer_folder(root, name, place, nodes_min=1) for name in ("A", "B")]
    for folder in folders:
        link(SignerProcess(folder), place.house.node.rpc_url)
    with running(folders[0]) as first, running(folders[1]) as second:
        yield first, second
    shutil.rmtree(root)


@pytest.fixture
async def world(
    pg: Database, place: Place, safe_signers: tuple[SignerProcess, SignerProcess], tmp_path: Path
) -> AsyncIterator[SafeWorld]:
    async with make_world(pg, place, safe_signers, tmp_path) as made:
        yield made


@pytest.fixture
def showing(world: SafeWorld) -> EvmShowing:
    return EvmShowing(world)


async def test_what_is_gathered_is_in_both_signers_books_by_merchant_asset_and_amount(
    world: SafeWorld, showing: EvmShowing
) -> None:
    shops = [await world.shop(name) for name in ("one", "two")]
    await showing.deposit(shops[0], world.place.usdt, 300 * UNIT)
    await showing.deposit(shops[0], world.place.usdt, 200 * UNIT)
    await showing.deposit(shops[1], ZERO_ADDRESS, 2 * ETHER)
    assert await showing.turn() == 0, "what lies on forwarders is not proven by anything"
    await showing.gathered()
    await showing.until(PROVEN, count=6)
    expected = sorted(
        [
            (shops[0].id, world.usdt, 300 * UNIT),
            (shops[0].id, world.usdt, 200 * UNIT),
            (shops[1].id, ETH, 2 * ETHER),
        ]
    )
    for items in showing.journalled("deposits"):
        assert sorted((item["holder"], item["asset"], item["amount"]) for item in items) == expected
        assert {item["key_set"] for item in items} == {"forwarder"}
    await world.mine(HORIZON)
    await showing.turn()
    assert showing.open() == 0
    assert [item.count for item in await showing.unproven()] == [0, 0]


async def test_what_a_stranger_has_swept_is_proven_and_other_tokens_are_not_looked_at(
    world: SafeWorld, showing: EvmShowing
) -> None:
    shop = await world.shop()
    house = world.place.house
    address = await showing.deposit(shop, world.place.usdc, 70 * UNIT)
    unknown = house.deploy("test/StandardToken", "No", "NO", 18)
    house.pay(unknown, address.script, 5)
    items = [SweepItem(address.branch, address.index, token) for token in (unknown, world.place.usdc)]
    house.sweep(*items, sender=stranger(5))
    house.pay(world.place.usdc, house.forwarder(77, 0), 5)  # of no merchant of ours
    house.sweep(SweepItem(77, 0, world.place.usdc), sender=stranger(5))
    await world.mine(HORIZON)
    await showing.until(PROVEN)
    for found in showing.journalled("deposits"):
        assert [(item["holder"], item["asset"], item["amount"]) for item in found] == [(shop.id, world.usdc, 70 * UNIT)]


async def test_a_signer_that_is_away_is_shown_everything_when_it_is_back(
    world: SafeWorld, showing: EvmShowing, safe_signers: tuple[SignerProcess, SignerProcess]
) -> None:
    shop = await world.shop()
    safe_signers[1].kill()
    await showing.deposit(shop, world.place.usdt, 300 * UNIT)
    await showing.gathered()
    await showing.until({("A", "proven", "")})
    assert {item.signer: item.count for item in await showing.unproven()} == {"A": 0, "B": 1}
    safe_signers[1].start()
    await showing.until(PROVEN)
    assert [len(items) for items in showing.journalled("deposits")] == [1, 1]


async def test_every_prover_and_scanner_may_be_new_each_time(world: SafeWorld) -> None:
    shop = await world.shop()
    for number in range(3):
        await EvmShowing(world).deposit(shop, world.place.usdt, (100 + number) * UNIT)
        await EvmShowing(world).gathered()
        await EvmShowing(world).until(PROVEN, count=2 * (number + 1))
    for items in EvmShowing(world).journalled("deposits"):
        assert [item["amount"] for item in items] == [(100 + number) * UNIT for number in range(3)]


async def test_a_cancelled_nonce_gives_the_signers_their_books_back(world: SafeWorld, showing: EvmShowing) -> None:
    shop = await world.shop()
    await showing.deposit(shop, world.place.usdc, 900 * UNIT)
    await showing.gathered()
    await showing.until(PROVEN)
    destination = stranger(3)
    await world.pay(shop, shop.intent(world.usdc, 20 * UNIT, destination))
    await world.synced()
    await world.planner.plan()
    await world.sign()
    world.block_usdc(destination, blocked=True)
    await world.turns(12)
    await world.mine(HORIZON + 1)
    await world.turns(2)
    assert world.held(world.place.usdc, destination) == 0
    await showing.until(PROVEN, count=4)
    assert showing.kinds() == ["execution", "sweep"]
    for items in showing.journalled("conflicted"):
        (item,) = items
        assert (item["executed"], len(item["intents"])) == (True, 1)


async def test_an_execution_beside_which_nothing_was_signed_is_not_shown(world: SafeWorld, showing: EvmShowing) -> None:
    shop = await world.shop()
    await showing.deposit(shop, world.place.usdt, 900 * UNIT)
    await showing.gathered()
    await world.pay(shop, shop.intent(world.usdt, 20 * UNIT, stranger(3)))
    await world.turns(4)
    await world.mine(HORIZON + 1)
    await world.turns(2)
    assert world.held(world.place.usdt, stranger(3)) == 20 * UNIT
    await showing.until(PROVEN)
    assert showing.kinds() == ["sweep"]


async def test_an_endpoint_that_changes_receipts_is_found_out_before_a_signer_is_asked(
    world: SafeWorld, showing: EvmShowing
) -> None:
    shop = await world.shop()
    await showing.deposit(shop, world.place.usdt, 300 * UNIT)
    await showing.gathered()

    def forge(question: Answer, answer: Answer) -> Answer:
        if question["method"] != "eth_getBlockReceipts":
            return answer
        return json_replaced(answer, f"{300 * UNIT:064x}", f"{900 * UNIT:064x}")

    while await showing.scanner.step():
        pass
    with proxy_of(world.node.rpc_url) as (proxy, url):
        proxy.forge = forge
        async with lying_node(world, url) as node:
            assert isinstance(showing.provers[0].prover, ReceiptProver)
            for prover in make_evm_provers(world.treasury, world.chain, node, world.signers, world.clock):
                await prover.step()
    assert {answer[1:] for answer in showing.answers()} == {("waiting", "")}
    reasons = world.pg.execute("SELECT DISTINCT reason FROM proof_answer")
    assert "receipts that the node gave are not those" in str(reasons)
    assert showing.journalled("deposits") == [[], []]
    await showing.until(PROVEN)


@contextlib.asynccontextmanager
async def lying_node(world: SafeWorld, url: str) -> AsyncIterator[EthereumNode]:
    """A client of the same chain at another endpoint."""
    evm = world.chain.ethereum
    assert evm is not None
    settings = structs.replace(world.chain, ethereum=structs.replace(evm, rpc_urls=(url,)))
    node = EthereumNode(settings)
    yield node
    await node.close()


def json_replaced(answer: Answer, old: str, new: str) -> Answer:
    return dict(json.loads(json.dumps(answer).replace(old, new)))


async def test_ranges_that_an_endpoint_refuses_are_read_in_parts(world: SafeWorld, showing: EvmShowing) -> None:
    shop = await world.shop()
    await showing.deposit(shop, world.place.usdt, 300 * UNIT)
    await showing.gathered()
    await world.mine(30)

    def refuse(question: Answer, answer: Answer) -> Answer:
        if question["method"] != "eth_getLogs":
            return answer
        where = question["params"][0]
        if int(where["toBlock"], 16) - int(where["fromBlock"], 16) < 4:
            return answer
        return {"jsonrpc": "2.0", "id": question["id"], "error": {"code": -32005, "message": "too many blocks"}}

    with proxy_of(world.node.rpc_url) as (proxy, url):
        proxy.forge = refuse
        async with lying_node(world, url) as node:
            showing.scanner.node = node
            while await showing.scanner.step():
                pass
    last = world.pg.execute("SELECT next_height FROM proof_scan WHERE chain = %s", CHAIN)
    assert int(str(last[0][0])) > world.node.block_number() - HORIZON - 3
    await showing.until(PROVEN)


@pytest.mark.timeout(900)
async def test_whatever_step_dies_every_sweep_is_told_to_each_signer_once(
    world: SafeWorld, showing: EvmShowing
) -> None:
    shop, house = await world.shop(), world.place.house
    told = 0
    steps = ("advance", "want", "block", "show", "write", "commit")
    for number, point in enumerate((when, step, 1) for step in steps for when in ("before", "after")):
        address = await showing.deposit(shop, world.place.usdt, (100 + number) * UNIT)
        house.sweep(SweepItem(address.branch, address.index, world.place.usdt))
        await world.mine(HORIZON)
        # The clock of this test runs ahead of the life's.
        world.pg.execute("UPDATE proof_signer SET retry_at = now() - interval '1 hour'")
        assert await live(evm_runner.main, world.pg.dsn("treasury"), world.settings, *point) == -signal.SIGKILL, point
        told += 1
        await showing.until(PROVEN, count=2 * told)
    for items in showing.journalled("deposits"):
        assert [item["amount"] for item in items] == [(100 + number) * UNIT for number in range(told)]
