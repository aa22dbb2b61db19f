"""The whole platform: a block with 300 payments, from seen to the last webhook; start to ready; memory.

Everything is real and durable: two nodes joined by P2P, PostgreSQL with fsync, two signers, the platform's processes
and a merchant's server that verifies each webhook. Times are the database's: from the watcher's record of the block
that confirms the payments to each delivery's recorded success. `python -m benchmarks.whole` prints the rows.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from strongroom.demo.configuration import ASSET, CONFIRMATIONS
from strongroom.demo.merchant import SECRET_FILE
from strongroom.demo.outside import SHOPPER
from strongroom.demo.progress import Progress
from strongroom.demo.run import memory_mib, running
from strongroom.demo.scene import Scene, until
from strongroom.demo.story import STEPS
from strongroom.infra.components.hosting import free_port
from strongroom_client.api import Api

PAYMENTS: Final = 300
LAST_SECONDS_MAX: Final = 1.5
START_SECONDS_MAX: Final = 15.0
PEER_MEMORY_MIB: Final = 1024
WAIT_SECONDS: Final = 120.0
# What has to have happened before anyone can pay: capital, merchant, key, enrolment, webhook endpoint.
NEEDED: Final = ("house-capital", "merchant", "merchant-key", "enrolment", "webhook-endpoint")
Row = dict[str, Any]

_DELIVERED: Final = """
SELECT count(*) AS count,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY delivered_at) - block.recorded_at AS p50,
       max(delivered_at) - block.recorded_at AS last
FROM webhook_delivery JOIN webhook_event AS event ON event.id = event_id,
     (SELECT recorded_at FROM chain_event WHERE kind = 'connected' ORDER BY id DESC LIMIT 1) AS block
WHERE event.type = 'invoice.paid' AND state = 'delivered'
GROUP BY block.recorded_at
"""


class _Quiet:
    """An audience that does not listen."""

    def begin(self, name: str, title: str) -> None: ...
    def end(self, name: str, seconds: float, detail: str) -> None: ...
    def fail(self, name: str, seconds: float, why: str) -> None: ...
    def say(self, text: str) -> None: ...


async def _pay_all(scene: Scene) -> None:
    def issue(api: Api) -> list[Any]:
        return [api.create_invoice(amount="5.00", currency="EUR", asset=ASSET.code) for _ in range(PAYMENTS)]

    invoices = await scene.api(issue)
    amounts = {invoice["address"]: invoice["amount_due"] for invoice in invoices}
    await scene.outside.rpc("sendmany", "", amounts, wallet=SHOPPER)
    await scene.outside.mine(CONFIRMATIONS - 1)
    await until("the payments confirming", lambda: _at_least(scene, "confirming", PAYMENTS), WAIT_SECONDS)
    await until("what came before told", lambda: _idle(scene), WAIT_SECONDS)


async def _idle(scene: Scene) -> bool | None:
    statement = (
        "SELECT FROM outbox_event WHERE handled_at IS NULL "
        "UNION ALL SELECT FROM webhook_delivery WHERE state = 'pending'"
    )
    async with scene.database("auditor") as connection:
        busy = await (await connection.execute(statement)).fetchone()
    return True if busy is None else None


@asynccontextmanager
async def _quick_shop(scene: Scene) -> AsyncIterator[None]:
    """Put a quick server in the place of the demonstration merchant's, which syncs every webhook to disk by itself."""
    port, secret = free_port(), scene.merchant_folder / SECRET_FILE
    shop = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.shop", str(port), str(secret))
    try:
        endpoint = scene.fact("endpoint")
        await scene.api(lambda api: api.update_webhook_endpoint(endpoint, url=f"http://127.0.0.1:{port}/"))
        yield
    finally:
        shop.kill()
        await shop.wait()


async def _at_least(scene: Scene, state: str, count: int) -> bool | None:
    async with scene.database("auditor") as connection:
        statement = "SELECT count(*) AS count FROM deposit WHERE state = %s"
        row = await (await connection.execute(statement, [state])).fetchone()
    return True if row and row["count"] >= count else None


async def _all_told(scene: Scene) -> dict[str, Any] | None:
    async with scene.database("auditor") as connection:
        row = await (await connection.execute(_DELIVERED.encode())).fetchone()
    return row if row and row["count"] == PAYMENTS else None


async def _first(folder: Path) -> tuple[dict[str, Any], int]:
    async with running(folder, Progress(_Quiet()), {}) as scene:
        for step in STEPS:
            if step.name in NEEDED:
                await step.tell(scene)
        async with _quick_shop(scene):
            await _pay_all(scene)
            await scene.outside.mine(1)
            told = await until("300 webhooks", lambda: _all_told(scene), WAIT_SECONDS)
        return told, memory_mib(scene.environment)


async def _second(folder: Path) -> float:
    progress = Progress(_Quiet())
    async with running(folder, progress, {}):
        return float(progress.figures["start_to_ready_seconds"])


def run() -> list[Row]:
    """Play the block, then start once more; rows of name, value, unit, baseline, ratio."""
    folder = Path(tempfile.mkdtemp(prefix="strongroom-bench-"))
    try:
        told, memory = asyncio.run(_first(folder))
        ready = asyncio.run(_second(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    last, p50 = told["last"].total_seconds(), told["p50"].total_seconds()
    return [
        _row(f"block of {PAYMENTS} payments: seen to last webhook", last, "s", LAST_SECONDS_MAX),
        _row(f"block of {PAYMENTS} payments: seen to webhook, p50", p50, "s", LAST_SECONDS_MAX),
        _row("webhooks delivered of that block", told["count"], "", PAYMENTS),
        _row("second start to ready", ready, "s", START_SECONDS_MAX),
        _row("memory of all processes, nodes and database included (PSS)", memory, "MiB", PEER_MEMORY_MIB),
    ]


def _row(name: str, value: float, unit: str, baseline: float) -> Row:
    ratio = round(value / baseline, 3)
    return {"name": name, "value": round(value, 3), "unit": unit, "baseline": baseline, "ratio": ratio}


if __name__ == "__main__":
    for row in run():
        print(json.dumps(row))
