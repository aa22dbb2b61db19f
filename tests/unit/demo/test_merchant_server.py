from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from strongroom.demo.merchant import RECEIVED_FILE, SECRET_FILE, Shop, read_received

SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi10aGUtc2hvcA=="
BODY = json.dumps({"type": "invoice.paid", "data": {"id": "inv_1"}})


def headers(body: str = BODY, *, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", at, body),
    }


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    (tmp_path / SECRET_FILE).write_text(SECRET + "\n")
    return Shop(tmp_path)


def test_what_verifies_is_kept(shop: Shop, tmp_path: Path) -> None:
    assert shop.take(headers(), BODY.encode())
    (row,) = read_received(tmp_path)
    assert (row["id"], row["event"]) == ("evt_1", json.loads(BODY))
    assert stat.S_IMODE((tmp_path / RECEIVED_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("given", "body"),
    [
        (headers, BODY.replace("inv_1", "inv_2")),
        (lambda: headers(secret="whsec_YW5vdGhlcg=="), BODY),
        (lambda: headers(at=datetime.now(UTC) - timedelta(hours=1)), BODY),
        (lambda: dict.fromkeys(headers(), ""), BODY),
        (lambda: headers() | {"webhook-signature": "v1,AAAA"}, BODY),
        (lambda: headers("not json"), "not json"),
    ],
    ids=["body altered", "other secret", "replayed later", "no headers", "signature made up", "no JSON"],
)
def test_what_does_not_verify_is_not_believed(
    shop: Shop, tmp_path: Path, given: Callable[[], dict[str, str]], body: str
) -> None:
    # Signed now, not when the tests were collected: what is minutes old is refused for its age alone.
    assert not shop.take(given(), body.encode())
    assert read_received(tmp_path) == []


def test_without_its_secret_nothing_is_believed(tmp_path: Path) -> None:
    assert not Shop(tmp_path).take(headers(), BODY.encode())
