"""Structured logs: one JSON line an event, with the request id that ties API, worker and signer together.

Never log a secret: keys whose names say secret are cut out here as a last net, not as a licence.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Final

import structlog

from strongroom_core.ids import RequestId

# Without local variables: these hold tokens, keys and settings, and an error must not carry them into a log.
_TRACEBACKS: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
_SECRET_WORDS: Final = ("secret", "password", "passphrase", "token", "seed", "private", "authorization", "dsn", "xprv")


def configure_logging(process: str, *, level: int = logging.INFO) -> None:
    """Send structured logs to standard error, as JSON lines that name the process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _cut_secrets,
            _TRACEBACKS,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def bind_request(request_id: str) -> None:
    """Carry the request id in every log line of this task from now on."""
    structlog.contextvars.bind_contextvars(request_id=request_id)


def current_request_id() -> str:
    """Give the request id of this task; empty where it does not work for a request."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def on_behalf_of(request_id: str) -> AbstractContextManager[None]:
    """Carry a request's id, kept with its object, in what is done for it later; a fresh one where none was kept."""
    return structlog.contextvars.bound_contextvars(request_id=request_id or RequestId.new())


def _cut_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in event:
        if any(word in key.lower() for word in _SECRET_WORDS):
            event[key] = "[cut]"
    return event
