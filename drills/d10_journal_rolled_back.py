"""Drill 10: a signer's journal is put back to an older copy, so that it forgets what it signed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from drills.model import Drill
from drills.thief import folder_of, to
from strongroom.demo.configuration import ASSET, PAYOUT_FEE

if TYPE_CHECKING:
    from drills.world import World

SMALL = 50_000
#: The journal, and the copy of the peer's that is kept beside it.
FILES = "*.sqlite*"


async def attack(world: World) -> None:
    """Have one intent paid, put the journals back to before, and have it paid again from other coins."""
    # One that fetches its missing rows from its peer and the witness can lose both copies; alone it has only B.
    names = ("a", "b") if world.judges("peer-silent") else ("a",)
    address = await world.thief.address()
    intent = world.sign(world.mallory, SMALL, address)
    for name in names:
        await _swap(world, name, save="before")
    await world.thief.pay_intents("an honest payment", (intent,), (to(address, SMALL),))
    await world.settle()
    world.bought[ASSET.id] = world.bought.get(ASSET.id, 0) + SMALL
    world.changed[ASSET.id] = world.changed.get(ASSET.id, 0) - SMALL - PAYOUT_FEE
    for name in names:
        await _swap(world, name, save="after", restore="before")
    await world.thief.pay_intents("the same again, from other coins", (intent,), (to(address, SMALL),))
    if not world.judges("peer-silent"):
        for name in names:
            await _swap(world, name, restore="after")


async def _swap(world: World, name: str, *, save: str = "", restore: str = "") -> None:
    """Stop a signer, copy its journal away or back, and start it."""
    folder = folder_of(world, name)
    item = await world.scene.supervisor.take_down(f"signer-{name}")
    if save:
        _copy(folder, folder / save)
    if restore:
        _copy(folder / restore, folder)
    await world.scene.supervisor.bring_back(item)


def _copy(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for old in target.glob(FILES):
        old.unlink()
    for file in source.glob(FILES):
        shutil.copy2(file, target / file.name)


DRILL = Drill(
    number=10,
    name="A signer's journal rolled back",
    owned="the platform, a merchant, and a signer's disk",
    tried="one intent paid twice, from other coins",
    attack=attack,
    rules=("intent-bound", "journal-behind", "peer-silent"),
    mutants=("intent-bound",),
    believes_books=False,
    lasting=5,
)
