"""Every list of the document goes page by page: the same objects in the same order, each once, whatever the size."""

from __future__ import annotations

from typing import Any

import httpx

from tests.integration.api.objects import make_objects
from tests.integration.api.stage import Stage


async def walk(client: httpx.AsyncClient, path: str, limit: int) -> list[str]:
    """The ids of a list, page by page to its end."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        answer = await client.get(path, params={"limit": limit} | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, (path, answer.text)
        page: dict[str, Any] = answer.json()
        assert len(page["data"]) <= limit
        found += [item["id"] for item in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
        assert len(page["data"]) == limit, path


async def test_every_list_is_the_same_in_pages_of_any_size(stage: Stage):
    await make_objects(stage)
    objects = await make_objects(stage)
    async with stage.client() as client:
        more = {"asset": "BTC", "reference": "another customer"}
        assert (await client.post("/v1/deposit-addresses", json=more)).status_code == 201
        document = (await client.get("/openapi/openapi.json")).json()
        lists = [
            path
            for path, item in document["paths"].items()
            if any(each.get("name") == "cursor" for each in item.get("get", {}).get("parameters", []))
        ]
        assert len(lists) >= 8
        for path in lists:
            whole = await walk(client, objects.path(path), 100)
            assert len(whole) >= 2, path
            assert len(set(whole)) == len(whole), path
            for limit in (1, 2):
                assert await walk(client, objects.path(path), limit) == whole, (path, limit)
        for path in lists:
            for query in ({"limit": 0}, {"limit": 10_000}, {"limit": "x"}):
                answer = await client.get(objects.path(path), params=query)
                assert (answer.status_code, answer.json()["code"]) == (400, "request-invalid"), (path, query)
            strange = await client.get(objects.path(path), params={"cursor": "'; --"})
            assert strange.status_code in {200, 400}, (path, strange.text)
