"""Every refusal as problem+json (RFC 9457), with a stable code and one HTTP status."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE

from strongroom_core.errors import InvalidValueError, StrongroomError

_log = structlog.get_logger(__name__)
MEDIA_TYPE: Final = "application/problem+json"

# A code that is not here refuses input that fits the schema but breaks a rule (422) where it is an invalid value, else
# it is our own fault (500).
STATUS_OF_CODE: Final[dict[str, int]] = {
    "token-missing": 401,
    "token-invalid": 401,
    "scope-missing": 403,
    "rate-limited": 429,
    "idempotency-conflict": 409,
    "merchant-not-found": 404,
    "token-not-found": 404,
    "invoice-not-found": 404,
    "deposit-not-found": 404,
    "address-not-found": 404,
    "payout-not-found": 404,
    "webhook-endpoint-not-found": 404,
    "webhook-delivery-not-found": 404,
    "invoice-not-cancellable": 409,
    "payout-not-cancellable": 409,
    "payout-conflict": 409,
    "webhook-endpoints-limit": 409,
    "webhook-url-invalid": 422,
    "webhook-event-unknown": 422,
    "insufficient-funds": 409,
    "merchant-owes": 409,
    "payouts-stopped": 503,
    "invoices-stopped": 503,
    "address-disputed": 503,
    "rate-unavailable": 503,
    "rate-stale": 503,
    "rate-deviating": 503,
    "rate-depegged": 503,
    "not-ready": 503,
}


class Problem(msgspec.Struct, frozen=True, omit_defaults=False):
    """A refusal: ``code`` never changes its meaning; ``detail`` says what to do; ``errors`` names fields at fault."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[dict[str, str]] = []


_WHEN: Final = {
    400: "The request does not fit the schema; `errors` names the fields",
    401: "No API token, or one that is not valid",
    403: "The token lacks the scope for this",
    404: "No such object of yours",
    409: "It conflicts with what is there",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "The request fits the schema but breaks a rule; `code` says which",
    429: "Too many requests; Retry-After says when to come back",
    503: "Not possible now; try again later",
}
# What every operation of /v1 may answer beside its success, as the OpenAPI document says it.
REFUSALS: Final = {
    status: ResponseSpec(Problem, description=text, media_type=MEDIA_TYPE, generate_examples=False)
    for status, text in _WHEN.items()
}


class TokenMissingError(StrongroomError):
    """No token came with the request."""

    code = "token-missing"


class RateLimitedError(StrongroomError):
    """More requests than one token may make in a minute."""

    code = "rate-limited"


def status_of(error: StrongroomError) -> int:
    """Find the HTTP status of an error."""
    return STATUS_OF_CODE.get(error.code, 422 if isinstance(error, InvalidValueError) else 500)


def on_refusal(_request: Request[Any, Any, Any], error: StrongroomError) -> Response[Problem]:
    """Answer one of our own errors."""
    status = status_of(error)
    if status == 500:  # noqa: PLR2004 - HTTP's own number
        _log.error("request failed", code=error.code, detail=error.message)
    return respond(status, error.code, error.message)


def on_invalid(_request: Request[Any, Any, Any], error: ValidationException) -> Response[Problem]:
    """Answer input that does not fit the schema, naming the fields."""
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [
        {"field": str(item.get("key", "")), "message": str(item.get("message", ""))}
        for item in extra
        if isinstance(item, dict)
    ]
    return respond(400, "request-invalid", "the request does not fit the schema; see /docs", errors)


def on_http(_request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Answer what the framework refuses: unknown paths, wrong methods, bodies that are not JSON."""
    code = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large", 415: "media-type"}.get(
        error.status_code, "request-invalid"
    )
    answer = respond(error.status_code, code, error.detail or "refused")
    answer.headers.update(error.headers or {})
    if error.status_code == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        # What is left of the body is not read, so the connection ends here: no client may use it again.
        answer.headers["Connection"] = "close"
    return answer


def on_bug(_request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Answer what nobody foresaw, without a word on the inside."""
    _log.error("request failed", exc_info=error)
    return respond(500, "internal", "something went wrong on our side; try again, and quote the X-Request-Id header")


def respond(status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None) -> Response[Problem]:
    """Make the answer."""
    title = code.replace("-", " ").capitalize()
    problem = Problem(f"urn:strongroom:problem:{code}", title, status, code, detail, errors or [])
    return Response(problem, status_code=status, media_type=MEDIA_TYPE)
