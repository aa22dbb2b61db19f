"""A platform whose API runs as a process behind a host that may be owned, with two real signers that know its keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import httpx
from nacl.signing import SigningKey

from strongroom.attestations.attesting import Attesting
from strongroom.attestations.jobs import make_attesting
from strongroom.infra.clock import SystemClock
from strongroom.infra.components.hosting import free_port
from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.settings import Settings, SignerSettings, load_settings
from strongroom.outbound.jobs import connect_signers
from strongroom.rates import jobs as rates
from strongroom.wallets import service as wallets
from strongroom_client.api import Api
from strongroom_client.pins import Pins
from strongroom_client.transport import Transport
from strongroom_core.ids import MerchantId
from strongroom_signer import host as signer_host
from strongroom_signer.enrolment import Caps, EnrolledMerchant
from tests.fixtures.platform import NO_NODE, Seller, make_seller, running, tail, write_settings
from tests.fixtures.postgres import Database
from tests.integration.attestations.thief import Host, hosting
from tests.integration.outbound.parts import TestClock
from tests.integration.outbound.world import key_set
from tests.integration.signer.processes import SignerProcess
from tests.integration.wallets import key_sets
from tests.unit.signer.kit import ASSET, DEPLOYMENT, KEYS, SATS

Seen = TypeVar("Seen")
RATES = {"BTC/EUR": "50000"}
READY_TRIES = 900  # a tenth of a second and an answer each
OURS = {"hot": ("A", "B", "R"), "cold": ("C1", "C2", "C3")}
IDENTITIES = {name: bytes(KEYS[name].identity.verify_key) for name in ("A", "B")}


@dataclass
class Desk:
    """What a test needs: the public address, the roles' pools, the signers, and a merchant's view of it all."""

    settings: Settings
    database: Database
    host: Host
    url: str
    processes: tuple[SignerProcess, SignerProcess]
    api: Pool
    attesting: tuple[Attesting, ...]
    clock: TestClock

    async def shop(self, name: str, *, enrolled: str = "AB") -> Shop:
        """A merchant with addresses, enrolled by hand at signers."""
        async with transaction(self.api) as connection:
            seller = await make_seller(connection, self.settings, name)
        shop = Shop(self, seller, Pins(DEPLOYMENT, seller.merchant.id, IDENTITIES))
        shop.enrol(enrolled)
        return shop

    async def attest(self) -> int:
        """Have every signer attest, until there is nothing due."""
        self.clock.ahead += timedelta(seconds=5)
        total = 0
        for one in self.attesting:
            while done := await one.step():
                total += done
        return total

    def execute(self, query: str) -> list[tuple[object, ...]]:
        return self.database.execute(query)


@dataclass(frozen=True)
class Shop:
    """A merchant and its client."""

    desk: Desk
    seller: Seller
    pins: Pins

    @property
    def id(self) -> MerchantId:
        return self.seller.merchant.id

    def enrol(self, names: str) -> None:
        merchant = self.seller.merchant
        enrolled = EnrolledMerchant(merchant.id, merchant.branch, bytes(SigningKey.generate().verify_key), {})
        for process in self.desk.processes:
            if process.folder.root.name in names:
                signer_host.enrol(process.folder, enrolled, Caps(ASSET, SATS, SATS, SATS, ()))
                process.reload()

    async def ask(self, call: Callable[[Api], Seen], *, pinned: bool = True) -> Seen:
        """Call the public API as this merchant's program does, verifying or not."""

        def do() -> Seen:
            with Transport(self.desk.url, self.seller.token) as transport:
                return call(Api(transport, self.pins if pinned else None))

        return await asyncio.to_thread(do)


@asynccontextmanager
async def open_desk(
    database: Database, folder: Path, processes: tuple[SignerProcess, SignerProcess]
) -> AsyncIterator[Desk]:
    behind, public = free_port(), free_port()
    url = f"http://127.0.0.1:{public}"
    config = write_settings(
        folder, database, behind, deployment=DEPLOYMENT, rates=RATES, chain=NO_NODE, api={"public_url": url}
    )
    _use_keys_of_signers(config)
    settings = load_settings(config)
    signers = tuple(SignerSettings(name=p.folder.root.name, address=str(p.socket)) for p in processes)
    async with AsyncExitStack() as stack:
        pools = {
            role: await stack.enter_async_context(make_pool(settings.dsn(role), size=3, name=role))
            for role in ("api", "worker", "treasury")
        }
        async with transaction(pools["worker"]) as connection:
            await wallets.sync_key_sets(connection, settings.chains[0])
        await rates.poll_rates(pools["worker"], settings, rates.sources_of(settings.rates), SystemClock())
        stack.enter_context(running("api", config, log := folder / "api.log"))
        await _wait_until_ready(f"http://127.0.0.1:{behind}", log)
        owned = stack.enter_context(hosting(public, behind))
        attesting = make_attesting(pools["treasury"], settings, connect_signers(signers), clock := TestClock())
        yield Desk(settings, database, owned, url, processes, pools["api"], attesting, clock)


def _use_keys_of_signers(config: Path) -> None:
    """Put the account keys of the signers' kit where the settings of tests have others."""
    text = config.read_text()
    for kind, names in OURS.items():
        wanted = key_set(kind, names)
        for old, new in zip(key_sets.key_set(kind).keys, wanted.keys, strict=True):
            text = text.replace(old.xpub, new.xpub).replace(f'"{old.origin}"', f'"{new.origin}"')
    config.write_text(text)


async def _wait_until_ready(url: str, log: Path) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(READY_TRIES):
            try:
                if (await client.get(f"{url}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    message = f"the API did not start: {tail(log)}"
    raise AssertionError(message)
