"""The OpenAPI document is true: a fuzzer that reads it finds no undeclared status, shape or content type."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.support.api import Api

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


async def test_every_operation_is_described(api: Api) -> None:
    document = api.app.openapi()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert not [name for name, times in Counter(ids).items() if times > 1]
    assert all(operation["tags"] and operation["description"] for operation in operations)
    assert all("503" in operation["responses"] for operation in operations if "security" in operation)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
async def test_a_fuzzer_that_reads_the_document_finds_nothing(api: Api, mode: GenerationMode) -> None:
    acme = await api.tenant()
    await api.agent(acme)
    platform = await api.platform()
    keys = [client.headers["authorization"] for client in (acme, platform)]
    called = await asyncio.to_thread(_fuzz, api.url, keys, mode)
    assert called > 50


def _fuzz(url: str, keys: list[str], mode: GenerationMode) -> int:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    called = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in ("/login", "/logout", "/api/v1/executions/events"):
            continue  # forms for browsers, which tests/access drives, and a stream that does not end

        @settings(
            max_examples=3,
            deadline=None,
            phases=[Phase.generate],
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def probe(case: Case) -> None:
            nonlocal called, first
            # What is no business of a platform administrator refuses its key whatever else is sent: once is enough.
            for key in keys if first or "tenants" in case.path else keys[:1]:
                called += 1
                case.call_and_validate(headers={"Authorization": key}, checks=CHECKS)
            first = False

        first = True
        probe()
    return called


@pytest.mark.parametrize("path", ["/api/v1/agents", "/api/v1/tenants", "/api/v1/plugins"])
async def test_without_a_key_nothing_is_told(api: Api, path: str) -> None:
    assert (await (await api.client()).get(path)).status_code == 401
