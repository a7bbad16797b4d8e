"""What HTTP asks of every resource, and what nobody gave out: generated over the operations of the document."""

from __future__ import annotations

import base64
import json
import os
import re
import uuid
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import httpx2
import pytest
from pydantic import AwareDatetime
from tests.support.api import Api

from deskhand.api import ROUTERS
from deskhand.kit.problem import SHOWN_CHARACTERS
from deskhand.kit.schema import InputModel

NOBODY = str(uuid.uuid4())
STREAM = "/api/v1/executions/events"
ODD_VALUES = (
    *(5, True, ["x"], {"a": 1}, None, "", "\0", "\ud83d", "9" * 40, "-1", "nan", "1e400", "²"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "[" * 300),
)
READABLE = ("\0", "9" * 40, "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00")
ODD_TEXTS = (
    "0.5",
    "1e400",
    "Infinity",
    "999999999999",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "a\0b",
)
# What each parameter must refuse by itself: a number that no column holds, a time that no zone does, and for every
# other the text that no column does. The rest is read by one type for all of a kind, which meets it in turn.
BY_ITSELF = {'"integer"': "999999999999", "date-time": "0001-01-01T00:00:00+14:00", "": "a\0b"}
LONG = os.environ.get("DESKHAND_HYPOTHESIS_PROFILE") == "long"


def _texts(kinds: str, turns: dict[str, Iterator[str]]) -> list[str]:
    """The odd texts for a parameter of this kind; with ``DESKHAND_HYPOTHESIS_PROFILE=long`` all."""
    kind = next(kind for kind in BY_ITSELF if kind in kinds)
    turn = turns.setdefault(kind, cycle(ODD_TEXTS))
    return list(ODD_TEXTS) if LONG else [BY_ITSELF[kind], next(turn)]


def _cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(parts)).encode()).decode().rstrip("=")


def _operations(api: Api, *methods: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in api.app.openapi()["paths"].items():
        for method, operation in item.items():
            if method in methods:
                yield path, method, operation


async def _ids(api: Api, acme: httpx2.AsyncClient) -> dict[str, str]:
    """Values for the parameters in paths, of things that exist where the list needs them."""
    schedule = {"trigger_type": "schedule", "schedule_cron": "0 9 * * 1"}
    agent = await api.agent(acme, triggers=[schedule])
    return {
        "tenant_id": "acme", "agent_id": agent["id"], "trigger_id": agent["triggers"][0]["id"], "number": "1",
        "execution_id": NOBODY, "approval_id": NOBODY, "key_id": NOBODY, "person_id": NOBODY,
        "invitation_id": NOBODY, "job_id": NOBODY, "article_id": NOBODY, "solved_id": NOBODY, "budget_id": NOBODY,
        "lab_run_id": NOBODY, "test_case_id": NOBODY, "storm_id": NOBODY,
        "pause_id": NOBODY, "notification_id": NOBODY, "provider_id": NOBODY, "installation_provider_id": NOBODY,
        "tool_type": "servicedesk_plus",
        "slug": "triage", "source": "shop", "connection": "house", "ticket_ref": "1042",
    }  # fmt: skip


async def test_a_cursor_that_no_list_gave_out_is_4xx_on_every_list(api: Api) -> None:
    """Each list gets what may be read and then not be asked for, and two of the rest, which one function refuses."""
    acme, platform = await api.tenant(), await api.platform()
    ids = await _ids(api, acme)
    lists = [
        path
        for path, _, operation in _operations(api, "get")
        if any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ()))
    ]
    assert len(lists) >= 7
    turn = cycle(ODD_VALUES)
    for path in lists:
        client = platform if path == "/api/v1/tenants" else acme
        for odd in ODD_VALUES if LONG else (*READABLE, next(turn), next(turn)):
            for parts in ((odd, NOBODY), ("2026-01-01T00:00:00+00:00", odd)):
                answer = await client.get(path.format(**ids), params={"cursor": _cursor(*parts)})
                assert answer.status_code < 500, (path, parts, answer.text)


async def test_values_nobody_gave_out_are_4xx_in_every_query_parameter(api: Api) -> None:
    acme = await api.tenant()
    ids, turns = await _ids(api, acme), dict[str, Iterator[str]]()
    for path, _, operation in _operations(api, "get"):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] != "query":
                continue
            kinds = json.dumps(parameter["schema"])
            for text in _texts(kinds, turns):
                answer = await acme.head(path.format(**ids), params={parameter["name"]: text})  # the stream ends so
                assert answer.status_code < 500, (path, parameter["name"], text)
                if "date-time" in kinds or '"integer"' in kinds or '"boolean"' in kinds:
                    assert answer.status_code >= 400, (path, parameter["name"], text)


async def test_a_path_of_its_own_refuses_what_only_its_neighbours_template_takes(api: Api) -> None:
    client = await api.tenant()
    paths, tried = api.app.openapi()["paths"], []
    for path in [path for path in paths if "{" not in path]:
        for template, item in paths.items():
            if not re.fullmatch(re.sub(r"{[^}]*}", "[^/]+", template), path) or template == path:
                continue
            if '"uuid"' not in json.dumps(item):
                continue  # a name that somebody may have chosen
            for method in {"get", "post", "put", "patch", "delete"} & (item.keys() - paths[path].keys()):
                refused = await client.request(method, path, json={})
                assert refused.status_code == 405, (method, path, refused.text)
                assert method.upper() not in refused.headers["allow"].split(", "), (method, path)
                tried.append((method, path))
    assert ("patch", "/api/v1/budgets/spending") in tried


async def test_every_get_has_a_head_and_405_names_every_method(api: Api) -> None:
    acme = await api.tenant()
    ids = await _ids(api, acme)
    paths: dict[str, set[str]] = {}
    for path, method, _ in _operations(api, "get", "post", "patch", "delete", "put"):
        paths.setdefault(path, set()).add(method.upper())
    for path, methods in paths.items():
        address = path.format(**ids)
        if "GET" in methods:
            seen = await acme.head(address)
            assert seen.content == b""
            if path != STREAM:
                assert seen.status_code == (await acme.get(address)).status_code, path
        refused = await acme.put(address, json={})
        allowed = {method.strip() for method in refused.headers["allow"].split(",")}
        expected = methods | ({"HEAD"} if "GET" in methods else set())
        assert (refused.status_code, allowed) == (405, expected), path


async def test_a_resource_the_caller_has_is_not_sent_again(api: Api) -> None:
    acme = await api.tenant()
    url = f"/api/v1/agents/{(await api.agent(acme))['id']}"
    tag = (await acme.get(url)).headers["etag"]
    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = await acme.get(url, headers={"If-None-Match": sent})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert (await acme.get(url, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_patch_keeps_what_it_does_not_name_inside_a_trigger_too(api: Api) -> None:
    acme = await api.tenant()
    schema = {"type": "object", "required": ["ticket_id"]}
    schedule = {
        "trigger_type": "schedule", "schedule_cron": "0 9 * * 1", "schedule_timezone": "Europe/Berlin",
        "misfire_policy": "all", "misfire_max_age_seconds": 60,
    }  # fmt: skip
    agent = await api.agent(acme, triggers=[schedule, {"trigger_type": "webhook", "payload_schema": schema}])
    url = f"/api/v1/agents/{agent['id']}"
    ids = {trigger["trigger_type"]: trigger["id"] for trigger in agent["triggers"]}
    named = [
        {"id": ids["schedule"], "trigger_type": "schedule", "schedule_cron": "0 10 * * 1"},
        {"id": ids["webhook"], "trigger_type": "webhook"},
    ]
    changed = (await acme.patch(url, json={"triggers": named})).json()
    after = {trigger["trigger_type"]: trigger for trigger in changed["triggers"]}
    assert {**after["schedule"], **{**schedule, "schedule_cron": "0 10 * * 1"}} == after["schedule"]
    assert after["webhook"]["payload_schema"] == schema
    cleared = [{"id": ids["schedule"], "trigger_type": "schedule"}, {**named[1], "payload_schema": None}]
    after = {one["trigger_type"]: one for one in (await acme.patch(url, json={"triggers": cleared})).json()["triggers"]}
    assert (after["schedule"]["schedule_cron"], after["webhook"]["payload_schema"]) == ("0 10 * * 1", None)


async def test_what_get_shows_can_be_sent_back(api: Api) -> None:
    acme = await api.tenant()
    editor = await api.member("acme", "editor")
    agent = await api.agent(acme, triggers=[
        {"trigger_type": "schedule", "schedule_cron": "0 9 * * 1"}, {"trigger_type": "webhook"}])  # fmt: skip
    for client, url in ((editor, f"/api/v1/agents/{agent['id']}"), (acme, "/api/v1/tenants/acme")):
        shown = (await client.get(url)).json()
        answer = await client.patch(url, json=shown)
        assert answer.status_code == 200, answer.text
        again = {**(await client.get(url)).json(), "updated_at": shown["updated_at"]}
        assert again == shown


async def test_bodies_are_held_to_the_types_that_the_document_says(api: Api) -> None:
    acme = await api.tenant()
    for path, body in (
        ("/api/v1/executions/retry", {"dismissed": 0}),
        ("/api/v1/executions/retry", {"limit": "5"}),
        ("/api/v1/executions/retry", {"limit": True}),
        ("/api/v1/executions/retry", {"since": 0.5}),
        ("/api/v1/executions/dismiss", {"since": 1700000000}),
        ("/api/v1/executions/dismiss", {"ticket_ref": "a\0b"}),
        ("/api/v1/tenants/acme/api-keys", {"name": "k", "role": "viewer", "expires_at": "9999-12-31T23:59:59-14:00"}),
    ):
        assert (await acme.post(path, json=body)).status_code == 422, body


def test_every_body_is_an_input_model() -> None:
    bodies = [
        field.field_info.annotation
        for router in ROUTERS
        for route in router.routes
        for field in getattr(getattr(route, "dependant", None), "body_params", ())
        if isinstance(field.field_info.annotation, type)
    ]
    assert len(bodies) > 8
    loose = [body for body in bodies if not issubclass(body, InputModel | str | int | AwareDatetime)]
    assert not loose


@pytest.mark.parametrize("place", ["name", "value", "path"])
async def test_a_refusal_does_not_send_the_body_back(api: Api, place: str) -> None:
    acme = await api.tenant()
    long = "x" * 50_000
    if place == "path":
        answer = await acme.get(f"/api/{long}")
    else:
        answer = await acme.post("/api/v1/agents", json={long: 1} if place == "name" else {"status": long})
    assert answer.status_code in (404, 422)
    assert len(answer.text) < 10 * SHOWN_CHARACTERS


async def test_only_the_platform_decides_how_much_a_tenant_may_use(api: Api) -> None:
    acme, platform = await api.tenant(), await api.platform()
    url = "/api/v1/tenants/acme"
    before = (await acme.get(url)).json()["rate_limits"]
    for name in before:
        for value in (1, 0.5) if name == "weight" else (1, before[name] + 1):
            answer = await acme.patch(url, json={"rate_limits": {name: value}})
            assert answer.status_code == (200 if value == before[name] else 403)
        assert (await platform.patch(url, json={"rate_limits": {name: 1}})).status_code == 200
    assert (await acme.patch(url, json={"rate_limits": {"own": 1}})).status_code == 403


async def test_settings_have_a_size(api: Api) -> None:
    acme, platform = await api.tenant(), await api.platform()
    junk = {str(number): number for number in range(20_000)}
    for client, field in (
        (platform, {"rate_limits": {"junk": junk}}),
        *((acme, {"enhancement_preferences": {name: junk}}) for name in ("tool_config", "custom_fields", "own")),
        (acme, {"enhancement_preferences": {"priority_mapping": {"high": "x" * 5_000}}}),
    ):
        answer = await client.patch("/api/v1/tenants/acme", json=field)
        assert answer.status_code == 422, field.keys()
