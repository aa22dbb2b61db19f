"""`kill -9` of the treasury process before and after every step; payments are counted on the node."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from strongroom.ledger.model import AccountType
from tests.integration.outbound.runner import STEPS
from tests.integration.outbound.world import HORIZON, PAYOUT_FEE, World
from tests.unit.signer.kit import SATS

# Each step is killed at its first doing; those done once per signer also at the second.
PLANNING = [(when, step, 1) for step in ("write-plan", "commit-plan") for when in ("before", "after")]
SIGNING = [
    (when, step, count)
    for step, count in itertools.product(("commit-asked", "sign", "commit-signature"), (1, 2))
    for when in ("before", "after")
]
SENDING = [
    (when, step, 1)
    for step in ("capture", "commit-signed", "move", "broadcast", "commit-broadcast")
    for when in ("before", "after")
]
SETTLING = [(when, step, 1) for step in ("settle", "follow") for when in ("before", "after")]


async def run(world: World, folder: Path, *kill: object) -> int:
    """One treasury process until it is idle or dead; its exit code."""
    (folder / "dsn").write_text(world.pg.dsn("treasury"))
    (folder / "settings.json").write_bytes(msgspec.json.encode(world.settings, enc_hook=str))
    arguments = ["-m", "tests.integration.outbound.runner", str(folder), *map(str, kill)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode in {0, -signal.SIGKILL}, output.decode()
    return process.returncode or 0


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("points", [PLANNING + SENDING[:4], SIGNING[:6], SIGNING[6:], SENDING[4:] + SETTLING])
async def test_whatever_step_dies_every_payout_is_paid_exactly_once(
    world: World, tmp_path: Path, points: list[tuple[str, str, int]]
) -> None:
    shop = await world.shop()
    await world.fund(shop, *[SATS] * 4)
    paid: dict[str, int] = {}
    for number, point in enumerate(points):
        destination = world.node.new_address()
        amount = 1_000_000 + number
        payout = await world.pay(shop, shop.intent(amount, destination))
        if point[1] in {"settle", "follow"}:
            assert await run(world, tmp_path) == 0
            await world.mine_only(HORIZON)
        assert await run(world, tmp_path, *point) == -signal.SIGKILL, point
        assert await run(world, tmp_path) == 0
        paid[destination] = amount
        assert world.received(destination) == [amount], point
        await world.mine(1)
        assert (await world.payout(shop, payout.id)).txid is not None
    await world.mine(HORIZON)
    assert {destination: world.received(destination) for destination in paid} == {d: [a] for d, a in paid.items()}
    assert world.pg.execute("SELECT DISTINCT state FROM payout") == [("final",)]
    held = await world.balance(AccountType.MERCHANT_HELD, shop.id)
    left = await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id)
    assert (held, left) == (0, 4 * SATS - sum(paid.values()) - PAYOUT_FEE * len(paid))
    hot = await world.balance(AccountType.CHAIN_HOT)
    fees = await world.balance(AccountType.NETWORK_FEES)
    assert hot == -(4 * SATS - sum(paid.values()) + fees)


def test_every_step_has_its_kills() -> None:
    assert {step for _, step, _ in PLANNING + SIGNING + SENDING + SETTLING} == set(STEPS)
