from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from tests.support.api import AGENT, Api

from deskhand.agents.models import AgentTrigger, AgentVersion
from deskhand.agents.service import current_version_id, get_version

WEBHOOK = {"trigger_type": "webhook"}
SCHEDULE = {"trigger_type": "schedule", "schedule_cron": "*/15 * * * *"}


async def test_only_changes_of_behaviour_make_a_version(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    url = f"/api/v1/agents/{agent['id']}"
    for body, revision, version in (
        ({}, 1, 1),
        ({"name": "Triage notes"}, 1, 1),
        ({"name": "Night notes", "description": "At night."}, 2, 1),
        ({"system_prompt": "You write even shorter notes than before."}, 3, 2),
        ({"llm_config": {"model": "gpt-4", "temperature": 0.9, "seed": 7}}, 4, 3),
        ({"tool_operations": {"servicedesk_plus": ["get_ticket", "add_note", "assign"]}}, 5, 4),
        ({"triggers": [{"id": agent["triggers"][0]["id"], "trigger_type": "webhook"}, SCHEDULE]}, 6, 5),
        ({"description": None}, 7, 5),
    ):
        answer = await acme.patch(url, json=body)
        assert answer.status_code == 200, answer.text
        changed = answer.json()
        assert (changed["revision"], changed["current_version"]) == (revision, version), body
        assert answer.headers["etag"] == f'"{revision}"'
    assert changed["llm_config"] == {
        "provider": "litellm", "model": "gpt-4", "temperature": 0.9, "max_tokens": 4096, "seed": 7,
    }  # fmt: skip
    assert changed["description"] is None
    assert changed["webhook_secrets"] == []
    numbers = [version["version_number"] for version in (await acme.get(f"{url}/versions")).json()["items"]]
    assert numbers == [5, 4, 3, 2, 1]


async def test_versions_differ_and_roll_back(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    url = f"/api/v1/agents/{agent['id']}"
    await acme.patch(url, json={"system_prompt": "Another prompt, longer than ten.", "triggers": [SCHEDULE]})
    diff = (await acme.get(f"{url}/diff", params={"from": 1, "to": 2})).json()
    webhook_id = agent["triggers"][0]["id"]
    pointers = {change["pointer"] for change in diff["changes"]}
    assert {"/system_prompt", f"/triggers/{webhook_id}"} <= pointers
    assert f"-{AGENT['system_prompt']}" in diff["prompt_diff"]
    back = await acme.post(f"{url}/versions/1/rollback")
    assert back.status_code == 200, back.text
    restored = back.json()
    assert restored["current_version"] == 3
    assert restored["system_prompt"] == AGENT["system_prompt"]
    assert [trigger["id"] for trigger in restored["triggers"]] == [webhook_id]
    # The trigger was gone, and its secret with it: it comes back with a new one.
    assert [made["trigger_id"] for made in restored["webhook_secrets"]] == [webhook_id]
    same = (await acme.get(f"{url}/diff", params={"from": 1, "to": 3})).json()
    assert same["changes"] == []
    assert (await acme.get(f"{url}/versions/9")).status_code == 404


async def test_a_stale_if_match_is_refused(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    url = f"/api/v1/agents/{agent['id']}"
    first = await acme.patch(url, json={"name": "First"}, headers={"If-Match": '"1"'})
    assert first.status_code == 200
    for method, path, body in (
        ("PATCH", "", {"name": "Second"}),
        ("POST", "/activate", None),
        ("DELETE", "", None),
        ("POST", "/versions/1/rollback", None),
        ("POST", "/rotate-secret", {}),
    ):
        answer = await acme.request(method, url + path, json=body, headers={"If-Match": '"1"'})
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition-failed")
    assert (await acme.patch(url, json={"name": "Third"}, headers={"If-Match": '"1", "2"'})).status_code == 200
    assert (await acme.patch(url, json={"name": "Fourth"}, headers={"If-Match": "*"})).status_code == 200
    assert (await acme.get(url)).json()["name"] == "Fourth"


async def test_of_two_simultaneous_changes_with_one_etag_exactly_one_wins(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    url = f"/api/v1/agents/{agent['id']}"
    answers = await asyncio.gather(
        *(acme.patch(url, json={"name": f"Writer {n}"}, headers={"If-Match": '"1"'}) for n in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


async def test_rotation_keeps_the_old_secret_for_a_while(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    url = f"/api/v1/agents/{agent['id']}/rotate-secret"
    before = datetime.now(UTC)
    rotated = (await acme.post(url, json={"grace_seconds": 3600})).json()
    assert rotated["trigger_id"] == agent["triggers"][0]["id"]
    until = datetime.fromisoformat(rotated["previous_valid_until"])
    assert until >= before + timedelta(seconds=3600)
    old = agent["webhook_secrets"][0]["secret"]
    stored = await _trigger(api, rotated["trigger_id"])
    opened = [api.state.secrets.decrypt(token or "") for token in (stored.hmac_secret, stored.previous_hmac_secret)]
    assert opened == [rotated["secret"], old]
    assert old not in str(stored.hmac_secret)
    at_once = (await acme.post(url, json={"grace_seconds": 0})).json()
    stored = await _trigger(api, rotated["trigger_id"])
    assert stored.previous_hmac_secret is None
    assert api.state.secrets.decrypt(stored.hmac_secret or "") == at_once["secret"]


async def test_rotation_must_know_which_trigger(api: Api) -> None:
    acme = await api.tenant()
    two = await api.agent(acme, triggers=[{"trigger_type": "webhook"}, {"trigger_type": "webhook"}])
    none = await api.agent(acme, triggers=[SCHEDULE])
    unclear = await acme.post(f"/api/v1/agents/{two['id']}/rotate-secret", json={})
    assert (unclear.status_code, unclear.json()["errors"][0]["pointer"]) == (422, "/trigger_id")
    named = {"trigger_id": two["triggers"][1]["id"]}
    assert (await acme.post(f"/api/v1/agents/{two['id']}/rotate-secret", json=named)).status_code == 200
    assert (await acme.post(f"/api/v1/agents/{none['id']}/rotate-secret", json={})).status_code == 409


async def test_an_active_agent_keeps_what_it_needs(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme, status="active")
    url = f"/api/v1/agents/{agent['id']}"
    assert (await acme.patch(url, json={"triggers": []})).json()["errors"][0]["pointer"] == "/triggers"
    bare = await acme.patch(url, json={"tool_ids": []})
    assert (bare.status_code, bare.json()["code"]) == (409, "agent-not-ready")
    await acme.delete(url)
    assert (await acme.patch(url, json={"name": "Ghost"})).status_code == 409
    assert (await acme.post(f"{url}/versions/1/rollback")).status_code == 409


async def test_tools_and_grants_are_checked_against_the_plugins(api: Api) -> None:
    acme = await api.tenant()
    answer = await acme.post("/api/v1/agents", json={**AGENT, "tool_ids": ["servicedesk_plus", "fax"]})
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["source"]) == ("/tool_ids/1", "body")
    assert fault["detail"].startswith("Plugin 'fax' not registered; there are 'servicedesk_plus', ")
    assert (await acme.get("/api/v1/agents")).json()["items"] == []


async def test_lists_are_filtered_and_paged(api: Api) -> None:
    acme = await api.tenant()
    for number in range(5):
        await api.agent(acme, name=f"Agent {number}", llm_config={"model": "gpt-4" if number % 2 else "gpt-4-turbo"})
    await api.agent(acme, name="100% sure", tool_ids=[], status="suspended")

    async def names(**params: str | int) -> list[str]:
        answer = await acme.get("/api/v1/agents", params=params)
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json()["items"]]

    assert await names(q="agent") == ["Agent 4", "Agent 3", "Agent 2", "Agent 1", "Agent 0"]
    assert await names(q="0%") == ["100% sure"]
    assert await names(model="gpt-4-turbo") == ["Agent 4", "Agent 2", "Agent 0"]
    assert await names(status="suspended") == ["100% sure"]
    assert await names(tool="servicedesk_plus", limit=2) == ["Agent 4", "Agent 3"]
    seen, cursor = [], None
    while True:
        page = (await acme.get("/api/v1/agents", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["100% sure", "Agent 4", "Agent 3", "Agent 2", "Agent 1", "Agent 0"]
    assert (await acme.get("/api/v1/agents", params={"cursor": "bm9uc2Vuc2U"})).status_code == 404


async def test_executions_find_their_version(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    async with api.db.tenant_session("acme") as session:
        pinned = await get_version(session, await current_version_id(session, UUID(agent["id"])))
    await acme.patch(f"/api/v1/agents/{agent['id']}", json={"system_prompt": "Quite another prompt by now."})
    async with api.db.tenant_session("acme") as session:
        newer = await get_version(session, await current_version_id(session, UUID(agent["id"])))
        older = await get_version(session, pinned.id)
        versions = (await session.execute(select(AgentVersion))).scalars().all()
    assert (pinned.version_number, newer.version_number, older.system_prompt) == (1, 2, AGENT["system_prompt"])
    assert len(versions) == 2


_CHOSEN = "correct horse battery staple 7f3a"


async def test_a_provided_secret_is_kept_and_not_shown(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme, triggers=[{"trigger_type": "webhook", "hmac_secret": _CHOSEN}])
    assert agent["webhook_secrets"] == []
    assert "correct horse" not in str(agent)
    stored = await _trigger(api, agent["triggers"][0]["id"])
    assert api.state.secrets.decrypt(stored.hmac_secret or "") == _CHOSEN


async def test_a_weak_secret_is_refused_and_the_old_one_stays(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme, triggers=[{"trigger_type": "webhook"}])
    (trigger,) = agent["triggers"]
    before = (await _trigger(api, trigger["id"])).hmac_secret
    weak = {"id": trigger["id"], "trigger_type": "webhook", "hmac_secret": "0123456789abcdef"}
    answer = await acme.patch(f"/api/v1/agents/{agent['id']}", json={"triggers": [weak]})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == "/triggers/0/hmac_secret"
    assert (await _trigger(api, trigger["id"])).hmac_secret == before


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"system_prompt": "short"}, "/system_prompt"),
        ({"llm_config": {"model": "gpt-4", "temperature": 2.1}}, "/llm_config/temperature"),
        ({"llm_config": {"model": "gpt4"}}, "/llm_config/model"),
        ({"llm_config": {"model": "gpt-4", "api_key": "sk-secret"}}, "/llm_config"),
        ({"triggers": [{"trigger_type": "schedule"}]}, "/triggers/0"),
        ({"triggers": [{"trigger_type": "schedule", "schedule_cron": "61 * * * *"}]}, "/triggers/0"),
        ({"triggers": [{**WEBHOOK, "payload_schema": {"type": "nothing"}}]}, "/triggers/0/payload_schema"),
        ({"triggers": [{**WEBHOOK, "payload_schema": {"$ref": "http://x/"}}]}, "/triggers/0/payload_schema"),
        ({"name": "nul\x00"}, ""),
        ({"surprise": 1}, "/surprise"),
        ({"triggers": [{"id": str(uuid4()), "trigger_type": "webhook"}]}, "/triggers/0/id"),
    ],
)  # fmt: skip
async def test_wrong_input_is_named_by_pointer(api: Api, body: dict[str, object], pointer: str) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    answer = await acme.patch(f"/api/v1/agents/{agent['id']}", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "invalid-input"
    assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]
    assert "sk-secret" not in answer.text


async def _trigger(api: Api, trigger_id: str) -> AgentTrigger:
    async with api.db.tenant_session("acme") as session:
        return (await session.execute(select(AgentTrigger).where(AgentTrigger.id == UUID(trigger_id)))).scalar_one()
