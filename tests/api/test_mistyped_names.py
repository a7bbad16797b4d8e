"""Wherever one word of a list is asked for, a mistyped one is answered with what exists and the nearest of it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

from tests.support.api import Api

NOBODY = str(uuid.uuid4())
PLATFORMS = ("/api/v1/tenants", "/api/v1/platform-audit", "/api/v1/platform-audit/export")
"""Addresses that platform administrators alone may ask."""


def words_of(document: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """What a schema lets stand in its place, where that is one word of a list."""
    if "$ref" in schema:
        return words_of(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for part in schema.get("anyOf", ()):
        if words := words_of(document, part):
            return words
    return [word for word in schema.get("enum", ()) if isinstance(word, str) and len(word) > 3]


def address(path: str) -> str:
    return re.sub(r"{[^}]*}", lambda part: "acme" if part[0] == "{tenant_id}" else NOBODY, path)


def lists(document: dict[str, Any]) -> Iterator[tuple[str, str, str, str, list[str]]]:
    """Every parameter of a query and every field of a body that is one word of a list."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for one in operation.get("parameters", ()):
                if one["in"] == "query" and (words := words_of(document, one["schema"])):
                    yield path, method, "query", one["name"], words
            media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            name = media.get("schema", {}).get("$ref", "").rpartition("/")[2]
            for field, schema in document["components"]["schemas"].get(name, {}).get("properties", {}).items():
                if words := words_of(document, schema):
                    yield path, method, "body", field, words


async def test_a_mistyped_word_is_told_with_what_exists_wherever_there_is_a_list(api: Api) -> None:
    acme, platform = await api.tenant(), await api.platform()
    told = set()  # what was refused with the word that was meant
    for path, method, place, name, words in lists(api.app.openapi()):
        client = platform if path in PLATFORMS else acme
        slip = words[0][:-1] + "q"
        sent: dict[str, Any] = {"params": {name: slip}} if place == "query" else {"json": {name: slip}}
        answer = await client.request(method, address(path), **sent)
        faults = answer.json().get("errors") or [{"pointer": f"/{name}", "detail": answer.json()["detail"]}]
        detail = next((fault["detail"] for fault in faults if fault["pointer"].startswith(f"/{name}")), str(faults))
        if name == "tool_type" and place == "body":  # asked for after what a connection needs; test_tenants_api has it
            continue
        assert 400 <= answer.status_code < 500, (path, name)
        assert f"did you mean '{words[0]}'?" in detail, (method, path, name, detail)
        told.add((path, name))
    assert len(told) >= 8, told


async def test_a_mistyped_name_of_what_the_tenant_has_or_the_installation_knows_is_told_with_it(api: Api) -> None:
    acme, platform = await api.tenant(), await api.platform()
    agent = {"name": "A", "system_prompt": "You help the technicians.", "llm_config": {"model": "gpt-4"}}
    for client, method, path, body, meant in (
        (acme, "POST", "/api/v1/agents", {**agent, "tool_ids": ["servicedesk_pluss"]}, "servicedesk_plus"),
        (acme, "POST", "/api/v1/agents", {**agent, "llm_config": {"model": "gpt-4-trubo"}}, "gpt-4-turbo"),
        (acme, "POST", "/api/v1/agents", {**agent, "llm_config": {"model": "gpt-4", "provider": "litelm"}}, "litellm"),
        (acme, "POST", "/api/v1/agents", {**agent, "llm_config": {"modell": "gpt-4"}}, "model"),
        (
            acme, "POST", "/api/v1/agents",
            {**agent, "tool_ids": ["servicedesk_plus"], "tool_operations": {"servicedesk_plus": ["get_tickt"]}},
            "get_ticket",
        ),
        (
            acme, "POST", "/api/v1/schedules/preview",
            {"schedule_cron": "0 9 * * *", "schedule_timezone": "Europe/Berlni"}, "Europe/Berlin",
        ),
        (acme, "POST", "/api/v1/tenants/acme/connections/jria/test", None, "jira"),
        (acme, "GET", "/api/v1/plugins/zendeks", None, "zendesk"),
        (acme, "PATCH", "/api/v1/tenants/acme", {"tool_type": "servicenw"}, "servicenow"),
        (platform, "PATCH", "/api/v1/tenants/acme", {"rate_limits": {"wieght": 2}}, "weight"),
    ):  # fmt: skip
        answer = await client.request(method, path, json=body)
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert re.search(rf"(did you mean|Closest:) '?{re.escape(meant)}\b", answer.text), (path, answer.text)
