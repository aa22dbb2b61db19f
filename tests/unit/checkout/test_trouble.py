"""What a payer sees when something behind the page fails: calm words, the right status, and nothing of the inside."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from strongroom.checkout import pages
from strongroom.checkout.service import Checkout

INVOICE = "inv_01m81ab1hgwdg3hdrdz6p2w6bj"


def broken(error: Exception) -> Checkout:
    """A room whose database fails."""

    class Broken(Checkout):
        async def state(self, invoice_id: str) -> dict[str, Any]:
            raise error

    return object.__new__(Broken)


@pytest.mark.parametrize(
    ("error", "status", "code", "words"),
    [
        (OperationalError("secret host"), 503, "not-ready", "cannot be shown right now"),
        (PoolTimeout("secret pool"), 503, "not-ready", "cannot be shown right now"),
        (RuntimeError("secret bug"), 500, "internal", "Something went wrong"),
    ],
)
def test_trouble_is_a_page_for_people_and_a_code_for_programs(error: Exception, status: int, code: str, words: str):
    app = Litestar([pages.router, pages.assets])
    app.state.checkout = broken(error)
    with TestClient(app, raise_server_exceptions=False) as client:
        page = client.get(f"/checkout/{INVOICE}")
        state = client.get(f"/checkout/{INVOICE}/state")
    assert (page.status_code, state.status_code) == (status, status)
    assert words in page.text
    assert "a payment that you have sent is found" in page.text
    assert state.json()["code"] == code
    assert "secret" not in page.text + state.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
