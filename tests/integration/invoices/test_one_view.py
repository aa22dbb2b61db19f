"""The merchant's picture of a new invoice is made once: its event and the answer to its maker are the same one."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.invoices import service, views
from strongroom.invoices.model import Made
from tests.fixtures.postgres import Database
from tests.integration.invoices.shop import Shop


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of invoices whose picture is made, once for each time."""
    made: list[str] = []
    real = views.merchant_view

    def counted(invoice: Any, url: str) -> dict[str, Any]:
        made.append(invoice.id)
        return real(invoice, url)

    monkeypatch.setattr(views, "merchant_view", counted)
    return made


async def created(shop: Shop, **more: Any) -> Made:
    writer = service.InvoiceWriter(shop.api, shop.desk, shop.clock)
    return await writer.create(shop.request(**more))


async def test_the_answer_is_what_the_event_tells(shop: Shop, pg: Database, drawn: list[str]) -> None:
    made = await created(shop, reference="order 7", metadata={"n": [1]})
    assert drawn == [made.invoice.id]
    assert pg.execute("SELECT payload FROM outbox_event WHERE key = %s", made.invoice.id) == [(dict(made.view),)]
    assert dict(made.view) == service.merchant_view(await shop.get(made.invoice), shop.settings)


async def test_a_request_sent_again_is_answered_with_the_invoice_as_it_is_by_then(shop: Shop) -> None:
    first = await created(shop, idempotency_key="k")
    await shop.pay(first.invoice, "seen", first.invoice.due.base_units)
    again = await created(shop, idempotency_key="k")
    assert (again.invoice.id, first.view["status"], again.view["status"]) == (first.invoice.id, "new", "processing")
    assert again.view["payments"]
