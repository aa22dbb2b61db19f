"""Facts become signed deliveries to a real HTTP server, again and again until it takes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.outbox import Dispatcher, publish
from strongroom.infra.telemetry import on_behalf_of
from strongroom.merchants.service import create_merchant
from strongroom.webhooks import service
from strongroom.webhooks.errors import (
    DeliveryNotFoundError,
    EndpointNotFoundError,
    IdempotencyConflictError,
    TooManyEndpointsError,
)
from strongroom.webhooks.guard import make_connections
from strongroom.webhooks.jobs import Deliverer, make_sink
from strongroom.webhooks.model import DeliveryState, Event
from strongroom.webhooks.signing import WebhookSecrets
from tests.fixtures.postgres import Database

# A server that is there answers at once; beside many others on a small machine it may take a while.
PATIENCE_SECONDS = 60


@dataclass(slots=True)
class MerchantServer:
    """A merchant's server: keeps what it is sent, answers what it is told to."""

    status: int = 200
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    received: list[tuple[dict[str, str], str]] = field(default_factory=list)
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")[1:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = (await reader.readexactly(int(headers["content-length"]))).decode()
                self.received.append((headers, body))
                await self.answers.wait()
                writer.write(
                    f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\nlocation: http://127.0.0.1:1/\r\n\r\n".encode()
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def merchant_server() -> AsyncIterator[MerchantServer]:
    server = MerchantServer()
    server.answers.set()
    listener = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/hooks"
    try:
        yield server
    finally:
        listener.close()


@dataclass(slots=True)
class Stage:
    """A worker's pool, a merchant, a dispatcher and a deliverer."""

    api: Pool
    worker: Pool
    merchant_id: str
    dispatcher: Dispatcher
    deliverer: Deliverer
    secrets: WebhookSecrets

    async def tell(self, topic: str, key: str, **payload: object) -> None:
        async with transaction(self.api) as connection:
            await publish(connection, topic, key, {"merchant_id": self.merchant_id, **payload})
        while await self.dispatcher.run_once(self.worker):
            pass

    async def deliver(self) -> None:
        await self.deliverer.step()
        await self.deliverer.finish()

    async def deliveries(self) -> list[tuple[str, int]]:
        async with transaction(self.api) as connection:
            found = await service.list_deliveries(connection, self.merchant_id)
        return [(str(item.state), item.attempts) for item in found]


@asynccontextmanager
async def make_stage(
    pg: Database, folder: Path, *, allow_private: bool = True, patience: int = PATIENCE_SECONDS
) -> AsyncIterator[Stage]:
    secrets = WebhookSecrets.load(folder / "webhook.key")
    dispatcher = Dispatcher()
    dispatcher.into(make_sink(lambda _topic, payload: payload))
    async with (
        make_pool(pg.dsn("api")) as api,
        make_pool(pg.dsn("worker")) as worker,
        make_connections(allow_private=allow_private, connections_max=32) as connections,
    ):
        async with transaction(api) as connection:
            merchant = await create_merchant(connection, "Shop")
        deliverer = Deliverer(worker, connections, secrets, timeout_seconds=patience, concurrency=32)
        yield Stage(api, worker, merchant.id, dispatcher, deliverer, secrets)


async def endpoint(stage: Stage, url: str, *events: str) -> str:
    async with transaction(stage.api) as connection:
        made = await service.create_endpoint(connection, stage.merchant_id, url, events, allow_private=True)
    return made.id


async def test_a_fact_arrives_signed_as_standard_webhooks_says(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        endpoint_id = await endpoint(stage, server.url)
        await stage.tell("invoice.paid", "inv_1", status="paid")
        await stage.deliver()
        ((headers, body),) = server.received
        verified = Webhook(stage.secrets.secret(endpoint_id, 1)).verify(body, headers)
        assert verified["type"] == "invoice.paid"
        assert verified["sequence"] == 1
        assert verified["data"]["status"] == "paid"
        with pytest.raises(WebhookVerificationError):
            Webhook(stage.secrets.secret("whe_other", 1)).verify(body, headers)
        assert await stage.deliveries() == [("delivered", 1)]


async def test_facts_of_one_object_are_numbered_and_the_endpoint_gets_only_what_it_wants(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        await endpoint(stage, server.url, "invoice.paid")
        for topic in ("invoice.created", "invoice.processing", "invoice.paid"):
            await stage.tell(topic, "inv_1")
        await stage.tell("invoice.paid", "inv_2")
        await stage.deliver()
        assert sorted(json.loads(body)["sequence"] for _, body in server.received) == [1, 3]
        assert {json.loads(body)["type"] for _, body in server.received} == {"invoice.paid"}


async def test_a_server_that_fails_is_tried_again_with_the_same_id_and_never_muted(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        await endpoint(stage, server.url)
        await stage.tell("payout.final", "pay_1")
        server.status = 500
        for _ in range(3):
            await stage.deliver()
            pg.execute("UPDATE webhook_delivery SET next_attempt_at = now()")
        assert await stage.deliveries() == [("pending", 3)]
        server.status = 200
        await stage.deliver()
        assert await stage.deliveries() == [("delivered", 4)]
        assert len({headers["webhook-id"] for headers, _ in server.received}) == 1


async def test_a_failed_attempt_waits_before_the_next(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        await endpoint(stage, server.url)
        server.status = 503
        await stage.tell("payout.final", "pay_1")
        await stage.deliver()
        await stage.deliver()
        assert len(server.received) == 1


async def test_redirects_are_failures_and_not_followed(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        await endpoint(stage, server.url)
        server.status = 307
        await stage.tell("payout.final", "pay_1")
        await stage.deliver()
        async with transaction(stage.api) as connection:
            (delivery,) = await service.list_deliveries(connection, stage.merchant_id)
        assert (delivery.state, delivery.last_status, delivery.last_error) == (DeliveryState.PENDING, 307, "HTTP 307")


async def test_after_the_last_attempt_a_delivery_is_exhausted_and_can_be_sent_by_hand(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        await endpoint(stage, server.url)
        server.status = 500
        await stage.tell("payout.final", "pay_1")
        pg.execute("UPDATE webhook_delivery SET attempts = 100")
        await stage.deliver()
        assert await stage.deliveries() == [("exhausted", 101)]
        server.status = 204
        async with transaction(stage.api) as connection:
            (delivery,) = await service.list_deliveries(connection, stage.merchant_id)
            await service.redeliver(connection, stage.merchant_id, delivery.id)
        await stage.deliver()
        assert (await stage.deliveries())[0][0] == "delivered"
        async with transaction(stage.api) as connection:
            attempts = await service.list_attempts(connection, stage.merchant_id, delivery.id)
        assert [attempt.status for attempt in attempts] == [500, 204]


async def test_an_attempt_is_logged_with_the_request_that_its_fact_goes_back_to(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        await endpoint(stage, server.url)
        for request in ("req_first", "req_second"):
            with on_behalf_of(request):
                await stage.tell("payout.queued", f"pay_{request}")
        with capture_logs(processors=[merge_contextvars]) as logs:
            await stage.deliver()
        attempts = {line["delivery_id"]: line["request_id"] for line in logs if line["event"] == "webhook attempted"}
        async with transaction(stage.api) as connection:
            made = await service.list_deliveries(connection, stage.merchant_id)
        bodies = {item.id: item.object_id for item in await events_of(stage)}
        assert {item.id: f"pay_{attempts[item.id]}" for item in made} == {i.id: bodies[i.event_id] for i in made}
        assert len(attempts) == 2


async def events_of(stage: Stage) -> list[Event]:
    async with transaction(stage.api) as connection:
        return await service.list_events(connection, stage.merchant_id)


async def test_a_slow_server_does_not_hold_up_the_others(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, merchant_server() as slow, merchant_server() as quick:
        slow.answers.clear()
        await endpoint(stage, slow.url)
        await endpoint(stage, quick.url)
        for number in range(20):
            await stage.tell("payout.final", f"pay_{number}")
        async with asyncio.timeout(PATIENCE_SECONDS / 2):
            while len(quick.received) < 20:
                await stage.deliverer.step()
                await asyncio.sleep(0.05)
        slow.answers.set()  # it has answered nobody until now
        await stage.deliverer.finish()
        assert (await stage.deliveries()).count(("delivered", 1)) >= 20


async def test_a_server_that_does_not_answer_in_time_is_tried_again(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path, patience=1) as stage, merchant_server() as slow:
        slow.answers.clear()
        await endpoint(stage, slow.url)
        await stage.tell("payout.final", "pay_1")
        await stage.deliver()
        assert await stage.deliveries() == [("pending", 1)]
        async with transaction(stage.api) as connection:
            (delivery,) = await service.list_deliveries(connection, stage.merchant_id)
        assert delivery.last_error == "no answer within 1 s"
        slow.answers.set()


async def test_a_name_that_leads_to_a_private_address_is_refused_at_connection_time(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path, allow_private=False) as stage, merchant_server() as server:
        await endpoint(stage, server.url.replace("127.0.0.1", "localhost"))
        await stage.tell("payout.final", "pay_1")
        await stage.deliver()
        assert server.received == []
        async with transaction(stage.api) as connection:
            (delivery,) = await service.list_deliveries(connection, stage.merchant_id)
        assert "private or reserved" in (delivery.last_error or "")


async def test_the_same_outbox_event_handled_twice_makes_one_fact(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        await endpoint(stage, server.url)
        await stage.tell("invoice.paid", "inv_1")
        pg.execute("UPDATE outbox_event SET handled_at = NULL")
        while await stage.dispatcher.run_once(stage.worker):
            pass
        await stage.deliver()
        assert len(server.received) == 1


async def test_endpoints_and_deliveries_of_another_merchant_do_not_exist(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        endpoint_id = await endpoint(stage, server.url)
        await stage.tell("invoice.paid", "inv_1")
        async with transaction(stage.api) as connection:
            other = await create_merchant(connection, "Other")
            (delivery,) = await service.list_deliveries(connection, stage.merchant_id)
            assert await service.list_endpoints(connection, other.id) == []
            assert await service.list_events(connection, other.id) == []
            with pytest.raises(EndpointNotFoundError):
                await service.get_endpoint(connection, other.id, endpoint_id)
            with pytest.raises(DeliveryNotFoundError):
                await service.get_delivery(connection, other.id, delivery.id)
            with pytest.raises(DeliveryNotFoundError):
                await service.redeliver(connection, other.id, delivery.id)
            assert await service.get_delivery(connection, stage.merchant_id, delivery.id) == delivery


async def test_a_merchant_has_a_bounded_number_of_endpoints(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage:
        for number in range(20):
            await endpoint(stage, f"https://shop.example/{number}")
        with pytest.raises(TooManyEndpointsError):
            await endpoint(stage, "https://shop.example/one-more")


async def test_the_same_idempotency_key_makes_one_endpoint(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, transaction(stage.api) as connection:
        url = "https://shop.example/hooks"

        async def make(url: str) -> str:
            made = await service.create_endpoint(
                connection, stage.merchant_id, url, idempotency_key="k", allow_private=False
            )
            return made.id

        assert await make(url) == await make(url)
        with pytest.raises(IdempotencyConflictError):
            await make(url + "/other")


def test_the_installation_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "webhook.key"
    first = WebhookSecrets.load(path).secret("whe_1", 1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert WebhookSecrets.load(path).secret("whe_1", 1) == first
    assert WebhookSecrets.load(path).secret("whe_1", 2) != first
