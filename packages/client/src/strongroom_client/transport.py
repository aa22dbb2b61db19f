"""One HTTP call of the API, made safely: authorised, idempotent, repeated where it does no harm, errors as classes."""

from __future__ import annotations

import ipaddress
import json
import random
import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

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

USER_AGENT: Final = "strongroom-client/1"
ATTEMPTS: Final = 4
TIMEOUT_SECONDS: Final = 20
FIRST_PAUSE_MS: Final = 250
LONGEST_PAUSE_MS: Final = 5_000
# A server that asks for a longer pause than this gets its answer back to the caller instead.
LONGEST_RETRY_AFTER_SECONDS: Final = 30
# A 409 with Retry-After is a first request with this key that is still under way.
_PAUSING: Final = frozenset({409, 429, 503})
_FAILING: Final = frozenset({429, 500, 502, 503, 504})
_CLASSES: Final[dict[int, type[ApiError]]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}
_SECONDS: Final = re.compile(r"[0-9]{1,6}")
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404
_FIRST_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500


class Transport:
    """Sends requests to one API with one token, over one pool of connections; close it, or use it in ``with``."""

    def __init__(self, base_url: str, token: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """``base_url`` is ``https://…``, or plain HTTP to this machine, without ``/v1``. Raises ``SettingsError``."""
        local = _check_url(base_url)
        if not _TOKEN.fullmatch(token):
            message = "the API token is empty or holds blanks; paste it whole"
            raise SettingsError(message)
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=base_url.rstrip("/"),
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/json",
                "User-Agent": "strongroom-client",
            },
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
            # A proxy that the environment names must not see the token of an API on this very machine.
            trust_env=not local,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, query: Mapping[str, str | int | None] | None = None) -> dict[str, Any]:
        """Read an object."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._call("GET", path, params=given)

    def post(self, path: str, body: Mapping[str, Any] | None = None, key: str | None = None) -> dict[str, Any]:
        """Write, at most once for one idempotency ``key`` (printable ASCII; made here unless given)."""
        chosen = str(uuid.uuid4()) if key is None else key
        if not _IDEMPOTENCY_KEY.fullmatch(chosen):
            message = "an idempotency key is 1 to 255 printable ASCII characters without blanks"
            raise SettingsError(message)
        return self._call("POST", path, json=dict(body or {}), headers={"Idempotency-Key": chosen})

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Set fields; doing it twice is doing it once."""
        return self._call("PATCH", path, json=dict(body))

    def delete(self, path: str) -> None:
        """Remove an object; one that a lost answer already removed counts as removed."""
        self._call("DELETE", path)

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        attempt = 1
        while True:
            answer = self._attempt(method, path, options)
            pause = None if attempt == ATTEMPTS else _pause_for(answer, attempt)
            if pause is None:
                return _result(method, answer, repeated=attempt > 1)
            self._sleep(pause)
            attempt += 1

    def _attempt(self, method: str, path: str, options: Mapping[str, Any]) -> httpx.Response | httpx.RequestError:
        try:
            return self._http.request(method, path, **options)
        except httpx.RequestError as error:
            return error


def _check_url(base_url: str) -> bool:
    """Tell whether the API runs on this machine. Raises ``SettingsError`` where the token would travel in the clear."""
    try:
        parts = urlsplit(base_url)
        usable = parts.port != 0 and bool(parts.hostname) and parts.scheme in {"http", "https"}
    except ValueError:
        raise _bad_address() from None
    if not usable or parts.username or parts.query or parts.fragment:
        raise _bad_address()
    local = _is_local(parts.hostname or "")
    if parts.scheme == "http" and not local:
        message = "the token would travel in the clear: use https, or http to this machine only"
        raise SettingsError(message)
    return local


def _bad_address() -> SettingsError:
    return SettingsError("the address of the API is https://host[:port], without user, query or fragment")


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _pause(attempt: int) -> float:
    longest = min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS)
    # Spread over the half above the middle, so that many clients do not come back as one.
    return random.randint(longest // 2, longest) / 1000  # noqa: S311 - no secret


def _pause_for(answer: httpx.Response | httpx.RequestError, attempt: int) -> float | None:
    """Seconds to wait before the request is sent again, or nothing where the answer stands."""
    if isinstance(answer, httpx.RequestError):
        return _pause(attempt)
    asked, status = _retry_after(answer), answer.status_code
    if asked > LONGEST_RETRY_AFTER_SECONDS:
        return None
    if asked and status in _PAUSING:
        return float(asked)
    return _pause(attempt) if status in _FAILING else None


def _retry_after(response: httpx.Response) -> int:
    text = response.headers.get("Retry-After", "")
    return int(text) if _SECONDS.fullmatch(text) else 0


def _result(method: str, answer: httpx.Response | httpx.RequestError, *, repeated: bool) -> dict[str, Any]:
    if isinstance(answer, httpx.RequestError):
        raise _unreachable(method, answer) from None
    if answer.status_code == _NO_CONTENT:
        return {}
    if answer.status_code == _NOT_FOUND and method == "DELETE" and repeated:
        # The attempt whose answer was lost removed it.
        return {}
    if answer.status_code >= _FIRST_ERROR:
        raise _api_error(answer)
    body = _json_object(answer)
    if body is None or not answer.is_success:
        message = f"HTTP {answer.status_code} without a JSON object: is {answer.url.copy_with(query=None)} the API?"
        raise ProtocolError(message)
    return body


def _json_object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = json.loads(response.content.decode())
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _api_error(response: httpx.Response) -> ApiError:
    problem, status = _json_object(response) or {}, response.status_code
    default = ServerError if status >= _FIRST_SERVER_ERROR else RejectedError
    code, detail = problem.get("code"), problem.get("detail") or problem.get("title")
    return _CLASSES.get(status, default)(
        status,
        code if isinstance(code, str) and code else f"http-{status}",
        detail if isinstance(detail, str) and detail else f"the API answered with HTTP {status}",
        request_id=response.headers.get("X-Request-Id", ""),
        retry_after=_retry_after(response),
    )


def _unreachable(method: str, error: httpx.RequestError) -> UnreachableError:
    outcome = "" if method == "GET" else "; it may have happened: repeat it with the same idempotency key"
    address = error.request.url.copy_with(query=None)
    return UnreachableError(f"no answer from {address} in {ATTEMPTS} attempts ({type(error).__name__}){outcome}")
