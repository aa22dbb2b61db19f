"""A real anvil with a house on it, a real database and a real watcher, and what its facts add up to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from strongroom.chains import service
from strongroom.chains.ethereum.watcher import EthereumWatcher
from strongroom.chains.model import ChainEvent, ChainStatus, EventKind, ObservedOutput, ObservedSpend, Tip
from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.settings import AssetSettings, ChainSettings, EthereumSettings
from strongroom_core.assets import DEVNET
from tests.fixtures.ethereum_house import EthereumHouse, text
from tests.fixtures.postgres import Database
from tests.integration.chains.support import Folded, fold, until

CHAIN = DEVNET.id
COIN = f"{CHAIN}/slip44:60"


def asset_of(token: bytes) -> str:
    """The CAIP-19 id of a token on the devnet."""
    return f"{CHAIN}/erc20:0x{token.hex()}"


def asset_settings(asset_id: str, number: int = 0) -> AssetSettings:
    code = "ETH" if asset_id == COIN else f"T{asset_id[-8:].upper()}"
    return AssetSettings(id=asset_id, code=code, decimals=18, minimum_deposit=0, payout_fee=0)


def settings_for(
    house: EthereumHouse, *tokens: bytes, urls: tuple[str, ...] = (), coin: bool = True, agree_min: int = 1, **more: Any
) -> ChainSettings:
    deployment = house.deployment
    evm = EthereumSettings(
        rpc_urls=urls or (house.node.rpc_url,),
        agree_min=agree_min,
        traces=more.pop("traces", "auto"),
        pending=more.pop("pending", "auto"),
        confirm_by=more.pop("confirm_by", "depth"),
        logs_range_max=more.pop("logs_range_max", 2000),
        factory=text(deployment.factory),
        cold_safe=text(deployment.cold_safe),
        hot_safe=text(deployment.hot_safe),
        allowance=text(deployment.allowance),
        multisend=text(deployment.multisend),
    )
    ids = ([COIN] if coin else []) + [asset_of(token) for token in tokens]
    values: dict[str, Any] = {"id": CHAIN, "poll_seconds": 0.05, "ethereum": evm}
    return ChainSettings(**values, assets=tuple(asset_settings(item) for item in ids), **more)


@dataclass(frozen=True)
class Paid:
    """One confirmed payment, as facts have it."""

    txid: str
    output: ObservedOutput


@dataclass
class EvmScene:
    """The pieces of a test."""

    house: EthereumHouse
    database: Database
    worker: Pool

    def watch(self, *addresses: bytes) -> None:
        for address in addresses:
            self.database.execute("INSERT INTO chain_watch (chain, script) VALUES (%s, %s)", CHAIN, address)

    async def events(self) -> list[ChainEvent]:
        async with transaction(self.worker) as connection:
            return await service.read_events(connection, CHAIN, 0, 100_000)

    async def folded(self) -> Folded:
        return fold(await self.events())

    async def paid(self) -> list[Paid]:
        """What is confirmed now: each payment once, or the facts are wrong."""
        standing: dict[str, list[Paid]] = {}
        for event in await self.events():
            for tx in event.txs:
                if event.kind is EventKind.CONNECTED:
                    assert tx.txid not in standing
                    standing[tx.txid] = [Paid(tx.txid, output) for output in tx.outputs]
                elif event.kind is EventKind.DISCONNECTED:
                    del standing[tx.txid]
        return [paid for group in standing.values() for paid in group]

    async def amounts(self, asset: str) -> dict[bytes, list[int]]:
        found: dict[bytes, list[int]] = {}
        for paid in await self.paid():
            if paid.output.asset == asset:
                found.setdefault(paid.output.script, []).append(paid.output.amount)
        return found

    async def spends(self) -> list[ObservedSpend]:
        return [spend for event in await self.events() for tx in event.txs for spend in tx.spends]

    async def tip(self) -> Tip | None:
        async with transaction(self.worker) as connection:
            return await service.tip(connection, CHAIN)

    async def status(self) -> ChainStatus | None:
        tip = await self.tip()
        return tip.status if tip else None

    async def said(self, status: ChainStatus, words: str = "") -> None:
        """Wait until the watcher says so."""

        async def there() -> bool:
            tip = await self.tip()
            return tip is not None and tip.status is status and words in tip.detail

        await until(there)

    async def synced(self) -> Folded:
        """Wait until the facts reach the node's latest block and all is well, and fold them."""
        best = self.house.node.rpc("eth_getBlockByNumber", "latest", False)["hash"]

        async def there() -> bool:
            tip = await self.tip()
            return tip is not None and tip.block_hash == best and tip.status is ChainStatus.OK

        await until(there)
        return await self.folded()


@contextlib.asynccontextmanager
async def evm_scene_of(house: EthereumHouse, database: Database) -> AsyncIterator[EvmScene]:
    async with make_pool(database.dsn("worker"), size=2, name="test-worker") as worker:
        yield EvmScene(house, database, worker)


@contextlib.asynccontextmanager
async def watching(scene: EvmScene, settings: ChainSettings) -> AsyncIterator[None]:
    """Run a watcher, logged in as its own role, for the length of a block."""
    async with make_pool(scene.database.dsn("watcher"), size=1, name="test-watcher") as pool:
        task = asyncio.create_task(EthereumWatcher(settings, pool).run())
        try:
            yield
            assert not task.done(), task.result()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


Answer = dict[str, Any]
Forge = Callable[[Answer, Answer], Answer]


@dataclass
class Proxy:
    """An RPC endpoint that passes on what a real node says, unless told to forge, to lag, or to be down."""

    node_url: str
    forge: Forge | None = None
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def answer(self, body: bytes) -> bytes:
        request = urllib.request.Request(self.node_url, body, {"Content-Type": "application/json"})  # noqa: S310 -- the test's own node
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - the loopback address
            answers = json.loads(response.read())
        questions = json.loads(body)
        many = isinstance(questions, list)
        pairs = list(zip(questions, answers, strict=True)) if many else [(questions, answers)]
        self.asked += [question["method"] for question, _ in pairs]
        forge = self.forge
        forged = [answer if forge is None else forge(question, answer) for question, answer in pairs]
        return json.dumps(forged if many else forged[0]).encode()


@contextlib.contextmanager
def proxy_of(node_url: str) -> Iterator[tuple[Proxy, str]]:
    """Run a proxy; it and its URL."""
    proxy = Proxy(node_url)
    with serving(lambda body: None if proxy.down else proxy.answer(body)) as url:
        yield proxy, url


@contextlib.contextmanager
def three_of(house: EthereumHouse) -> Iterator[tuple[list[Proxy], tuple[str, ...]]]:
    """Run three endpoints of one node; them and their URLs."""
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(proxy_of(house.node.rpc_url)) for _ in range(3)]
        yield [proxy for proxy, _ in pairs], tuple(url for _, url in pairs)


def refusing(methods: set[str], code: int, words: str, where: Callable[[Answer], bool] = lambda _: True) -> Forge:
    """Refuse methods with an error, perhaps only some of the questions."""

    def forge(question: Answer, answer: Answer) -> Answer:
        if question["method"] not in methods or not where(question):
            return answer
        return {"jsonrpc": "2.0", "id": question["id"], "error": {"code": code, "message": words}}

    return forge


@contextlib.contextmanager
def serving(answer: Callable[[bytes], bytes | None]) -> Iterator[str]:
    """Serve answers to requests over HTTP, none where the connection is to be cut; the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = answer(self.rfile.read(int(self.headers["Content-Length"])))
            if content is None:
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
