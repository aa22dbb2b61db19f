"""The OpenAPI document is what the API does: Schemathesis sends what it allows and what not, and checks answers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.config import SchemathesisConfig

from tests.integration.api.objects import Objects, payout_body
from tests.integration.api.stage import Stage

EXAMPLES = 25
# Input that fits the schema may break a rule that no schema can say: an amount below the minimum, a wrong signature.
CONFIG = SchemathesisConfig.from_dict(
    {"checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "401", "403", "404", "409", "422", "503"]}}}
)


def known_good(stage: Stage, path: str) -> dict[str, Any]:
    """A body that works, for operations whose input no generator would hit upon."""
    bodies: dict[str, dict[str, Any]] = {
        "/v1/invoices": {"amount": "12.50", "currency": "EUR"},
        "/v1/deposit-addresses": {"asset": "BTC", "reference": "contract"},
        "/v1/payouts": payout_body(stage, stage.shop),
        "/v1/webhook-endpoints": {"url": "https://shop.example/contract"},
        "/v1/webhook-endpoints/{endpoint_id}": {"enabled": True},
        "/v1/keys": {"scopes": ["read"], "label": "contract"},
    }
    return bodies.get(path, {})


def test_every_operation_answers_as_the_document_says_and_succeeds_at_least_once(seeded: tuple[Stage, Objects]):
    stage, objects = seeded
    schema = schemathesis.openapi.from_url(f"{stage.base_url}/openapi/openapi.json", config=CONFIG)
    successes: Counter[str] = Counter()
    operations = operations_of(schema)
    # What deletes or cancels comes last: the others need the objects.
    operations.sort(key=lambda operation: (operation.method == "delete", "cancel" in operation.path))
    for operation in operations:
        probe(stage, objects, operation, successes)
        succeed(stage, objects, operation, successes)
    missing = [operation.label for operation in operations if not successes[operation.label]]
    assert not missing


def operations_of(schema: Any) -> list[Any]:
    """All operations of a document."""
    return [result.ok() for result in schema.get_all_operations()]


def probe(stage: Stage, objects: Objects, operation: Any, successes: Counter[str]) -> None:
    """Send generated requests and check every answer against the document."""
    headers = {"Authorization": f"Bearer {stage.shop.token}"}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        response = case.call(headers=headers)
        case.validate_response(response, headers=headers)
        successes[operation.label] += 200 <= response.status_code < 300

    run()


def succeed(stage: Stage, objects: Objects, operation: Any, successes: Counter[str]) -> None:
    """Send the request that a merchant would, on seeded objects."""
    headers = {"Authorization": f"Bearer {stage.shop.token}"}
    arguments: dict[str, Any] = {"path_parameters": {name: vars(objects)[name] for name in _names(operation.path)}}
    if operation.method in {"post", "patch"} and operation.body:
        arguments |= {"body": known_good(stage, operation.path), "media_type": "application/json"}
    case = operation.Case(**arguments)
    response = case.call_and_validate(headers=headers)
    successes[operation.label] += 200 <= response.status_code < 300


def _names(path: str) -> list[str]:
    return [part.partition("}")[0] for part in path.split("{")[1:]]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_part_of_the_document(seeded: tuple[Stage, Objects], path: str):
    stage, _ = seeded
    schema = schemathesis.openapi.from_url(f"{stage.base_url}/openapi/openapi.json")
    assert path in {operation.path for operation in operations_of(schema)}
