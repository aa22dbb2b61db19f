"""Drill 13: an owned API host shows the thief's address at the checkout. What shoppers send there never was ours.

The operator's canary orders as any payer would, and looks whether the signers attest the address that is shown. When it
notices, invoices are stopped. A merchant whose program pinned the signers' keys shows no such address at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import psycopg

from drills.model import Drill, Moment
from strongroom.demo.bills import BitcoinBill, open_checkout
from strongroom.demo.configuration import ASSET
from strongroom.demo.outside import SHOPPER
from strongroom.infra import stops
from strongroom_client.api import Api
from strongroom_client.canary import ALARM, Canary, Finding, Order
from strongroom_client.errors import ApiError
from strongroom_client.pins import Pins
from strongroom_client.transport import Transport
from strongroom_core.amounts import Amount
from strongroom_core.errors import StrongroomError

if TYPE_CHECKING:
    from drills.world import World

#: One order in so many seconds, each of this price; and how often the canary orders.
INTAKE_SECONDS: Final = 2.0
PRICE_UNITS: Final = 200_000
CANARY_SECONDS: Final = 5.0
ORDERS_MAX: Final = 12


async def attack(world: World) -> None:
    """Swap the address of each new invoice, and let shoppers come until somebody stops it."""
    address = await world.thief.address()
    with contextlib.closing(world.thief.database()) as database:
        _swap(database, address)
        began = time.monotonic()
        try:
            for number in range(ORDERS_MAX):
                if world.alarm.is_set():
                    break
                await _order(world)
                pause = began + (number + 1) * INTAKE_SECONDS - time.monotonic()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(world.alarm.wait(), max(0.0, pause))
            await _careful_client(world)
        finally:
            database.execute("DROP TRIGGER IF EXISTS thief ON invoice")
    if world.alarm.is_set():
        await _stopped(world)


async def _order(world: World) -> None:
    """One shopper opens a checkout page and pays what it says."""
    made = await _invoice(world)
    bill = await asyncio.to_thread(open_checkout, made["checkout_url"])
    if isinstance(bill, BitcoinBill):
        await world.outside.pay(SHOPPER, bill.address, bill.amount)


async def _stopped(world: World) -> None:
    """The operator stops invoices; the next shopper finds nothing to pay."""
    async with world.scene.database("treasury") as connection:
        await stops.set_stop(connection, stops.Stop.INVOICES, "the canary saw a foreign address", "the operator")
    try:
        await _invoice(world)
        world.thief.note("an invoice after the stop", "made")
    except ApiError as error:
        world.thief.note("an invoice after the stop", error.code)
    async with world.scene.database("worker") as connection:
        await stops.clear_stop(connection, stops.Stop.INVOICES, "the drill is over", "the operator")


async def canary(world: World) -> str:
    """Order as a shopper does, now and then, and look whether the signers attest the address that is shown."""
    await asyncio.sleep(CANARY_SECONDS)
    found = await asyncio.to_thread(_look, world)
    return f"the canary: {found.code}" if found.result == ALARM else ""


def _look(world: World) -> Finding:
    with Transport(world.victim.api_url, world.victim.token) as transport:
        order = Order(_price(), "BTC", ASSET.id)
        return Canary(Api(transport), _pins(world), order, grace_seconds=CANARY_SECONDS).look()


async def _careful_client(world: World) -> None:
    """What a merchant's own program gets that pinned the signers' keys: an error instead of the address."""

    def call() -> str:
        with Transport(world.victim.api_url, world.victim.token) as transport:
            try:
                Api(transport, _pins(world)).create_invoice(amount=_price(), currency="BTC", asset=ASSET.id)
            except StrongroomError as error:
                return error.code
            return "shown"

    world.thief.note("a client that pinned the signers' keys", await asyncio.to_thread(call))


def _pins(world: World) -> Pins:
    return Pins(world.scene.settings.deployment, world.victim.id, world.policy.trust.identities)


def _price() -> str:
    return Amount(ASSET, PRICE_UNITS).format()


async def _invoice(world: World) -> Any:
    return await world.victim.api(lambda api: api.create_invoice(amount=_price(), currency="BTC", asset=ASSET.id))


def _swap(database: psycopg.Connection[Any], address: str) -> None:
    body = f"BEGIN NEW.address := '{address}'; RETURN NEW; END"
    make = f"CREATE OR REPLACE FUNCTION thief() RETURNS trigger LANGUAGE plpgsql AS $thief${body}$thief$"
    database.execute(make.encode())
    database.execute("CREATE OR REPLACE TRIGGER thief BEFORE INSERT ON invoice FOR EACH ROW EXECUTE FUNCTION thief()")


def bound(moment: Moment) -> int:
    """Give intake * time: a payment for each interval that has begun before the canary noticed."""
    return PRICE_UNITS * (ceil(moment.detected_seconds / INTAKE_SECONDS) + 1)


DRILL = Drill(
    number=13,
    name="The checkout's address swapped",
    owned="the API's host",
    tried="its own address on each new checkout",
    attack=attack,
    rules=(),
    formula="price * (⌈time to detection / time between orders⌉ + 1)",
    bound=bound,
    probe=canary,
)
