"""A whole platform on a real anvil in one test: real Safes and tokens, a relayer, two real signers, real PostgreSQL."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address
from nacl.signing import SigningKey

from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.ethereum.deployment import plan_deployment
from strongroom.chains.ethereum.node import EthereumNode
from strongroom.chains.ethereum.owners import owner_address
from strongroom.deposits.jobs import follow_deposits
from strongroom.infra.database import transaction
from strongroom.infra.settings import (
    AssetSettings,
    ChainSettings,
    EthereumSettings,
    Tier,
)
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.outbound import jobs as slot_jobs
from strongroom.outbound.ethereum import jobs as relay_jobs
from strongroom.outbound.ethereum.keys import RelayerKeys, make_relayer_key
from strongroom.outbound.safe import jobs as safe_jobs
from strongroom.outbound.safe.service import Safes
from strongroom.treasury import jobs as treasury_jobs
from strongroom.treasury.ethereum import jobs as evm_jobs
from strongroom.treasury.ethereum.gathering import Gatherer
from strongroom.treasury.ethereum.planning import SafePlanner
from strongroom_core.amounts import Amount
from strongroom_core.assets import DEVNET, DEVNET_ETH, asset_by_id
from strongroom_core.evm import ZERO_ADDRESS, Call
from strongroom_core.ids import MerchantId
from strongroom_core.intents import SignedIntent
from strongroom_signer import host, keyfile
from strongroom_signer.enrolment import Caps, EnrolledMerchant
from strongroom_signer.host import Folder
from tests.fixtures.ethereum import DevNode
from tests.fixtures.ethereum_house import EthereumHouse
from tests.fixtures.postgres import Database
from tests.integration.outbound.parts import Platform, SigningMerchant, settings_of, until, watched_pools
from tests.integration.signer.processes import PASSPHRASE, SignerProcess
from tests.unit.signer import safe_kit

CHAIN = DEVNET.id
ETH = DEVNET_ETH.id
ETHER = 10**18
UNIT = 10**6
HORIZON = 3
PAYOUT_FEE = 1_000
HOT_NAMES = ("A", "B", "R")


@dataclass(frozen=True)
class Place:
    """A deployed house with the two tokens that are held there."""

    house: EthereumHouse
    usdt: bytes
    usdc: bytes
    usdt_kind: str = "test/TetherToken"

    @property
    def kit(self) -> safe_kit.House:
        """The same as a signer's policy needs it."""
        made = self.house.deployment
        return safe_kit.House(
            made.hot_safe, made.cold_safe, made.multisend, made.allowance, made.factory, self.usdt, self.usdc
        )

    def pay(self, token: bytes, to: bytes, amount: int) -> None:
        """Let tokens or ETH (zero address) arrive at an address, of a token that cannot mint too."""
        if token == self.usdt and self.usdt_kind == "test/FalseToken":
            amount += self.house.balance(token, to)
            self.house.transact(token, contract(self.usdt_kind).call("setBalance", to, amount))
        else:
            self.house.pay(token, to, amount)

    def id_of(self, token: bytes) -> str:
        return ETH if token == ZERO_ADDRESS else f"{CHAIN}/erc20:0x{token.hex()}"


def make_place(node: DevNode, usdt: str = "test/TetherToken", *arguments: object, allowance: int = 100_000) -> Place:
    """Deploy Safes that the signers' keys own, two tokens, and an allowance of so many whole units a day."""
    house = EthereumHouse(node)
    cold = tuple(owner_address(key) for key in house.cold_keys)
    house.deployment = plan_deployment(cold, tuple(safe_kit.owner(name) for name in HOT_NAMES))
    house.deploy_all()
    place = Place(
        house,
        house.deploy(usdt, *(arguments or (6,))),
        house.deploy("test/CircleToken", "USD Coin", "USDC", 6),
        usdt,
    )
    house.allow({place.usdt: allowance * UNIT, place.usdc: allowance * UNIT, ZERO_ADDRESS: 50 * ETHER})
    return place


def asset(place: Place, token: bytes, code: str, **changes: object) -> AssetSettings:
    values: dict[str, Any] = {
        "id": place.id_of(token),
        "code": code,
        "decimals": 18 if token == ZERO_ADDRESS else 6,
        "minimum_deposit": 10_000,
        "payout_fee": ETHER // 1_000 if token == ZERO_ADDRESS else PAYOUT_FEE,
    }
    return AssetSettings(**(values | changes))


def chain_settings(place: Place, key_file: Path, **changes: object) -> ChainSettings:
    made = place.house.deployment
    names = ("factory", "cold_safe", "hot_safe", "allowance", "multisend")
    contracts: dict[str, Any] = {name: to_checksum_address(getattr(made, name)) for name in names}
    ethereum = EthereumSettings(
        rpc_urls=(place.house.node.rpc_url,),
        agree_min=1,
        relayer_key_files=(key_file,),
        gas_budget_per_day=ETHER,
        gas_low=ETHER // 100,
        fee_ceiling_gwei=500,
        **contracts,
    )
    values: dict[str, Any] = {
        "id": CHAIN,
        "ethereum": ethereum,
        "assets": (
            asset(place, place.usdt, "USDT"),
            asset(place, place.usdc, "USDC"),
            asset(place, ZERO_ADDRESS, "ETH"),
        ),
        "horizon": HORIZON,
        "poll_seconds": 0.05,
        "tiers": (Tier(confirmations=1),),
    }
    return ChainSettings(**(values | changes))


def make_signer_folder(root: Path, name: str, place: Place, **policy: Any) -> Folder:
    """A signer's folder for the house: its key is an owner of the hot Safe."""
    folder = Folder(root / name)
    folder.root.mkdir(mode=0o700, parents=True)
    seed = hashlib.sha256(f"test key {name}".encode()).digest()
    keyfile._seal(folder.key, name, seed, (CHAIN,), PASSPHRASE, "interactive")
    cold = [to_checksum_address(owner_address(key)) for key in place.house.cold_keys]
    host.found(folder, safe_kit.policy_text(place.kit, cold_owners=cold, **policy))
    return folder


class Shop(SigningMerchant):
    """A merchant that pays what an EVM chain holds."""

    def intent(self, asset_id: str, amount: int, destination: bytes, **changes: object) -> SignedIntent:
        to = to_checksum_address(destination)
        fields = {"asset": asset_id, "amount": amount, "destination": to, "fee_ceiling": ETHER}
        return self.signed(**(fields | changes))


@dataclass(kw_only=True)
class SafeWorld(Platform):
    """The parts, and steps that processes would run in loops."""

    place: Place
    rpc: EthereumNode
    keys: RelayerKeys

    @property
    def node(self) -> DevNode:
        return self.place.house.node

    @property
    def usdt(self) -> str:
        return self.place.id_of(self.place.usdt)

    @property
    def usdc(self) -> str:
        return self.place.id_of(self.place.usdc)

    @property
    def planner(self) -> SafePlanner:
        return SafePlanner(self.treasury, self.chain, Safes(self.chain, self.rpc), self.clock, timedelta(0))

    @property
    def gatherer(self) -> Gatherer:
        return Gatherer(self.treasury, self.chain, Safes(self.chain, self.rpc), self.clock)

    def best_block(self) -> str:
        return str(self.node.rpc("eth_getBlockByNumber", "latest", False)["hash"])

    async def facts(self) -> None:
        """Have every room see what the watcher has recorded."""
        dispatcher = self.dispatcher()
        for _ in range(50):
            handled = await follow_deposits(self.worker, self.chain)
            handled += await safe_jobs.follow(self.treasury, self.chain)
            handled += await safe_jobs.measure(self.treasury, self.chain, self.rpc)
            handled += await safe_jobs.settle(self.treasury, self.chain)
            handled += await safe_jobs.end_passed(self.treasury, self.chain, self.rpc)
            handled += await dispatcher.run_once(self.worker)
            if not handled:
                return

    async def mine(self, blocks: int = 1) -> None:
        self.node.mine(blocks)
        await self.synced()
        await self.relay()
        await self.facts()

    async def relay(self) -> None:
        """One round of the relayer's loops; what waits to be tried again is due."""
        for step in (relay_jobs.assign, relay_jobs.bump, relay_jobs.sign, relay_jobs.broadcast, relay_jobs.follow):
            await step(self.treasury, self.chain, self.rpc, self.clock, self.keys)
        await self.included()
        for table in ("outbound_relay", "outbound_relay_nonce"):
            self.pg.execute(f"UPDATE {table} SET retry_at = now() WHERE retry_at > now()")

    async def included(self) -> None:
        """Wait until a node that mines by itself has: it answers who sends before it has made the block."""

        async def taken() -> bool:
            return not self.node.rpc("anvil_getAutomine") or int(self.node.rpc("txpool_status")["pending"], 16) == 0

        await until(taken)

    async def sign(self) -> int:
        return await safe_jobs.sign(self.treasury, self.chain, self.signers, self.rpc)

    async def hand_over(self) -> int:
        return await safe_jobs.hand_over(self.treasury, self.chain, self.rpc)

    async def turn(self) -> None:
        """One round of everything that a treasury and a worker process do; an executed slot is in a block after it."""
        await self.synced()
        while await self.planner.plan():
            pass
        await self.planner_expire()
        await self.sign()
        await slot_jobs.void(self.treasury, self.chain, self.signers)
        await self.hand_over()
        await self.relay()
        await self.synced()
        await self.relay()
        await self.hand_over()
        await self.facts()

    async def planner_expire(self) -> None:
        await treasury_jobs.expire_waiting(self.treasury, self.chain, self.clock)

    async def turns(self, count: int) -> None:
        for _ in range(count):
            await self.turn()
            await self.retry_now()

    async def shop(self, name: str = "shop", *, enrolled: str = "AB", **caps: int) -> Shop:
        """A merchant with addresses, enrolled by hand at the signers."""
        shop = Shop(await self.merchant(name), SigningKey.generate())
        for process in self.those(enrolled):
            enrol(process, self.place, shop, **caps)
        return shop

    def trust(self, *shops: Shop) -> None:
        """Let merchants share chain txs, as after their first payouts."""
        for shop in shops:
            self.pg.execute("INSERT INTO treasury_trusted VALUES (%s, %s, true)", CHAIN, shop.id)

    async def fund(self, shop: Shop, asset_id: str, amount: int) -> None:
        """Give a merchant a balance that the cold Safe has, as a swept deposit does."""
        await self.book(Account(AccountType.MERCHANT_AVAILABLE, asset_by_id(asset_id), shop.id), amount)

    async def capital(self, asset_id: str, amount: int) -> None:
        """Give the house capital that the cold Safe has."""
        await self.book(Account(AccountType.HOUSE_CAPITAL, asset_by_id(asset_id)), amount)

    async def book(self, account: Account, amount: int) -> None:
        token = bytes.fromhex(account.asset.contract[2:]) if account.asset.contract else ZERO_ADDRESS
        self.place.pay(token, self.place.house.deployment.cold_safe, amount)
        cold = Account(AccountType.CHAIN_COLD, account.asset)
        posting = Posting(cold, account, Amount(account.asset, amount))
        key = f"test {time.monotonic_ns()}"
        async with transaction(self.worker) as connection:
            await ledger.post(connection, [LedgerTransaction("test-funding", key, (posting,))])

    async def balance(self, kind: AccountType, asset_id: str, owner: MerchantId | None = None) -> int:
        async with transaction(self.worker) as connection:
            return await ledger.balance(connection, Account(kind, asset_by_id(asset_id), owner))

    def held(self, token: bytes, address: bytes) -> int:
        """What an address has on the chain."""
        return self.place.house.balance(token, address)

    def set_limit(self, token: bytes, per_day: int) -> None:
        """Change the allowance as the cold Safe's owners do, offline."""
        made = self.place.house.deployment
        call = Call(made.allowance, 0, contract("Allowance").call("set_limit", token, per_day))
        self.place.house.execute(made.cold_safe, [call])

    def pause_usdt(self, *, paused: bool) -> None:
        self.place.house.transact(self.place.usdt, contract("test/TetherToken").call("setPaused", paused))

    def block_usdc(self, address: bytes, *, blocked: bool) -> None:
        """Blacklist a destination, or take it off."""
        data = contract("test/CircleToken").call("setBlacklisted", address, blocked)
        self.place.house.transact(self.place.usdc, data)

    async def gather(self) -> int:
        return await self.gatherer.step()

    async def sweep(self) -> int:
        return await evm_jobs.sweep(self.treasury, self.chain, self.rpc, self.clock)

    async def guard(self) -> int:
        return await evm_jobs.guard(self.treasury, self.chain, self.rpc, self.clock)


def enrol(process: SignerProcess, place: Place, shop: Shop, **caps: int) -> None:
    """A hand on the signer's own host; in force at once on a running signer."""
    enrolled = EnrolledMerchant(shop.id, shop.merchant.branch, bytes(shop.key.verify_key), {})
    for asset_id, unit in place.kit.assets.items():
        limits = {"per_payout": 4_000, "per_window": 10_000, "unlisted_per_window": 8_000} | caps
        whole = (limits[name] * unit for name in ("per_payout", "per_window", "unlisted_per_window"))
        host.enrol(process.folder, enrolled, Caps(asset_id, next(whole), next(whole), next(whole), ()))
    process.reload()


@contextlib.asynccontextmanager
async def make_world(
    pg: Database, place: Place, processes: tuple[SignerProcess, SignerProcess], folder: Path, **changes: object
) -> AsyncIterator[SafeWorld]:
    key_file = folder / "relayer.key"
    relayer = make_relayer_key(key_file)
    place.house.node.rpc("anvil_setBalance", f"0x{relayer.hex()}", hex(10 * ETHER))
    height = place.house.node.block_number()
    chain = chain_settings(place, key_file, **({"start_height": height} | changes))
    rpc = EthereumNode(chain)
    try:
        async with watched_pools(pg, chain) as pools:
            settings, keys = settings_of(chain, processes), relay_jobs.load_keys(chain)
            world = SafeWorld(
                pg=pg, place=place, chain=chain, settings=settings, processes=processes, rpc=rpc, keys=keys, **pools
            )
            for asset_id, amount in ((world.usdt, 200_000 * UNIT), (world.usdc, 200_000 * UNIT), (ETH, 100 * ETHER)):
                await world.capital(asset_id, amount)
            await world.synced()
            yield world
    finally:
        await rpc.close()
