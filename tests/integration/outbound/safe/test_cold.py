"""The cold Safe's owners sign offline what an operator exports; it is sent once, and the books follow."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.ethereum.deployment import plan_deployment
from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.owners import owner_address
from strongroom.infra.database import make_pool
from strongroom.ledger.model import AccountType
from strongroom.reconciliation import service as reconciliation
from strongroom.reconciliation.model import DifferenceName, Report
from strongroom_core.abi import parse_address
from strongroom_core.evm import ZERO_ADDRESS, SafeTx
from strongroom_signer import keyfile
from strongroom_signer.host import Folder
from tests.fixtures.ethereum import DevNode
from tests.fixtures.ethereum_house import EthereumHouse, stranger, text
from tests.fixtures.forked import SIGNER, STRONGROOM, command
from tests.integration.outbound.safe.world import CHAIN, ETHER, HORIZON, HOT_NAMES, UNIT, Place, SafeWorld
from tests.integration.signer.processes import PASSPHRASE
from tests.unit.signer import safe_kit

pytestmark = pytest.mark.slow
OWNERS = ("C1", "C2")


@pytest.fixture
def owners(scratch: Path) -> list[Folder]:
    """Two offline machines of owners: a key file each, no journal."""
    root = Path(tempfile.mkdtemp(prefix="c", dir=scratch))
    folders = [Folder(root / name) for name in OWNERS]
    for folder in folders:
        folder.root.mkdir(mode=0o700)
        seed = hashlib.sha256(f"test key {folder.root.name}".encode()).digest()
        keyfile._seal(folder.key, folder.root.name, seed, (CHAIN,), PASSPHRASE, "interactive")
    return folders


@pytest.fixture
def place(fresh_ethereum_node: DevNode, owners: list[Folder]) -> Place:
    """The cold Safe is theirs, and of two keys that hold the first ceremony."""
    house = EthereumHouse(fresh_ethereum_node)
    texts = [keyfile.open_key(item.key, PASSPHRASE).public_text(CHAIN) for item in owners]
    offline = [parse_address(item, keccak) for item in texts]
    cold = (*offline, *(owner_address(key) for key in house.cold_keys[:2]))
    house.deployment = plan_deployment(cold, tuple(safe_kit.owner(name) for name in HOT_NAMES))
    house.deploy_all()
    usdc = house.deploy("test/CircleToken", "USD Coin", "USDC", 6)
    made = Place(house, house.deploy("test/TetherToken", 6), usdc)
    house.allow({made.usdt: 100_000 * UNIT, usdc: 100_000 * UNIT, ZERO_ADDRESS: 50 * ETHER})
    return made


class Office:
    """An operator at the platform, and the owners at their machines, who exchange files."""

    def __init__(self, world: SafeWorld, owners: list[Folder], folder: Path) -> None:
        self.world, self.owners, self.folder = world, owners, folder
        self.config = folder / "strongroom.toml"
        told = msgspec.to_builtins(world.settings, enc_hook=str)
        cluster = world.pg.cluster
        passwords = world.pg.dsn("treasury").partition("passfile=")[2].split()[0]
        told["database"] |= {"port": cluster.port, "name": world.pg.name, "passwords": str(Path(passwords).parent)}
        self.config.write_text(
            "".join(f"{name} = {toml(value)}\n" for name, value in told.items() if value is not None)
        )

    def ask(self, *arguments: str) -> dict[str, Any]:
        answer = command(STRONGROOM, "cold", *arguments, "--json", "--config", str(self.config))
        assert answer.returncode == 0, answer.stderr
        return dict(json.loads(answer.stdout))

    def refused(self, *arguments: str) -> str:
        answer = command(STRONGROOM, "cold", *arguments, "--config", str(self.config))
        assert answer.returncode == 1
        return answer.stderr.partition(":")[0]

    def propose(self, *arguments: str) -> tuple[dict[str, Any], Path]:
        file = self.folder / f"tx{len(list(self.folder.iterdir()))}"
        return self.ask("propose", *arguments, "--out", str(file)), file

    def signed(self, file: Path, *, by: Sequence[int] = (1, 0)) -> list[str]:
        """Each owner compares the hash that it is shown, and signs."""
        return [self._sign(self.owners[number], file) for number in by]

    def _sign(self, owner: Folder, file: Path) -> str:
        base = ("owner-sign", "--dir", str(owner.root), "--chain", CHAIN, "--safe-tx", str(file))
        shown = json.loads(command(SIGNER, *base).stdout)
        answer = command(SIGNER, *base, "--hash", shown["hash"], passphrase=PASSPHRASE)
        assert answer.returncode == 0, answer.stderr
        return str(json.loads(answer.stdout)["signature"])


def toml(value: Any) -> str:
    """Write a value as TOML does in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{name}" = {toml(item)}' for name, item in value.items() if item is not None) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


@pytest.fixture
def office(world: SafeWorld, owners: list[Folder], tmp_path: Path) -> Office:
    folder = tmp_path / "office"
    folder.mkdir()
    return Office(world, owners, folder)


async def report(world: SafeWorld) -> Report:
    """Compare books and chain; no slot was signed, so that the journals are of no matter here."""
    async with make_pool(world.pg.dsn("auditor"), size=2) as pool:
        journals = await reconciliation.read_journals(world.signers)  # type: ignore[arg-type]
        return await reconciliation.reconcile(world.settings, pool, {CHAIN: world.rpc}, journals)


async def executed(world: SafeWorld) -> None:
    await world.relay()
    await world.mine()


async def test_a_refill_is_proposed_signed_offline_sent_once_and_booked(world: SafeWorld, office: Office) -> None:
    hot = world.place.house.deployment.hot_safe
    told, file = office.propose("transfer", "USDT", "2500.5")
    assert "to the hot Safe" in told["does"]
    tx = SafeTx.decode(bytes.fromhex(file.read_text()))
    assert (tx.safe, tx.nonce) == (world.place.house.deployment.cold_safe, 1)
    signatures = office.signed(file)

    sent = office.ask("send", str(file), *signatures)
    assert (sent["hash"], sent["state"]) == (told["hash"], "planned")
    assert office.ask("send", str(file), *signatures)["hash"] == told["hash"]
    await executed(world)
    assert world.held(world.place.usdt, hot) == 2_500_500_000
    flying = await report(world)
    assert [(item.name, item.found) for item in flying.differences] == [(DifferenceName.IN_FLIGHT, 2_500_500_000)]

    await world.mine(HORIZON)
    await world.relay()
    assert (await report(world)).differences == ()
    assert await world.balance(AccountType.CHAIN_HOT, world.usdt) == -2_500_500_000
    assert office.ask("send", str(file), *signatures)["state"] == "final"
    await executed(world)
    assert world.held(world.place.usdt, hot) == 2_500_500_000
    assert world.pg.execute("SELECT count(*) FROM outbound_relay") == [(1,)]


async def test_a_refill_that_a_stranger_executes_first_is_booked_and_undone_by_a_reorg(
    world: SafeWorld, office: Office
) -> None:
    told, file = office.propose("transfer", "USDT", "100")
    office.ask("send", str(file), *office.signed(file))
    ((data,),) = world.pg.execute("SELECT data FROM outbound_relay")
    assert isinstance(data, bytes)
    world.place.house.transact(world.place.house.deployment.cold_safe, data)
    await world.synced()
    assert world.pg.execute("SELECT effect, height IS NULL FROM safe_cold") == [(told["hash"], False)]
    world.node.reorganise(1)
    await world.synced()
    assert world.pg.execute("SELECT height IS NULL FROM safe_cold") == [(True,)]
    await executed(world)
    await world.mine(HORIZON)
    assert world.pg.execute("SELECT state FROM safe_cold") == [("final",)]
    assert await world.balance(AccountType.CHAIN_HOT, world.usdt) == -100 * UNIT


async def test_a_withdrawal_takes_the_houses_own_money_only(world: SafeWorld, office: Office) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 5_000 * UNIT)
    more, too_much = office.propose("transfer", "USDT", "200001", "--to", text(stranger(1)))
    assert "more than the house's own" in more["WARNING"]
    assert office.refused("send", str(too_much), *office.signed(too_much)) == "cold-beyond-capital"

    told, file = office.propose("transfer", "ETH", "1.25", "--to", text(stranger(1)))
    assert told["does"].startswith("WITHDRAWS 1.25")
    office.ask("send", str(file), *office.signed(file))
    before = await world.balance(AccountType.HOUSE_CAPITAL, world.place.id_of(ZERO_ADDRESS))
    await executed(world)
    await world.mine(HORIZON)
    assert world.held(ZERO_ADDRESS, stranger(1)) == 5 * ETHER // 4
    ((booked,),) = world.pg.execute("SELECT count(*) FROM ledger_transaction WHERE kind = 'cold'")
    assert booked == 1
    assert await world.balance(AccountType.HOUSE_CAPITAL, world.place.id_of(ZERO_ADDRESS)) <= before
    assert (await report(world)).unexplained == ()


async def test_two_withdrawals_together_never_take_more_than_the_houses_own(world: SafeWorld, office: Office) -> None:
    cold = world.place.house.deployment.cold_safe
    world.place.house.pay(world.place.usdt, cold, 10_000 * UNIT)  # what merchants own lies in the same Safe
    _, first = office.propose("transfer", "USDT", "120000", "--to", text(stranger(1)))
    office.ask("send", str(first), *office.signed(first))
    await executed(world)  # in a block, and in no book yet
    _, second = office.propose("transfer", "USDT", "85000", "--to", text(stranger(1)))
    signatures = office.signed(second)
    assert office.refused("send", str(second), *signatures) == "cold-beyond-capital"
    await world.mine(HORIZON)
    assert office.refused("send", str(second), *signatures) == "cold-beyond-capital"
    assert world.held(world.place.usdt, stranger(1)) == 120_000 * UNIT


async def test_a_limit_is_changed_and_one_beyond_the_capital_is_warned_of(world: SafeWorld, office: Office) -> None:
    told, _ = office.propose("limit", "USDC", "200001")
    assert "draws stop" in told["WARNING"]
    told, file = office.propose("limit", "USDC", "50000")
    assert told["WARNING"] is None
    office.ask("send", str(file), *office.signed(file))
    await executed(world)
    data = contract("Allowance").call("left", world.place.usdc)
    assert int.from_bytes(world.place.house.call(world.place.house.deployment.allowance, data), "big") == 50_000 * UNIT
    assert (await report(world)).differences == ()


async def test_what_must_not_be_sent_is_refused_with_a_code(world: SafeWorld, office: Office) -> None:
    _, file = office.propose("transfer", "USDT", "5")
    _, other = office.propose("transfer", "USDT", "6")
    _, later = office.propose("transfer", "USDT", "6", "--nonce", "2")
    _, poor = office.propose("transfer", "USDT", "999999999")
    good, foreign = office.signed(file), office.signed(other)
    assert office.refused("send", str(file), good[0]) == "cold-signature-wrong"
    assert office.refused("send", str(file), good[0], good[0]) == "cold-signature-wrong"
    assert office.refused("send", str(file), good[0], foreign[1]) == "cold-signature-wrong"
    assert office.refused("send", str(file), good[0], "zz") == "cold-signature-wrong"
    assert office.refused("send", str(later), *office.signed(later)) == "cold-nonce-wrong"
    assert office.refused("send", str(poor), *office.signed(poor)) == "cold-simulation-failed"
    assert office.refused("propose", "transfer", "USDT", "5", "--out", str(file)) == "file-unusable"
    assert office.refused("propose", "transfer", "USDT", "0", "--out", str(file) + "0") == "cold-transaction-unknown"
    assert world.pg.execute("SELECT count(*) FROM outbound_relay") == [(0,)]

    office.ask("send", str(file), *good)
    await executed(world)
    assert office.refused("send", str(other), *foreign) == "cold-nonce-wrong"
