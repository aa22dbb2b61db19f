"""Changing an endpoint: judged like a new one, and from then on what it says counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.infra.database import transaction
from strongroom.webhooks import service
from strongroom.webhooks.errors import DeliveryNotFoundError, EndpointUrlError, EventTypeError
from strongroom.webhooks.model import DeliveryState
from tests.fixtures.postgres import Database
from tests.integration.webhooks.test_delivery import Stage, endpoint, make_stage, merchant_server

PUBLIC = "https://shop.example/hooks"


async def test_an_endpoint_cannot_be_moved_to_where_a_new_one_could_not_stand(pg: Database, tmp_path: Path) -> None:
    async with make_stage(pg, tmp_path) as stage:
        made = await endpoint(stage, PUBLIC)
        for url in ("http://127.0.0.1:1/hooks", "https://10.0.0.7/hooks", "https://user:word@shop.example/"):
            async with transaction(stage.api) as connection:
                with pytest.raises(EndpointUrlError):
                    await service.update_endpoint(connection, stage.merchant_id, made, url=url, allow_private=False)
        async with transaction(stage.api) as connection:
            with pytest.raises(EventTypeError):
                await service.update_endpoint(
                    connection, stage.merchant_id, made, events=["gossip"], allow_private=False
                )
            assert (await service.get_endpoint(connection, stage.merchant_id, made)).url == PUBLIC


async def test_a_disabled_endpoint_is_told_nothing_and_an_enabled_one_again(pg: Database, tmp_path: Path) -> None:
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        made = await endpoint(stage, server.url)
        for number, enabled in enumerate((False, True)):
            async with transaction(stage.api) as connection:
                await service.update_endpoint(connection, stage.merchant_id, made, enabled=enabled, allow_private=True)
            await stage.tell("invoice.paid", f"inv_{number}")
            await stage.deliver()
            assert len(server.received) == number


async def test_a_deleted_endpoint_is_told_nothing(pg: Database, tmp_path: Path) -> None:
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        made = await endpoint(stage, server.url)
        async with transaction(stage.api) as connection:
            await service.delete_endpoint(connection, stage.merchant_id, made)
        await stage.tell("invoice.paid", "inv_1")
        await stage.deliver()
        assert server.received == []


async def test_what_was_under_way_to_an_endpoint_ends_when_it_is_deleted_and_waits_while_it_is_disabled(
    pg: Database, tmp_path: Path
) -> None:
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        disabled, deleted = [await endpoint(stage, f"{server.url}/{name}") for name in ("disabled", "deleted")]
        server.status = 500
        await stage.tell("invoice.paid", "inv_1")
        await stage.deliver()
        assert len(server.received) == 2
        server.status = 200
        async with transaction(stage.api) as connection:
            await service.update_endpoint(connection, stage.merchant_id, disabled, enabled=False, allow_private=True)
            await service.delete_endpoint(connection, stage.merchant_id, deleted)
            made = {
                str(item.endpoint_id): item for item in await service.list_deliveries(connection, stage.merchant_id)
            }
        assert (made[disabled].state, made[deleted].state) == (DeliveryState.PENDING, DeliveryState.EXHAUSTED)
        await due(pg, stage)
        assert len(server.received) == 2
        async with transaction(stage.api) as connection:
            with pytest.raises(DeliveryNotFoundError):  # nobody is there to take it
                await service.redeliver(connection, stage.merchant_id, made[deleted].id)
            await service.update_endpoint(connection, stage.merchant_id, disabled, enabled=True, allow_private=True)
        await due(pg, stage)
        assert len(server.received) == 3
        assert sorted(await stage.deliveries()) == [("delivered", 2), ("exhausted", 1)]


async def due(pg: Database, stage: Stage) -> None:
    pg.execute("UPDATE webhook_delivery SET next_attempt_at = now()")
    await stage.deliver()
