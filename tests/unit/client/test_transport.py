"""What goes over the wire, what is sent again, and which error each answer becomes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from strongroom_client.errors import (
    ApiError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ProtocolError,
    RateLimitedError,
    RejectedError,
    ServerError,
    SettingsError,
    UnauthorizedError,
    UnreachableError,
)
from strongroom_client.transport import ATTEMPTS, LONGEST_PAUSE_MS, Transport
from tests.unit.client.scripted_server import Answer, ScriptedServer

TOKEN = "srk_tok_secret-of-the-test"


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def transport(server: ScriptedServer, pauses: list[float]) -> Iterator[Transport]:
    with Transport(server.url, TOKEN, sleep=pauses.append) as made:
        yield made


def problem(status: int, code: str, detail: str, **headers: str) -> Answer:
    body = {"type": "about:blank", "title": "No", "status": status, "detail": detail, "code": code}
    return Answer(status, body, {"Content-Type": "application/problem+json", "X-Request-Id": "req_1"} | headers)


def test_a_read_carries_the_token_and_no_idempotency_key(server: ScriptedServer, transport: Transport) -> None:
    server.answer(Answer(200, {"a": 1}))
    assert transport.get("/v1/x", {"cursor": "a b&c", "limit": None}) == {"a": 1}
    [asked] = server.asked
    assert (asked.method, asked.path) == ("GET", "/v1/x?cursor=a+b%26c")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["accept"] == "application/json"
    assert "idempotency-key" not in asked.headers


def test_a_write_carries_json_and_a_fresh_key(server: ScriptedServer, transport: Transport) -> None:
    server.answer(Answer(201, {"id": "x"}))
    transport.post("/v1/x", {"amount": "0.10"})
    transport.post("/v1/x", {"amount": "0.10"})
    first, second = server.asked
    assert first.body == {"amount": "0.10"}
    assert first.headers["content-type"] == "application/json"
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


def test_a_key_that_the_caller_gives_is_sent(server: ScriptedServer, transport: Transport) -> None:
    server.answer(Answer(201, {}))
    transport.post("/v1/x", {}, key="order-17")
    assert server.asked[0].headers["idempotency-key"] == "order-17"


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX: y", "é", "k" * 256])
def test_a_key_that_no_header_can_carry_is_refused(server: ScriptedServer, transport: Transport, key: str) -> None:
    with pytest.raises(SettingsError):
        transport.post("/v1/x", {}, key=key)
    assert not server.asked


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_failed_write_is_repeated_with_the_same_key_and_body(
    server: ScriptedServer, transport: Transport, pauses: list[float], status: int
) -> None:
    server.answer(Answer(status), Answer(status), Answer(201, {"id": "x"}))
    assert transport.post("/v1/x", {"amount": "1"}) == {"id": "x"}
    assert len({asked.headers["idempotency-key"] for asked in server.asked}) == 1
    assert [asked.body for asked in server.asked] == [{"amount": "1"}] * 3
    assert len(pauses) == 2
    assert 0 < pauses[0] <= pauses[1] <= LONGEST_PAUSE_MS / 1000


def test_a_lost_answer_is_asked_for_again_with_the_same_key(server: ScriptedServer, transport: Transport) -> None:
    server.answer(Answer(lost=True), Answer(201, {"id": "x"}))
    assert transport.post("/v1/x") == {"id": "x"}
    assert len(server.asked) == 2
    assert len({asked.headers["idempotency-key"] for asked in server.asked}) == 1


def test_a_server_that_never_answers_is_given_up(server: ScriptedServer, transport: Transport) -> None:
    server.answer(Answer(lost=True))
    with pytest.raises(UnreachableError, match="same idempotency key") as caught:
        transport.post("/v1/x")
    assert caught.value.code == "api-unreachable"
    assert len(server.asked) == ATTEMPTS
    with pytest.raises(UnreachableError) as reading:
        transport.get("/v1/x", {"cursor": "c"})
    assert "idempotency" not in reading.value.message
    assert TOKEN not in str(caught.value) + str(reading.value)


def test_an_address_where_nobody_listens_is_unreachable(pauses: list[float]) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        with (
            Transport(url, TOKEN, sleep=pauses.append) as transport,
            pytest.raises(UnreachableError, match="4 attempts"),
        ):
            transport.get("/v1/x")
    assert len(pauses) == ATTEMPTS - 1


def test_the_last_failure_is_raised_as_it_came(server: ScriptedServer, transport: Transport) -> None:
    server.answer(problem(500, "internal", "it broke"))
    with pytest.raises(ServerError) as caught:
        transport.get("/v1/x")
    assert (caught.value.code, caught.value.status, caught.value.request_id) == ("internal", 500, "req_1")
    assert len(server.asked) == ATTEMPTS


@pytest.mark.parametrize("status", [409, 429, 503])
def test_the_server_says_when_to_come_back(
    server: ScriptedServer, transport: Transport, pauses: list[float], status: int
) -> None:
    server.answer(Answer(status, headers={"Retry-After": "7"}), Answer(200, {"ok": True}))
    assert transport.post("/v1/x") == {"ok": True}
    assert pauses == [7.0]


def test_a_long_wait_is_left_to_the_caller(server: ScriptedServer, transport: Transport, pauses: list[float]) -> None:
    server.answer(problem(429, "rate-limited", "slow down", **{"Retry-After": "3600"}))
    with pytest.raises(RateLimitedError) as caught:
        transport.get("/v1/x")
    assert caught.value.retry_after == 3600
    assert pauses == []


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "\u0661", "9" * 30, "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_strange_retry_after_is_not_believed(
    server: ScriptedServer, transport: Transport, pauses: list[float], text: str
) -> None:
    server.answer(Answer(429, headers={"Retry-After": text.encode().decode("latin-1")}), Answer(200, {}))
    transport.get("/v1/x")
    assert 0 < pauses[0] < 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RejectedError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, RejectedError),
        (422, RejectedError),
    ],
)
def test_a_refusal_is_an_error_with_the_codes_of_the_api_and_is_not_repeated(
    server: ScriptedServer, transport: Transport, status: int, kind: type[ApiError]
) -> None:
    server.answer(problem(status, "some-code", "do this instead"))
    with pytest.raises(kind) as caught:
        transport.post("/v1/x")
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.message, caught.value.status) == ("some-code", "do this instead", status)
    assert str(caught.value) == "some-code: do this instead (request req_1)"
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[]", b"null", b'{"code": 5, "detail": []}', b"[" * 99_999])
def test_a_refusal_without_a_problem_has_a_code_all_the_same(
    server: ScriptedServer, transport: Transport, body: bytes
) -> None:
    server.answer(Answer(418, body))
    with pytest.raises(RejectedError) as caught:
        transport.get("/v1/x")
    assert caught.value.code == "http-418"
    assert str(caught.value) == "http-418: the API answered with HTTP 418"


@pytest.mark.parametrize(
    "body", [b"", b"<html>welcome</html>", b"[]", b'"text"', b"\xff\xfe", b'{"a": 1', b"[" * 99_999]
)
def test_a_success_that_is_no_object_is_refused(server: ScriptedServer, transport: Transport, body: bytes) -> None:
    server.answer(Answer(200, body))
    with pytest.raises(ProtocolError) as caught:
        transport.get("/v1/x")
    assert caught.value.code == "api-protocol"


def test_a_redirect_is_not_followed_and_takes_no_token_elsewhere(server: ScriptedServer, transport: Transport) -> None:
    server.answer(Answer(302, {}, {"Location": f"{server.url}/stolen"}))
    with pytest.raises(ProtocolError, match="302"):
        transport.get("/v1/x")
    assert [asked.path for asked in server.asked] == ["/v1/x"]


def test_a_delete_whose_answer_was_lost_counts_as_done(server: ScriptedServer, transport: Transport) -> None:
    server.answer(Answer(lost=True), problem(404, "not-found", "gone"))
    transport.delete("/v1/x")
    assert [asked.method for asked in server.asked] == ["DELETE", "DELETE"]


def test_a_delete_of_nothing_is_an_error(server: ScriptedServer, transport: Transport) -> None:
    server.answer(problem(404, "not-found", "never was"))
    with pytest.raises(NotFoundError):
        transport.delete("/v1/x")


def test_no_content_is_an_empty_object(server: ScriptedServer, transport: Transport) -> None:
    server.answer(Answer(204))
    transport.delete("/v1/x")
    assert transport.patch("/v1/x", {"a": 1}) == {}
    assert server.asked[1].method == "PATCH"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api",
        "ftp://127.0.0.1",
        "http://",
        "http://shop.example",
        "http://10.0.0.1",
        "http://[::2]",
        "http://[bad",
        "https://user:pw@shop.example",
        "https://shop.example?x=1",
        "https://shop.example#x",
        "https://shop.example:0",
        "https://shop.example:99999",
        "http://localhost.shop.example",
        "http://127.0.0.1.shop.example",
    ],
)
def test_an_address_that_is_wrong_or_not_safe_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        Transport(url, TOKEN)


@pytest.mark.parametrize(
    "url", ["https://shop.example", "https://shop.example/", "http://localhost:1", "http://[::1]:1"]
)
def test_https_or_this_machine_is_accepted(url: str) -> None:
    Transport(url, TOKEN).close()


@pytest.mark.parametrize("token", ["", " ", "a b", "a\n", "é", "a\r\nX: y"])
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Transport("https://shop.example", token)
    assert not token.strip() or token not in caught.value.message


def test_a_proxy_of_the_environment_does_not_see_a_local_token(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    server.answer(Answer(200, {"direct": True}))
    sleeps: list[Any] = []
    with Transport(server.url, TOKEN, sleep=sleeps.append) as transport:
        assert transport.get("/v1/x") == {"direct": True}
    assert not sleeps
