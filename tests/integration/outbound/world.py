"""A whole platform in one test: real PostgreSQL with the processes' roles, a real node, two real signers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from nacl.signing import SigningKey

from strongroom.chains.model import ChainNode
from strongroom.chains.service import connect_node
from strongroom.deposits.jobs import follow_deposits
from strongroom.infra.database import Connection, transaction
from strongroom.infra.settings import (
    BandSettings,
    ChainSettings,
    FeeSettings,
    KeySetSettings,
    KeySettings,
    Tier,
)
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType
from strongroom.outbound import jobs as outbound_jobs
from strongroom.treasury.planning import Planner
from strongroom.wallets import pools
from strongroom.wallets import service as wallets
from strongroom.wallets import store as wallet_store
from strongroom.wallets.jobs import follow_coins
from strongroom.wallets.model import KeySetKind, Purpose, WalletAddress
from strongroom_core.ids import MerchantId
from strongroom_core.intents import SignedIntent
from strongroom_signer import host
from strongroom_signer.enrolment import Caps, EnrolledMerchant
from tests.fixtures.bitcoin import MiningNode
from tests.fixtures.postgres import Database
from tests.integration.outbound.parts import Platform, SigningMerchant, settings_of, watched_pools
from tests.integration.signer.processes import SignerProcess
from tests.unit.signer.kit import ASSET, CHAIN, SATS, account

HORIZON = 3
PAYOUT_FEE = 1_000
_KEY = re.compile(r"(\[[^\]]+\])(.+)")


def key_set(kind: str, names: tuple[str, str, str]) -> KeySetSettings:
    keys = []
    for name in names:
        match = _KEY.fullmatch(account(name))
        assert match is not None
        keys.append(KeySettings(origin=match.group(1), xpub=match.group(2)))
    return KeySetSettings(name=f"{kind}-1", kind=kind, keys=tuple(keys))  # type: ignore[arg-type]


def chain_settings(node: MiningNode, **changes: object) -> ChainSettings:
    values: dict[str, object] = {
        "id": CHAIN,
        "rpc_url": node.rpc_url,
        "cookie_file": Path(node.cookie_file),
        "zmq_url": node.zmq_url,
        "poll_seconds": 0.1,
        "horizon": HORIZON,
        "tiers": (Tier(confirmations=1),),
        "fees": FeeSettings(payout_fee=PAYOUT_FEE, rate_fallback=5, stuck_after_blocks=2),
        "band": BandSettings(low=0, target=50 * SATS, high=100 * SATS),
        "key_sets": (key_set("hot", ("A", "B", "R")), key_set("cold", ("C1", "C2", "C3"))),
    }
    return ChainSettings(**(values | changes))  # type: ignore[arg-type]


class Shop(SigningMerchant):
    """A merchant that pays bitcoin."""

    def intent(self, amount: int, destination: str, **changes: object) -> SignedIntent:
        fields = {"asset": ASSET, "amount": amount, "destination": destination, "fee_ceiling": PAYOUT_FEE}
        return self.signed(**(fields | changes))


@dataclass(kw_only=True)
class World(Platform):
    """The parts, and steps that a process would run in loops."""

    node: MiningNode
    rpc: ChainNode

    @property
    def planner(self) -> Planner:
        return Planner(self.treasury, self.chain, self.rpc, self.clock, timedelta(0))

    def best_block(self) -> str:
        return str(self.node.rpc("getbestblockhash"))

    async def facts(self) -> None:
        """Have every room see what the watcher has recorded."""
        dispatcher = self.dispatcher()
        for _ in range(50):
            handled = await follow_coins(self.worker, self.chain)
            handled += await follow_deposits(self.worker, self.chain)
            handled += await outbound_jobs.follow(self.treasury, self.chain)
            handled += await dispatcher.run_once(self.worker)
            if not handled:
                return

    async def mine_only(self, blocks: int) -> None:
        """Mine, and let the watcher see it, but no other room."""
        self.node.mine(blocks)
        await self.watched()

    async def mine(self, blocks: int = 1) -> None:
        self.node.mine(blocks)
        await self.synced()

    async def turn(self) -> None:
        """One round of everything that a treasury and a worker process do."""
        await self.facts()
        while await self.planner.plan():
            pass
        await self.planner.expire()
        await self.sign()
        await outbound_jobs.void(self.treasury, self.chain, self.signers)
        await outbound_jobs.broadcast(self.treasury, self.chain, self.rpc)
        await self.facts()

    async def sign(self) -> int:
        return await outbound_jobs.sign(self.treasury, self.chain, self.signers)

    async def shop(self, name: str = "shop", *, enrolled: str = "AB", **caps: int) -> Shop:
        """A merchant with addresses, enrolled by hand at the signers."""
        shop = Shop(await self.merchant(name), SigningKey.generate())
        for process in self.those(enrolled):
            enrol(process, shop, **caps)
        return shop

    async def fund(self, shop: Shop, *amounts: int, kind: KeySetKind = KeySetKind.HOT) -> None:
        """Have a payer pay a merchant at hot addresses, and wait beyond the horizon."""
        async with transaction(self.treasury) as connection:
            await wallets.set_intake(connection, CHAIN, kind)
        async with transaction(self.api) as connection:
            found = await invoice_addresses(connection, shop.id, len(amounts), kind)
        for address, amount in zip(found, amounts, strict=True):
            self.node.pay(address.address, amount)
        await self.mine(HORIZON)

    async def balance(self, type_: AccountType, owner: MerchantId | None = None) -> int:
        async with transaction(self.worker) as connection:
            return await ledger.balance(connection, Account(type_, self.chain.asset, owner))

    def received(self, address: str) -> list[int]:
        """Payments to an address that stand in blocks or the mempool, as the node tells it: base units, sorted."""
        found = self.node.rpc("scantxoutset", "start", [f"addr({address})"])
        amounts = [round(item["amount"] * SATS) for item in found["unspents"]]
        for txid in self.node.rpc("getrawmempool"):
            for output in self.node.rpc("getrawtransaction", txid, True)["vout"]:
                paid = output["scriptPubKey"].get("address") == address
                amounts += [round(output["value"] * SATS)] if paid else []
        return sorted(amounts)


async def invoice_addresses(
    connection: Connection, merchant_id: MerchantId, count: int, kind: KeySetKind
) -> list[WalletAddress]:
    """Hand out addresses for invoices, after the intake was set to ``kind``.

    While a breach freezes hot, give hot ones as payers have them who asked before it began.
    """
    if await wallets.intake(connection, CHAIN) is kind:
        return await wallets.hand_out(connection, CHAIN, merchant_id, Purpose.INVOICE, "test", count=count)
    known = await connection.execute(
        "SELECT branch FROM wallet_address WHERE chain = %s AND kind = %s AND merchant_id = %s LIMIT 1",
        (CHAIN, kind, merchant_id),
    )
    branch = await pools.lock(connection, CHAIN, kind, (await known.fetchall())[0]["branch"])
    await wallet_store.advance_branch(connection, await pools.extend(connection, branch, count))
    rows = await connection.execute(
        "UPDATE wallet_address SET purpose = 'invoice', reference = 'test', handed_out_at = clock_timestamp() "
        "WHERE id IN (SELECT id FROM wallet_address WHERE chain = %s AND kind = %s AND merchant_id = %s "
        "AND handed_out_at IS NULL ORDER BY index LIMIT %s) RETURNING id",
        (CHAIN, kind, merchant_id, count),
    )
    found = await wallets.addresses(connection, [row["id"] for row in await rows.fetchall()])
    return sorted(found.values(), key=lambda item: item.index)


def enrol(process: SignerProcess, shop: Shop, **caps: int) -> None:
    """A hand on the signer's own host; in force at once on a running signer."""
    limits = {"per_payout": 4 * SATS, "per_window": 10 * SATS, "unlisted_per_window": 8 * SATS} | caps
    enrolled = EnrolledMerchant(shop.id, shop.merchant.branch, bytes(shop.key.verify_key), {})
    caps_row = Caps(ASSET, limits["per_payout"], limits["per_window"], limits["unlisted_per_window"], ())
    host.enrol(process.folder, enrolled, caps_row)
    process.reload()


@contextlib.asynccontextmanager
async def make_world(
    pg: Database, node: MiningNode, processes: tuple[SignerProcess, SignerProcess], **changes: object
) -> AsyncIterator[World]:
    chain = chain_settings(node, **changes)
    rpc = connect_node(chain)
    try:
        async with watched_pools(pg, chain) as pools:
            settings = settings_of(chain, processes)
            world = World(pg=pg, node=node, chain=chain, settings=settings, processes=processes, rpc=rpc, **pools)
            await world.synced()
            yield world
    finally:
        await rpc.close()
