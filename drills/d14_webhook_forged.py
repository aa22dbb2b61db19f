"""Drill 14: webhooks are forged at the merchant's own server, which ships goods for what it believes was paid."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from standardwebhooks import Webhook

from drills.model import Drill, Reading
from strongroom.demo.configuration import ASSET
from strongroom.demo.merchant import REFUSED_FILE, read_received
from strongroom_core.ids import EventId

if TYPE_CHECKING:
    from drills.world import World

PRICE = "300.00"
SECRET = "whsec_dGhlIHRoaWVmIGd1ZXNzZXMgYSBzZWNyZXQ="  # noqa: S105 -- a guess


async def attack(world: World) -> None:
    """Order goods, pay nothing, and tell the merchant's server that they are paid."""
    invoice = await world.victim.api(lambda api: api.create_invoice(amount=PRICE, currency="EUR", asset=ASSET.code))
    paid = dict(invoice) | {"status": "paid", "amount_paid": invoice["amount_due"]}
    forged = {"type": "invoice.paid", "timestamp": invoice["created_at"], "data": paid}
    old = next(row for row in read_received(world.scene.merchant_folder) if _event(row)["type"] == "invoice.paid")
    body = json.dumps(forged).encode()
    attempts = {
        "no signature": {},
        "a signature with a guessed secret": _signed(body, SECRET),
        "an old id, a signature of nothing": {"webhook-id": str(old["id"]), "webhook-signature": "v1,AAAA"},
        "a version that nobody checks": _signed(body, SECRET) | {"webhook-signature": "v9,AAAA"},
    }
    async with _merchant(world):
        for what, headers in attempts.items():
            status = await asyncio.to_thread(_post, world.scene.environment.merchant_url, body, headers)
            world.thief.note(what, f"HTTP {status}")


@asynccontextmanager
async def _merchant(world: World) -> AsyncIterator[None]:
    """Have a merchant that verifies nothing, where the rule is switched off."""
    if "webhook-signature" not in world.off:
        yield
        return
    careful = await world.restart("merchant", lambda argv: (*argv, "--believe-all"))
    yield
    await world.restart("merchant", lambda _: careful)


def shipped(_drill: Drill, before: Reading, after: Reading) -> int:
    """Give the price of goods that the merchant ships, and that no payment stands for."""
    return after.unpaid_goods - before.unpaid_goods


async def refused(world: World) -> str:
    """The merchant's server writes down what did not verify; an honest platform's webhooks all do."""
    file = world.scene.merchant_folder / REFUSED_FILE
    rows = file.read_bytes().count(b"\n") if file.exists() else 0
    known = world.scene.environment.facts.setdefault("drill_webhooks_refused", rows)
    return f"the merchant's server: {rows - known} webhooks that did not verify" if rows > known else ""


def _event(row: dict[str, object]) -> dict[str, Any]:
    event: Any = row["event"]
    return dict(event)


def _signed(body: bytes, secret: str) -> dict[str, str]:
    identity, now = str(EventId.new()), datetime.now(UTC)
    signature = Webhook(secret).sign(identity, now, body.decode())
    return {"webhook-id": identity, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}


def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 -- our own loopback
    try:
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310 -- our own loopback
            return int(response.status)
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return refusal.code


DRILL = Drill(
    number=14,
    name="Webhooks forged",
    owned="the way to the merchant's server",
    tried="invoice.paid with no, guessed, old and strange signatures",
    attack=attack,
    rules=("webhook-signature",),
    mutants=("webhook-signature",),
    measure=shipped,
    probe=refused,
)
