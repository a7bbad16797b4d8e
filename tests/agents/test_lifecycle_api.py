from __future__ import annotations

from uuid import uuid4

import httpx2
import pytest
from tests.support.api import AGENT, Api


async def test_create_shows_the_webhook_secret_once(api: Api) -> None:
    acme = await api.tenant()
    answer = await acme.post("/api/v1/agents", json=AGENT)
    agent = answer.json()
    assert answer.status_code == 201
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == f"/api/v1/agents/{agent['id']}"
    assert agent["status"] == "draft"
    assert agent["tenant_id"] == "acme"
    assert agent["created_by"].startswith("api-key:dhk_")
    (secret,) = agent["webhook_secrets"]
    assert secret["webhook_url"] == f"/agents/{agent['id']}/webhook" == agent["triggers"][0]["webhook_url"]
    assert secret["endpoint"] == f"http://deskhand.example.com/agents/{agent['id']}/webhook"
    assert secret["secret"].startswith("whsec_")
    again = await acme.get(f"/api/v1/agents/{agent['id']}")
    assert secret["secret"] not in again.text
    assert "webhook_secrets" not in again.json()
    assert again.json()["triggers"][0]["has_secret"] is True


async def test_activate_suspend_resume_delete(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    url = f"/api/v1/agents/{agent['id']}"
    states = []
    for step in ("activate", "suspend", "resume"):
        answer = await acme.post(f"{url}/{step}")
        assert answer.status_code == 200, answer.text
        states.append(answer.json()["status"])
    deleted = await acme.delete(url)
    assert [*states, deleted.json()["status"]] == ["active", "suspended", "active", "inactive"]
    assert deleted.headers["etag"] == '"5"'
    listed = (await acme.get("/api/v1/agents")).json()["items"]
    assert listed == []
    assert len((await acme.get("/api/v1/agents", params={"status": "inactive"})).json()["items"]) == 1


@pytest.mark.parametrize(
    ("path", "step", "names"),
    [
        ([], "suspend", ("draft", "suspended")),
        ([], "resume", ("draft", "active")),
        ([], "delete", ("draft", "inactive")),
        (["activate"], "activate", ("active", "active")),
        (["activate", "delete"], "activate", ("inactive", "active")),
        (["activate", "delete"], "suspend", ("inactive", "suspended")),
        (["activate", "delete"], "delete", ("inactive", "inactive")),
    ],
)
async def test_every_other_transition_is_a_conflict_that_names_both_states(
    api: Api, path: list[str], step: str, names: tuple[str, str]
) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    for before in path:
        assert (await _step(acme, agent["id"], before)).status_code == 200
    answer = await _step(acme, agent["id"], step)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert all(f"'{name}'" in answer.json()["detail"] for name in names)


async def test_activation_lists_everything_missing_at_once(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme, triggers=[], tool_ids=[])
    platform = await api.platform()
    assert (await platform.post("/api/v1/tenants/acme/deactivate")).status_code == 200
    answer = await acme.post(f"/api/v1/agents/{agent['id']}/activate")
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["code"] == "agent-not-ready"
    assert {fault["pointer"] for fault in problem["errors"]} == {"", "/triggers", "/tool_ids"}
    assert (await acme.get(f"/api/v1/agents/{agent['id']}")).json()["status"] == "draft"


async def test_a_schedule_gets_its_next_instant_only_while_the_agent_is_active(api: Api) -> None:
    acme = await api.tenant()
    trigger = {"trigger_type": "schedule", "schedule_cron": "0 9 * * *", "schedule_timezone": "Europe/Berlin"}
    agent = await api.agent(acme, triggers=[trigger])
    assert agent["triggers"][0]["next_fire_at"] is None
    active = (await _step(acme, agent["id"], "activate")).json()
    assert active["triggers"][0]["next_fire_at"] is not None
    suspended = (await _step(acme, agent["id"], "suspend")).json()
    assert suspended["triggers"][0]["next_fire_at"] is None


async def test_creating_an_active_agent_needs_all_that_activation_needs(api: Api) -> None:
    acme = await api.tenant()
    assert (await acme.post("/api/v1/agents", json={**AGENT, "status": "active"})).json()["status"] == "active"
    lacking = await acme.post("/api/v1/agents", json={**AGENT, "status": "active", "tool_ids": []})
    assert (lacking.status_code, lacking.json()["code"]) == (409, "agent-not-ready")
    bare = await acme.post("/api/v1/agents", json={**AGENT, "status": "suspended", "triggers": []})
    assert bare.status_code == 422


async def test_another_tenants_agent_does_not_exist(api: Api) -> None:
    acme, globex = await api.tenant("acme"), await api.tenant("globex")
    agent = await api.agent(acme)
    url = f"/api/v1/agents/{agent['id']}"
    unknown = await globex.get(f"/api/v1/agents/{uuid4()}")
    for answer in (
        await globex.get(url),
        await globex.patch(url, json={"name": "mine"}),
        await globex.delete(url),
        await globex.post(f"{url}/activate"),
        await globex.get(f"{url}/versions"),
        await globex.post(f"{url}/rotate-secret", json={}),
    ):
        assert answer.status_code == 404
        assert answer.json()["code"] == unknown.json()["code"]
    assert (await globex.get("/api/v1/agents")).json()["items"] == []
    assert (await acme.get(url)).json()["name"] == AGENT["name"]


@pytest.mark.parametrize(
    ("role", "method", "path", "allowed"),
    [
        ("viewer", "GET", "", True),
        ("viewer", "PATCH", "", False),
        ("viewer", "POST", "/activate", False),
        ("editor", "PATCH", "", True),
        ("editor", "POST", "/activate", False),
        ("operator", "PATCH", "", False),
        ("operator", "POST", "/activate", True),
        ("tenant_admin", "PATCH", "", True),
        ("tenant_admin", "POST", "/activate", True),
    ],
)
async def test_roles(api: Api, role: str, method: str, path: str, allowed: bool) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    caller = await api.member("acme", role)
    body = {"json": {"name": "New name"}} if method == "PATCH" else {}
    answer = await caller.request(method, f"/api/v1/agents/{agent['id']}{path}", **body)
    assert answer.status_code == (200 if allowed else 403), answer.text


async def test_an_editor_cannot_activate_through_an_update(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    editor = await api.member("acme", "editor")
    assert (await editor.patch(f"/api/v1/agents/{agent['id']}", json={"status": "active"})).status_code == 403
    assert (await editor.post("/api/v1/agents", json={**AGENT, "status": "active"})).status_code == 403
    assert (await acme.patch(f"/api/v1/agents/{agent['id']}", json={"status": "active"})).json()["status"] == "active"


async def _step(client: httpx2.AsyncClient, agent_id: str, step: str) -> httpx2.Response:
    url = f"/api/v1/agents/{agent_id}"
    return await (client.delete(url) if step == "delete" else client.post(f"{url}/{step}"))
