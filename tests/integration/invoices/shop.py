"""A shop for tests: a merchant with real key sets and a real database, a clock that tests set, and deposits' words."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import wallycore

from strongroom.infra.database import Connection, Pool, make_pool, transaction
from strongroom.infra.outbox import OutboxEvent
from strongroom.infra.settings import (
    ChainSettings,
    DatabaseSettings,
    InvoiceSettings,
    KeySetSettings,
    KeySettings,
    RateSettings,
    Settings,
)
from strongroom.invoices import jobs, service
from strongroom.invoices.model import Invoice, Made, NewInvoice
from strongroom.merchants import service as merchants
from strongroom.merchants.model import Merchant
from strongroom.rates.service import RateBook
from strongroom.wallets import service as wallets
from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_core.ids import AddressId, DepositId, MerchantId
from tests.fixtures.postgres import Database

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
RATES = {"BTC/EUR": "50000", "BTC/USD": "54321.98", "USDT/EUR": "0.92", "ETH/EUR": "3000"}
_HARDENED = 0x80000000


class SetClock:
    """A clock that stands until a test moves it."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def forward(self, **by: int) -> datetime:
        self.at += timedelta(**by)
        return self.at


def key_sets() -> tuple[KeySetSettings, ...]:
    """A hot and a cold key set of six throw-away keys."""
    hot, cold = (tuple(_key(3 * number + place) for place in range(3)) for number in range(2))
    return (
        KeySetSettings(name="hot", kind="hot", keys=(hot[0], hot[1], hot[2])),
        KeySetSettings(name="cold", kind="cold", keys=(cold[0], cold[1], cold[2])),
    )


def _key(number: int) -> KeySettings:
    root = wallycore.bip32_key_from_seed(bytes([number + 1]) * 32, wallycore.BIP32_VER_TEST_PRIVATE, 0)
    path = [48 + _HARDENED, 1 + _HARDENED, _HARDENED, 2 + _HARDENED]
    account = wallycore.bip32_key_from_parent_path(root, path, wallycore.BIP32_FLAG_KEY_PRIVATE)
    xpub = wallycore.bip32_key_to_base58(account, wallycore.BIP32_FLAG_KEY_PUBLIC)
    return KeySettings(xpub=xpub, origin=f"[{number:08x}/48h/1h/0h/2h]")


def make_settings(more: tuple[ChainSettings, ...] = (), **invoices: int) -> Settings:
    chain = ChainSettings(
        id=BITCOIN_REGTEST.id, rpc_url="http://127.0.0.1:1", cookie_file=Path("none"), key_sets=key_sets()
    )
    return Settings(
        deployment="test",
        data_dir=Path(),
        database=DatabaseSettings(passwords=Path()),
        chains=(chain, *more),
        rates=RateSettings(fixed=RATES, spread_ppm=0),
        invoices=InvoiceSettings(
            **{"expires_in_seconds": 900, "monitor_seconds": 86_400, "tolerance_ppm": 5_000, **invoices}
        ),
    )


@dataclass
class Shop:
    """One merchant's till: `api` and `worker` are pools of the real roles."""

    settings: Settings
    api: Pool
    worker: Pool
    clock: SetClock
    book: RateBook
    merchant: Merchant
    events: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def desk(self) -> service.InvoiceDesk:
        return service.InvoiceDesk(self.settings, self.book)

    def request(self, amount: str = "0.01", currency: str = "BTC", **more: Any) -> NewInvoice:
        merchant_id = more.pop("merchant_id", self.merchant.id)
        return service.read_request(self.settings, merchant_id, amount=amount, currency=currency, **more)

    async def create(self, *requests: NewInvoice) -> list[Any]:
        async with transaction(self.api) as connection:
            answers = await service.create_invoices(connection, self.desk, requests, self.clock.now())
        return [answer.invoice if isinstance(answer, Made) else answer for answer in answers]

    async def invoice(self, amount: str = "0.01", currency: str = "BTC", **more: Any) -> Invoice:
        (made,) = await self.create(self.request(amount, currency, **more))
        assert isinstance(made, Invoice), made
        return made

    async def get(self, invoice: Invoice) -> Invoice:
        async with transaction(self.api) as connection:
            return await service.get_invoice(connection, invoice.merchant_id, invoice.id)

    def word(self, invoice: Invoice, state: str, amount: int, **more: Any) -> OutboxEvent:
        """What deposits would say next of a payment on the invoice's address."""
        deposit_id = more.pop("deposit_id", None) or DepositId.new()
        event_id = more.pop("event_id", None) or next(self.events)
        payload = {
            "merchant_id": invoice.merchant_id,
            "purpose": "invoice",
            "address_id": invoice.address_id,
            "txid": "ab" * 32,
            "vout": 0,
            "asset": invoice.asset.id,
            "amount": str(amount),
            "state": state,
            "cycle": 1,
            "confirmations": 2 if state == "credited" else 0,
            "confirmations_needed": 2,
            "below_minimum": False,
            "first_seen_at": self.clock.now().isoformat(),
            **more,
        }
        return OutboxEvent(event_id, f"deposit.{state}", deposit_id, payload, self.clock.now())

    async def tell(self, event: OutboxEvent) -> None:
        async with transaction(self.worker) as connection:
            await jobs.note_deposits(connection, self.settings, [event], self.clock.now())

    async def pay(self, invoice: Invoice, state: str, amount: int, **more: Any) -> str:
        """Tell the worker a word of a payment; the id of its deposit."""
        event = self.word(invoice, state, amount, **more)
        await self.tell(event)
        return event.key

    async def expire(self) -> int:
        return await jobs.expire_due(self.worker, self.settings, self.clock)


@asynccontextmanager
async def open_shop(database: Database, more: tuple[ChainSettings, ...] = (), **invoices: int) -> AsyncIterator[Shop]:
    """Open a shop on a database, with one merchant whose address pools are derived, on ``more`` chains too."""
    settings = make_settings(more, **invoices)
    async with make_pool(database.dsn("api"), size=4) as api, make_pool(database.dsn("worker"), size=4) as worker:
        async with transaction(worker) as connection:
            for chain in settings.chains:
                await wallets.sync_key_sets(connection, chain)
        merchant = await add_merchant(api, settings, "Shop")
        yield Shop(settings, api, worker, SetClock(), RateBook(), merchant)


async def add_merchant(pool: Pool, settings: Settings, name: str) -> Merchant:
    async with transaction(pool) as connection:
        merchant = await merchants.create_merchant(connection, name)
        await prepare(connection, settings, merchant.id, merchant.branch)
    return merchant


async def prepare(
    connection: Connection, settings: Settings, merchant_id: MerchantId, branch: int, count: int = 20
) -> None:
    for chain in settings.chains:
        await wallets.prepare_merchant(connection, chain, merchant_id, branch, count)


def topics(database: Database, key: str) -> list[str]:
    """Which events the outbox has of an object, oldest first."""
    rows = database.execute("SELECT topic FROM outbox_event WHERE key = %s ORDER BY id", key)
    return [str(topic) for (topic,) in rows]


def new_address_id() -> AddressId:
    return AddressId.new()
