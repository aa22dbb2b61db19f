"""One environment that is up, with merchants, balances and traffic, and what a drill may ask of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from drills import measure
from drills.psbt import Coin
from drills.thief import Thief
from strongroom.chains import service as chains
from strongroom.demo import story
from strongroom.demo.configuration import ASSET, CHAIN, CONFIRMATIONS, HORIZON, PAYOUT_FEE
from strongroom.demo.ethereum import EthereumWorld
from strongroom.demo.ethereum_configuration import CHAIN as ETHEREUM
from strongroom.demo.money_in import CAPS, enrol_merchant
from strongroom.demo.outside import OPERATOR, SHOPPER, Outside
from strongroom.demo.processes import OwnProcess
from strongroom.demo.scene import Scene, until
from strongroom.merchants import service as merchants
from strongroom.merchants.model import Scope
from strongroom.outbound import jobs as outbound
from strongroom.outbound.signers import SignerClient
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind
from strongroom_client.api import Api
from strongroom_client.keys import MerchantKey, load_key
from strongroom_client.signing import make_intent, sign_intent
from strongroom_client.transport import Transport
from strongroom_core.amounts import Amount
from strongroom_core.ids import MerchantId
from strongroom_core.intents import SignedIntent
from strongroom_signer.keyset import KeySet
from strongroom_signer.policy import Policy, parse_policy

Seen = TypeVar("Seen")
#: Base units: what the clients have beside the story's own traffic, and what hot is to hold before each attack.
VICTIM_DEPOSIT: Final = 50_000_000
MALLORY_DEPOSIT: Final = 200_000
THIEF_OWN: Final = 50_000_000
HOT_READY: Final = 40_000_000
_REFILL: Final = 50_000_000


@dataclass(slots=True)
class Shop:
    """A merchant with its token and its key, on its own side."""

    id: MerchantId
    branch: int
    token: str
    key: MerchantKey
    api_url: str

    async def api(self, call: Callable[[Api], Seen]) -> Seen:
        """Call the REST API with the merchant's token, without blocking the loop."""

        def work() -> Seen:
            with Transport(self.api_url, self.token) as transport:
                return call(Api(transport))

        return await asyncio.to_thread(work)


@dataclass(slots=True)
class World:
    """An environment, its two merchants of interest, the thief, and the signers' policy.

    ``off``: rules that are off here on purpose. ``conventional``: the comparison, where nothing is expected to hold.
    ``changed``: by how much merchants' claims changed by what they did themselves; ``bought``: what the thief paid for.
    ``alarm`` is set once somebody has noticed the attack.
    """

    scene: Scene
    conventional: bool
    off: frozenset[str]
    policy: Policy
    victim: Shop
    mallory: Shop
    thief: Thief = field(init=False)
    forwarders: set[str] = field(default_factory=set)
    changed: dict[str, int] = field(default_factory=dict)
    bought: dict[str, int] = field(default_factory=dict)
    own_payouts: set[str] = field(default_factory=set)
    intents: int = 2_000
    alarm: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def outside(self) -> Outside:
        """The Bitcoin node that is not the platform's."""
        return self.scene.outside

    @property
    def ethereum(self) -> EthereumWorld:
        """The devnet's node."""
        return self.scene.ethereum

    @property
    def key_sets(self) -> dict[str, KeySet]:
        """The hot and the cold key set, as the policy names them."""
        chain = self.policy.chains[CHAIN.id]
        return {"hot": chain.hot, "cold": chain.cold}

    @property
    def last_branch(self) -> int:
        """The highest branch that a merchant has."""
        return max(self.victim.branch, self.mallory.branch)

    @property
    def signers(self) -> tuple[SignerClient, ...]:
        """Both signers' doors, as the treasury knows them."""
        return outbound.connect_signers(self.scene.settings.signers)

    def judges(self, tag: str) -> bool:
        """Whether the strongroom configuration has this rule: an attack that only it stops is played once it is in."""
        missing = {item.value for item in self.policy.trust.switched_off} - self.off
        return self.conventional or tag not in missing

    def sign(self, shop: Shop, units: int, destination: str, key: MerchantKey | None = None) -> SignedIntent:
        """Sign a payment in a merchant's name; ``key`` where it is not the merchant's own."""
        intent = make_intent(
            deployment=self.scene.settings.deployment,
            merchant=shop.id,
            amount=Amount(ASSET, units),
            destination=destination,
            fee_ceiling=Amount(ASSET, PAYOUT_FEE),
        )
        return sign_intent(intent, key or shop.key)

    async def hot_coins(self) -> list[Coin]:
        """Find hot's coins beyond the horizon, largest first."""
        tip = await self.outside.height()
        found = [coin for coin in await measure.unspent(self) if coin.place.key_set == "hot"]
        deep = [coin for coin in found if coin.height <= tip - HORIZON]
        return sorted(deep, key=lambda coin: -coin.amount)

    async def deposit(self, shop: Shop, units: int, reference: str) -> None:
        """Let a customer pay a merchant at a standing address of its own, and see it credited."""
        address = await shop.api(lambda api: api.deposit_address(asset=ASSET.id, reference=reference))
        before = await self.available(shop)
        await self.outside.pay(SHOPPER, address["address"], Amount(ASSET, units))
        await self.outside.mine(CONFIRMATIONS)
        await until("a customer's deposit credited", lambda: self._reaches(shop, before + units))
        self.changed[ASSET.id] = self.changed.get(ASSET.id, 0) + units

    async def available(self, shop: Shop) -> int:
        """Give what a merchant may pay out, as the API says."""
        balances = await shop.api(lambda api: api.balances())
        found = [item["available"] for item in balances if item["asset"] == ASSET.id]
        return Amount.parse(found[0], ASSET).base_units if found else 0

    async def settle(self) -> None:
        """Let everything that waits get into blocks, beyond the horizon, and be seen by the watchers."""
        await asyncio.sleep(1.0)  # a treasury's step: what is signed already gets broadcast
        for _ in range(10):
            waiting = await self.outside.rpc("getrawmempool")
            await self.outside.mine()
            if not waiting:
                break
        await self.outside.mine(HORIZON)
        await until("the watchers at the nodes' heights", self._caught_up, 60)

    async def refill(self) -> None:
        """Have the operator fill hot up again, so that each attack finds the same."""
        while sum(coin.amount for coin in await self.hot_coins()) < HOT_READY:
            async with self.scene.database("treasury") as connection:
                address = await wallets.house_address(connection, CHAIN.id, KeySetKind.HOT)
            text = chains.script_to_address(CHAIN.id, address.script)
            await self.outside.pay(OPERATOR, str(text), Amount(ASSET, _REFILL))
            await self.settle()

    async def restart(
        self, name: str, change: Callable[[tuple[str, ...]], tuple[str, ...]] = lambda argv: argv
    ) -> tuple[str, ...]:
        """Stop a process of ours and start it with other arguments; those that it had."""
        item = await self.scene.supervisor.take_down(name)
        if not isinstance(item, OwnProcess):
            message = f"{name} is no process of ours"
            raise TypeError(message)
        before, item.argv = item.argv, change(item.argv)
        await self.scene.supervisor.bring_back(item)
        return before

    async def learn_forwarders(self) -> None:
        """Write down the deposit addresses on the EVM chain that were handed out, before anybody rewrites them."""
        async with self.scene.database("auditor") as connection:
            query = "SELECT address FROM wallet_address WHERE chain = %s AND handed_out_at IS NOT NULL"
            rows = await (await connection.execute(query, [ETHEREUM.id])).fetchall()
        self.forwarders |= {str(row["address"]) for row in rows}

    async def _reaches(self, shop: Shop, units: int) -> bool | None:
        return await self.available(shop) >= units or None

    async def _caught_up(self) -> bool | None:
        height = await self.outside.height()
        async with self.scene.database("auditor") as connection:
            tip = await chains.tip(connection, CHAIN.id)
        return (tip is not None and tip.height == height) or None


async def prepare(scene: Scene, off: frozenset[str], *, conventional: bool) -> World:
    """Tell the whole story, so that there is traffic; then let a second merchant come, who is the thief's."""
    await story.tell(scene)
    with scene.progress.step("victim", "The merchant that is to be robbed has a balance") as outcome:
        world = World(scene, conventional, off, _policy(scene), _victim(scene), await _mallory(scene))
        world.thief = await Thief.arrive(world)
        await scene.outside.pay(SHOPPER, await world.thief.address(), Amount(ASSET, THIEF_OWN))
        await world.deposit(world.victim, VICTIM_DEPOSIT, "a large customer")
        await world.deposit(world.mallory, MALLORY_DEPOSIT, "a small customer")
        await world.settle()
        outcome.detail = f"{Amount(ASSET, VICTIM_DEPOSIT)}; the thief's own merchant {Amount(ASSET, MALLORY_DEPOSIT)}"
    return world


def _policy(scene: Scene) -> Policy:
    return parse_policy((scene.environment.root / "policy.toml").read_bytes())


def _victim(scene: Scene) -> Shop:
    folder = scene.merchant_folder
    key = load_key(folder / "key.json", (folder / "passphrase").read_bytes().strip())
    token = scene.environment.token_file.read_text(encoding="ascii").strip()
    merchant = MerchantId.parse(scene.fact("merchant"))
    return Shop(merchant, int(scene.fact("branch")), token, key, scene.environment.api_url)


async def _mallory(scene: Scene) -> Shop:
    async with scene.database("api") as connection:
        made = await merchants.create_merchant(connection, f"Mallory & Daughters {int(time.time())}")
        for chain in scene.settings.chains:
            await wallets.prepare_merchant(connection, chain, made.id, made.branch)
        _, token = await merchants.create_token(connection, made.id, list(Scope), "a thief's own shop")
    key = MerchantKey.generate()
    await enrol_merchant(scene, made.id, str(made.branch), key.public_key.hex())
    return Shop(made.id, made.branch, token, key, scene.environment.api_url)


def cap_per_window() -> int:
    """Give what a merchant's key may move in a window, in base units: the enrolment's own cap."""
    return CAPS[ASSET.id][1]
