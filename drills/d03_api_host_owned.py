"""Drill 3: the API's host is owned. Every intent passes through it: forge, replay, mutate every field, reorder."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from drills import measure
from drills.doors import Door
from drills.model import Drill
from drills.psbt import Coin
from drills.thief import to
from strongroom.chains import service as chains
from strongroom.demo.configuration import CHAIN
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import PayoutId
from strongroom_core.intents import PaymentIntent, SignedIntent
from strongroom_core.messages import SignRequest

if TYPE_CHECKING:
    from drills.world import World

LOOT = 10_000_000
CONVENTIONAL_INTENTS = 20
SOMEWHERE = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


async def attack(world: World) -> None:
    """Show both signers each of very many intents, none of which the merchant signed as it stands."""
    coins = await measure.with_previous(world, (await world.hot_coins())[:1])
    address = await world.thief.address()
    seen = world.sign(world.victim, 150_000, world.scene.fact("destination"))
    count = CONVENTIONAL_INTENTS if world.conventional else world.intents
    doors = [Door(signer.settings.address) for signer in world.signers]
    answers = await asyncio.gather(
        *(_knock(world, door, _forgeries(world, seen, address, count // len(doors)), coins) for door in doors)
    )
    for door, tags in zip(doors, answers, strict=True):
        world.thief.note(f"{sum(tags.values())} intents at {door.name}", str(dict(tags.most_common(6))))
    # What a careless signer lets pass: the destination swapped under the merchant's own signature.
    bent = replace(seen, intent=_swapped(seen, address, LOOT))
    await world.thief.pay_intents("amount and destination swapped", (bent,), (to(address, LOOT),))


def _swapped(seen: SignedIntent, address: str, amount: int) -> bytes:
    return replace(PaymentIntent.decode(seen.intent), destination=address, amount=amount).encode()


async def _knock(world: World, door: Door, forgeries: Iterator[SignedIntent], coins: tuple[Coin, ...]) -> Counter[str]:
    """Ask one signer on one connection, a request for each intent."""
    total = sum(coin.amount for coin in coins)
    tags: Counter[str] = Counter()
    psbts: dict[tuple[str, int], bytes] = {}
    async with door:
        for number, forged in enumerate(forgeries):
            where = _payment(forged)
            if where not in psbts:
                rest = total - where[1] - 1_000
                psbts[where] = world.thief.draft(coins, (to(*where), world.thief.change(rest)))
            tags[await door.tag(SignRequest(f"forged-{number}", CHAIN.id, psbts[where], (forged,)))] += 1
    return tags


def _payment(forged: SignedIntent) -> tuple[str, int]:
    """Give what the intent says, where it can be read and paid: so that only the signature can stop it."""
    with contextlib.suppress(StrongroomError):
        intent = PaymentIntent.decode(forged.intent)
        chains.address_to_script(CHAIN.id, intent.destination)
        if 0 < intent.amount <= LOOT:
            return intent.destination, intent.amount
    return SOMEWHERE, LOOT


def _forgeries(world: World, seen: SignedIntent, address: str, count: int) -> Iterator[SignedIntent]:
    """Give ``count`` of them in an order of their own; the same at both signers, so that the two could add up."""
    order = random.Random(3)  # noqa: S311 -- an attack that can be told again
    intent = PaymentIntent.decode(seen.intent)
    fields = (
        lambda: replace(intent, destination=address),
        lambda: replace(intent, destination=address, amount=order.choice((LOOT, LOOT // 2, LOOT // 10))),
        lambda: replace(intent, payout=PayoutId.new(), destination=address),
        lambda: replace(intent, merchant=world.mallory.id),
        lambda: replace(intent, expires_at=intent.expires_at + order.randrange(1, 10**6)),
        lambda: replace(intent, fee_ceiling=order.randrange(1_000, 10**6)),
        lambda: replace(intent, deployment=f"{intent.deployment[:-1]}x"),
        lambda: replace(intent, tag=str(order.randrange(10**9))),
        lambda: replace(intent, amount=order.choice((149_999, 150_001, 1_500_000))),
    )
    for _ in range(count):
        forged = seen
        match order.randrange(4):
            case 0:
                at = order.randrange(len(seen.intent))
                bent = bytearray(seen.intent)
                bent[at] ^= 1 << order.randrange(8)
                forged = replace(seen, intent=bytes(bent))
            case 1:
                at = order.randrange(64)
                signature = bytearray(seen.signature)
                signature[at] ^= 1 << order.randrange(8)
                forged = replace(seen, signature=bytes(signature))
            case 2:
                forged = replace(seen, intent=order.choice(fields)().encode())
            case _:
                other = order.choice(fields)().encode()
                key = world.thief.key
                forged = SignedIntent(other, order.choice((key.public_key, seen.public_key)), key.sign(other))
        yield forged


DRILL = Drill(
    number=3,
    name="The API's host owned",
    owned="the API's host and its database role",
    tried="very many forged, replayed, mutated, reordered intents",
    attack=attack,
    rules=("intent-unsigned", "intent-malformed"),
    mutants=("intent-unsigned",),
    lasting=4,
)
