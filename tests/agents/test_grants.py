"""Grants: what may be saved comes from the catalogue, and what was saved is what a version holds."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from tests.support.api import AGENT, Api

from deskhand.plugins.registry import BUILT_IN, TOOLS_BESIDE_DESKS, PluginManager
from deskhand.simulators.outside import OutsideSimulator
from deskhand.tools import catalogue
from deskhand.tools.asking import REASON, with_reason
from deskhand.tools.values import Kind, Mode, Scope, read_grants, stored_grants

DESK = "servicedesk_plus"
MAIL = {"host": "mail.acme.test", "sender": "deskhand@acme.test", "allowed_recipients": ["acme.test"]}
PROVIDERS = catalogue.providers(PluginManager())
OPERATIONS = [
    pytest.param(tool, one, id=f"{tool.tool_id}-{one.name}")
    for tool in PROVIDERS
    for one in tool.operations
    if tool.tool_id == DESK or tool.kind is not Kind.DESK
]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (["get_ticket", "add_note"], ["add_note", "get_ticket"]),
        ({"get_ticket": "allow"}, ["get_ticket"]),
        (
            {"get_ticket": {"scope": "any"}, "add_note": "allow"},
            {"add_note": {"mode": "allow", "scope": "own"}, "get_ticket": {"mode": "allow", "scope": "any"}},
        ),
        ([], []),
    ],
)
async def test_both_forms_of_a_grant_are_kept_by_the_version_and_can_be_sent_back(
    api: Api, sent: Any, shown: Any
) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme, tool_operations={DESK: sent})
    url = f"/api/v1/agents/{agent['id']}"
    assert agent["tool_operations"] == {DESK: shown}
    [version] = (await acme.get(f"{url}/versions")).json()["items"]
    assert version["tools"] == [{"tool_id": DESK, "operations": shown}]
    back = await acme.patch(url, json=(await acme.get(url)).json())
    assert (back.status_code, back.json()["current_version"]) == (200, 1), back.text
    wider = await acme.patch(url, json={"tool_operations": {DESK: {"update_ticket": {"scope": "listed"}}}})
    assert wider.json()["current_version"] == 2
    restored = await acme.post(f"{url}/versions/1/rollback")
    assert restored.json()["tool_operations"] == {DESK: shown}


@pytest.mark.parametrize("tool_id", [tool.tool_id for tool in PROVIDERS if tool.kind is not Kind.DESK])
async def test_a_tool_beside_the_desks_gets_its_reading(api: Api, tool_id: str) -> None:
    acme = await api.tenant(connection_extras={"email": MAIL, **OutsideSimulator(port=9).settings()})
    agent = await api.agent(acme, tool_ids=[DESK, tool_id])
    reads = sorted(one.name for one in catalogue.find_provider(tool_id, PluginManager()).operations if not one.is_write)
    assert agent["tool_operations"][tool_id] == reads
    activated = await acme.post(f"/api/v1/agents/{agent['id']}/activate")
    assert activated.status_code == 200, activated.text


@pytest.mark.parametrize(
    ("operations", "pointer", "says"),
    [
        ({"servicedesk_plus": ["get_tickets"]}, "/tool_operations/servicedesk_plus", "Closest: get_ticket"),
        ({"servicedesk_plus": ["read_article"]}, "/tool_operations/servicedesk_plus", "cannot do: read_article"),
        ({"servicedesk_plus": {"get_ticket": "approve"}}, "/tool_operations/servicedesk_plus/get_ticket", "nothing to"),
        (
            {"servicedesk_plus": {"add_note": {"mode": "approve", "approver": "viewer"}}},
            "/tool_operations/",
            "operator",
        ),
        (
            {"servicedesk_plus": {"add_note": {"mode": "approve", "wait_minutes": 0}}},
            "/tool_operations/",
            "wait_minutes",
        ),
        ({"servicedesk_plus": {"add_note": "perhaps"}}, "/tool_operations/servicedesk_plus/add_note", "allow"),
        ({"servicedesk_plus": {"search_tickets": {"scope": "any"}}}, "/tool_operations/servicedesk_plus/", "no scope"),
        ({"servicedesk_plus": {"get_ticket": {"scope": "all"}}}, "/tool_operations/servicedesk_plus/", "'any'"),
        ({"servicedesk_plus": {"get_ticket": 1}}, "/tool_operations/servicedesk_plus/", ""),
        ({"servicedesk_plus": "get_ticket"}, "/tool_operations/servicedesk_plus", "list of operations"),
        ({"jira": ["get_ticket"]}, "", "not in tool_ids"),
    ],
)
async def test_what_cannot_be_granted_is_refused_in_words(api: Api, operations: Any, pointer: str, says: str) -> None:
    acme = await api.tenant()
    answer = await acme.post("/api/v1/agents", json={**AGENT, "tool_operations": operations})
    assert answer.status_code == 422
    assert any(error["pointer"].startswith(pointer) for error in answer.json()["errors"]), answer.text
    assert says in answer.text


@pytest.mark.parametrize(("tool", "operation"), OPERATIONS)
def test_every_operation_says_everything_about_itself(tool: Any, operation: Any) -> None:
    assert operation.name in catalogue.NAMES
    assert operation.description.endswith(".")
    assert "\n" not in operation.description
    assert operation.cost
    for schema in (operation.arguments, operation.result):
        jsonschema.Draft202012Validator.check_schema(dict(schema))
    assert operation.arguments["additionalProperties"] is False
    for mode in Mode:
        for scope in Scope:
            grants = {operation.name: catalogue_grant(mode, scope)}
            faults = list(catalogue.grant_faults(tool, grants))
            fine = (mode is Mode.ALLOW or operation.is_write) and (scope is Scope.OWN or scope in operation.scopes)
            assert (not faults) is fine
            assert read_grants(stored_grants(grants)) == grants
    assert set(with_reason(operation.arguments)["required"]) == {*operation.arguments.get("required", ()), REASON}
    assert REASON not in operation.arguments["properties"]


def test_who_answers_and_for_how_long_is_kept_of_what_is_approved_and_of_nothing_else() -> None:
    how = {"mode": "approve", "scope": "own", "approver": "tenant_admin", "wait_minutes": 5}
    assert stored_grants(read_grants({"resolve": how})) == {"resolve": how}
    allowed = stored_grants(read_grants({"resolve": {**how, "mode": "allow", "scope": "any"}}))
    assert allowed == {"resolve": {"mode": "allow", "scope": "any"}}


def test_a_call_that_says_only_why_does_nothing() -> None:
    update = next(one for tool in PROVIDERS for one in tool.operations if one.name == "update_ticket")
    validator = jsonschema.Draft202012Validator(with_reason(update.arguments))
    assert not validator.is_valid({REASON: "Because."})
    assert validator.is_valid({REASON: "Because.", "priority": "high"})


def catalogue_grant(mode: Mode, scope: Scope) -> Any:
    [grant] = read_grants({"x": {"mode": mode, "scope": scope}}).values()
    return grant


async def test_the_catalogue_lists_what_this_tenant_can_grant(api: Api) -> None:
    acme = await api.tenant()
    viewer = await api.member("acme", "viewer")
    listed = (await viewer.get("/api/v1/tools")).json()
    tools = {tool["tool_id"]: tool for tool in listed}
    assert set(tools) >= set(BUILT_IN) | {"knowledge"}
    assert {name for name, tool in tools.items() if tool["connected"] and tool["kind"] == "desk"} == {DESK}
    [note] = [one for one in tools[DESK]["operations"] if one["name"] == "add_note"]
    assert (note["access"], note["doubt"], note["scopes"]) == ("write", "mark", ["own", "listed", "any"])
    assert note["arguments"]["required"] == ["body"]
    agent = await api.agent(acme, tool_ids=list(tools), tool_operations={
        name: [one["name"] for one in tool["operations"]] for name, tool in tools.items()
    })  # fmt: skip
    assert set(agent["tool_ids"]) == set(tools)


def test_no_plugin_may_take_the_name_of_another_tool() -> None:
    assert {tool.tool_id for tool in catalogue.BUILT_IN} <= TOOLS_BESIDE_DESKS
