"""What nobody foresaw is told without a word on the inside."""

from __future__ import annotations

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from strongroom.api.problems import on_bug

SECRET = "postgresql://strongroom_api:hunter2@127.0.0.1/strongroom"


@pytest.mark.parametrize("error", [RuntimeError(SECRET), KeyError(SECRET), ConnectionError(SECRET)])
def test_a_bugs_words_stay_inside(error: Exception) -> None:
    @get("/", sync_to_thread=False)
    def fail() -> None:
        raise error

    app = Litestar([fail], exception_handlers={Exception: on_bug}, debug=False)
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "X-Request-Id" in answer.json()["detail"]
    assert "hunter2" not in answer.text
