"""The checkout over real HTTP: what it shows, what it keeps to itself, and the stream that keeps it live."""

from __future__ import annotations

import asyncio
import html
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from strongroom.checkout.events import HEARTBEAT_SECONDS
from tests.fixtures.postgres import Database
from tests.integration.api.stage import Stage, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
PATIENCE_SECONDS = 60
UNKNOWN = ("inv_01m81ab1hgwdg3hdrdz6p2w6bj", "inv_none", "pay_01m81ab1hgwdg3hdrdz6p2w6bj", "%00", "..%2f..")


async def invoice(stage: Stage, **fields: Any) -> dict[str, Any]:
    async with stage.client() as client:
        body = {"amount": "12.50", "currency": "EUR", "asset": "BTC", **fields}
        answer = await client.post("/v1/invoices", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


def check_headers(answer: httpx.Response) -> None:
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


async def test_the_page_shows_the_payer_what_it_needs_and_keeps_to_itself(stage: Stage):
    evil = '<script>alert("1")</script>'
    made = await invoice(stage, description=evil, reference="hidden-reference", metadata={"hidden": "metadata"})
    async with stage.client("") as client:
        answer = await client.get(f"/checkout/{made['id']}")
    assert answer.status_code == 200
    check_headers(answer)
    text = answer.text
    assert html.escape(evil).replace("&quot;", "&#34;") in text
    assert evil not in text
    assert html.escape(made["payment_uri"]) in text
    assert "less than 0.00001 BTC is too small to be credited by itself" in text
    assert "hidden" not in re.sub(r"\shidden[\s>]|visually-hidden|aria-hidden", " ", text)
    assert made["merchant_id"] not in text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?://(?!127\.0\.0\.1)", text)


async def test_the_state_is_public_json_for_programs_that_pay(stage: Stage):
    made = await invoice(stage, reference="hidden-reference")
    async with stage.client("") as client:
        answer = await client.get(f"/checkout/{made['id']}/state")
    check_headers(answer)
    found = answer.json()
    for name in ("id", "status", "address", "asset", "amount_due", "amount_remaining", "payment_uri", "expires_at"):
        assert found[name] == made[name]
    assert found["page"]["headline"] == "Waiting for your payment"
    assert found["server_time"]
    assert "hidden" not in answer.text
    assert "merchant_id" not in found


@pytest.mark.parametrize("unknown", UNKNOWN)
async def test_an_unknown_invoice_is_a_friendly_page_and_a_plain_answer_to_programs(stage: Stage, unknown: str):
    async with stage.client("") as client:
        page = await client.get(f"/checkout/{unknown}")
        state = await client.get(f"/checkout/{unknown}/state")
        events = await client.get(f"/checkout/{unknown}/events")
    assert (page.status_code, state.status_code, events.status_code) == (404, 404, 404)
    if "%" not in unknown:
        check_headers(page)
        assert "There is no invoice here" in page.text
        assert state.json()["code"] == events.json()["code"] == "invoice-not-found"


async def test_assets_are_kept_for_ever_and_are_the_only_files(stage: Stage):
    made = await invoice(stage)
    async with stage.client("") as client:
        page = await client.get(f"/checkout/{made['id']}")
        links = re.findall(r'(?:href|src)="(/checkout/assets/[^"]+)"', page.text)
        assert {link.partition("?")[0].rpartition("/")[2] for link in links} == {
            "tokens.css",
            "checkout.css",
            "checkout.js",
            "mark.svg",
        }
        for link in links:
            asset = await client.get(link)
            assert asset.status_code == 200
            assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert asset.headers["x-content-type-options"] == "nosniff"
            assert re.search(r"\?v=[0-9a-f]{12}$", link)
        for name in ("kit.py", "..%2fpages.py", "nothing.css"):
            assert (await client.get(f"/checkout/assets/{name}")).status_code == 404


async def events_of(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    async for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


async def test_the_stream_tells_the_state_at_once_and_each_change_as_it_happens(stage: Stage):
    made = await invoice(stage)
    async with stage.client("") as client, client.stream("GET", f"/checkout/{made['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        events = events_of(stream.aiter_lines())
        assert (await asyncio.wait_for(anext(events), PATIENCE_SECONDS))["status"] == "new"
        async with stage.client() as merchant:
            assert (await merchant.post(f"/v1/invoices/{made['id']}/cancel")).is_success
        told = time.monotonic()
        changed = await asyncio.wait_for(anext(events), PATIENCE_SECONDS)
        assert time.monotonic() - told < HEARTBEAT_SECONDS / 2, "it was told of no sooner than the next heartbeat"
        assert (changed["status"], changed["page"]["headline"]) == ("invalid", "This invoice was cancelled")


async def test_an_open_stream_hears_nothing_of_other_invoices(stage: Stage):
    mine, other = await invoice(stage), await invoice(stage)
    async with stage.client("") as client, client.stream("GET", f"/checkout/{mine['id']}/events") as stream:
        events = events_of(stream.aiter_lines())
        await asyncio.wait_for(anext(events), PATIENCE_SECONDS)
        async with stage.client() as merchant:
            assert (await merchant.post(f"/v1/invoices/{other['id']}/cancel")).is_success
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), 0.5)


async def test_the_process_stops_at_once_while_pages_are_open(pg: Database, tmp_path: Path):
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        async with open_stage(pg, tmp_path) as opened:
            made = await invoice(opened)
            request = client.build_request("GET", f"{opened.base_url}/checkout/{made['id']}/events")
            stream = await client.send(request, stream=True)
            events = events_of(stream.aiter_lines())
            assert (await anext(events))["status"] == "new"
        with pytest.raises(StopAsyncIteration):  # ended by the process, and not cut off with it
            await anext(events)
    log = opened.log.read_text(encoding="utf-8").lower()
    assert "shutting down" in log
    assert "refused to gracefully stop" not in log, "an open page kept the process from stopping"
    assert "exception" not in log
