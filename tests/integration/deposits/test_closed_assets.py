"""What comes in an asset that is closed is recorded and shown, and credited once it is open again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from strongroom.deposits.model import DepositState
from strongroom.infra.settings import ChainSettings, Tier
from strongroom_core.assets import DEVNET
from tests.fixtures.devnet import TOKEN, coin, devnet, token
from tests.fixtures.postgres import Database
from tests.integration.deposits.feed import Feed, transfers
from tests.integration.deposits.test_assets import open_bank


@pytest.fixture
def feed(pg: Database) -> Iterator[Feed]:
    feed = Feed.start(pg.dsn("watcher"), chain=DEVNET.id)
    yield feed
    feed.close()


def chain(*, closed: bool) -> ChainSettings:
    return devnet(assets=(token(closed=closed), coin()), tiers=(Tier(confirmations=1),))


async def test_it_waits_confirmed_while_the_asset_is_closed_and_other_assets_go_on(pg: Database, feed: Feed) -> None:
    async with open_bank(pg, chain(closed=True)) as bank:
        address = await bank.address()
        feed.connect(transfers((address.script, 5_000_000, TOKEN), (address.script, 10**18, DEVNET_COIN)))
        feed.mine(2)
        await bank.follow()
        states = {item.asset: item.state for item in await bank.deposits()}
        assert states == {TOKEN: DepositState.CONFIRMED, DEVNET_COIN: DepositState.CREDITED}
        assert (await bank.available(asset=TOKEN), await bank.available()) == (0, 10**18)
        bank.chain = chain(closed=False)
        feed.mine(1)
        await bank.follow()
        assert {item.state for item in await bank.deposits()} == {DepositState.CREDITED}
        assert await bank.available(asset=TOKEN) == 5_000_000


DEVNET_COIN = f"{DEVNET.id}/slip44:60"
