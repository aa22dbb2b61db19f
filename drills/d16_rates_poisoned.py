"""Drill 16: every source of prices is poisoned, so that the platform offers conversions at the thief's price.

The thief's merchant signs the orders itself. The signers know no source of rates: they book a conversion inside the
bands of their own policy, up to so much a day. Played at the signers' doors until the platform converts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from drills.model import Drill, Moment, Reading
from drills.thief import refusal
from strongroom.demo.configuration import ASSET
from strongroom.demo.ethereum_configuration import BAND_PPM, CONVERTED_PER_DAY, MILLION, PRICE, USDT
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import OrderId, RequestId
from strongroom_core.intents import SignedIntent
from strongroom_core.orders import ConversionOrder
from strongroom_core.proof_messages import ConvertRequest

if TYPE_CHECKING:
    from drills.world import World

PART = CONVERTED_PER_DAY // 4
LIFE_SECONDS = 3_600


async def attack(world: World) -> None:
    """Sell at ten times the price; then at the edge of the band, as often as it is booked; then buy back there."""
    high, low = PRICE * (MILLION + BAND_PPM) // MILLION, PRICE * (MILLION - BAND_PPM) // MILLION
    await _convert(world, "all sources poisoned: ten times the price", PART, 10 * PRICE * PART, selling_bitcoin=True)
    await _convert(world, "one source poisoned: twice the price", PART, 2 * PRICE * PART, selling_bitcoin=True)
    for number in range(6):
        what = f"the band's edge, sale {number + 1}"
        if not await _convert(world, what, PART, high * PART, selling_bitcoin=True):
            break
    for number in range(6):
        what = f"the band's other edge, purchase {number + 1}"
        if not await _convert(world, what, low * PART, PART, selling_bitcoin=False):
            break


async def _convert(world: World, what: str, sold: int, bought: int, *, selling_bitcoin: bool) -> bool:
    """Have both signers book an order that the thief's own merchant signed."""
    assets = (ASSET.id, USDT.id) if selling_bitcoin else (USDT.id, ASSET.id)
    order = ConversionOrder(
        world.scene.settings.deployment,
        world.mallory.id,
        OrderId.new(),
        assets[0],
        sold,
        assets[1],
        bought,
        int(time.time()) + LIFE_SECONDS,
    ).encode()
    signed = SignedIntent(order, world.mallory.key.public_key, world.mallory.key.sign(order))
    words = []
    for signer in world.signers:
        try:
            answer = await signer.ask(ConvertRequest(RequestId.new(), signed))
        except StrongroomError as error:
            words.append(error.code)
            continue
        words.append(refusal(answer) or answer.kind)
    world.thief.note(what, ", ".join(words))
    return all(word == "converted" for word in words)


def converted(_drill: Drill, before: Reading, after: Reading) -> int:
    """Give what the thief's merchant is richer by in both signers' books, at the true price, in USDT."""
    return after.own_worth - before.own_worth


def bound(moment: Moment) -> int:
    """Give twice the band times the daily cap, at the true price, in USDT."""
    (band,) = [band for pair, band in moment.world.policy.bands.items() if pair == (ASSET.id, USDT.id)]
    return 2 * band.per_day * PRICE * BAND_PPM // MILLION


DRILL = Drill(
    number=16,
    name="Rates poisoned",
    owned="every source of rates, and a merchant",
    tried="conversions at ten times the price, twice, and at the band's edges",
    attack=attack,
    rules=("price-band", "conversion-daily"),
    mutants=("price-band",),
    asset=USDT,
    formula="2 * price band * what may be converted a day",
    bound=bound,
    measure=converted,
    lasting=1,
)
