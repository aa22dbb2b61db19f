"""What was taken on the devnet is followed on a real node as the demonstration does it, to the base unit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trace_drill
import trace_drill_devnet as devnet
from trace_drill_play import Played
from trace_follow import DemonstrationError

from drills.model import Finding
from strongroom.demo.bills import EthereumBill
from strongroom.demo.ethereum import EthereumWorld
from strongroom.demo.ethereum_configuration import RELAYERS, TOKENS, USDT, relayer_key_file, token_of
from strongroom.demo.evm_wallet import make_wallet, pay
from strongroom.demo.progress import Progress
from strongroom.infra.components.ethereum_rpc import EthereumRpc
from strongroom_core.assets import DEVNET, DEVNET_ETH
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum import DevNode, EthereumNodeFactory
from tests.unit.tracing.cli.commands import Typing

TAKE = 100_000_000
POLICIES = {"fifo", "lifo", "tiho", "haircut", "poison"}
# By hand. The thief has 50 USDT of its own, then takes 100: of 150 it pays 60 (and 30 of these reach the exchange),
# then 45 (all of which do), and keeps 45. First in, first out: 10 and 45; last in: 60 and 40; highest: 60, then 40.
AT_THE_EXCHANGE = {"fifo": 45_000_000, "lifo": 70_000_000, "haircut": 50_000_000}


@dataclass
class Scene:
    """A real node, and the little of a platform's world that following needs."""

    node: DevNode
    folder: Path

    def __post_init__(self) -> None:
        self.root = self.folder / "platform"
        for name in ("shopper", "relayers"):
            (self.root / name).mkdir(parents=True)
        account = make_wallet(self.root / "shopper" / "thief.key")
        environment, supervisor = SimpleNamespace(root=self.root), SimpleNamespace(ethereum=self.node)
        self.world: Any = SimpleNamespace(
            ethereum=EthereumWorld(self.node),
            scene=SimpleNamespace(environment=environment, supervisor=supervisor),
            thief=SimpleNamespace(account=account),
        )

    def played(self, number: int, take: int, first: int) -> Played:
        heights = (first, self.node.block_number())
        before, after = (SimpleNamespace(heights={DEVNET.id: height}) for height in heights)
        measured: Any = SimpleNamespace(finding=Finding(take, 0, 0, 0, None, "", 0.0), before=before, after=after)
        return Played(trace_drill.find(number), self.world, self.folder, measured, ())

    async def follow(self, number: int, take: int, first: int) -> dict[str, Any]:
        silent: Any = SimpleNamespace(begin=_nothing, end=_nothing, fail=_nothing, say=_nothing)
        return await trace_drill.follow(self.played(number, take, first), Progress(silent))


def _nothing(*_: object) -> None:
    """Nobody listens."""


@pytest.fixture
async def scene(make_ethereum_node: EthereumNodeFactory, tmp_path: Path) -> Scene:
    made = Scene(make_ethereum_node(automine=False), tmp_path)
    await made.world.ethereum.settle(*[await made.world.ethereum.send(step.to, step.data) for step in TOKENS])
    await devnet.make_ready(made.world, USDT)
    return made


async def _steal(scene: Scene) -> int:
    """The height before the thief is paid."""
    first = scene.node.block_number()
    ethereum = scene.world.ethereum
    await ethereum.settle(await ethereum.pay(token_of(USDT), scene.world.thief.account, TAKE))
    return first


async def test_stolen_tokens_are_followed_under_all_policies(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = await scene.follow(6, TAKE, await _steal(scene))

    assert (told["asset"], told["marked"], set(told["where"])) == (USDT.id, str(TAKE), POLICIES)
    for policy, where in told["where"].items():
        sums = {name: int(value) for name, value in where["total"].items()}
        assert sums.pop("marked") == TAKE
        assert policy == "poison" or sum(sums.values()) == TAKE
        assert sums["services"] == AT_THE_EXCHANGE.get(policy, sums["services"])
        page = (scene.folder / f"{policy}.html").read_text(encoding="utf-8")
        assert "The take of drill 6, False tokens" in page
        assert "Example Exchange" in page
        assert (scene.folder / policy / "held.parquet").exists()
    # What it leaves is what `strongroom-trace evm` goes on with.
    typed = Typing(monkeypatch, capsys)
    folders = ("--index", str(scene.folder / "index"), "--tags", str(scene.folder / "tags"))
    again = typed("evm", "trace", *folders, "--case", str(scene.folder / "case.json"), "--policy", "fifo", "--json")
    assert sum(int(row["value"]) for row in again.json["answer"]["services"]) == AT_THE_EXCHANGE["fifo"]
    assert again.json == json.loads((scene.folder / "fifo" / "answer.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("wrong", [TAKE - 1, TAKE + 1])
async def test_a_take_that_the_chain_does_not_show_is_refused(scene: Scene, wrong: int) -> None:
    with pytest.raises(DemonstrationError, match=f"measured {wrong} base units of .* the chain shows {TAKE}"):
        await scene.follow(6, wrong, await _steal(scene))


async def _gas(scene: Scene) -> tuple[int, int]:
    """Relayers pay for chain txs, and others too: what the relayers have less, and the height before."""
    ethereum, node = scene.world.ethereum, EthereumRpc(scene.node.rpc_port)
    files = [relayer_key_file(scene.world.scene.environment, name) for name in RELAYERS]
    accounts = [make_wallet(file) for file in files]
    await ethereum.settle(*[await ethereum.pay(ZERO_ADDRESS, one, 10**18) for one in accounts])
    first, before = scene.node.block_number(), [await ethereum.balance(ZERO_ADDRESS, one) for one in accounts]
    for file in (*files, files[0], scene.root / "shopper" / "thief.key"):
        nothing = EthereumBill(31337, None, f"0x{'77' * 20}", 0)
        await ethereum.settle(pay(node, file, nothing))
    after = [await ethereum.balance(ZERO_ADDRESS, one) for one in accounts]
    return sum(before) - sum(after), first


async def test_gas_that_the_house_paid_is_parted_into_burnt_and_what_makers_of_blocks_got(scene: Scene) -> None:
    take, first = await _gas(scene)
    told = await scene.follow(17, take, first)

    assert told["asset"] == DEVNET_ETH.id
    assert int(told["marked"]) + int(told["burnt"]) == take
    assert min(int(told["marked"]), int(told["burnt"])) > 0
    assert "gas of 3 chain txs" in told["said"]
    for policy, where in told["where"].items():
        alone = {name: told["marked"] if name in {"marked", "held"} else "0" for name in where["total"]}
        assert policy == "poison" or where["total"] == alone
    answer = json.loads((scene.folder / "fifo" / "answer.json").read_text(encoding="utf-8"))["answer"]
    maker = make_wallet(scene.root / "shopper" / "block-maker.key")
    assert [row["address"] for row in answer["held"]] == [f"0x{maker.hex()}"]
    assert "is nobody&#x27;s any more" in (scene.folder / "fifo.html").read_text(encoding="utf-8")


async def test_gas_that_does_not_come_to_what_was_measured_is_refused(scene: Scene) -> None:
    take, first = await _gas(scene)
    with pytest.raises(DemonstrationError, match=f"measured {take + 1} wei, the relayers' chain txs cost {take}"):
        await scene.follow(17, take + 1, first)
