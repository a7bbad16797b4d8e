"""A test event goes through the door that the desk's own go through, and the answer says what became of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx2
from tests.support.api import Api

from deskhand.intake.trial_endpoints import router

CLOCK = {"trigger_type": "schedule", "schedule_cron": "0 9 * * *"}


async def try_event(client: httpx2.AsyncClient, agent: dict[str, Any], **body: Any) -> httpx2.Response:
    trigger = next(one for one in agent["triggers"] if one["trigger_type"] == "webhook")
    path = f"{router.prefix}/{agent['id']}/triggers/{trigger['id']}/test"
    return await client.post(path, json={"ticket_id": "1042", **body})


async def test_an_active_agent_starts_a_run_and_the_log_says_who_sent_for_it(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, status="active")
    answer = await try_event(admin, made)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["outcome"], told["http_status"], told["scheme"]) == ("accepted", 202, "Standard Webhooks")
    assert (told["event"], told["ticket_ref"], told["tool_type"]) == ("request.updated", "1042", "servicedesk_plus")
    run = (await admin.get(f"/api/v1/executions/{told['execution_id']}")).json()
    assert (run["agent_id"], run["ticket_ref"]) == (made["id"], "1042")
    log = (await admin.get("/api/v1/audit", params={"resource_id": made["id"]})).json()["items"]
    [entry] = [one for one in log if one["operation"] == "agent.try_webhook"]
    assert entry["details"] == {"trigger": made["triggers"][0]["id"], "ticket": "1042"}
    # Each is an event of its own, which joins the run that waits for its ticket.
    assert (await try_event(admin, made)).json()["outcome"] == "coalesced"


async def test_what_the_door_refuses_or_ignores_is_the_answer_and_no_error(api: Api) -> None:
    admin = await api.tenant()
    draft = await api.agent(admin)
    ignored = (await try_event(admin, draft)).json()
    assert (ignored["outcome"], ignored["execution_id"]) == ("ignored", None)
    assert "draft" in ignored["reason"]
    picky = [{"trigger_type": "webhook", "payload_schema": {"type": "object", "required": ["never"]}}]
    active = await api.agent(admin, status="active")
    strict = await api.agent(admin, status="active", triggers=picky)
    rejected = (await try_event(admin, active, ticket_id="no number")).json()
    assert (rejected["outcome"], rejected["http_status"]) == ("rejected", 400)
    assert "numeric" in rejected["reason"]
    unfit = (await try_event(admin, strict)).json()
    assert (unfit["outcome"], unfit["http_status"]) == ("rejected", 422)


async def test_a_secret_that_was_replaced_a_moment_ago_counts_at_once(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, status="active")
    assert (await try_event(admin, made)).json()["outcome"] == "accepted"
    rotated = await admin.post(f"/api/v1/agents/{made['id']}/rotate-secret", json={"grace_seconds": 0})
    assert rotated.status_code == 200
    assert (await try_event(admin, made)).json()["outcome"] == "coalesced"


async def test_what_cannot_be_tried_is_refused_and_nothing_is_sent(api: Api) -> None:
    admin = await api.tenant()
    globex = await api.tenant("globex")
    made = await api.agent(admin, triggers=[{"trigger_type": "webhook"}, CLOCK])
    blind = await api.agent(admin, tool_ids=["knowledge"])
    clock = next(one for one in made["triggers"] if one["trigger_type"] == "schedule")
    for agent_id, trigger, status in (
        (made["id"], uuid4(), 404),
        (uuid4(), clock["id"], 404),
        (made["id"], clock["id"], 409),
    ):
        path = f"/api/v1/agents/{agent_id}/triggers/{trigger}/test"
        assert (await admin.post(path, json={"ticket_id": "1"})).status_code == status
    assert (await try_event(globex, made)).status_code == 404
    other = await try_event(admin, made, tool_type="jira")
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (422, "/tool_type")
    assert (await try_event(admin, blind)).status_code == 409
    assert (await try_event(admin, made, ticket_id="")).status_code == 422
    for role in ("viewer", "editor"):
        assert (await try_event(await api.member("acme", role), made)).status_code == 403
    assert (await admin.get("/api/v1/deliveries")).json()["items"] == []
