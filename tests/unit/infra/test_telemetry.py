"""Logs are one JSON line an event, and no secret reaches them."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import structlog
from strongroom.infra.telemetry import configure_logging
configure_logging("test")
log = structlog.get_logger()

def fail(token_text):
    password = "hunter2-" + token_text
    raise ValueError("it failed")

log.info("hello", api_token="srk_secret", merchant_id="mer_1")
try:
    fail("srk_secret")
except ValueError:
    log.exception("failed")
"""


def test_an_error_is_logged_with_its_place_and_without_the_values_of_variables():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    first, second = (json.loads(line) for line in done.stderr.splitlines())
    assert first == first | {"event": "hello", "process": "test", "merchant_id": "mer_1", "api_token": "[cut]"}
    assert second["exception"][0]["exc_type"] == "ValueError"
    assert [frame["name"] for frame in second["exception"][0]["frames"]] == ["<module>", "fail"]
    assert "hunter2" not in done.stderr
    assert "srk_secret" not in done.stderr
