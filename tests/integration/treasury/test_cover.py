"""A deposit that lands hot beyond the house's capital: a breach by design, swept, and over once the sweep is final."""

from strongroom.infra.database import transaction
from strongroom.ledger import service as ledger
from strongroom.ledger.model import BreachKind
from strongroom.treasury import keeping
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind, Purpose
from tests.integration.outbound.world import HORIZON, World
from tests.unit.signer.kit import CHAIN, SATS


async def standing(world: World) -> list[tuple[BreachKind, int]]:
    async with transaction(world.worker) as connection:
        return [(item.kind, item.size) for item in await ledger.breaches(connection)]


async def test_what_lands_hot_beyond_capital_is_a_breach_until_its_sweep_is_final(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 2 * SATS)
    assert await standing(world) == [(BreachKind.HOT_LANDED, 2 * SATS)]
    async with transaction(world.api) as connection:
        [address] = await wallets.hand_out(connection, CHAIN, shop.id, Purpose.INVOICE, "inv")
    assert address.kind is KeySetKind.COLD

    assert await keeping.sweep(world.planner) == 1
    await world.turn()
    assert await standing(world) == [(BreachKind.HOT_LANDED, 2 * SATS)]
    await world.mine(HORIZON)

    # The miner's fee came out of clients' money, for want of any capital: that is what is left.
    found = dict(await standing(world))
    assert set(found) == {BreachKind.CLIENTS_SHORT}
    assert 0 < found[BreachKind.CLIENTS_SHORT] < 10_000
